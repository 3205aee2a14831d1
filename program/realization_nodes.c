/* How large the expressions of virtual values are, counted from the leaves up, and which are stored for it. A value that no source
 * can hold would be computed in parts by each of its readers, and finding it would go as deep as the net is long. */
#include "program/realization.h"

#include <stdlib.h>
#include <string.h>

typedef struct node_counts {
    const sa_net *net;
    sa_realizations *realizations;
    int *data, *grad; /* (blob_count): nodes of the source that reads it */
} node_counts;

/* Of what a formula reads. */
static int bottom_nodes(const node_counts *c, const sa_layer *layer)
{
    int count = 0;
    for (int i = 0; i < sa_layer_formula_bottoms(layer); i++) count += c->data[layer->bottom[i]];
    return count;
}

static void count_data(node_counts *c, const sa_layer *layer)
{
    for (int i = 0; i < layer->top_count; i++) {
        sa_blob_choice *choice = &c->realizations->blob[layer->top[i]];
        int *count = &c->data[layer->top[i]];
        *count = 1;
        if (choice->data != SA_DATA_VIRTUAL) continue;
        *count = sa_layer_source_nodes(layer) + bottom_nodes(c, layer);
        if (*count <= SA_SOURCE_NODES_MAX) continue;
        sa_realizations_store_data(c->net, c->realizations, layer->top[i]);
        *count = 1;
    }
}

/* The gradient of a layer's bottom, whose reader `layer` is. */
static int grad_nodes(const node_counts *c, const sa_layer *layer)
{
    int count = sa_layer_source_nodes(layer);
    for (int i = 0; i < layer->top_count; i++)
        if (c->net->blob[layer->top[i]].needs_grad) count += c->grad[layer->top[i]] + (i > 0 && layer->type->shares_bottom);
    if (layer->type->keeps_bottom && layer->type->keeps_bottom(layer)) count += bottom_nodes(c, layer);
    else if (layer->type->reads_top) count += c->data[layer->top[0]] < c->data[layer->bottom[0]] ? 1 : c->data[layer->bottom[0]];
    return count;
}

static void count_grads(node_counts *c, const sa_layer *layer)
{
    for (int i = 0; i < layer->bottom_count; i++) {
        int blob = layer->bottom[i];
        c->grad[blob] = 1;
        if (c->realizations->blob[blob].grad != SA_GRAD_VIRTUAL || !c->net->blob[blob].needs_grad) continue;
        c->grad[blob] = grad_nodes(c, layer);
        if (c->grad[blob] <= SA_SOURCE_NODES_MAX) continue;
        sa_realizations_store_grad(c->net, c->realizations, blob);
        c->grad[blob] = 1;
    }
}

sa_status sa_realizations_limit_nodes(const sa_net *net, sa_realizations *realizations)
{
    node_counts c = {.net = net, .realizations = realizations};
    c.data = calloc(2 * (size_t)net->blob_count + 1, sizeof *c.data);
    if (!c.data) SA_FAIL(SA_NOMEM, "no memory to count the expressions of %d blobs", net->blob_count);
    c.grad = c.data + net->blob_count;
    for (int b = 0; b < net->blob_count; b++) c.grad[b] = 1; /* what nobody reads */
    for (int l = 0; l < net->layer_count; l++) count_data(&c, &net->layer[l]);
    for (int l = net->layer_count - 1; l >= 0; l--) count_grads(&c, &net->layer[l]);
    free(c.data);
    return SA_OK;
}
