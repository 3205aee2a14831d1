/* The program of a strategy, and what only whole programs tell: which values recompute=auto drops, and how much room there is.
 * Where workspaces are limited, further rounds of emission let each convolution use what is free beside it (for more workspace, and
 * for one backward op instead of two) without raising the load of any step above the highest: only the ops at the peak have to be
 * short of room. */
#include "net/recompute_search.h"
#include "net/session.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* recompute=auto: what is computed again is at most so much of the convolutions' products, and as little as brings the load near
 * the least. */
static const double SHARE_LIMIT = 0.2, NEAR = 1.03;

static const sa_ref *conv_workspace(const sa_op *op)
{
    if (op->kind == SA_OP_CONV_FORWARD) return &op->args.conv_forward.workspace;
    return op->kind == SA_OP_CONV_BACKWARD ? &op->args.conv_backward.workspace : NULL;
}

/* (op_count), owned by the caller: bytes alive at each op, with room for the padding of every buffer. */
static sa_status find_used(const sa_program *p, size_t **used_bytes)
{
    size_t *used = calloc(p->op_count + 2, sizeof *used);
    if (!used) SA_FAIL(SA_NOMEM, "no memory for the loads of %zu ops", p->op_count);
    for (size_t i = 0; i < p->buffer_count; i++) {
        const sa_buffer *b = &p->buffer[i];
        used[b->begin] += b->size_bytes + b->alignment_bytes;
        used[b->end] -= b->size_bytes + b->alignment_bytes;
    }
    for (size_t i = 1; i < p->op_count; i++) used[i] += used[i - 1];
    *used_bytes = used;
    return SA_OK;
}

/* What a load of max_load leaves to the workspace of the op at `step`; the padding of the buffers alive is left alone. */
static size_t room_at(const sa_program *p, const size_t *used_bytes, size_t max_load, size_t step, const sa_ref *workspace)
{
    size_t used = used_bytes[step];
    const sa_buffer *own = workspace->buffer >= 0 ? &p->buffer[workspace->buffer] : NULL;
    if (own && own->begin <= (int64_t)step && (int64_t)step < own->end) used -= own->size_bytes + own->alignment_bytes;
    return used < max_load ? max_load - used : 0;
}

static sa_status find_room(const sa_program *p, size_t max_load, sa_realizations *r)
{
    r->conv_room_bytes = calloc(p->op_count + 1, sizeof *r->conv_room_bytes);
    if (!r->conv_room_bytes) SA_FAIL(SA_NOMEM, "no memory for the room of %zu ops", p->op_count);
    size_t *used;
    SA_TRY(find_used(p, &used));
    for (size_t i = 0; i < p->op_count; i++) {
        const sa_ref *workspace = conv_workspace(&p->op[i]);
        if (workspace) r->conv_room_bytes[r->conv_room_count++] = room_at(p, used, max_load, i, workspace);
    }
    free(used);
    return SA_OK;
}

/* What the ops of a program may fill: what its largest step holds, or more if choices give more. */
static sa_status find_limit(const sa_program *program, size_t arena_bytes, size_t *bytes)
{
    SA_TRY(sa_plan_max_load(program->buffer, program->buffer_count, bytes));
    if (arena_bytes > *bytes) *bytes = arena_bytes;
    return SA_OK;
}

/* Replaces *program by one with roomier workspaces, unless its load is higher. */
static sa_status use_room(const sa_net *net, sa_realizations *r, const sa_device *device, const sa_program_options *options,
                          size_t arena_bytes, sa_program **program)
{
    sa_program *roomy;
    size_t load, roomy_load;
    SA_TRY(find_limit(*program, arena_bytes, &load));
    SA_TRY(find_room(*program, load, r));
    SA_TRY(sa_program_create(net, r, device, options, &roomy));
    sa_status status = sa_plan_max_load(roomy->buffer, roomy->buffer_count, &roomy_load);
    bool better = status == SA_OK && roomy_load <= load;
    sa_program_free(better ? *program : roomy);
    if (better) *program = roomy;
    return status;
}

/* The steps of a layer's two-part backward pass. */
typedef struct parts {
    int count; /* of its backward ops: 2, or the layer has no such pass */
    size_t weight, data;
} parts;

static void find_parts(const sa_program *p, parts *of_layer)
{
    for (size_t i = 0; i < p->op_count; i++) {
        if (p->op[i].layer < 0 || p->op[i].kind != SA_OP_CONV_BACKWARD) continue;
        parts *found = &of_layer[p->op[i].layer];
        if (found->count++ == 0) found->weight = i;
        found->data = i;
    }
}

/* Whether one op instead of two would fit under the load: it holds dx beside what the first part holds, and needs no more workspace
 * than both parts. */
static bool has_room_for_one(const sa_program *p, const size_t *used, size_t max_load, const parts *pass)
{
    if (pass->count != 2) return false;
    const sa_conv_backward_args *first = &p->op[pass->weight].args.conv_backward;
    const sa_conv_backward_args *second = &p->op[pass->data].args.conv_backward;
    if (second->dx.at.buffer < 0) return false;
    const sa_buffer *dx = &p->buffer[second->dx.at.buffer];
    bool there = dx->begin <= (int64_t)pass->weight; /* written in place of something */
    size_t wanted = first->workspace_bytes + second->workspace_bytes + (there ? 0 : dx->size_bytes + dx->alignment_bytes);
    return room_at(p, used, max_load, pass->weight, &first->workspace) >= wanted;
}

/* Makes one op of two-part passes where there is room; was_split says of which layers. */
static sa_status fuse_where_room(const sa_net *net, sa_realizations *r, const sa_program *p, size_t load, bool *was_split)
{
    size_t *used;
    parts *pass = calloc((size_t)net->layer_count, sizeof *pass);
    if (!pass) SA_FAIL(SA_NOMEM, "no memory for the backward passes of %d layers", net->layer_count);
    sa_status status = find_used(p, &used);
    if (status == SA_OK) {
        find_parts(p, pass);
        for (int l = 0; l < net->layer_count; l++) {
            was_split[l] = r->layer[l].backward == SA_CONV_BACKWARD_SPLIT && has_room_for_one(p, used, load, &pass[l]);
            if (was_split[l]) r->layer[l].backward = SA_CONV_BACKWARD_FUSED;
        }
        free(used);
    }
    free(pass);
    return status;
}

/* Two-part backward passes save memory at the peak only; elsewhere, one op does the common work once. Replaces *program by one that
 * has one op where there is room, unless its load is higher. */
static sa_status fuse_with_room(const sa_net *net, sa_realizations *r, const sa_device *device, const sa_program_options *options,
                                size_t arena_bytes, sa_program **program)
{
    sa_program *fused;
    size_t load, fused_load;
    bool *was_split = calloc((size_t)net->layer_count, sizeof *was_split);
    if (!was_split) SA_FAIL(SA_NOMEM, "no memory for the backward passes of %d layers", net->layer_count);
    sa_status status = find_limit(*program, arena_bytes, &load);
    if (status == SA_OK) status = fuse_where_room(net, r, *program, load, was_split);
    if (status == SA_OK) status = sa_program_create(net, r, device, options, &fused);
    if (status == SA_OK) {
        status = sa_plan_max_load(fused->buffer, fused->buffer_count, &fused_load);
        bool better = status == SA_OK && fused_load <= load;
        sa_program_free(better ? *program : fused);
        if (better) *program = fused;
        for (int l = 0; l < net->layer_count && !better; l++)
            if (was_split[l]) r->layer[l].backward = SA_CONV_BACKWARD_SPLIT;
    }
    free(was_split);
    return status;
}

/* A strategy that says everything itself, before it uses what room there is. */
static sa_status first_program(const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                               const sa_program_options *options, sa_realizations *r, sa_program **program)
{
    SA_TRY(sa_strategy_apply(strategy, net, device, r));
    sa_status status = sa_program_create(net, r, device, options, program);
    if (status != SA_OK) sa_realizations_free(r);
    return status;
}

static sa_status program_as_told(const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                                 const sa_program_options *options, sa_program **program)
{
    sa_realizations r;
    sa_program *made = NULL;
    SA_TRY(first_program(net, strategy, device, options, &r, &made));
    sa_status status = SA_OK;
    size_t arena = strategy->choices ? (size_t)strategy->choices->arena_bytes : 0;
    bool by_room = sa_strategy_has(strategy, SA_SWITCH_SMALL_WORKSPACE) && r.lifetimes;
    if (by_room && sa_strategy_has(strategy, SA_SWITCH_SPLIT_BACKWARD))
        status = fuse_with_room(net, &r, device, options, arena, &made);
    if (status == SA_OK && by_room) status = use_room(net, &r, device, options, arena, &made);
    sa_realizations_free(&r);
    if (status != SA_OK) {
        sa_program_free(made);
        return status;
    }
    *program = made;
    return SA_OK;
}

/* ------------------------------------------------------------------ recompute=auto, =least ------------------------- */

/* A set of values to drop: the first `count` of the net, or `drop`. */
typedef struct way {
    int count;      /* -1: drop */
    sa_again *drop; /* (blob_count) */
    size_t load;    /* what its program holds at its largest step; using the room that there is never raises it */
    double share;   /* of the convolutions' products that it does again */
} way;

/* Fewer of a long net, whose programs take long to make. */
enum { PARTS_MAX = 6, WAYS_MAX = SA_RECOMPUTE_TRIES + 2 * PARTS_MAX, LONG_NET_LAYERS = 600 };

typedef struct search {
    const sa_net *net;
    const sa_device *device;
    const sa_program_options *options;
    sa_strategy told;
    sa_recompute_walk walk;
    sa_again *room; /* (WAYS_MAX, blob_count) */
    int count;
    way list[WAYS_MAX];
} search;

static void choose(search *s, const way *w)
{
    s->told.recompute_count = w->count < 0 ? 0 : w->count;
    s->told.recompute_blobs = w->count < 0 ? w->drop : NULL;
}

/* *program: NULL, or where to put it. */
static sa_status try_way(search *s, way *w, sa_program **program)
{
    sa_realizations r;
    sa_program *made;
    choose(s, w);
    SA_TRY(first_program(s->net, &s->told, s->device, s->options, &r, &made));
    sa_status status = sa_plan_max_load(made->buffer, made->buffer_count, &w->load);
    w->share = sa_recompute_share(made);
    sa_realizations_free(&r);
    if (program && status == SA_OK) *program = made;
    else sa_program_free(made);
    return status;
}

static way *next_way(search *s, int count)
{
    const size_t blobs = (size_t)s->net->blob_count + 1;
    way *w = &s->list[s->count];
    *w = (way){.count = count, .drop = s->room + (size_t)s->count++ * blobs};
    return w;
}

/* Segments of a size, and of these what does not fit beside the rest. */
static sa_status try_segments(search *s, size_t segment_bytes)
{
    const size_t blobs = (size_t)s->net->blob_count + 1;
    way *all = next_way(s, -1), *needed;
    sa_program *program;
    sa_recompute_segments(&s->walk, segment_bytes, all->drop);
    SA_TRY(try_way(s, all, &program));
    needed = next_way(s, -1);
    memcpy(needed->drop, all->drop, blobs * sizeof *all->drop);
    sa_status status = sa_recompute_keep_what_fits(&s->walk, program, all->load, needed->drop);
    sa_program_free(program);
    if (status == SA_OK) status = try_way(s, needed, NULL);
    if (status != SA_OK || needed->load > all->load) s->count--;
    else *all = (way){.count = -1, .drop = needed->drop, .load = needed->load, .share = needed->share};
    return status;
}

/* None, the first 1, 2, ... values, and segments of several sizes. */
static sa_status try_ways(search *s)
{
    static const size_t PARTS[PARTS_MAX] = {6, 3, 2, 4, 8, 12};
    const bool is_long = s->net->layer_count > LONG_NET_LAYERS;
    const size_t part_count = is_long ? 1 : PARTS_MAX;
    for (int n = 0; n < (is_long ? 3 : SA_RECOMPUTE_TRIES); n++) SA_TRY(try_way(s, next_way(s, n), NULL));
    for (size_t i = 0; i < part_count && s->walk.total_bytes > 0; i++) SA_TRY(try_segments(s, s->walk.total_bytes / PARTS[i]));
    return SA_OK;
}

/* Of the ways that do little again: the one that does least of those whose load is near the least. */
static const way *best_way(const search *s, bool least)
{
    const double near = least ? 1.0 : NEAR, limit = s->list[0].share + (least ? 1.0 : SHARE_LIMIT);
    const way *best = &s->list[0];
    size_t lowest = SIZE_MAX;
    for (int i = 0; i < s->count; i++)
        if (s->list[i].share <= limit && s->list[i].load < lowest) lowest = s->list[i].load;
    for (int i = 0; i < s->count; i++) {
        const way *w = &s->list[i];
        if (w->share > limit || (double)w->load > near * (double)lowest) continue;
        if ((double)best->load > near * (double)lowest || w->share < best->share) best = w;
    }
    return best;
}

static sa_status walk_net(search *s)
{
    sa_realizations r;
    s->told.recompute_count = 0;
    SA_TRY(sa_strategy_apply(&s->told, s->net, s->device, &r));
    sa_status status = sa_recompute_walk_create(s->net, &r, &s->walk);
    sa_realizations_free(&r);
    return status;
}

static sa_status with_search(const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                             const sa_program_options *options, sa_program **program)
{
    search s = {.net = net, .device = device, .options = options, .told = *strategy};
    s.room = calloc(WAYS_MAX * ((size_t)net->blob_count + 1), sizeof *s.room);
    if (!s.room) SA_FAIL(SA_NOMEM, "no memory for the choices of %d blobs", net->blob_count);
    sa_status status = walk_net(&s);
    if (status == SA_OK) {
        status = try_ways(&s);
        if (status == SA_OK) {
            choose(&s, best_way(&s, strategy->recompute_count == SA_RECOMPUTE_LEAST));
            status = program_as_told(net, &s.told, device, options, program);
        }
        sa_recompute_walk_free(&s.walk);
    }
    free(s.room);
    return status;
}

sa_status sa_program_for_strategy(const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                                  const sa_program_options *options, sa_program **program)
{
    const bool searches = sa_strategy_has(strategy, SA_SWITCH_RECOMPUTE) && strategy->recompute_count < 0;
    if (searches && !strategy->recompute_blobs && sa_net_trains(net)) return with_search(net, strategy, device, options, program);
    return program_as_told(net, strategy, device, options, program);
}
