/* Reading and writing parts of larger values: what Concat, Slice, Crop and Tile have in common. */
#include "layers/parts.h"

sa_status sa_part_read(sa_emitter *e, const sa_layer *layer, const sa_part *part, const int32_t whole[4], const sa_shape *shape,
                       sa_source *source)
{
    int32_t nchw[4];
    sa_shape_nchw(shape, nchw);
    SA_TRY(sa_emit_reshape(e, layer, source, whole));
    SA_TRY(sa_emit_part(e, layer, source, part));
    return sa_emit_reshape(e, layer, source, nchw);
}

sa_status sa_part_write(sa_emitter *e, const sa_layer *layer, const char *what, const sa_part *part, const int32_t whole[4],
                        const sa_source *source, const sa_slab *out)
{
    sa_op_args args = {.materialize = {.range = {0, part->size[0], 0, part->size[1]}, .source = *source, .out = *out}};
    SA_TRY(sa_emit_reshape(e, layer, &args.materialize.source, part->size));
    if (!sa_slab_reshape(&args.materialize.out, whole))
        SA_FAIL(SA_INVALID, "layer '%s': a value with gaps cannot be written in parts", layer->name);
    args.materialize.out = sa_slab_part(&args.materialize.out, part);
    return sa_emit_op(e, layer, what, SA_OP_MATERIALIZE, &args);
}

sa_status sa_joint_emit_forward(sa_emitter *e, const sa_layer *layer)
{
    sa_slab out;
    if (!sa_emit_data_is_stored(e, layer->top[0])) return SA_OK;
    SA_TRY(sa_emit_data_out(e, layer->top[0], &out));
    for (int i = 0; i < layer->bottom_count; i++) {
        sa_source source;
        sa_part part;
        int32_t whole[4];
        SA_TRY(sa_emit_data(e, layer->bottom[i], &source)); /* one that was dropped is made again, into its place */
        if (sa_emit_bottom_is_placed(e, layer, i)) continue;
        layer->type->part(layer, sa_emit_blobs(e), i, &part, whole);
        SA_TRY(sa_part_write(e, layer, "forward", &part, whole, &source, &out));
    }
    return SA_OK;
}

sa_status sa_joint_bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    sa_part part;
    int32_t whole[4];
    layer->type->part(layer, sa_emit_blobs(e), bottom, &part, whole);
    SA_TRY(sa_emit_grad(e, layer->top[0], source));
    return sa_part_read(e, layer, &part, whole, &sa_emit_blob(e, layer->bottom[bottom])->shape, source);
}

sa_status sa_cut_top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    sa_part part;
    int32_t whole[4];
    layer->type->part(layer, sa_emit_blobs(e), top, &part, whole);
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    return sa_part_read(e, layer, &part, whole, &sa_emit_blob(e, layer->top[top])->shape, source);
}

/* Do the tops that have a gradient make up all of the bottom? */
static bool tops_cover_bottom(sa_emitter *e, const sa_layer *layer)
{
    size_t covered = 0;
    for (int i = 0; i < layer->top_count; i++)
        if (sa_emit_blob(e, layer->top[i])->needs_grad) covered += sa_shape_elements(&sa_emit_blob(e, layer->top[i])->shape);
    return covered == sa_shape_elements(&sa_emit_blob(e, layer->bottom[0])->shape);
}

sa_status sa_cut_emit_backward(sa_emitter *e, const sa_layer *layer)
{
    sa_slab out;
    if (!sa_emit_grad_is_wanted(e, layer->bottom[0])) return SA_OK;
    SA_TRY(sa_emit_grad_out(e, layer->bottom[0], &out));
    if (!tops_cover_bottom(e, layer)) {
        sa_op_args args = {.fill = {.target = out.at, .count = sa_slab_bytes(&out) / sizeof(float), .value = 0.0f}};
        SA_TRY(sa_emit_op(e, layer, "zero", SA_OP_FILL, &args));
    }
    for (int i = 0; i < layer->top_count; i++) {
        sa_source source;
        sa_part part;
        int32_t whole[4];
        if (!sa_emit_blob(e, layer->top[i])->needs_grad || sa_emit_top_grad_is_placed(e, layer, i)) continue;
        layer->type->part(layer, sa_emit_blobs(e), i, &part, whole);
        SA_TRY(sa_emit_grad(e, layer->top[i], &source));
        SA_TRY(sa_part_write(e, layer, "backward", &part, whole, &source, &out));
    }
    return SA_OK;
}
