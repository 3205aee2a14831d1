/* Values read in another shape, or in part. A stored value is the same slab with other sizes and pitches. A formula that is the
 * same at every place is that formula of its operands seen so; what cannot be seen so is stored first. */
#include "program/emitter.h"

static void set_plane(sa_node *node, const int32_t nchw[4])
{
    node->channels = nchw[1];
    node->height = nchw[2];
    node->width = nchw[3];
}

/* Do the node's vectors keep their meaning? */
static bool keeps_vectors(const sa_node *node, const int32_t nchw[4], int32_t images)
{
    bool any = false;
    for (int k = 0; k < sa_node_traits_of(node->kind)->vectors; k++) any |= node->vector[k].buffer != SA_NO_BUFFER;
    return !any || (node->channels == nchw[1] && images == nchw[0] && node->spread.row == 0 && node->spread.column == 0);
}

static bool reshape_node(sa_node *node, const int32_t nchw[4], int32_t images)
{
    if (node->kind == SA_NODE_DENSE && !sa_slab_reshape(&node->slab, nchw)) return false;
    /* DROPOUT numbers the elements of the whole value */
    if (node->kind != SA_NODE_DENSE && node->kind != SA_NODE_DROPOUT &&
        !(sa_node_is_local(node) && keeps_vectors(node, nchw, images)))
        return false;
    set_plane(node, nchw);
    return true;
}

static bool reshape_all(sa_source *source, const int32_t nchw[4])
{
    sa_source made = *source;
    int32_t begin, images = sa_source_images(source, &begin);
    for (int i = 0; i < made.count; i++)
        if (!reshape_node(&made.node[i], nchw, images)) return false;
    *source = made;
    return true;
}

static bool has_shape(const sa_source *source, const int32_t nchw[4])
{
    const sa_node *root = sa_source_root(source);
    int32_t begin;
    return sa_source_images(source, &begin) == nchw[0] && root->channels == nchw[1] && root->height == nchw[2] &&
           root->width == nchw[3];
}

sa_status sa_emit_reshape(sa_emitter *e, const sa_layer *layer, sa_source *source, const int32_t nchw[4])
{
    sa_source stored;
    if (has_shape(source, nchw) || reshape_all(source, nchw)) return SA_OK;
    SA_TRY(sa_emitter_store_part(e, layer, source, &stored));
    *source = stored;
    if (!reshape_all(source, nchw))
        SA_FAIL(SA_INVALID, "layer '%s': a value cannot be seen as %dx%dx%dx%d", layer->name, nchw[0], nchw[1], nchw[2], nchw[3]);
    return SA_OK;
}

sa_status sa_emit_plain(sa_emitter *e, const sa_layer *layer, const sa_source *source, sa_ref *at)
{
    sa_source stored = *source;
    if (!sa_source_is_dense_f32(source)) SA_TRY(sa_emitter_store_part(e, layer, source, &stored));
    *at = stored.node[0].slab.at;
    return SA_OK;
}

sa_status sa_emit_rows(sa_emitter *e, const sa_layer *layer, const sa_source *source, sa_slab *slab)
{
    sa_source stored = *source;
    if (source->count != 1 || !sa_node_is_dense_f32(&source->node[0])) SA_TRY(sa_emitter_store_part(e, layer, source, &stored));
    *slab = stored.node[0].slab;
    return SA_OK;
}

/* The part of the node's vectors that belongs to images, channels, rows and columns from `begin` on. */
static void skip_elements(sa_node *node, const int32_t begin[4])
{
    const sa_spread *s = &node->spread;
    const size_t first =
        sa_spread_index(s, begin[0], begin[1]) + (size_t)begin[2] * (size_t)s->row + (size_t)begin[3] * (size_t)s->column;
    for (int k = 0; k < sa_node_traits_of(node->kind)->vectors; k++)
        if (node->vector[k].buffer != SA_NO_BUFFER) node->vector[k].offset_bytes += first * sizeof(float);
}

/* plane: the part takes whole planes, so that nodes that read neighbours in their plane are as good as local. */
static bool cut_node(sa_node *node, const sa_part *part, bool plane)
{
    const sa_node_traits *traits = sa_node_traits_of(node->kind);
    const bool in_plane = traits->reach == SA_REACH_WINDOWS || traits->reach == SA_REACH_AREA;
    sa_part own = *part;
    if (plane) {
        own.begin[2] = own.begin[3] = 0;
        own.size[2] = node->height;
        own.size[3] = node->width;
    }
    if (node->kind != SA_NODE_DENSE && !sa_node_is_local(node) && !(plane && in_plane)) return false;
    if (traits->slab) {
        if (plane) { /* of a pooling's mask: its own plane */
            own.size[2] = node->slab.height;
            own.size[3] = node->slab.width;
        }
        if (node->slab.image_begin || node->slab.channel_begin) return false; /* not there as a whole */
        node->slab = sa_slab_part(&node->slab, &own);
        own.size[2] = plane ? node->height : own.size[2];
        own.size[3] = plane ? node->width : own.size[3];
    }
    skip_elements(node, own.begin);
    set_plane(node, own.size);
    return true;
}

static bool cut_all(sa_source *source, const sa_part *part)
{
    sa_source made = *source;
    const sa_node *root = sa_source_root(source);
    const bool plane = part->size[2] == root->height && part->size[3] == root->width;
    for (int i = 0; i < made.count; i++)
        if (!cut_node(&made.node[i], part, plane)) return false;
    *source = made;
    return true;
}

sa_status sa_emit_part(sa_emitter *e, const sa_layer *layer, sa_source *source, const sa_part *part)
{
    sa_source stored;
    if (has_shape(source, part->size) || cut_all(source, part)) return SA_OK;
    SA_TRY(sa_emitter_store_part(e, layer, source, &stored));
    *source = stored;
    if (!cut_all(source, part)) SA_FAIL(SA_INVALID, "layer '%s': a value cannot be read in part", layer->name);
    return SA_OK;
}
