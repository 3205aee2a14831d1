/* recompute: values are dropped after the forward pass and computed again in the backward pass when they are first needed. With
 * recompute=N the first N of the encoder, from the input on; else those that the strategy names. */
#include "net/passes/passes.h"

/* A convolution's output or a pooled value that is stored, is needed again by the backward pass, and was not overwritten. */
static bool is_candidate(const sa_net *net, const sa_realizations *r, int blob)
{
    const sa_layer *maker = sa_blob_maker(net, blob);
    bool kind = maker->type->keeps_top && net->blob[blob].producer_top == 0;
    if (!kind || !maker->needs_backward || r->blob[blob].data != SA_DATA_STORED || r->blob[blob].again) return false;
    if (r->layer[net->blob[blob].producer].band_channels > 0) return false; /* never stored anyway */
    const sa_layer *reader = sa_blob_reader(net, blob);
    if (!reader || reader->type->shares_bottom) return false;
    return !(net->blob[blob].consumer == net->layer_count - 1 || r->blob[reader->top[0]].data == SA_DATA_ALIASED);
}

void sa_pass_recompute(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    int left = strategy->recompute_count;
    if (strategy->recompute_blobs) {
        sa_realizations_drop(net, strategy->recompute_blobs, r);
        return;
    }
    for (int b = 0; b < net->blob_count && left > 0; b++) {
        if (sa_blob_maker(net, b)->type->mask_bottom) break; /* the decoder's values are used again almost at once */
        if (!is_candidate(net, r, b)) continue;
        r->blob[b].again = SA_AGAIN_ONCE;
        left--;
    }
}
