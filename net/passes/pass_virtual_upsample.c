/* virtual-upsample: the zero-filled map is not stored. The convolution that reads it gathers it from the pooled values and the
 * mask, and its backward pass picks the pooled gradient out of the map's gradient as it is made. */
#include "net/passes/passes.h"

sa_status sa_pass_virtual_upsample(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r)
{
    (void)strategy, (void)device;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!sa_upsample_pooling(layer, net->layer, net->blob)) continue;
        int top = layer->top[0];
        const sa_layer *reader = sa_blob_reader(net, top);
        if (!reader) continue;
        r->blob[top].data = SA_DATA_VIRTUAL;
        if (sa_layer_is(reader, "Convolution") && !sa_convolution_mixes(reader) && net->blob[top].needs_grad)
            r->blob[top].grad = SA_GRAD_GATHERED;
    }
    return SA_OK;
}
