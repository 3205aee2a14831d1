/* Sets of values to compute again. The best cuts of a net are where one value is all that goes on, as behind a residual block: from
 * there the next segment is computed again without what came before. */
#include "net/recompute_search.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ the walk --------------------------------------- */

/* The layer reads the blob's data, or through expressions what it is computed from. */
static void read_by(sa_recompute_walk *w, const sa_realizations *r, int blob, int layer)
{
    const sa_layer *maker = &w->net->layer[w->net->blob[blob].producer];
    const int unit = w->unit[blob];
    if (unit >= 0 && w->last[unit] < layer) w->last[unit] = layer;
    if (unit >= 0 || r->blob[blob].data != SA_DATA_VIRTUAL) return;
    for (int i = 0; i < maker->bottom_count; i++) read_by(w, r, maker->bottom[i], layer);
}

static void find_units(sa_recompute_walk *w, const sa_realizations *r)
{
    const sa_net *net = w->net;
    sa_realizations_find_droppable(net, r, w->unit);
    for (int b = 0; b < net->blob_count; b++) {
        w->first[b] = net->layer_count;
        w->last[b] = -1;
        w->bytes[b] = w->unit[b] == b ? sa_shape_elements(&net->blob[b].shape) * sizeof(float) : 0;
    }
    for (int b = 0; b < net->blob_count; b++)
        if (w->unit[b] >= 0 && net->blob[b].producer < w->first[w->unit[b]]) w->first[w->unit[b]] = net->blob[b].producer;
}

static void sum_bytes(sa_recompute_walk *w)
{
    const int layers = w->net->layer_count;
    for (int b = 0; b < w->net->blob_count; b++) {
        if (w->bytes[b] == 0 || w->unit[b] != b) continue;
        w->total_bytes += w->bytes[b];
        w->born_bytes[w->first[b]] += w->bytes[b];
        for (int l = w->first[b]; l < w->last[b] && l < layers; l++) w->live_bytes[l] += w->bytes[b];
    }
}

sa_status sa_recompute_walk_create(const sa_net *net, const sa_realizations *r, sa_recompute_walk *walk)
{
    const size_t blobs = (size_t)net->blob_count + 1, layers = (size_t)net->layer_count + 1;
    sa_recompute_walk w = {.net = net};
    w.unit = malloc(3 * blobs * sizeof *w.unit);
    w.bytes = calloc(blobs + 2 * layers, sizeof *w.bytes);
    if (!w.unit || !w.bytes) {
        sa_recompute_walk_free(&w);
        SA_FAIL(SA_NOMEM, "no memory for the values of %d blobs that may be computed again", net->blob_count);
    }
    w.first = w.unit + blobs;
    w.last = w.first + blobs;
    w.born_bytes = w.bytes + blobs;
    w.live_bytes = w.born_bytes + layers;
    find_units(&w, r);
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].bottom_count; i++) read_by(&w, r, net->layer[l].bottom[i], l);
    sum_bytes(&w);
    *walk = w;
    return SA_OK;
}

void sa_recompute_walk_free(sa_recompute_walk *walk)
{
    free(walk->unit);
    free(walk->bytes);
    walk->unit = NULL;
    walk->bytes = NULL;
}

/* ------------------------------------------------------------------ sets ------------------------------------------- */

static void keep_live(const sa_recompute_walk *w, int layer, sa_again *drop)
{
    for (int b = 0; b < w->net->blob_count; b++) {
        const int unit = w->unit[b];
        if (unit >= 0 && w->first[unit] <= layer && layer < w->last[unit]) drop[b] = SA_KEPT;
    }
}

void sa_recompute_segments(const sa_recompute_walk *w, size_t segment_bytes, sa_again *drop)
{
    size_t passed = 0;
    int cheapest = -1; /* the layer behind which to cut */
    for (int b = 0; b < w->net->blob_count; b++) drop[b] = w->unit[b] >= 0 ? SA_AGAIN_ONCE : SA_KEPT;
    for (int l = 0; l < w->net->layer_count; l++) {
        passed += w->born_bytes[l];
        if (2 * passed < segment_bytes) continue;
        if (w->live_bytes[l] > 0 && (cheapest < 0 || w->live_bytes[l] <= w->live_bytes[cheapest])) cheapest = l;
        if (passed < segment_bytes || cheapest < 0) continue;
        keep_live(w, cheapest, drop);
        l = cheapest;
        passed = 0;
        cheapest = -1;
    }
}

/* ------------------------------------------------------------------ what fits -------------------------------------- */

/* When a unit is in memory: until the end of its first buffer, and from the beginning of the one it is computed into again. */
typedef struct gap {
    int64_t begin, end;
} gap;

typedef struct gap_search {
    const sa_recompute_walk *walk;
    const sa_program *program;
    sa_step_phase phase;
    gap *of_unit;
} gap_search;

static void find_gap(void *context, sa_ref *ref, sa_access_mode mode)
{
    gap_search *s = context;
    if (!(mode & SA_ACCESS_WRITE) || ref->value <= 0 || ref->value % 2 == 0) return; /* odd: the data of blob (value - 1) / 2 */
    const int unit = s->walk->unit[(ref->value - 1) / 2];
    if (unit < 0) return;
    const sa_buffer *buffer = &s->program->buffer[ref->buffer];
    gap *g = &s->of_unit[unit];
    if (s->phase == SA_STEP_FORWARD) g->begin = buffer->end;
    else if (g->end < 0) g->end = buffer->begin;
}

static bool fits(const size_t *used, const gap *g, size_t bytes, size_t load)
{
    for (int64_t i = g->begin; i < g->end; i++)
        if (used[i] + bytes > load) return false;
    return true;
}

sa_status sa_recompute_keep_what_fits(const sa_recompute_walk *w, const sa_program *p, size_t load, sa_again *drop)
{
    gap *of_unit = malloc(((size_t)w->net->blob_count + 1) * sizeof *of_unit);
    size_t *used = calloc(p->op_count + 2, sizeof *used);
    if (!of_unit || !used) {
        free(of_unit);
        free(used);
        SA_FAIL(SA_NOMEM, "no memory for the gaps of %d blobs", w->net->blob_count);
    }
    for (int b = 0; b < w->net->blob_count; b++) of_unit[b] = (gap){-1, -1};
    for (size_t i = 0; i < p->buffer_count; i++) {
        used[p->buffer[i].begin] += p->buffer[i].size_bytes + p->buffer[i].alignment_bytes;
        used[p->buffer[i].end] -= p->buffer[i].size_bytes + p->buffer[i].alignment_bytes;
    }
    for (size_t i = 1; i <= p->op_count; i++) used[i] += used[i - 1];
    for (size_t i = 0; i < p->op_count; i++) {
        gap_search search = {w, p, p->op[i].phase, of_unit};
        sa_op_args args = p->op[i].args;
        sa_op_visit_refs(p->op[i].kind, &args, find_gap, &search);
    }
    for (int u = w->net->blob_count - 1; u >= 0; u--) {
        gap *g = &of_unit[u];
        if (w->unit[u] != u || !drop[u] || g->begin < 0) continue;
        if (g->end >= g->begin && !fits(used, g, w->bytes[u] + SA_BUFFER_ALIGNMENT, load)) continue;
        for (int b = 0; b < w->net->blob_count; b++)
            if (w->unit[b] == u) drop[b] = SA_KEPT;
        for (int64_t i = g->begin; i < g->end; i++) used[i] += w->bytes[u] + SA_BUFFER_ALIGNMENT;
    }
    free(of_unit);
    free(used);
    return SA_OK;
}

/* ------------------------------------------------------------------ costs ------------------------------------------ */

static double products(const sa_conv_shape *s, const sa_range *range)
{
    return (double)(range->image_end - range->image_begin) * (range->channel_end - range->channel_begin) * s->out_height *
           s->out_width * (s->in_channels / s->groups) * s->kernel_h * s->kernel_w;
}

double sa_recompute_share(const sa_program *p)
{
    double all = 0, again = 0;
    for (size_t i = 0; i < p->op_count; i++) {
        const sa_op *op = &p->op[i];
        if (op->kind == SA_OP_CONV_FORWARD) {
            const double count = products(&op->args.conv_forward.shape, &op->args.conv_forward.range);
            all += count;
            if (op->phase == SA_STEP_BACKWARD) again += count;
        } else if (op->kind == SA_OP_CONV_BACKWARD) {
            const sa_conv_backward_args *a = &op->args.conv_backward;
            all += products(&a->shape, &a->range) * ((a->dx.at.buffer >= 0) + (a->dweight.buffer >= 0));
        }
    }
    return all > 0 ? again / all : 0;
}
