/* virtual-upsample: the zero-filled map is not stored. The convolution that reads it gathers it from the pooled values and the
 * mask, and its backward pass picks the pooled gradient out of the map's gradient as it is made. */
#include "net/passes/passes.h"

/* Windows further apart than they are wide: the last may lie beyond the plane, with no pixel whose gradient could be gathered. */
static bool has_gaps(const sa_layer *pooling)
{
    sa_window w = pooling->window;
    return w.stride_h > w.kernel_h || w.stride_w > w.kernel_w;
}

void sa_pass_virtual_upsample(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        const sa_layer *pooling = sa_layer_mask_maker(layer, net->layer, net->blob);
        if (!pooling || has_gaps(pooling)) continue;
        int top = layer->top[0];
        const sa_layer *reader = sa_blob_reader(net, top);
        if (!reader) continue;
        r->blob[top].data = SA_DATA_VIRTUAL;
        if (reader->type->convolves && !reader->type->transposes && !reader->mixes_few_planes && net->blob[top].needs_grad)
            r->blob[top].grad = SA_GRAD_GATHERED;
    }
}
