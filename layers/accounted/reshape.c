/* Types that only look at a blob in another shape, or change the order of its axes: Flatten, Reshape, Permute, Interp. Caffe: the
 * layers of these names; Permute is SSD's, Interp DeepLab's. */
#include "layers/accounted/accounted.h"

/* ---- Flatten ---- */

typedef struct flatten_param {
    int32_t axis, end_axis;
} flatten_param;

static const sa_field flatten_fields[] = {
    SA_F_SINGLE(flatten_param, axis, "axis", INT32),
    SA_F_SINGLE(flatten_param, end_axis, "end_axis", INT32),
    SA_F_END,
};

static void flatten_init(void *config)
{
    *(flatten_param *)config = (flatten_param){.axis = 1, .end_axis = -1};
}

static sa_status flatten_setup(sa_layer *layer, sa_blob *blobs)
{
    const flatten_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int begin, end;
    SA_TRY(sa_axis_resolve(shape, p->axis, "axis", &begin));
    SA_TRY(sa_axis_resolve(shape, p->end_axis, "end_axis", &end));
    if (end < begin) SA_FAIL(SA_INVALID, "axis %d is behind end_axis %d", begin, end);
    size_t product = sa_shape_span(shape, begin, end + 1);
    if (product > INT32_MAX) SA_FAIL(SA_INVALID, "axes %d to %d become %zu", begin, end, product);
    sa_shape flat = {.axes = shape->axes - (end - begin)};
    for (int i = 0; i < begin; i++) flat.dim[i] = shape->dim[i];
    flat.dim[begin] = (int32_t)product;
    for (int i = end + 1; i < shape->axes; i++) flat.dim[begin + i - end] = shape->dim[i];
    blobs[layer->top[0]].shape = flat;
    return SA_OK;
}

const sa_layer_type sa_layer_flatten = {
    .name = "Flatten",
    .config_field = "flatten_param",
    .config_table = flatten_fields,
    .config_bytes = sizeof(flatten_param),
    .config_init = flatten_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .accounted_only = true,
    .caffe_shares_data = true,
    .caffe_shares_diff = true,
    .setup = flatten_setup,
};

/* ---- Reshape ---- */

typedef struct reshape_param {
    int32_t dim[4];
    int32_t dim_count;
    int32_t axis, num_axes;
} reshape_param;

static const sa_field reshape_shape_fields[] = {
    SA_F_AXES(reshape_param, dim, dim_count, "dim", -1),
    SA_F_END,
};

/* `shape` fills the same struct. */
static const sa_field reshape_fields[] = {
    {.name = "shape", .type = SA_FIELD_MESSAGE, .offset = 0, .message = reshape_shape_fields},
    SA_F_SINGLE(reshape_param, axis, "axis", INT32),
    SA_F_RANGE(reshape_param, num_axes, "num_axes", INT32, -1, 4),
    SA_F_END,
};

static void reshape_init(void *config)
{
    *(reshape_param *)config = (reshape_param){.num_axes = -1};
}

/* The new axes [begin, begin + dim_count) of `made`; 0 copies the bottom's axis at that place, -1 takes what is left of `elements`.
 */
static sa_status fill_axes(const reshape_param *p, const sa_shape *shape, int begin, size_t elements, sa_shape *made)
{
    size_t known = 1;
    int inferred = -1;
    for (int i = 0; i < p->dim_count; i++) {
        int32_t dim = p->dim[i];
        if (dim == 0 && begin + i >= shape->axes) SA_FAIL(SA_INVALID, "dim 0 copies axis %d, which the bottom lacks", begin + i);
        if (dim == 0) dim = shape->dim[begin + i];
        if (dim < 0 && inferred >= 0) SA_FAIL(SA_INVALID, "dim -1 is given more than once");
        if (dim < 0) inferred = begin + i;
        else known *= (size_t)dim;
        made->dim[begin + i] = dim;
    }
    if (inferred < 0) return SA_OK;
    if (elements % known || elements / known > INT32_MAX)
        SA_FAIL(SA_INVALID, "%zu values cannot be divided by %zu for dim -1", elements, known);
    made->dim[inferred] = (int32_t)(elements / known);
    return SA_OK;
}

static sa_status reshape_setup(sa_layer *layer, sa_blob *blobs)
{
    const reshape_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int begin = p->axis < 0 ? p->axis + shape->axes + 1 : p->axis; /* -1: behind the last axis */
    if (begin < 0 || begin > shape->axes) SA_FAIL(SA_INVALID, "axis %d of a blob with %d axes", p->axis, shape->axes);
    int end = p->num_axes < 0 ? shape->axes : begin + p->num_axes;
    if (end > shape->axes) SA_FAIL(SA_INVALID, "axes %d to %d of a blob with %d axes", begin, end - 1, shape->axes);
    sa_shape made = {.axes = shape->axes - (end - begin) + p->dim_count};
    if (made.axes > 4) SA_FAIL(SA_UNSUPPORTED, "its top would have %d axes; at most 4 are supported", made.axes);
    for (int i = 0; i < begin; i++) made.dim[i] = shape->dim[i];
    SA_TRY(fill_axes(p, shape, begin, sa_shape_span(shape, begin, end), &made));
    for (int i = end; i < shape->axes; i++) made.dim[i - end + begin + p->dim_count] = shape->dim[i];
    if (sa_shape_elements(&made) != sa_shape_elements(shape)) {
        char a[SA_SHAPE_TEXT_BYTES], b[SA_SHAPE_TEXT_BYTES];
        SA_FAIL(SA_INVALID, "%s does not have the values of %s", sa_shape_text(&made, a), sa_shape_text(shape, b));
    }
    blobs[layer->top[0]].shape = made;
    return SA_OK;
}

const sa_layer_type sa_layer_reshape = {
    .name = "Reshape",
    .config_field = "reshape_param",
    .config_table = reshape_fields,
    .config_bytes = sizeof(reshape_param),
    .config_init = reshape_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .accounted_only = true,
    .caffe_shares_data = true,
    .caffe_shares_diff = true,
    .setup = reshape_setup,
};

/* ---- Permute ---- */

typedef struct permute_param {
    int32_t order[4];
    int32_t order_count;
} permute_param;

static const sa_field permute_fields[] = {
    SA_F_REPEATED_RANGE(permute_param, order, order_count, "order", INT32, 0, 3),
    SA_F_END,
};

/* Axes that `order` does not name follow in their own order. */
static sa_status permute_setup(sa_layer *layer, sa_blob *blobs)
{
    const permute_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    sa_shape made = {0};
    bool taken[4] = {false};
    for (int i = 0; i < p->order_count; i++) {
        if (p->order[i] >= shape->axes || taken[p->order[i]])
            SA_FAIL(SA_INVALID, "order %d: each of the %d axes once", p->order[i], shape->axes);
        taken[p->order[i]] = true;
        made.dim[made.axes++] = shape->dim[p->order[i]];
    }
    for (int i = 0; i < shape->axes; i++)
        if (!taken[i]) made.dim[made.axes++] = shape->dim[i];
    blobs[layer->top[0]].shape = made;
    return SA_OK;
}

static int permute_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    static const char *const members[] = {"permute_order_", "old_steps_", "new_steps_"};
    size_t bytes = (size_t)blobs[layer->bottom[0]].shape.axes * 4;
    for (int i = 0; i < 3; i++) list[i] = sa_both(members[i], SA_CAFFE_OTHER, bytes);
    return 3;
}

const sa_layer_type sa_layer_permute = {
    .name = "Permute",
    .config_field = "permute_param",
    .config_table = permute_fields,
    .config_bytes = sizeof(permute_param),
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .accounted_only = true,
    .setup = permute_setup,
    .caffe_buffers = permute_buffers,
};

/* ---- Interp: bilinear resizing ---- */

typedef struct interp_param {
    int32_t height, width, zoom_factor, shrink_factor, pad_beg, pad_end;
} interp_param;

static const sa_field interp_fields[] = {
    SA_F_RANGE(interp_param, height, "height", INT32, 0, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(interp_param, width, "width", INT32, 0, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(interp_param, zoom_factor, "zoom_factor", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(interp_param, shrink_factor, "shrink_factor", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(interp_param, pad_beg, "pad_beg", INT32, -SA_PARAM_SIZE_MAX, 0),
    SA_F_RANGE(interp_param, pad_end, "pad_end", INT32, -SA_PARAM_SIZE_MAX, 0),
    SA_F_END,
};

/* First shrunk, then zoomed, then height and width; a second bottom gives the size instead. */
static int32_t interp_size(const interp_param *p, int32_t size, int32_t given)
{
    int64_t effective = (int64_t)size + p->pad_beg + p->pad_end;
    if (given > 0) return given;
    if (p->shrink_factor > 0) effective = (effective - 1) / p->shrink_factor + 1;
    if (p->zoom_factor > 0) effective = effective + (effective - 1) * (p->zoom_factor - 1);
    return effective < 1 || effective > INT32_MAX ? 0 : (int32_t)effective;
}

static sa_status interp_setup(sa_layer *layer, sa_blob *blobs)
{
    const interp_param *p = layer->config;
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    sa_shape shape = blobs[layer->bottom[0]].shape;
    const sa_shape *like = layer->bottom_count > 1 ? &blobs[layer->bottom[1]].shape : NULL;
    if (like && like->axes != 4) SA_FAIL(SA_INVALID, "the second bottom has %d axes, needs 4", like->axes);
    shape.dim[2] = interp_size(p, shape.dim[2], like ? like->dim[2] : p->height);
    shape.dim[3] = interp_size(p, shape.dim[3], like ? like->dim[3] : p->width);
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

const sa_layer_type sa_layer_interp = {
    .name = "Interp",
    .config_field = "interp_param",
    .config_table = interp_fields,
    .config_bytes = sizeof(interp_param),
    .min_bottoms = 1,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .accounted_only = true,
    .setup = interp_setup,
};
