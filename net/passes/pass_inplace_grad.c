/* inplace-grad: gradients that overwrite what their own computation is the last to read. The dx of BN and of a convolution takes
 * the place of x; the gradient of the scores takes the place of the scores; a 1x1 classifier's dx is never stored, since it is a
 * mix of few planes. */
#include "net/passes/passes.h"

/* A convolution reads its input for dweight, and the layer that made it must not read its own output for a gradient, as ReLU does.
 */
static bool convolution_is_last_to_read(const sa_layer *layer, const sa_layer *maker)
{
    return layer->type->convolves && layer->param[0].needs_grad && maker->type->keeps_top;
}

void sa_pass_inplace_grad(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!layer->needs_backward || layer->bottom_count == 0 || !net->blob[layer->bottom[0]].needs_grad) continue;
        int bottom = layer->bottom[0];
        const sa_layer *maker = sa_blob_maker(net, bottom);
        int owner = sa_blob_behind_splits(net->layer, net->blob, bottom); /* has the data of a Split's top */
        bool stored = r->blob[owner].data == SA_DATA_STORED && !sa_blob_maker(net, owner)->type->is_input;
        bool last = convolution_is_last_to_read(layer, maker) || (layer->type->grad_over_bottom && !r->caffe_layout);
        if (stored && last && (bottom == owner || layer->type->is_loss)) r->blob[bottom].grad = SA_GRAD_IN_DATA;
        if (layer->type->convolves && layer->mixes_few_planes && maker->type->pointwise) r->blob[bottom].grad = SA_GRAD_VIRTUAL;
    }
}
