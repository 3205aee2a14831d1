/* Permute, Reduction, ArgMax. */
#include "layers/accounted/accounted.h"

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
