/* PReLU: y = x > 0 ? x : slope * x, with a learned slope per channel, or one for all. The slope may be below 0, so the gradient
 * reads the input. Caffe: PReLULayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

#include "proto/fields.h"

static const char KEPT[] = "bottom_memory_"; /* Caffe's copy of the input, in place */

typedef struct prelu_param {
    sa_filler_param filler;
    bool channel_shared;
} prelu_param;

static const sa_field prelu_fields[] = {
    SA_F_MESSAGE(prelu_param, filler, "filler", sa_filler_fields),
    SA_F_SINGLE(prelu_param, channel_shared, "channel_shared", BOOL),
    SA_F_END,
};

static void prelu_init(void *config)
{
    prelu_param *p = config;
    *p = (prelu_param){0};
    sa_filler_param_init(&p->filler);
    p->filler.value = 0.25f;
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const prelu_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    if (shape->axes < 2) SA_FAIL(SA_INVALID, "bottom '%s' has %d axes, needs 2 or more", blobs[layer->bottom[0]].name, shape->axes);
    layer->param_count = 1;
    layer->param[0].filler = p->filler;
    layer->param[0].shape = (sa_shape){.axes = p->channel_shared ? 0 : 1};
    layer->mixes_channels = p->channel_shared;
    if (!p->channel_shared) layer->param[0].shape.dim[0] = shape->dim[1];
    return sa_layer_same_shape(layer, blobs);
}

static sa_spread slope_spread(const sa_layer *layer)
{
    const prelu_param *p = layer->config;
    sa_spread spread = SA_SPREAD_CHANNELS;
    if (p->channel_shared) spread = (sa_spread){0};
    return spread;
}

static void set_slope(sa_emitter *e, const sa_layer *layer, sa_map_kind kind, sa_node *node)
{
    node->number.map.kind = kind;
    node->vector[0] = sa_emit_param(e, layer, 0);
    node->spread = slope_spread(layer);
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    sa_node *node;
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_MAP, &sa_emit_blob(e, layer->top[0])->shape, source, NULL, NULL, &node));
    set_slope(e, layer, SA_MAP_LEAKY, node);
    return SA_OK;
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    sa_source x, dy;
    sa_node *node;
    SA_TRY(sa_emit_kept_bottom(e, layer, KEPT, &x));
    SA_TRY(sa_emit_grad(e, layer->top[0], &dy));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_MAP2, &sa_emit_blob(e, layer->bottom[0])->shape, &x, &dy, NULL, &node));
    set_slope(e, layer, SA_MAP_LEAKY_GRAD, node);
    return SA_OK;
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    SA_TRY(sa_emit_keep_bottom(e, layer, KEPT));
    return sa_emit_forward_from_source(e, layer);
}

/* The slope's gradient is the sum of dy * x where x is not above 0. */
static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    sa_node *node;
    if (layer->param[0].needs_grad) {
        sa_op_args args = {.bn_reduce = {.range = sa_emit_range(e, layer->bottom[0]),
                                         .spread = slope_spread(layer),
                                         .dgamma = sa_emit_param_grad(e, layer, 0),
                                         .dbeta = SA_REF_NONE}};
        sa_bn_reduce_args *a = &args.bn_reduce;
        SA_TRY(sa_emit_kept_bottom(e, layer, KEPT, &a->xhat));
        SA_TRY(sa_emit_join(e, layer, &a->xhat, SA_NODE_MAP, shape, &a->xhat, NULL, NULL, &node));
        node->number.map.kind = SA_MAP_NOT_ABOVE;
        SA_TRY(sa_emit_grad(e, layer->top[0], &a->dy));
        SA_TRY(sa_emit_reduce_workspace(e, layer, &a->range, &a->workspace, &a->workspace_bytes));
        SA_TRY(sa_emit_op(e, layer, "reduce", SA_OP_BN_REDUCE, &args));
    }
    return sa_emit_backward_from_source(e, layer);
}

static int prelu_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t image = sa_shape_span(shape, 1, shape->axes) * 4;
    int count = 0;
    list[count++] = sa_both("multiplier_", SA_CAFFE_OTHER, image);
    if (sa_is_in_place(layer, blobs)) list[count++] = sa_both(KEPT, SA_CAFFE_OTHER, sa_blob_bytes(&blobs[layer->bottom[0]]));
    if (layer->needs_backward) {
        list[count] = sa_both("backward_buff_.diff", SA_CAFFE_OTHER, image);
        list[count++].cpu_bytes = 0;
    }
    return count;
}

const sa_layer_type sa_layer_prelu = {
    .name = "PReLU",
    .config_field = "prelu_param",
    .config_table = prelu_fields,
    .config_bytes = sizeof(prelu_param),
    .config_init = prelu_init,
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
    .cheap_grad = true,
    .source_nodes = 1,
    .setup = setup,
    .caffe_buffers = prelu_buffers,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
