/* Slice: cuts a blob along an axis. Each top is a part of the bottom, which readers may read in place. Caffe: SliceLayer. */
#include "layers/parts.h"

typedef struct slice_param {
    int32_t axis, old_axis; /* old_axis: slice_dim; -1: not given */
    int32_t slice_point[SA_LAYER_TOPS_MAX];
    int32_t slice_point_count;
} slice_param;

static const sa_field fields[] = {
    SA_F_SINGLE(slice_param, axis, "axis", INT32),
    SA_F_RANGE(slice_param, old_axis, "slice_dim", INT32, 0, 3),
    SA_F_REPEATED_RANGE(slice_param, slice_point, slice_point_count, "slice_point", INT32, 0, INT32_MAX),
    SA_F_END,
};

static void config_init(void *config)
{
    *(slice_param *)config = (slice_param){.axis = 1, .old_axis = -1};
}

static sa_status axis_of(const sa_layer *layer, const sa_shape *shape, int *axis)
{
    const slice_param *p = layer->config;
    return sa_axis_resolve(shape, p->old_axis >= 0 ? p->old_axis : p->axis, "axis", axis);
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const slice_param *p = layer->config;
    const sa_shape shape = blobs[layer->bottom[0]].shape;
    int axis, tops = layer->top_count;
    SA_TRY(axis_of(layer, &shape, &axis));
    if (p->slice_point_count && p->slice_point_count != tops - 1)
        SA_FAIL(SA_INVALID, "'slice_point' is given %d times for %d tops", p->slice_point_count, tops);
    if (!p->slice_point_count && shape.dim[axis] % tops)
        SA_FAIL(SA_INVALID, "axis %d of '%s' is %d; it cannot be cut into %d equal parts", axis, blobs[layer->bottom[0]].name,
                shape.dim[axis], tops);
    int32_t begin = 0;
    for (int i = 0; i < tops; i++) {
        int32_t end = i == tops - 1 ? shape.dim[axis] : p->slice_point_count ? p->slice_point[i] : shape.dim[axis] / tops * (i + 1);
        if (end <= begin || end > shape.dim[axis])
            SA_FAIL(SA_INVALID, "top %d would be [%d, %d) of the %d of axis %d", i, begin, end, shape.dim[axis], axis);
        blobs[layer->top[i]].shape = shape;
        blobs[layer->top[i]].shape.dim[axis] = end - begin;
        begin = end;
    }
    return SA_OK;
}

static void part(const sa_layer *layer, const sa_blob *blobs, int top, sa_part *part, int32_t whole[4])
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int axis = 1;
    int32_t begin = 0;
    (void)!axis_of(layer, shape, &axis); /* checked by setup */
    for (int i = 0; i < top; i++) begin += blobs[layer->top[i]].shape.dim[axis];
    sa_axis_part(shape, axis, begin, blobs[layer->top[top]].shape.dim[axis], part, whole);
}

const sa_layer_type sa_layer_slice = {
    .name = "Slice",
    .config_field = "slice_param",
    .config_table = fields,
    .config_bytes = sizeof(slice_param),
    .config_init = config_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = SA_LAYER_TOPS_MAX,
    .grad_bottoms = 1,
    .grad_tops = SA_LAYER_TOPS_MAX,
    .cuts_bottom = true,
    .caffe_shares_single = true,
    .caffe_all_top_diffs = true,
    .setup = setup,
    .part = part,
    .emit_forward = sa_emit_forward_from_source,
    .emit_backward = sa_cut_emit_backward,
    .top_source = sa_cut_top_source,
};
