/* For layers that work along an axis, whose bottoms are parts of their top (Concat, Tile) or whose tops are parts of their bottom
 * (Slice, Crop). Private to layers/. */
#ifndef SA_LAYERS_PARTS_H
#define SA_LAYERS_PARTS_H

#include "layers/layer_common.h"
#include "program/emit.h"

/* A view of a shape in which `axis` is an axis of its own: the usual one up to 4 axes, else (outer, axis, inner). *slot: where. */
static inline void sa_axis_view(const sa_shape *shape, int axis, int32_t nchw[4], int *slot)
{
    if (shape->axes <= 4) {
        sa_shape_nchw(shape, nchw);
        *slot = shape->axes == 1 ? 1 : axis < 2 ? axis : axis == shape->axes - 1 ? 3 : 2;
        return;
    }
    nchw[0] = (int32_t)sa_shape_span(shape, 0, axis);
    nchw[1] = shape->dim[axis];
    nchw[2] = (int32_t)sa_shape_span(shape, axis + 1, shape->axes - 1);
    nchw[3] = axis < shape->axes - 1 ? shape->dim[shape->axes - 1] : 1;
    *slot = 1;
}

/* A view in which `axis` is the channels: the usual one for axis 1, else (outer, axis, inner). */
static inline void sa_axis_as_channels(const sa_shape *shape, int axis, int32_t nchw[4])
{
    int slot;
    sa_axis_view(shape, axis, nchw, &slot);
    if (slot == 1) return;
    nchw[0] = (int32_t)sa_shape_span(shape, 0, axis);
    nchw[1] = shape->dim[axis];
    nchw[2] = (int32_t)sa_shape_span(shape, axis + 1, shape->axes - 1);
    nchw[3] = axis < shape->axes - 1 ? shape->dim[shape->axes - 1] : 1;
}

/* [begin, begin + size) along `axis` of a value of `shape`, all of the other axes; whole: the view it is a part of. */
static inline void sa_axis_part(const sa_shape *shape, int axis, int32_t begin, int32_t size, sa_part *part, int32_t whole[4])
{
    int slot;
    sa_axis_view(shape, axis, whole, &slot);
    for (int i = 0; i < 4; i++) {
        part->begin[i] = i == slot ? begin : 0;
        part->size[i] = i == slot ? size : whole[i];
    }
}

/* *source becomes the part of it, in the usual view of `shape`. */
SA_CHECKED sa_status sa_part_read(sa_emitter *emitter, const sa_layer *layer, const sa_part *part, const int32_t whole[4],
                                  const sa_shape *shape, sa_source *source);
/* Emits an op that writes the source into the part of `out`, the slab of the larger value. */
SA_CHECKED sa_status sa_part_write(sa_emitter *emitter, const sa_layer *layer, const char *what, const sa_part *part,
                                   const int32_t whole[4], const sa_source *source, const sa_slab *out);

/* emit_forward, bottom_grad_source of a type that joins its bottoms; emit_backward is sa_emit_backward_from_source. */
sa_status sa_joint_emit_forward(sa_emitter *emitter, const sa_layer *layer);
sa_status sa_joint_bottom_grad_source(sa_emitter *emitter, const sa_layer *layer, int bottom, sa_source *source);
/* top_source, emit_backward of a type that cuts its bottom; emit_forward is sa_emit_forward_from_source. */
sa_status sa_cut_top_source(sa_emitter *emitter, const sa_layer *layer, int top, sa_source *source);
sa_status sa_cut_emit_backward(sa_emitter *emitter, const sa_layer *layer);

#endif
