/* Scale and Bias: y = x * s (+ b) and y = x + b, where s and b are vectors over some axes of x, learned, or the second bottom.
 * Caffe: ScaleLayer, BiasLayer. */
#include "layers/grad_sums.h"
#include "layers/layer_common.h"
#include "program/emit.h"

#include "proto/fields.h"

static const char KEPT[] = "temp_"; /* Caffe's copy of the input, in place */

typedef struct scale_param {
    int32_t axis, num_axes;
    sa_filler_param filler, bias_filler;
    bool filler_given, bias_term;
    int begin; /* resolved by setup: the first axis of the vector */
    sa_shape vector;
    sa_spread spread;
} scale_param;

static const sa_field scale_fields[] = {
    SA_F_SINGLE(scale_param, axis, "axis", INT32),
    SA_F_RANGE(scale_param, num_axes, "num_axes", INT32, -1, 4),
    SA_F_MESSAGE_GIVEN(scale_param, filler, filler_given, "filler", sa_filler_fields),
    SA_F_SINGLE(scale_param, bias_term, "bias_term", BOOL),
    SA_F_MESSAGE(scale_param, bias_filler, "bias_filler", sa_filler_fields),
    SA_F_END,
};

static const sa_field bias_fields[] = {
    SA_F_SINGLE(scale_param, axis, "axis", INT32),
    SA_F_RANGE(scale_param, num_axes, "num_axes", INT32, -1, 4),
    SA_F_MESSAGE(scale_param, filler, "filler", sa_filler_fields),
    SA_F_END,
};

static void scale_init(void *config)
{
    scale_param *p = config;
    *p = (scale_param){.axis = 1, .num_axes = 1};
    sa_filler_param_init(&p->filler);
    sa_filler_param_init(&p->bias_filler);
}

/* ---- the vector ---- */

/* Of axes [begin, begin + axes) of a shape; an axis of length 1 has no step. */
static sa_spread spread_of(const sa_shape *shape, int begin, int axes)
{
    int32_t step[4] = {0, 0, 0, 0}, product = 1;
    const int first = shape->axes == 1 ? 1 : 0; /* where axis 0 is among (N, C, H, W) */
    for (int i = begin + axes - 1; i >= begin; i--) {
        if (shape->dim[i] > 1) step[first + i] = product;
        product *= shape->dim[i];
    }
    return (sa_spread){step[0], step[1], step[2], step[3]};
}

static sa_status find_vector(sa_layer *layer, const sa_blob *blobs)
{
    scale_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    SA_TRY(sa_axis_resolve(shape, p->axis, "axis", &p->begin));
    int count = layer->bottom_count > 1 ? blobs[layer->bottom[1]].shape.axes
                : p->num_axes < 0       ? shape->axes - p->begin
                                        : p->num_axes;
    if (p->begin + count > shape->axes)
        SA_FAIL(SA_INVALID, "%d axes from axis %d on, but '%s' has %d", count, p->begin, blobs[layer->bottom[0]].name, shape->axes);
    p->vector = (sa_shape){.axes = count};
    for (int i = 0; i < count; i++) {
        p->vector.dim[i] = shape->dim[p->begin + i];
        if (layer->bottom_count > 1 && blobs[layer->bottom[1]].shape.dim[i] != p->vector.dim[i])
            SA_FAIL(SA_INVALID, "axis %d of '%s' is %d, of '%s' %d", i, blobs[layer->bottom[1]].name,
                    blobs[layer->bottom[1]].shape.dim[i], blobs[layer->bottom[0]].name, p->vector.dim[i]);
    }
    p->spread = spread_of(shape, p->begin, count);
    layer->mixes_channels = p->spread.channel == 0;
    layer->reads_siblings = layer->bottom_count > 1;
    return SA_OK;
}

/* The second bottom, or parameter 0. */
static sa_status vector_ref(sa_emitter *e, const sa_layer *layer, sa_ref *ref)
{
    sa_source source;
    if (layer->bottom_count == 1) {
        *ref = sa_emit_param(e, layer, 0);
        return SA_OK;
    }
    SA_TRY(sa_emit_data(e, layer->bottom[1], &source));
    return sa_emit_plain(e, layer, &source, ref);
}

/* *source = *source op vector, where the vector has steps along rows or columns. */
static sa_status join_spread(sa_emitter *e, const sa_layer *layer, sa_source *source, bool multiply, sa_ref vector)
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    sa_source spread;
    sa_node *node;
    SA_TRY(sa_source_join(&spread, SA_NODE_SPREAD, shape, NULL, NULL, NULL, &node));
    node->vector[0] = vector;
    node->spread = ((const scale_param *)layer->config)->spread;
    SA_TRY(sa_emit_join(e, layer, source, multiply ? SA_NODE_MAP2 : SA_NODE_ADD, shape, source, &spread, NULL, &node));
    if (multiply) node->number.map.kind = SA_MAP_PRODUCT;
    return SA_OK;
}

/* *source = *source * scale + bias; either may be absent. */
static sa_status join_vectors(sa_emitter *e, const sa_layer *layer, sa_source *source, sa_ref scale, sa_ref bias)
{
    const scale_param *p = layer->config;
    const bool scales = scale.buffer != SA_NO_BUFFER, shifts = bias.buffer != SA_NO_BUFFER;
    sa_node *node;
    if (p->spread.row || p->spread.column) {
        if (scales) SA_TRY(join_spread(e, layer, source, true, scale));
        return shifts ? join_spread(e, layer, source, false, bias) : SA_OK;
    }
    SA_TRY(sa_emit_join(e, layer, source, shifts ? SA_NODE_AFFINE : SA_NODE_SCALE, &sa_emit_blob(e, layer->bottom[0])->shape,
                        source, NULL, NULL, &node));
    node->vector[0] = scale;
    node->vector[1] = bias;
    node->spread = p->spread;
    return SA_OK;
}

/* The gradient of what `vector_ref` gives: absent if nobody wants it. */
static sa_status vector_grad(sa_emitter *e, const sa_layer *layer, sa_ref *ref)
{
    sa_slab slab;
    *ref = SA_REF_NONE;
    if (layer->bottom_count == 1) {
        if (layer->param[0].needs_grad) *ref = sa_emit_param_grad(e, layer, 0);
        return SA_OK;
    }
    if (!sa_emit_grad_is_wanted(e, layer->bottom[1])) return SA_OK;
    SA_TRY(sa_emit_grad_out(e, layer->bottom[1], &slab));
    *ref = slab.at;
    return SA_OK;
}

/* scale = sum of dy * x, bias = sum of dy; each may be absent. */
static sa_status emit_sums(sa_emitter *e, const sa_layer *layer, sa_ref scale, sa_ref bias)
{
    sa_op_args args = {.bn_reduce = {.range = sa_emit_range(e, layer->bottom[0]),
                                     .spread = ((const scale_param *)layer->config)->spread,
                                     .dgamma = scale,
                                     .dbeta = bias}};
    sa_bn_reduce_args *a = &args.bn_reduce;
    if (scale.buffer == SA_NO_BUFFER && bias.buffer == SA_NO_BUFFER) return SA_OK;
    SA_TRY(sa_emit_grad(e, layer->top[0], &a->dy));
    if (scale.buffer == SA_NO_BUFFER) a->xhat = a->dy; /* the product is not asked for */
    else SA_TRY(sa_emit_kept_bottom(e, layer, KEPT, &a->xhat));
    SA_TRY(sa_emit_reduce_workspace(e, layer, &a->range, &a->workspace, &a->workspace_bytes));
    return sa_emit_op(e, layer, "reduce", SA_OP_BN_REDUCE, &args);
}

/* ---- Scale ---- */

static sa_status scale_setup(sa_layer *layer, sa_blob *blobs)
{
    scale_param *p = layer->config;
    SA_TRY(find_vector(layer, blobs));
    if (!p->filler_given) p->filler.value = 1.0f;
    layer->param_count = 0;
    if (layer->bottom_count == 1) {
        layer->param[0].shape = p->vector;
        layer->param[layer->param_count++].filler = p->filler;
    }
    if (p->bias_term) {
        layer->param[layer->param_count].shape = p->vector;
        layer->param[layer->param_count++].filler = p->bias_filler;
    }
    layer->scales_channels = layer->param_count == 2 && p->begin == 1 && p->vector.axes == 1;
    return sa_layer_same_shape(layer, blobs);
}

/* "<below>.<suffix>" = a parameter's gradient times the scale, of the channels of the running band. */
static sa_status emit_sum_below(sa_emitter *e, const sa_layer *layer, const sa_layer *below, int param, const char *suffix)
{
    const sa_shape *shape = &layer->param[0].shape;
    const sa_slab grad = sa_slab_full(sa_emit_param_grad(e, layer, param), shape);
    const sa_slab scale = sa_slab_full(sa_emit_param(e, layer, 0), shape);
    sa_op_args args = {.materialize = {.range = sa_emit_range(e, layer->bottom[0])}};
    sa_source factor;
    sa_node *node;
    sa_ref at;
    sa_source_dense(&args.materialize.source, &grad, shape);
    sa_source_dense(&factor, &scale, shape);
    SA_TRY(sa_emit_join(e, layer, &args.materialize.source, SA_NODE_MAP2, shape, &args.materialize.source, &factor, NULL, &node));
    node->number.map.kind = SA_MAP_PRODUCT;
    SA_TRY(sa_emit_saved(e, below, suffix, SA_EMIT_SAVED, sa_shape_elements(shape) * 4, &at));
    args.materialize.range.image_begin = 0;
    args.materialize.range.image_end = 1;
    args.materialize.out = sa_slab_full(at, shape);
    return sa_emit_op(e, layer, suffix, SA_OP_MATERIALIZE, &args);
}

static sa_status emit_sums_below(sa_emitter *e, const sa_layer *layer)
{
    const sa_layer *below = &sa_emit_layers(e)[sa_emit_blob(e, layer->bottom[0])->producer];
    if (!layer->scales_channels || !sa_sums_come_from_above(e, below)) return SA_OK;
    SA_TRY(emit_sum_below(e, layer, below, 0, SA_SUM_PRODUCT));
    return emit_sum_below(e, layer, below, 1, SA_SUM_DY);
}

/* Which parameter the bias is. */
static int bias_param(const sa_layer *layer)
{
    return layer->bottom_count == 1 ? 1 : 0;
}

static sa_status scale_top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    sa_ref scale, bias = SA_REF_NONE;
    SA_TRY(vector_ref(e, layer, &scale));
    if (((const scale_param *)layer->config)->bias_term) bias = sa_emit_param(e, layer, bias_param(layer));
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    return join_vectors(e, layer, source, scale, bias);
}

static sa_status scale_bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom; /* 0: the second bottom's is a sum, not a formula */
    sa_ref scale;
    SA_TRY(vector_ref(e, layer, &scale));
    SA_TRY(sa_emit_grad(e, layer->top[0], source));
    return join_vectors(e, layer, source, scale, SA_REF_NONE);
}

static sa_status scale_emit_forward(sa_emitter *e, const sa_layer *layer)
{
    SA_TRY(sa_emit_keep_bottom(e, layer, KEPT));
    return sa_emit_forward_from_source(e, layer);
}

static sa_status scale_emit_backward(sa_emitter *e, const sa_layer *layer)
{
    const int b = bias_param(layer);
    const bool shifts = ((const scale_param *)layer->config)->bias_term && layer->param[b].needs_grad;
    sa_ref scale;
    SA_TRY(vector_grad(e, layer, &scale));
    SA_TRY(emit_sums(e, layer, scale, shifts ? sa_emit_param_grad(e, layer, b) : SA_REF_NONE));
    SA_TRY(emit_sums_below(e, layer));
    return sa_emit_backward_from_source(e, layer);
}

static int scale_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const scale_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t outer = sa_shape_span(shape, 0, p->begin), dim = sa_shape_elements(&p->vector);
    size_t inner = sa_shape_span(shape, p->begin + p->vector.axes, shape->axes);
    int count = 0;
    if (sa_is_in_place(layer, blobs)) list[count++] = sa_both(KEPT, SA_CAFFE_OTHER, sa_blob_bytes(&blobs[layer->bottom[0]]));
    list[count++] = sa_both("sum_multiplier_", SA_CAFFE_OTHER, (outer > inner ? outer : inner) * 4);
    if (layer->needs_backward && layer->bottom_count == 1 && inner > 1 && outer > 1)
        list[count++] = sa_both("sum_result_", SA_CAFFE_OTHER, outer * dim * 4);
    if (p->bias_term) list[count++] = sa_both("/bias.bias_multiplier_", SA_CAFFE_OTHER, inner * 4);
    return count;
}

/* A learned scale that is not in place touches its bottom's gradient. */
static uint32_t scale_touches(const sa_layer *layer, const sa_blob *blobs)
{
    return layer->needs_backward && layer->bottom_count == 1 && !sa_is_in_place(layer, blobs);
}

const sa_layer_type sa_layer_scale = {
    .name = "Scale",
    .config_field = "scale_param",
    .config_table = scale_fields,
    .config_bytes = sizeof(scale_param),
    .config_init = scale_init,
    .min_bottoms = 1,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 2,
    .grad_tops = 1,
    .in_place = true,
    .writes_images = true,
    .pointwise = true,
    .channels_apart = true,
    .reads_bottom = true,
    .cheap_grad = true,
    .source_nodes = 2,
    .setup = scale_setup,
    .caffe_touched_diffs = scale_touches,
    .caffe_buffers = scale_buffers,
    .emit_forward = scale_emit_forward,
    .emit_backward = scale_emit_backward,
    .top_source = scale_top_source,
    .bottom_grad_source = scale_bottom_grad_source,
};

/* ---- Bias ---- */

static sa_status bias_setup(sa_layer *layer, sa_blob *blobs)
{
    const scale_param *p = layer->config;
    SA_TRY(find_vector(layer, blobs));
    layer->param_count = layer->bottom_count == 1;
    layer->param[0].shape = p->vector;
    layer->param[0].filler = p->filler;
    return sa_layer_same_shape(layer, blobs);
}

static sa_status bias_top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    sa_ref bias;
    SA_TRY(vector_ref(e, layer, &bias));
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    return join_vectors(e, layer, source, SA_REF_NONE, bias);
}

static sa_status bias_bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    return sa_emit_grad(e, layer->top[0], source);
}

static sa_status bias_emit_backward(sa_emitter *e, const sa_layer *layer)
{
    sa_ref bias;
    SA_TRY(vector_grad(e, layer, &bias));
    SA_TRY(emit_sums(e, layer, SA_REF_NONE, bias));
    return sa_emit_backward_from_source(e, layer);
}

static int bias_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const scale_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    list[0] = sa_both("bias_multiplier_", SA_CAFFE_OTHER, sa_shape_span(shape, p->begin + p->vector.axes, shape->axes) * 4);
    return 1;
}

const sa_layer_type sa_layer_bias = {
    .name = "Bias",
    .config_field = "bias_param",
    .config_table = bias_fields,
    .config_bytes = sizeof(scale_param),
    .config_init = scale_init,
    .min_bottoms = 1,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 2,
    .grad_tops = 1,
    .in_place = true,
    .writes_images = true,
    .pointwise = true,
    .channels_apart = true,
    .cheap_grad = true,
    .source_nodes = 2,
    .setup = bias_setup,
    .caffe_buffers = bias_buffers,
    .emit_forward = sa_emit_forward_from_source,
    .emit_backward = bias_emit_backward,
    .top_source = bias_top_source,
    .bottom_grad_source = bias_bottom_grad_source,
};
