/* fuse: BN, ReLU and Dropout outputs are computed by whoever reads them, and so are the gradients that pass through ReLU, Dropout
 * and Pooling. A level then keeps its convolution's output and the pooled value, nothing in between. */
#include "net/passes/passes.h"

enum { CHAIN_NODES_MAX = 5 }; /* longer expressions are cut by storing: they would be evaluated too often */

/* Nodes of the expression that a blob is, 0 if it is stored. */
static int chain_nodes(const sa_net *net, const sa_realizations *r, int blob)
{
    int nodes = 0;
    while (r->blob[blob].data == SA_DATA_VIRTUAL) {
        const sa_layer *maker = sa_blob_maker(net, blob);
        nodes += maker->type->source_nodes;
        blob = maker->bottom[0];
    }
    return nodes;
}

void sa_pass_fuse(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        int bottom = layer->bottom_count ? layer->bottom[0] : -1;
        if (layer->type->pointwise && net->blob[layer->top[0]].consumer >= 0) {
            r->blob[layer->top[0]].data = SA_DATA_VIRTUAL;
            if (chain_nodes(net, r, layer->top[0]) > CHAIN_NODES_MAX) r->blob[layer->top[0]].data = SA_DATA_STORED;
        }
        if (layer->type->cheap_grad && net->blob[bottom].needs_grad) r->blob[bottom].grad = SA_GRAD_VIRTUAL;
    }
}
