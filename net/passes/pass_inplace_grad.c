/* inplace-grad: gradients that overwrite what their own computation is the last to read. The dx of BN and of a convolution takes
 * the place of x; the gradient of the scores takes the place of the scores; a 1x1 classifier's dx is never stored, since it is a
 * mix of few planes. */
#include "net/passes/passes.h"

/* The stored value behind Splits. */
static int unsplit(const sa_net *net, int blob)
{
    while (sa_layer_is(sa_blob_maker(net, blob), "Split")) blob = sa_blob_maker(net, blob)->bottom[0];
    return blob;
}

/* A convolution reads its input for dweight, and the layer that made it must not read its own output for a gradient, as ReLU does.
 */
static bool convolution_is_last_to_read(const sa_layer *layer, const sa_layer *maker)
{
    return sa_layer_is(layer, "Convolution") && layer->param[0].needs_grad &&
           (sa_layer_is(maker, "Pooling") || sa_layer_is(maker, "Convolution"));
}

sa_status sa_pass_inplace_grad(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r)
{
    (void)strategy, (void)device;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!layer->needs_backward || layer->bottom_count == 0 || !net->blob[layer->bottom[0]].needs_grad) continue;
        int bottom = layer->bottom[0];
        const sa_layer *maker = sa_blob_maker(net, bottom);
        bool stored =
            r->blob[unsplit(net, bottom)].data == SA_DATA_STORED && !sa_blob_maker(net, unsplit(net, bottom))->type->is_input;
        if (sa_layer_is(layer, "BN") && !r->choices.bn_copies && stored && bottom == unsplit(net, bottom))
            r->blob[bottom].grad = SA_GRAD_IN_DATA;
        if (sa_layer_is(layer, "SoftmaxWithLoss") && !r->choices.stored_prob && stored) r->blob[bottom].grad = SA_GRAD_IN_DATA;
        if (stored && bottom == unsplit(net, bottom) && convolution_is_last_to_read(layer, maker))
            r->blob[bottom].grad = SA_GRAD_IN_DATA;
        bool pulls = sa_layer_is(maker, "BN") || sa_layer_is(maker, "ReLU") || sa_layer_is(maker, "Dropout");
        if (sa_layer_is(layer, "Convolution") && sa_convolution_mixes(layer) && pulls) r->blob[bottom].grad = SA_GRAD_VIRTUAL;
    }
    return SA_OK;
}
