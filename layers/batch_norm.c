/* BatchNorm: y = (x - mean) / sqrt(var + eps), without scale and shift. Statistics are the batch's, which also go into running
 * sums, or those of the sums. The sums are the parameters: of means, of variances, and of their weights; no gradient reaches them.
 * Caffe: BatchNormLayer. Not SegNet's BN. */
#include "layers/grad_sums.h"
#include "layers/layer_common.h"
#include "program/emit.h"

#include "proto/fields.h"

enum { SUM_OF_MEANS, SUM_OF_VARIANCES, WEIGHT, PARAMS };

typedef struct batch_norm_param {
    bool use_global, use_global_given;
    float fraction, eps;
} batch_norm_param;

static const sa_field batch_norm_fields[] = {
    SA_F_GIVEN(batch_norm_param, use_global, use_global_given, "use_global_stats", BOOL),
    SA_F_SINGLE(batch_norm_param, fraction, "moving_average_fraction", FLOAT),
    SA_F_RANGE(batch_norm_param, eps, "eps", FLOAT, 0, 1e30),
    SA_F_IGNORED("engine"),
    SA_F_END,
};

static void batch_norm_init(void *config)
{
    *(batch_norm_param *)config = (batch_norm_param){.fraction = 0.999f, .eps = 1e-5f};
}

static bool stored_statistics(const void *config)
{
    const batch_norm_param *p = config;
    return p->use_global_given && p->use_global;
}

static void choose_statistics(void *config, bool stored)
{
    batch_norm_param *p = config;
    p->use_global = stored;
    p->use_global_given = true;
}

static bool uses_sums(const sa_layer *layer)
{
    const batch_norm_param *p = layer->config;
    return p->use_global_given ? p->use_global : layer->test_phase;
}

/* A blob of one axis is one channel. */
static int32_t channels_of(const sa_shape *shape)
{
    return shape->axes > 1 ? shape->dim[1] : 1;
}

static sa_spread spread_of(const sa_shape *shape)
{
    if (shape->axes > 1) return SA_SPREAD_CHANNELS;
    return (sa_spread){0};
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    layer->param_count = PARAMS;
    for (int i = 0; i < PARAMS; i++) {
        sa_param *param = &layer->param[i];
        if (param->given && param->lr_mult != 0.0f)
            SA_FAIL(SA_INVALID, "lr_mult of parameter %d is %g; the running sums are no weights: it must be 0", i,
                    (double)param->lr_mult);
        param->shape = (sa_shape){1, {i < WEIGHT ? channels_of(shape) : 1}};
        param->lr_mult = 0.0f;
    }
    layer->mixes_channels = shape->axes == 1;
    layer->needs_grad_sums = !layer->mixes_channels && !uses_sums(layer);
    return sa_layer_same_shape(layer, blobs);
}

static sa_status saved_vector(sa_emitter *e, const sa_layer *layer, const char *suffix, sa_ref *ref)
{
    size_t bytes = (size_t)channels_of(&sa_emit_blob(e, layer->bottom[0])->shape) * 4;
    return sa_emit_saved(e, layer, suffix, SA_EMIT_SAVED, bytes, ref);
}

/* The normalised value, from Caffe's copy of it if there is one. */
static sa_status xhat_source(sa_emitter *e, const sa_layer *layer, sa_source *source)
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    sa_node *node;
    if (!uses_sums(layer) && sa_emit_has_saved(e, layer, "x_norm_")) return sa_emit_saved_source(e, layer, "x_norm_", source);
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_XHAT, shape, source, NULL, NULL, &node));
    node->spread = spread_of(shape);
    SA_TRY(saved_vector(e, layer, "mean_", &node->vector[0]));
    return saved_vector(e, layer, "inv_std", &node->vector[1]);
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    return xhat_source(e, layer, source);
}

/* The channels of the running band, of all sums. */
static void set_channels(const sa_emitter *e, const sa_layer *layer, int32_t *begin, int32_t *end)
{
    sa_range range = sa_emit_range(e, layer->bottom[0]);
    bool one = layer->mixes_channels;
    *begin = one ? 0 : range.channel_begin;
    *end = one ? 1 : range.channel_end;
}

static sa_status emit_batch_statistics(sa_emitter *e, const sa_layer *layer)
{
    const batch_norm_param *p = layer->config;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    const double count = (double)sa_shape_elements(shape) / channels_of(shape);
    sa_op_args args = {.bn_statistics = {.range = sa_emit_range(e, layer->bottom[0]), .spread = spread_of(shape), .eps = p->eps}};
    sa_bn_statistics_args *a = &args.bn_statistics;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &a->x));
    SA_TRY(saved_vector(e, layer, "mean_", &a->mean));
    SA_TRY(saved_vector(e, layer, "inv_std", &a->inv_std));
    SA_TRY(saved_vector(e, layer, "variance_", &a->var));
    const sa_ref mean = a->mean, var = a->var;
    SA_TRY(sa_emit_reduce_workspace(e, layer, &a->range, &a->workspace, &a->workspace_bytes));
    SA_TRY(sa_emit_op(e, layer, "statistics", SA_OP_BN_STATISTICS, &args));
    sa_bn_running_args running = {.mean = mean,
                                  .var = var,
                                  .sum_mean = sa_emit_param(e, layer, SUM_OF_MEANS),
                                  .sum_var = sa_emit_param(e, layer, SUM_OF_VARIANCES),
                                  .weight = sa_emit_param(e, layer, WEIGHT),
                                  .fraction = p->fraction,
                                  .correction = count > 1 ? (float)(count / (count - 1)) : 1.0f};
    set_channels(e, layer, &running.begin, &running.end);
    return sa_emit_running_sums(e, layer, &running, channels_of(shape));
}

static sa_status emit_stored_statistics(sa_emitter *e, const sa_layer *layer)
{
    sa_op_args args = {.bn_stored = {.sum_mean = sa_emit_param(e, layer, SUM_OF_MEANS),
                                     .sum_var = sa_emit_param(e, layer, SUM_OF_VARIANCES),
                                     .weight = sa_emit_param(e, layer, WEIGHT),
                                     .eps = ((const batch_norm_param *)layer->config)->eps}};
    set_channels(e, layer, &args.bn_stored.begin, &args.bn_stored.end);
    SA_TRY(saved_vector(e, layer, "mean_", &args.bn_stored.mean));
    SA_TRY(saved_vector(e, layer, "inv_std", &args.bn_stored.inv_std));
    return sa_emit_op(e, layer, "stored statistics", SA_OP_BN_STORED, &args);
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    if (!sa_emit_is_again(e)) {
        SA_TRY(uses_sums(layer) ? emit_stored_statistics(e, layer) : emit_batch_statistics(e, layer));
        if (sa_emit_caffe_layout(e) && !uses_sums(layer)) {
            sa_source xhat;
            SA_TRY(xhat_source(e, layer, &xhat));
            SA_TRY(sa_emit_save(e, layer, "x_norm_", &xhat));
        }
    }
    return sa_emit_forward_from_source(e, layer);
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    sa_source xhat, dy;
    sa_node *node;
    SA_TRY(sa_emit_grad(e, layer->top[0], &dy));
    if (uses_sums(layer)) {
        SA_TRY(sa_emit_join(e, layer, source, SA_NODE_SCALE, shape, &dy, NULL, NULL, &node));
        node->spread = spread_of(shape);
        return saved_vector(e, layer, "inv_std", &node->vector[0]);
    }
    SA_TRY(xhat_source(e, layer, &xhat));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_BN_GRAD, shape, &xhat, &dy, NULL, &node));
    node->spread = spread_of(shape);
    SA_TRY(saved_vector(e, layer, "inv_std", &node->vector[1]));
    SA_TRY(saved_vector(e, layer, SA_SUM_PRODUCT, &node->vector[2]));
    SA_TRY(saved_vector(e, layer, SA_SUM_DY, &node->vector[3]));
    node->number.bn_grad.count = (float)((double)sa_shape_elements(shape) / channels_of(shape));
    return SA_OK;
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    if (!uses_sums(layer) && sa_emit_blob(e, layer->bottom[0])->needs_grad && !sa_sums_come_from_above(e, layer)) {
        sa_op_args args = {.bn_reduce = {.range = sa_emit_range(e, layer->bottom[0]),
                                         .spread = spread_of(&sa_emit_blob(e, layer->bottom[0])->shape)}};
        sa_bn_reduce_args *a = &args.bn_reduce;
        SA_TRY(xhat_source(e, layer, &a->xhat));
        SA_TRY(sa_emit_grad(e, layer->top[0], &a->dy));
        SA_TRY(saved_vector(e, layer, SA_SUM_PRODUCT, &a->dgamma));
        SA_TRY(saved_vector(e, layer, SA_SUM_DY, &a->dbeta));
        SA_TRY(sa_emit_reduce_workspace(e, layer, &a->range, &a->workspace, &a->workspace_bytes));
        SA_TRY(sa_emit_op(e, layer, "reduce", SA_OP_BN_REDUCE, &args));
    }
    return sa_emit_backward_from_source(e, layer);
}

static int batch_norm_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t bytes = sa_blob_bytes(&blobs[layer->bottom[0]]), channels = (size_t)channels_of(shape), images = (size_t)shape->dim[0];
    size_t spatial = sa_shape_elements(shape) / (channels * images);
    int count = 0;
    list[count++] = sa_both("temp_", SA_CAFFE_BATCH_NORM, bytes);
    list[count++] = sa_both("x_norm_", SA_CAFFE_BATCH_NORM, bytes);
    if (layer->needs_backward && sa_is_in_place(layer, blobs))
        list[count++] = sa_both("x_norm_.diff", SA_CAFFE_BATCH_NORM, bytes); /* a copy of the incoming gradient */
    list[count++] = sa_both("mean_", SA_CAFFE_OTHER, channels * 4);
    list[count++] = sa_both("variance_", SA_CAFFE_OTHER, channels * 4);
    list[count++] = sa_both("num_by_chans_", SA_CAFFE_OTHER, images * channels * 4);
    list[count++] = sa_both("batch_sum_multiplier_", SA_CAFFE_OTHER, images * 4);
    list[count++] = sa_both("spatial_sum_multiplier_", SA_CAFFE_OTHER, spatial * 4);
    return count;
}

const sa_layer_type sa_layer_batch_norm = {
    .name = "BatchNorm",
    .config_field = "batch_norm_param",
    .config_table = batch_norm_fields,
    .config_bytes = sizeof(batch_norm_param),
    .config_init = batch_norm_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .in_place = true,
    .writes_images = true,
    .pointwise = true,
    .channels_apart = true,
    .reads_bottom = true,
    .grad_over_bottom = true,
    .source_nodes = 1,
    .setup = setup,
    .keeps_sums = true,
    .choose_statistics = choose_statistics,
    .stored_statistics = stored_statistics,
    .caffe_buffers = batch_norm_buffers,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
