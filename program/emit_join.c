/* Expressions of any size: what does not fit one source is computed in parts. A part is the largest child of the node that no
 * longer fits; it goes into a buffer of its own, and its reader reads that. A stored value has the bits of the expression, so
 * nothing else about it shows. */
#include "program/emitter.h"

static int node_count(const sa_source *source)
{
    return source ? source->count : 0;
}

/* The channels that a source can be read at: a band's if one of its values is in memory for the running band only. */
static sa_range readable_range(const sa_source *source)
{
    const sa_node *root = sa_source_root(source);
    sa_range range = {.channel_end = root->channels};
    int32_t images = sa_source_images(source, &range.image_begin);
    range.image_end = range.image_begin + images;
    for (int i = 0; i < source->count; i++) {
        const sa_node *node = &source->node[i];
        if (node->kind != SA_NODE_DENSE || node->channels != root->channels || node->slab.channels >= node->channels) continue;
        range.channel_begin = node->slab.channel_begin;
        range.channel_end = node->slab.channel_begin + node->slab.channels;
    }
    return range;
}

sa_status sa_emitter_store_part(sa_emitter *e, const sa_layer *layer, const sa_source *source, sa_source *part)
{
    const sa_node *root = sa_source_root(source);
    sa_range range = readable_range(source);
    sa_shape shape = {4, {range.image_end - range.image_begin, root->channels, root->height, root->width}};
    sa_slab slab = sa_slab_full(SA_REF_NONE, &shape);
    slab.image_begin = range.image_begin;
    slab.channel_begin = range.channel_begin;
    slab.channels = range.channel_end - range.channel_begin;
    int buffer;
    SA_TRY(sa_emitter_buffer(e, SA_BUFFER_WORKSPACE, sa_slab_bytes(&slab), NULL, &buffer, "%.50s.part", layer->name));
    slab.at.buffer = buffer;
    sa_op_args args = {.materialize = {.range = range, .source = *source, .out = slab}};
    SA_TRY(sa_emit_op(e, layer, "part", SA_OP_MATERIALIZE, &args));
    sa_source_dense(part, &slab, &shape);
    return SA_OK;
}

/* A function of its own, so that its sources are on the stack only where they are needed. */
static sa_status join_parts(sa_emitter *e, const sa_layer *layer, sa_source *source, sa_node_kind kind, const sa_shape *shape,
                            const sa_source *const child[SA_NODE_CHILDREN], sa_node **node)
{
    sa_source part[SA_NODE_CHILDREN];
    const sa_source *now[SA_NODE_CHILDREN];
    int nodes = 1;
    for (int i = 0; i < SA_NODE_CHILDREN; i++) {
        now[i] = child[i];
        nodes += node_count(child[i]);
    }
    while (nodes > SA_SOURCE_NODES_MAX) {
        int largest = 0;
        for (int i = 1; i < SA_NODE_CHILDREN; i++)
            if (node_count(now[i]) > node_count(now[largest])) largest = i;
        nodes -= node_count(now[largest]) - 1;
        SA_TRY(sa_emitter_store_part(e, layer, now[largest], &part[largest]));
        now[largest] = &part[largest];
    }
    return sa_source_join(source, kind, shape, now[0], now[1], now[2], node);
}

sa_status sa_emit_join(sa_emitter *e, const sa_layer *layer, sa_source *source, sa_node_kind kind, const sa_shape *shape,
                       const sa_source *a, const sa_source *b, const sa_source *c, sa_node **node)
{
    if (node_count(a) + node_count(b) + node_count(c) < SA_SOURCE_NODES_MAX)
        return sa_source_join(source, kind, shape, a, b, c, node);
    const sa_source *const child[SA_NODE_CHILDREN] = {a, b, c};
    return join_parts(e, layer, source, kind, shape, child, node);
}
