/* relrn: the normalised input is dropped once the first convolution has read it, and normalised again when the backward pass needs
 * it: a pass over a few channels. (An expression would be computed once for each band of the convolution.) The input it is made of
 * then has to wait instead, so that bytes are saved only if that is smaller, as uint8-input makes it. */
#include "net/passes/passes.h"

void sa_pass_relrn(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!layer->type->cheap_again || net->blob[layer->bottom[0]].needs_grad) continue;
        if (r->blob[layer->top[0]].data == SA_DATA_PLACED) continue;
        const sa_layer *reader = sa_blob_reader(net, layer->top[0]);
        if (reader && reader->type->convolves && reader->needs_backward) r->blob[layer->top[0]].again = SA_AGAIN_ONCE;
    }
}
