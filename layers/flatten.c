/* Flatten and Reshape: the same bytes with other axes, under every strategy; so is the gradient. Caffe: the layers of these names.
 */
#include "layers/layer_common.h"
#include "program/emit.h"

static sa_status in_shape_of(sa_emitter *e, const sa_layer *layer, int blob, sa_source *source)
{
    int32_t nchw[4];
    sa_shape_nchw(&sa_emit_blob(e, blob)->shape, nchw);
    return sa_emit_reshape(e, layer, source, nchw);
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    return in_shape_of(e, layer, layer->top[top], source);
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    SA_TRY(sa_emit_grad(e, layer->top[0], source));
    return in_shape_of(e, layer, layer->bottom[bottom], source);
}

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
    .shares_bottom = true,
    .caffe_shares_data = true,
    .caffe_shares_diff = true,
    .setup = flatten_setup,
    .emit_forward = sa_emit_forward_from_source,
    .emit_backward = sa_emit_backward_from_source,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};

/* ---- Reshape ---- */

typedef struct reshape_param {
    int32_t dim[SA_AXES_MAX];
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
    SA_F_RANGE(reshape_param, num_axes, "num_axes", INT32, -1, SA_AXES_MAX),
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
    if (made.axes > SA_AXES_MAX)
        SA_FAIL(SA_UNSUPPORTED, "its top would have %d axes; at most %d are supported", made.axes, SA_AXES_MAX);
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
    .shares_bottom = true,
    .caffe_shares_data = true,
    .caffe_shares_diff = true,
    .setup = reshape_setup,
    .emit_forward = sa_emit_forward_from_source,
    .emit_backward = sa_emit_backward_from_source,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
