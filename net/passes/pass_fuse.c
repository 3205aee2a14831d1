/* fuse: BN, ReLU and Dropout outputs are computed by whoever reads them, and so are the gradients that pass through ReLU, Dropout
 * and Pooling. A level then keeps its convolution's output and the pooled value, nothing in between. */
#include "net/passes/passes.h"

enum { CHAIN_NODES_MAX = 5 }; /* longer expressions are cut by storing: they would be evaluated too often */

/* What the expression that a blob is consists of; a stored blob is none. */
typedef struct chain {
    int nodes;
    bool merges; /* it reads more than one stored value */
} chain;

static void add_to_chain(const sa_net *net, const sa_realizations *r, int blob, chain *c)
{
    if (r->blob[blob].data != SA_DATA_VIRTUAL) return;
    const sa_layer *maker = sa_blob_maker(net, blob);
    c->nodes += sa_layer_source_nodes(maker);
    c->merges |= maker->type->merges_bottoms;
    for (int i = 0; i < sa_layer_formula_bottoms(maker); i++) add_to_chain(net, r, maker->bottom[i], c);
}

/* May the reader of a value compute it? What merges several values is computed once: only an expression that goes on may take it.
 */
static bool may_be_virtual(const sa_net *net, const sa_realizations *r, int blob)
{
    const sa_layer *reader = sa_blob_reader(net, blob);
    chain c = {0};
    add_to_chain(net, r, blob, &c);
    return c.nodes <= CHAIN_NODES_MAX && (!c.merges || reader->type->pointwise || reader->type->merges_bottoms);
}

void sa_pass_fuse(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if ((layer->type->pointwise || layer->type->merges_bottoms) && net->blob[layer->top[0]].consumer >= 0) {
            r->blob[layer->top[0]].data = SA_DATA_VIRTUAL;
            if (!may_be_virtual(net, r, layer->top[0])) r->blob[layer->top[0]].data = SA_DATA_STORED;
        }
        for (int i = 0; i < sa_layer_formula_bottoms(layer) && layer->type->cheap_grad && !layer->reads_siblings; i++)
            if (net->blob[layer->bottom[i]].needs_grad) r->blob[layer->bottom[i]].grad = SA_GRAD_VIRTUAL;
    }
}
