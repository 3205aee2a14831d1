/* Building source expressions out of smaller ones. */
#include "program/emit.h"

#include <string.h>

sa_slab sa_slab_full(sa_ref at, const sa_shape *shape)
{
    int32_t d[4];
    sa_shape_nchw(shape, d);
    return (sa_slab){.at = at, .encoding = SA_F32, .images = d[0], .channels = d[1], .height = d[2], .width = d[3]};
}

static void node_init(sa_node *node, sa_node_kind kind, const sa_shape *shape)
{
    int32_t d[4];
    sa_shape_nchw(shape, d);
    memset(node, 0, sizeof *node);
    node->kind = kind;
    node->channels = d[1];
    node->height = d[2];
    node->width = d[3];
    for (int i = 0; i < SA_NODE_CHILDREN; i++) node->child[i] = -1;
    for (int i = 0; i < SA_NODE_VECTORS; i++) node->vector[i] = SA_REF_NONE;
    node->slab.at = SA_REF_NONE;
    node->spread = SA_SPREAD_CHANNELS;
}

void sa_source_dense(sa_source *source, const sa_slab *slab, const sa_shape *shape)
{
    source->count = 1;
    node_init(&source->node[0], SA_NODE_DENSE, shape);
    source->node[0].slab = *slab;
}

/* Copies the nodes of `part` behind those of `whole`; *root gets the number of its root. */
static sa_status append(sa_source *whole, const sa_source *part, int8_t *root)
{
    if (whole->count + part->count > SA_SOURCE_NODES_MAX - 1)
        SA_FAIL(SA_UNSUPPORTED, "an expression of more than %d values: store one of them", SA_SOURCE_NODES_MAX);
    for (int i = 0; i < part->count; i++) {
        sa_node node = part->node[i];
        for (int k = 0; k < SA_NODE_CHILDREN; k++)
            if (node.child[k] >= 0) node.child[k] = (int8_t)(node.child[k] + whole->count);
        whole->node[whole->count + i] = node;
    }
    whole->count += part->count;
    *root = (int8_t)(whole->count - 1);
    return SA_OK;
}

sa_status sa_source_join(sa_source *source, sa_node_kind kind, const sa_shape *shape, const sa_source *a, const sa_source *b,
                         const sa_source *c, sa_node **node)
{
    sa_source whole = {.count = 0};
    sa_node root;
    const sa_source *part[SA_NODE_CHILDREN] = {a, b, c};
    node_init(&root, kind, shape);
    for (int i = 0; i < SA_NODE_CHILDREN; i++)
        if (part[i]) SA_TRY(append(&whole, part[i], &root.child[i]));
    whole.node[whole.count++] = root;
    *source = whole;
    *node = &source->node[source->count - 1];
    return SA_OK;
}
