/* Rows of small planes as longer ones; see joined_rows.h. */
#include "kernels/cpu/rows/joined_rows.h"

#include "kernels/cpu/rows/source_cpu.h"

bool sa_slab_rows_can_join(const sa_slab *slab)
{
    if (slab->encoding == SA_MASK2 || slab->encoding == SA_MASK4) return false; /* rows of whole words */
    const size_t row = sa_encoding_row_bytes(slab->encoding, slab->width);
    const size_t joined = sa_encoding_row_bytes(slab->encoding, slab->width * slab->height);
    return sa_slab_has_whole_images(slab) && row * (size_t)slab->height == joined;
}

bool sa_rows_can_join(const sa_source *source)
{
    const sa_node *root = sa_source_root(source);
    for (int i = 0; i < source->count; i++) {
        const sa_node *node = &source->node[i];
        const sa_node_reach reach = sa_node_traits_of(node->kind)->reach;
        if (node->kind == SA_NODE_SPREAD || (reach != SA_REACH_NONE && reach != SA_REACH_CHANNELS)) return false;
        if (node->height != root->height || node->width != root->width) return false;
        if (node->kind == SA_NODE_DENSE && !sa_slab_rows_can_join(&node->slab)) return false;
    }
    return true;
}

int sa_rows_to_join(int images, int height, int width, int threads)
{
    const int least = threads == 1 ? 1 : 2 * threads; /* rows of all images that there should be */
    for (int rows = height; rows > 1; rows--)
        if (height % rows == 0 && (int64_t)rows * width <= SA_CPU_SEGMENT && (int64_t)images * (height / rows) >= least)
            return rows;
    return 1;
}

void sa_slab_join_rows(sa_slab *slab, int rows)
{
    slab->height /= rows;
    slab->width *= rows;
    if (slab->image_pitch) slab->row_pitch *= (size_t)rows;
}

void sa_source_join_rows(sa_source *source, int rows)
{
    for (int i = 0; i < source->count; i++) {
        sa_node *node = &source->node[i];
        node->height /= rows;
        node->width *= rows;
        if (node->kind == SA_NODE_DENSE) sa_slab_join_rows(&node->slab, rows);
    }
}
