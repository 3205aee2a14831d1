/* virtual-lrn: an LRN that a convolution reads is computed while the convolution loads its input. */
#include "net/passes/passes.h"

sa_status sa_pass_virtual_lrn(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r)
{
    (void)strategy, (void)device;
    if (r->choices.caffe_layout) return SA_OK; /* Caffe's scale buffer makes it a stored value */
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!sa_layer_is(layer, "LRN")) continue;
        const sa_layer *reader = sa_blob_reader(net, layer->top[0]);
        if (reader && sa_layer_is(reader, "Convolution")) r->blob[layer->top[0]].data = SA_DATA_VIRTUAL;
    }
    return SA_OK;
}
