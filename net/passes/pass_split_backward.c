/* split-backward: a convolution whose input was computed again makes its weight gradient first. The input is dead then, and the gradient of
 * it can take its place. The price: the spectra of dy are made twice. */
#include "net/passes/passes.h"

sa_status sa_pass_split_backward(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r)
{
    (void)strategy, (void)device;
    for (int l = 0; l < net->layer_count; l++)
        if (sa_layer_is(&net->layer[l], "Convolution") && r->blob[net->layer[l].bottom[0]].again)
            r->layer[l].backward = SA_CONV_BACKWARD_SPLIT;
    return SA_OK;
}
