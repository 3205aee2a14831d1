/* Types that combine, cut and select: Eltwise, Concat, Slice, Crop, Tile, Reduction, ArgMax. Caffe: the layers of these names. */
#include "layers/accounted/accounted.h"

#include <string.h>

static const char *name_of(const sa_layer *layer, const sa_blob *blobs, int bottom)
{
    return blobs[layer->bottom[bottom]].name;
}

/* ---- Eltwise ---- */

enum { ELTWISE_PROD, ELTWISE_SUM, ELTWISE_MAX };
static const sa_enum_name eltwise_names[] = {SA_ENUM("PROD", ELTWISE_PROD), SA_ENUM("SUM", ELTWISE_SUM),
                                             SA_ENUM("MAX", ELTWISE_MAX), SA_ENUM_END};

typedef struct eltwise_param {
    int32_t operation;
    float coeff[SA_LAYER_BOTTOMS_MAX];
    int32_t coeff_count;
} eltwise_param;

static const sa_field eltwise_fields[] = {
    SA_F_ENUM(eltwise_param, operation, "operation", eltwise_names),
    SA_F_REPEATED(eltwise_param, coeff, coeff_count, "coeff", FLOAT),
    SA_F_IGNORED("stable_prod_grad"),
    SA_F_END,
};

static void eltwise_init(void *config)
{
    *(eltwise_param *)config = (eltwise_param){.operation = ELTWISE_SUM};
}

static sa_status eltwise_setup(sa_layer *layer, sa_blob *blobs)
{
    const eltwise_param *p = layer->config;
    const sa_shape *first = &blobs[layer->bottom[0]].shape;
    if (p->coeff_count && (p->coeff_count != layer->bottom_count || p->operation != ELTWISE_SUM))
        SA_FAIL(SA_INVALID, "'coeff' is for SUM, one per bottom; it is given %d times for %d bottoms", p->coeff_count,
                layer->bottom_count);
    for (int i = 1; i < layer->bottom_count; i++)
        if (memcmp(&blobs[layer->bottom[i]].shape, first, sizeof *first) != 0) {
            char a[SA_SHAPE_TEXT_BYTES], b[SA_SHAPE_TEXT_BYTES];
            SA_FAIL(SA_INVALID, "'%s' is %s and '%s' is %s; shapes must be equal", name_of(layer, blobs, 0),
                    sa_shape_text(first, a), name_of(layer, blobs, i), sa_shape_text(&blobs[layer->bottom[i]].shape, b));
        }
    return sa_layer_same_shape(layer, blobs);
}

static int eltwise_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    if (((const eltwise_param *)layer->config)->operation != ELTWISE_MAX) return 0;
    list[0] = sa_both("max_idx_", SA_CAFFE_OTHER, sa_top_bytes(layer, blobs, 0));
    return 1;
}

const sa_layer_type sa_layer_eltwise = {
    .name = "Eltwise",
    .config_field = "eltwise_param",
    .config_table = eltwise_fields,
    .config_bytes = sizeof(eltwise_param),
    .config_init = eltwise_init,
    .min_bottoms = 2,
    .max_bottoms = SA_LAYER_BOTTOMS_MAX,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = SA_LAYER_BOTTOMS_MAX,
    .grad_tops = 1,
    .in_place = true,
    .accounted_only = true,
    .setup = eltwise_setup,
    .caffe_buffers = eltwise_buffers,
};

/* ---- Concat and Slice ---- */

typedef struct axis_param {
    int32_t axis, old_axis; /* old_axis: concat_dim, slice_dim; -1: not given */
    int32_t slice_point[SA_LAYER_TOPS_MAX];
    int32_t slice_point_count;
} axis_param;

static const sa_field concat_fields[] = {
    SA_F_SINGLE(axis_param, axis, "axis", INT32),
    SA_F_RANGE(axis_param, old_axis, "concat_dim", INT32, 0, 3),
    SA_F_END,
};

static const sa_field slice_fields[] = {
    SA_F_SINGLE(axis_param, axis, "axis", INT32),
    SA_F_RANGE(axis_param, old_axis, "slice_dim", INT32, 0, 3),
    SA_F_REPEATED_RANGE(axis_param, slice_point, slice_point_count, "slice_point", INT32, 0, INT32_MAX),
    SA_F_END,
};

static void axis_init(void *config)
{
    *(axis_param *)config = (axis_param){.axis = 1, .old_axis = -1};
}

static sa_status concat_setup(sa_layer *layer, sa_blob *blobs)
{
    const axis_param *p = layer->config;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    int axis;
    SA_TRY(sa_axis_resolve(&shape, p->old_axis >= 0 ? p->old_axis : p->axis, "axis", &axis));
    int64_t sum = shape.dim[axis];
    for (int i = 1; i < layer->bottom_count; i++) {
        const sa_shape *other = &blobs[layer->bottom[i]].shape;
        for (int k = 0; k < shape.axes; k++) {
            if (other->axes == shape.axes && (k == axis || other->dim[k] == shape.dim[k])) continue;
            char a[SA_SHAPE_TEXT_BYTES], b[SA_SHAPE_TEXT_BYTES];
            SA_FAIL(SA_INVALID, "'%s' is %s and '%s' is %s; all axes but axis %d must be equal", name_of(layer, blobs, 0),
                    sa_shape_text(&blobs[layer->bottom[0]].shape, a), name_of(layer, blobs, i), sa_shape_text(other, b), axis);
        }
        sum += other->dim[axis];
    }
    if (sum > INT32_MAX) SA_FAIL(SA_INVALID, "axis %d becomes %lld", axis, (long long)sum);
    shape.dim[axis] = (int32_t)sum;
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

const sa_layer_type sa_layer_concat = {
    .name = "Concat",
    .config_field = "concat_param",
    .config_table = concat_fields,
    .config_bytes = sizeof(axis_param),
    .config_init = axis_init,
    .min_bottoms = 1,
    .max_bottoms = SA_LAYER_BOTTOMS_MAX,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = SA_LAYER_BOTTOMS_MAX,
    .grad_tops = 1,
    .accounted_only = true,
    .caffe_shares_single = true,
    .setup = concat_setup,
};

static sa_status slice_setup(sa_layer *layer, sa_blob *blobs)
{
    const axis_param *p = layer->config;
    const sa_shape shape = blobs[layer->bottom[0]].shape;
    int axis, tops = layer->top_count;
    SA_TRY(sa_axis_resolve(&shape, p->old_axis >= 0 ? p->old_axis : p->axis, "axis", &axis));
    if (p->slice_point_count && p->slice_point_count != tops - 1)
        SA_FAIL(SA_INVALID, "'slice_point' is given %d times for %d tops", p->slice_point_count, tops);
    if (!p->slice_point_count && shape.dim[axis] % tops)
        SA_FAIL(SA_INVALID, "axis %d of '%s' is %d; it cannot be cut into %d equal parts", axis, name_of(layer, blobs, 0),
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

const sa_layer_type sa_layer_slice = {
    .name = "Slice",
    .config_field = "slice_param",
    .config_table = slice_fields,
    .config_bytes = sizeof(axis_param),
    .config_init = axis_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = SA_LAYER_TOPS_MAX,
    .grad_bottoms = 1,
    .grad_tops = SA_LAYER_TOPS_MAX,
    .accounted_only = true,
    .caffe_shares_single = true,
    .caffe_all_top_diffs = true,
    .setup = slice_setup,
};

/* ---- Crop: to the size of the second bottom ---- */

typedef struct crop_param {
    int32_t axis;
    int32_t offset[4];
    int32_t offset_count;
} crop_param;

static const sa_field crop_fields[] = {
    SA_F_SINGLE(crop_param, axis, "axis", INT32),
    SA_F_REPEATED_RANGE(crop_param, offset, offset_count, "offset", INT32, 0, INT32_MAX),
    SA_F_END,
};

static void crop_init(void *config)
{
    *(crop_param *)config = (crop_param){.axis = 2};
}

static sa_status crop_setup(sa_layer *layer, sa_blob *blobs)
{
    const crop_param *p = layer->config;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    const sa_shape *size = &blobs[layer->bottom[1]].shape;
    int axis;
    SA_TRY(sa_axis_resolve(&shape, p->axis, "axis", &axis));
    if (size->axes != shape.axes)
        SA_FAIL(SA_INVALID, "'%s' has %d axes and '%s' has %d", name_of(layer, blobs, 0), shape.axes, name_of(layer, blobs, 1),
                size->axes);
    if (p->offset_count > 1 && p->offset_count != shape.axes - axis)
        SA_FAIL(SA_INVALID, "'offset' is given %d times for %d axes", p->offset_count, shape.axes - axis);
    for (int i = axis; i < shape.axes; i++) {
        int64_t offset = p->offset_count == 0 ? 0 : p->offset[p->offset_count == 1 ? 0 : i - axis];
        if (offset + size->dim[i] > shape.dim[i])
            SA_FAIL(SA_INVALID, "axis %d of '%s' is %d: too small for %d of '%s' from offset %lld on", i, name_of(layer, blobs, 0),
                    shape.dim[i], size->dim[i], name_of(layer, blobs, 1), (long long)offset);
        shape.dim[i] = size->dim[i];
    }
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

static int crop_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    static const char *const members[] = {"offsets", "src_strides_", "dest_strides_"};
    size_t bytes = (size_t)blobs[layer->bottom[0]].shape.axes * 4;
    for (int i = 0; i < 3; i++) list[i] = sa_both(members[i], SA_CAFFE_OTHER, bytes);
    return 3;
}

static uint32_t crop_touches(const sa_layer *layer, const sa_blob *blobs)
{
    (void)blobs;
    return layer->needs_backward;
}

const sa_layer_type sa_layer_crop = {
    .name = "Crop",
    .config_field = "crop_param",
    .config_table = crop_fields,
    .config_bytes = sizeof(crop_param),
    .config_init = crop_init,
    .min_bottoms = 2,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .accounted_only = true,
    .setup = crop_setup,
    .caffe_touched_diffs = crop_touches,
    .caffe_buffers = crop_buffers,
};

/* ---- Tile ---- */

typedef struct tile_param {
    int32_t axis, tiles;
} tile_param;

static const sa_field tile_fields[] = {
    SA_F_SINGLE(tile_param, axis, "axis", INT32),
    SA_F_RANGE(tile_param, tiles, "tiles", INT32, 1, INT32_MAX),
    SA_F_END,
};

static void tile_init(void *config)
{
    *(tile_param *)config = (tile_param){.axis = 1};
}

static sa_status tile_setup(sa_layer *layer, sa_blob *blobs)
{
    const tile_param *p = layer->config;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    int axis;
    SA_TRY(sa_axis_resolve(&shape, p->axis, "axis", &axis));
    int64_t size = (int64_t)shape.dim[axis] * p->tiles;
    if (p->tiles < 1) SA_FAIL(SA_INVALID, "'tiles' is missing");
    if (size > INT32_MAX) SA_FAIL(SA_INVALID, "axis %d becomes %lld", axis, (long long)size);
    shape.dim[axis] = (int32_t)size;
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

const sa_layer_type sa_layer_tile = {
    .name = "Tile",
    .config_field = "tile_param",
    .config_table = tile_fields,
    .config_bytes = sizeof(tile_param),
    .config_init = tile_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .accounted_only = true,
    .setup = tile_setup,
};

/* ---- Reduction: all axes from `axis` on ---- */

enum { REDUCE_SUM = 1, REDUCE_ASUM, REDUCE_SUMSQ, REDUCE_MEAN };
static const sa_enum_name reduction_names[] = {SA_ENUM("SUM", REDUCE_SUM), SA_ENUM("ASUM", REDUCE_ASUM),
                                               SA_ENUM("SUMSQ", REDUCE_SUMSQ), SA_ENUM("MEAN", REDUCE_MEAN), SA_ENUM_END};

typedef struct reduction_param {
    int32_t operation, axis;
    int begin; /* resolved by setup */
} reduction_param;

static const sa_field reduction_fields[] = {
    SA_F_ENUM(reduction_param, operation, "operation", reduction_names),
    SA_F_SINGLE(reduction_param, axis, "axis", INT32),
    SA_F_IGNORED("coeff"),
    SA_F_END,
};

static void reduction_init(void *config)
{
    *(reduction_param *)config = (reduction_param){.operation = REDUCE_SUM};
}

static sa_status reduction_setup(sa_layer *layer, sa_blob *blobs)
{
    reduction_param *p = layer->config;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    SA_TRY(sa_axis_resolve(&shape, p->axis, "axis", &p->begin));
    for (int i = p->begin; i < shape.axes; i++) shape.dim[i] = 0;
    shape.axes = p->begin;
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

static int reduction_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const reduction_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    if (p->operation != REDUCE_SUM && p->operation != REDUCE_MEAN) return 0;
    list[0] = sa_both("sum_multiplier_", SA_CAFFE_OTHER, sa_shape_span(shape, p->begin, shape->axes) * 4);
    return 1;
}

const sa_layer_type sa_layer_reduction = {
    .name = "Reduction",
    .config_field = "reduction_param",
    .config_table = reduction_fields,
    .config_bytes = sizeof(reduction_param),
    .config_init = reduction_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .accounted_only = true,
    .setup = reduction_setup,
    .caffe_buffers = reduction_buffers,
};

/* ---- ArgMax ---- */

typedef struct argmax_param {
    int32_t axis, top_k;
    bool axis_given, out_max_val;
} argmax_param;

static const sa_field argmax_fields[] = {
    SA_F_GIVEN(argmax_param, axis, axis_given, "axis", INT32),
    SA_F_RANGE(argmax_param, top_k, "top_k", INT32, 1, INT32_MAX),
    SA_F_SINGLE(argmax_param, out_max_val, "out_max_val", BOOL),
    SA_F_END,
};

static void argmax_init(void *config)
{
    *(argmax_param *)config = (argmax_param){.top_k = 1};
}

static sa_status argmax_setup(sa_layer *layer, sa_blob *blobs)
{
    const argmax_param *p = layer->config;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    int axis = 1;
    if (p->axis_given) SA_TRY(sa_axis_resolve(&shape, p->axis, "axis", &axis));
    size_t values = p->axis_given ? (size_t)shape.dim[axis] : sa_shape_span(&shape, 1, shape.axes);
    if ((size_t)p->top_k > values) SA_FAIL(SA_INVALID, "top_k %d of %zu values", p->top_k, values);
    if (p->axis_given) {
        shape.dim[axis] = p->top_k;
    } else { /* (N, 1 or 2, top_k), at least three axes */
        int axes = shape.axes > 3 ? shape.axes : 3;
        shape = (sa_shape){axes, {shape.dim[0], p->out_max_val ? 2 : 1, p->top_k, axes > 3 ? 1 : 0}};
    }
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

const sa_layer_type sa_layer_argmax = {
    .name = "ArgMax",
    .config_field = "argmax_param",
    .config_table = argmax_fields,
    .config_bytes = sizeof(argmax_param),
    .config_init = argmax_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .accounted_only = true,
    .ends_scores = true,
    .caffe_tops_on_host = true,
    .setup = argmax_setup,
};
