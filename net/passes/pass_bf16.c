/* bf16: a convolution's output or a pooled value that waits for the backward pass is kept as the upper half of a float32. LOSSY: 8
 * bits of mantissa are left. The op that makes it writes float32, which is rounded at once and gone; every reader, forward and
 * backward, sees the rounded value, so BN normalises exactly what its gradient uses. Gradients stay float32 and find no room in a
 * value of half their size.
 *
 * Both copies are alive while a value is rounded, and its gradient does not fit over it. So a value is only rounded if one at least
 * as large is made after it: the peak is then where it waits, not where it is made. */
#include "net/passes/passes.h"

/* Stored in the forward pass, and read again by the backward pass of the layer above, which does not overwrite it. */
static bool waits(const sa_net *net, const sa_realizations *r, int blob)
{
    const sa_layer *maker = sa_blob_maker(net, blob), *reader = sa_blob_reader(net, blob);
    const sa_blob_choice *choice = &r->blob[blob];
    bool kind = maker->type->keeps_top && net->blob[blob].producer_top == 0;
    if (!kind || choice->data != SA_DATA_STORED || choice->again || choice->head_bytes > 0) return false;
    if (r->layer[net->blob[blob].producer].band_channels > 0) return false; /* never whole in memory */
    if (!reader || !reader->needs_backward || reader->type->is_loss || reader->type->shares_bottom) return false;
    return r->blob[reader->top[0]].data != SA_DATA_ALIASED;
}

static bool is_passed_by_a_larger_one(const sa_net *net, int blob)
{
    size_t size = sa_shape_elements(&net->blob[blob].shape);
    for (int l = net->blob[blob].producer + 1; l < net->layer_count; l++)
        if (net->layer[l].type->convolves && sa_shape_elements(&net->blob[net->layer[l].top[0]].shape) >= size) return true;
    return false;
}

void sa_pass_bf16(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int b = 0; b < net->blob_count; b++) {
        sa_blob_choice *choice = &r->blob[b];
        if (!waits(net, r, b) || !is_passed_by_a_larger_one(net, b)) continue;
        choice->encoding = SA_BF16;
        if (choice->grad != SA_GRAD_IN_DATA) continue;
        /* a pointwise layer's dx may overwrite its dy as well: the formula reads both at the very place that it writes */
        sa_grad_realization above = r->blob[sa_blob_reader(net, b)->top[0]].grad;
        bool over_dy = sa_blob_reader(net, b)->type->pointwise && (above == SA_GRAD_STORED || above == SA_GRAD_IN_TAIL);
        choice->grad = over_dy ? SA_GRAD_IN_TOP : SA_GRAD_STORED;
    }
}
