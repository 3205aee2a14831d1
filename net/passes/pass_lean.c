/* lean: nothing is saved that can be had again from what is kept anyway. BN keeps neither x_norm nor buffer_blob, but then its
 * input must survive, so its output gets a buffer of its own; the loss keeps no softmax; Caffe's other private buffers are gone. */
#include "net/passes/passes.h"

void sa_pass_lean(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    r->caffe_layout = false;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (layer->type->in_place && layer->type->reads_bottom && layer->needs_backward)
            r->blob[layer->top[0]].data = SA_DATA_STORED;
        if (layer->type->shares_bottom) r->blob[layer->bottom[0]].grad = SA_GRAD_VIRTUAL;
    }
}
