/* MVN: each plane, or each image, minus its mean and over its deviation: y = (x - mean) / (sd + eps). Like Caffe's, the gradient
 * takes eps for 0. Caffe: MVNLayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

#include "proto/fields.h"

typedef struct mvn_param {
    bool normalize_variance, across_channels;
    float eps;
} mvn_param;

static const sa_field mvn_fields[] = {
    SA_F_SINGLE(mvn_param, normalize_variance, "normalize_variance", BOOL),
    SA_F_SINGLE(mvn_param, across_channels, "across_channels", BOOL),
    SA_F_RANGE(mvn_param, eps, "eps", FLOAT, 0, 1e30),
    SA_F_END,
};

static void mvn_init(void *config)
{
    *(mvn_param *)config = (mvn_param){.normalize_variance = true, .eps = 1e-9f};
}

static sa_status mvn_setup(sa_layer *layer, sa_blob *blobs)
{
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    layer->mixes_channels = ((const mvn_param *)layer->config)->across_channels;
    return sa_layer_same_shape(layer, blobs);
}

static bool scales(const sa_layer *layer)
{
    return ((const mvn_param *)layer->config)->normalize_variance;
}

/* What has statistics of its own. */
static sa_spread spread_of(const sa_layer *layer, const sa_shape *shape)
{
    if (((const mvn_param *)layer->config)->across_channels) return (sa_spread){.image = 1};
    return (sa_spread){.image = shape->dim[1], .channel = 1};
}

static sa_status saved_vector(sa_emitter *e, const sa_layer *layer, const char *suffix, sa_ref *ref)
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    bool across = ((const mvn_param *)layer->config)->across_channels;
    return sa_emit_saved(e, layer, suffix, SA_EMIT_SAVED, sa_shape_span(shape, 0, across ? 1 : 2) * 4, ref);
}

/* (a - mean) * inv_std, or only the difference */
static sa_status centred(sa_emitter *e, const sa_layer *layer, const char *mean, const char *inv_std, sa_source *source)
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    sa_node *node;
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_XHAT, shape, source, NULL, NULL, &node));
    node->spread = spread_of(layer, shape);
    SA_TRY(saved_vector(e, layer, mean, &node->vector[0]));
    return inv_std ? saved_vector(e, layer, inv_std, &node->vector[1]) : SA_OK;
}

/* The normalised value, from a copy if there is one. */
static sa_status xhat_source(sa_emitter *e, const sa_layer *layer, sa_source *source)
{
    if (sa_emit_has_saved(e, layer, "temp_")) return sa_emit_saved_source(e, layer, "temp_", source);
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    return centred(e, layer, "mean_", scales(layer) ? "inv_std" : NULL, source);
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    return xhat_source(e, layer, source);
}

/* of: the mean goes to "<layer>.<mean>", with a deviation if inv_std is given. */
static sa_status emit_statistics(sa_emitter *e, const sa_layer *layer, const sa_source *of, const char *mean, const char *inv_std)
{
    sa_op_args args = {.bn_statistics = {.range = sa_emit_range(e, layer->bottom[0]),
                                         .x = *of,
                                         .spread = spread_of(layer, &sa_emit_blob(e, layer->bottom[0])->shape),
                                         .eps = ((const mvn_param *)layer->config)->eps,
                                         .eps_outside = true,
                                         .inv_std = SA_REF_NONE,
                                         .var = SA_REF_NONE}};
    sa_bn_statistics_args *a = &args.bn_statistics;
    SA_TRY(saved_vector(e, layer, mean, &a->mean));
    if (inv_std) SA_TRY(saved_vector(e, layer, inv_std, &a->inv_std));
    SA_TRY(sa_emit_reduce_workspace(e, layer, &a->range, &a->workspace, &a->workspace_bytes));
    return sa_emit_op(e, layer, "statistics", SA_OP_BN_STATISTICS, &args);
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    sa_source source;
    if (!sa_emit_is_again(e)) {
        SA_TRY(sa_emit_data(e, layer->bottom[0], &source));
        SA_TRY(emit_statistics(e, layer, &source, "mean_", scales(layer) ? "inv_std" : NULL));
        if (sa_emit_caffe_layout(e)) {
            SA_TRY(xhat_source(e, layer, &source));
            SA_TRY(sa_emit_save(e, layer, "temp_", &source));
        }
    }
    return sa_emit_forward_from_source(e, layer);
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    const bool across = ((const mvn_param *)layer->config)->across_channels;
    sa_source xhat, dy;
    sa_node *node;
    if (!scales(layer)) {
        SA_TRY(sa_emit_grad(e, layer->top[0], source));
        return centred(e, layer, "mean_dy", NULL, source);
    }
    SA_TRY(xhat_source(e, layer, &xhat));
    SA_TRY(sa_emit_grad(e, layer->top[0], &dy));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_BN_GRAD, shape, &xhat, &dy, NULL, &node));
    node->spread = spread_of(layer, shape);
    SA_TRY(saved_vector(e, layer, "inv_std", &node->vector[1]));
    SA_TRY(saved_vector(e, layer, "sum_product", &node->vector[2]));
    SA_TRY(saved_vector(e, layer, "sum_dy", &node->vector[3]));
    node->number.bn_grad.count = (float)sa_shape_span(shape, across ? 1 : 2, 4);
    return SA_OK;
}

static sa_status emit_sums(sa_emitter *e, const sa_layer *layer)
{
    sa_op_args args = {.bn_reduce = {.range = sa_emit_range(e, layer->bottom[0]),
                                     .spread = spread_of(layer, &sa_emit_blob(e, layer->bottom[0])->shape)}};
    sa_bn_reduce_args *a = &args.bn_reduce;
    SA_TRY(xhat_source(e, layer, &a->xhat));
    SA_TRY(sa_emit_grad(e, layer->top[0], &a->dy));
    SA_TRY(saved_vector(e, layer, "sum_product", &a->dgamma));
    SA_TRY(saved_vector(e, layer, "sum_dy", &a->dbeta));
    SA_TRY(sa_emit_reduce_workspace(e, layer, &a->range, &a->workspace, &a->workspace_bytes));
    return sa_emit_op(e, layer, "reduce", SA_OP_BN_REDUCE, &args);
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    sa_source dy;
    if (scales(layer)) {
        SA_TRY(emit_sums(e, layer));
    } else {
        SA_TRY(sa_emit_grad(e, layer->top[0], &dy));
        SA_TRY(emit_statistics(e, layer, &dy, "mean_dy", NULL));
    }
    return sa_emit_backward_from_source(e, layer);
}

static int mvn_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const mvn_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t statistics = sa_shape_span(shape, 0, 2) * 4;
    int count = 0;
    list[count++] = sa_both("temp_", SA_CAFFE_OTHER, sa_blob_bytes(&blobs[layer->bottom[0]]));
    list[count++] = sa_both("mean_", SA_CAFFE_OTHER, statistics);
    if (p->normalize_variance) list[count++] = sa_both("variance_", SA_CAFFE_OTHER, statistics);
    list[count++] = sa_both("sum_multiplier_", SA_CAFFE_OTHER, sa_shape_span(shape, p->across_channels ? 1 : 2, 4) * 4);
    return count;
}

const sa_layer_type sa_layer_mvn = {
    .name = "MVN",
    .config_field = "mvn_param",
    .config_table = mvn_fields,
    .config_bytes = sizeof(mvn_param),
    .config_init = mvn_init,
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
    .setup = mvn_setup,
    .caffe_buffers = mvn_buffers,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
