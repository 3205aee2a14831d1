/* repool: a pooled value whose source (the convolution's output below it) is kept anyway is dropped after the forward pass and
 * pooled again when the backward pass needs it: one cheap pass, no convolution. Its mask is kept if it is read before. */
#include "net/passes/passes.h"

/* Does the backward pass read a blob's data anyway, itself or through values that are computed from it? */
static bool is_read_backward(const sa_net *net, const sa_realizations *r, int blob)
{
    const sa_layer *reader = sa_blob_reader(net, blob);
    if (!reader || !reader->needs_backward) return false;
    const bool weights = reader->type->convolves && reader->param[0].needs_grad;
    if (weights || (reader->type->reads_bottom && !reader->type->convolves) || reader->type->reads_top) return true;
    if (reader->type->keeps_bottom && reader->type->keeps_bottom(reader)) return true;
    for (int i = 0; i < reader->top_count; i++)
        if (r->blob[reader->top[i]].data == SA_DATA_VIRTUAL && is_read_backward(net, r, reader->top[i])) return true;
    return false;
}

/* Is what a virtual value is computed from stored and kept until the backward pass? */
static bool source_is_kept(const sa_net *net, const sa_realizations *r, int blob)
{
    while (r->blob[blob].data == SA_DATA_VIRTUAL) {
        if (sa_blob_maker(net, blob)->type->merges_bottoms) return false;
        blob = sa_blob_maker(net, blob)->bottom[0];
    }
    bool banded = r->layer[net->blob[blob].producer].band_channels > 0;
    return r->blob[blob].data == SA_DATA_STORED && net->blob[blob].needs_grad && !banded && !r->blob[blob].again &&
           is_read_backward(net, r, blob);
}

void sa_pass_repool(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!layer->type->makes_mask || !layer->needs_backward || r->blob[layer->top[0]].data != SA_DATA_STORED) continue;
        const sa_layer *reader = sa_blob_reader(net, layer->top[0]);
        bool read_again = reader && (reader->type->convolves || reader->type->mask_bottom);
        if (read_again && source_is_kept(net, r, layer->bottom[0])) r->blob[layer->top[0]].again = SA_AGAIN_ONCE;
    }
}
