/* The realizations that every strategy starts from: Caffe's layout. Each blob has its own data and gradient, layers that work in
 * place in the file do so, masks are float indices, every private buffer exists, every convolution goes through its own column
 * matrix. */
#include "program/realization.h"

#include <stdlib.h>
#include <string.h>

/* Does a gradient test whether the value is above 0? A later layer that keeps the gate may have overwritten the one it was of. */
static bool is_a_gate(const sa_net *net, int blob)
{
    const sa_layer *maker = &net->layer[net->blob[blob].producer];
    if (maker->type->keeps_gate && net->blob[blob].previous >= 0) return is_a_gate(net, maker->bottom[0]);
    return maker->type->reads_top && maker->needs_backward;
}

/* What the layer's own gradient or that of the layer below reads must not be overwritten. (Caffe overwrites it and computes a wrong
 * gradient.) */
bool sa_realizations_may_overwrite(const sa_net *net, const sa_layer *layer)
{
    if (!layer->needs_backward) return true;
    if (!layer->type->keeps_gate && is_a_gate(net, layer->bottom[0])) return false;
    return !layer->type->keeps_bottom || !layer->type->keeps_bottom(layer);
}

int sa_realizations_base(const sa_net *net, const sa_realizations *r, int blob)
{
    for (;;) {
        const sa_layer *maker = &net->layer[net->blob[blob].producer];
        if (!(maker->type->shares_bottom && r->blob[blob].data == SA_DATA_VIRTUAL) && r->blob[blob].data != SA_DATA_ALIASED)
            return blob;
        blob = maker->bottom[r->blob[blob].data == SA_DATA_ALIASED ? r->blob[blob].over_bottom : 0];
    }
}

static void caffe_blob(const sa_net *net, int blob, sa_blob_choice *choice)
{
    const sa_blob *b = &net->blob[blob];
    const sa_layer *maker = &net->layer[b->producer];
    if (maker->type->shares_bottom) choice->data = SA_DATA_VIRTUAL; /* its tops share the bottom's data */
    else if (b->previous >= 0 && sa_realizations_may_overwrite(net, maker)) choice->data = SA_DATA_ALIASED;
    if (b->consumer < 0) return;
    const sa_layer *reader = &net->layer[b->consumer];
    if (reader->type->caffe_shares_diff) choice->grad = SA_GRAD_VIRTUAL;
    bool in_place = reader->top_count > 0 && net->blob[reader->top[0]].previous == blob;
    if (in_place) choice->grad = SA_GRAD_IN_TOP;
}

sa_status sa_realizations_create(const sa_net *net, sa_realizations *realizations)
{
    sa_realizations r = {.caffe_layout = true};
    r.blob = calloc((size_t)net->blob_count + 1, sizeof *r.blob);
    r.layer = calloc((size_t)net->layer_count + 1, sizeof *r.layer);
    if (!r.blob || !r.layer) {
        sa_realizations_free(&r);
        SA_FAIL(SA_NOMEM, "no memory for the choices of %d blobs", net->blob_count);
    }
    for (int b = 0; b < net->blob_count; b++) caffe_blob(net, b, &r.blob[b]);
    for (int l = 0; l < net->layer_count; l++) r.layer[l].bands_wanted = -1;
    *realizations = r;
    return SA_OK;
}

/* Does nobody read a pooling's mask but its own gradient, which comes after the pooled value was computed again? The convolution
 * above wants that value for its weights. */
static bool mask_can_wait(const sa_net *net, const sa_realizations *r, const sa_layer *pooling)
{
    const sa_blob *pooled = &net->blob[pooling->top[0]];
    if (!pooling->type->makes_mask || !r->blob[pooling->top[0]].again || pooled->consumer < 0) return false;
    const sa_layer *reader = &net->layer[pooled->consumer];
    if (!reader->type->convolves || !reader->param[0].needs_grad) return false;
    if (pooling->top_count < 2) return true;
    int mask_reader = net->blob[pooling->top[1]].consumer;
    return mask_reader >= 0 && net->layer[mask_reader].type->ignores_bottoms;
}

/* What is fetched after the step has to be in memory: of a Split's top that nobody reads, the bottom. */
static void store_outputs(const sa_net *net, sa_realizations *r)
{
    for (int b = 0; b < net->blob_count; b++) {
        int stored = sa_blob_behind_splits(net->layer, net->blob, b);
        if (net->blob[b].consumer >= 0) continue;
        if (stored != b && r->blob[stored].data == SA_DATA_VIRTUAL) sa_realizations_store_data(net, r, stored);
    }
}

sa_status sa_realizations_settle(const sa_net *net, sa_realizations *r)
{
    store_outputs(net, r);
    SA_TRY(sa_realizations_limit_nodes(net, r));
    for (int l = 0; l < net->layer_count; l++) r->layer[l].mask_again = mask_can_wait(net, r, &net->layer[l]);
    for (int b = net->blob_count - 1; b >= 0; b--) {
        const sa_blob *blob = &net->blob[b];
        const sa_layer *maker = &net->layer[blob->producer];
        if (r->blob[b].data == SA_DATA_ALIASED && r->blob[maker->bottom[r->blob[b].over_bottom]].data == SA_DATA_VIRTUAL)
            r->blob[b].data = SA_DATA_STORED;
        if (blob->consumer < 0 || r->blob[b].grad != SA_GRAD_IN_TOP) continue;
        if (r->blob[net->layer[blob->consumer].top[r->blob[b].over_top]].grad == SA_GRAD_VIRTUAL) r->blob[b].grad = SA_GRAD_STORED;
    }
    return SA_OK;
}

void sa_realizations_store_data(const sa_net *net, sa_realizations *r, int blob)
{
    int base = sa_realizations_base(net, r, blob);
    r->blob[blob].data = SA_DATA_STORED;
    if (r->blob[base].data == SA_DATA_PLACED) r->blob[base].data = SA_DATA_STORED; /* was to be overwritten by what is joined */
}

void sa_realizations_store_grad(const sa_net *net, sa_realizations *r, int blob)
{
    int maker = net->blob[blob].producer;
    r->blob[blob].grad = SA_GRAD_STORED;
    if (r->layer[maker].backward != SA_CONV_BACKWARD_BY_IMAGE) return;
    /* the images' room was in front of this gradient, which was to be in the place of the data */
    r->layer[maker].backward = SA_CONV_BACKWARD_FUSED;
    r->blob[blob].head_bytes = 0;
    int below = net->layer[net->blob[net->layer[maker].bottom[0]].producer].bottom[0];
    if (r->blob[below].grad == SA_GRAD_IN_TAIL) r->blob[below].grad = SA_GRAD_STORED;
}

/* ------------------------------------------------------------------ dropping values -------------------------------- */

bool sa_blob_is_output(const sa_net *net, int blob)
{
    int reader = net->blob[blob].consumer;
    if (reader < 0) return true;
    for (int i = 0; net->layer[reader].type->shares_bottom && i < net->layer[reader].top_count; i++)
        if (sa_blob_is_output(net, net->layer[reader].top[i])) return true;
    return false;
}

int sa_realizations_owner(const sa_net *net, const sa_realizations *r, int blob)
{
    if (r->blob[blob].data == SA_DATA_VIRTUAL) return -1;
    for (;;) {
        blob = sa_realizations_base(net, r, blob);
        if (r->blob[blob].data != SA_DATA_PLACED) return r->blob[blob].data == SA_DATA_VIRTUAL ? -1 : blob;
        blob = net->layer[r->blob[blob].joint].top[0];
    }
}

/* May the blob be dropped, as far as it is concerned: does running its layer once more give the value and change nothing else? */
static bool can_be_remade(const sa_net *net, const sa_realizations *r, int blob)
{
    const sa_blob *b = &net->blob[blob];
    const sa_blob_choice *choice = &r->blob[blob];
    const sa_layer *maker = &net->layer[b->producer];
    const sa_layer_type *type = maker->type;
    if (choice->data == SA_DATA_VIRTUAL || choice->encoding != SA_F32 || choice->head_bytes > 0) return false;
    if (type->is_input || type->is_loss || type->is_metric || !type->emit_forward || sa_blob_is_output(net, blob)) return false;
    if (b->producer_top > 0 && !type->cuts_bottom) return false; /* a mask, statistics */
    if (type->convolves && maker->top_count > 1) return false;   /* several bottoms, of which the first alone is read again */
    return r->layer[b->producer].band_channels == 0;             /* never whole in memory */
}

void sa_realizations_find_droppable(const sa_net *net, const sa_realizations *r, int *owner)
{
    const bool none = r->caffe_layout || !r->lifetimes;
    for (int b = 0; b < net->blob_count; b++) owner[b] = none ? -1 : sa_realizations_owner(net, r, b);
    for (int b = 0; b < net->blob_count; b++) /* one that has to stay keeps all that is with it */
        if (owner[b] >= 0 && !can_be_remade(net, r, b)) owner[owner[b]] = -1;
    for (int b = 0; b < net->blob_count; b++)
        if (owner[b] >= 0 && owner[owner[b]] != owner[b]) owner[b] = -1;
}

void sa_realizations_drop(const sa_net *net, const sa_again *wanted, sa_realizations *r)
{
    for (int b = 0; b < net->blob_count; b++) {
        const int owner = wanted[b] ? sa_realizations_owner(net, r, b) : -1;
        if (owner >= 0 && r->blob[owner].again < wanted[b]) r->blob[owner].again = wanted[b];
    }
    for (int b = 0; b < net->blob_count; b++) {
        const int owner = sa_realizations_owner(net, r, b);
        if (owner < 0 || !r->blob[owner].again) continue;
        if (!can_be_remade(net, r, b)) r->blob[owner].again = SA_KEPT;
        else if (owner != b) r->blob[owner].again = SA_AGAIN_ONCE; /* what shares its memory stays as long as the others do */
    }
    for (int b = 0; b < net->blob_count; b++) {
        const int owner = sa_realizations_owner(net, r, b);
        if (owner >= 0) r->blob[b].again = r->blob[owner].again;
    }
}

void sa_realizations_free(sa_realizations *realizations)
{
    free(realizations->blob);
    free(realizations->layer);
    free(realizations->conv_room_bytes);
    realizations->blob = NULL;
    realizations->layer = NULL;
    realizations->conv_room_bytes = NULL;
}
