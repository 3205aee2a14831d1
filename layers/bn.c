/* BN, SegNet's own batch normalisation: y = scale * (x - mean) / sqrt(var + 1e-9) + shift, with the statistics of this batch in
 * LEARN mode whatever the phase; y = scale * x + shift in INFERENCE mode. Not Caffe's BatchNorm. Caffe-SegNet: BNLayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

static const float EPSILON = 1e-9f;

static bool is_inference(const sa_layer *layer)
{
    return ((const sa_bn_param *)layer->config)->bn_mode == SA_BN_INFERENCE;
}

static bool stored_statistics(const void *config)
{
    return ((const sa_bn_param *)config)->bn_mode == SA_BN_INFERENCE;
}

/* Stored statistics are folded into scale and shift. */
static void choose_statistics(void *config, bool stored)
{
    ((sa_bn_param *)config)->bn_mode = stored ? SA_BN_INFERENCE : SA_BN_LEARN;
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_bn_param *config = layer->config;
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    SA_TRY(sa_layer_same_shape(layer, blobs));
    if (layer->top_count == 2) SA_FAIL(SA_INVALID, "has 2 tops, needs 1 (y) or 3 (y, mean, variance)");
    if (layer->top_count == 3 && is_inference(layer)) SA_FAIL(SA_UNSUPPORTED, "mean and variance tops need bn_mode LEARN");
    sa_shape channels = {4, {1, blobs[layer->bottom[0]].shape.dim[1], 1, 1}};
    for (int i = 1; i < layer->top_count; i++) blobs[layer->top[i]].shape = channels;
    layer->param_count = 2;
    layer->param[0].shape = layer->param[1].shape = channels;
    layer->param[0].filler = config->scale_filler;
    layer->param[1].filler = config->shift_filler;
    return SA_OK;
}

/* x_hat = (x - mean) * inv_std, from x_norm if the strategy keeps one; in INFERENCE mode x itself */
static sa_status xhat_source(sa_emitter *e, const sa_layer *layer, sa_source *source)
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    sa_ref at;
    if (is_inference(layer)) return sa_emit_data(e, layer->bottom[0], source);
    if (sa_emit_has_saved(e, layer, "x_norm")) {
        SA_TRY(sa_emit_saved(e, layer, "x_norm", SA_EMIT_SAVED, sa_shape_elements(shape) * 4, &at));
        sa_slab slab = sa_slab_full(at, shape);
        sa_source_dense(source, &slab, shape);
        return SA_OK;
    }
    sa_node *node;
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_XHAT, shape, source, NULL, NULL, &node));
    size_t bytes = (size_t)shape->dim[1] * 4;
    if (layer->top_count == 3) {
        sa_slab slab;
        SA_TRY(sa_emit_data_out(e, layer->top[1], &slab));
        node->vector[0] = slab.at;
    } else {
        SA_TRY(sa_emit_saved(e, layer, "mean", SA_EMIT_SAVED, bytes, &node->vector[0]));
    }
    return sa_emit_saved(e, layer, "inv_std", SA_EMIT_SAVED, bytes, &node->vector[1]);
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    sa_node *node;
    SA_TRY(xhat_source(e, layer, source));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_AFFINE, &sa_emit_blob(e, layer->top[0])->shape, source, NULL, NULL, &node));
    node->vector[0] = sa_emit_param(e, layer, 0);
    node->vector[1] = sa_emit_param(e, layer, 1);
    return SA_OK;
}

static sa_status emit_statistics(sa_emitter *e, const sa_layer *layer)
{
    size_t bytes = (size_t)sa_emit_blob(e, layer->bottom[0])->shape.dim[1] * 4;
    sa_op_args args = {
        .bn_statistics = {
            .range = sa_emit_range(e, layer->bottom[0]), .spread = SA_SPREAD_CHANNELS, .eps = EPSILON, .var = SA_REF_NONE}};
    sa_bn_statistics_args *a = &args.bn_statistics;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &a->x));
    SA_TRY(sa_emit_saved(e, layer, "inv_std", SA_EMIT_SAVED, bytes, &a->inv_std));
    if (layer->top_count == 3) {
        sa_slab mean, var;
        SA_TRY(sa_emit_data_out(e, layer->top[1], &mean));
        SA_TRY(sa_emit_data_out(e, layer->top[2], &var));
        a->mean = mean.at;
        a->var = var.at;
    } else {
        SA_TRY(sa_emit_saved(e, layer, "mean", SA_EMIT_SAVED, bytes, &a->mean));
    }
    SA_TRY(sa_emit_reduce_workspace(e, layer, &a->range, &a->workspace, &a->workspace_bytes));
    return sa_emit_op(e, layer, "statistics", SA_OP_BN_STATISTICS, &args);
}

/* Caffe writes the normalised value to buffer_blob and copies it to x_norm. */
static sa_status emit_copies(sa_emitter *e, const sa_layer *layer)
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    size_t bytes = sa_shape_elements(shape) * 4;
    sa_source xhat;
    sa_ref buffer, norm;
    SA_TRY(xhat_source(e, layer, &xhat));
    SA_TRY(sa_emit_saved(e, layer, "buffer_blob", SA_EMIT_SAVED, bytes, &buffer));
    sa_slab slab = sa_slab_full(buffer, shape);
    SA_TRY(sa_emit_materialize(e, layer, "normalise", &xhat, layer->bottom[0], slab));
    sa_source_dense(&xhat, &slab, shape);
    SA_TRY(sa_emit_saved(e, layer, "x_norm", SA_EMIT_SAVED, bytes, &norm));
    return sa_emit_materialize(e, layer, "copy", &xhat, layer->bottom[0], sa_slab_full(norm, shape));
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    if (!is_inference(layer) && !sa_emit_is_again(e)) {
        SA_TRY(emit_statistics(e, layer));
        if (sa_emit_caffe_layout(e)) SA_TRY(emit_copies(e, layer));
    }
    return sa_emit_forward_from_source(e, layer);
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    size_t bytes = (size_t)shape->dim[1] * 4;
    sa_source xhat, dy;
    sa_node *node;
    SA_TRY(sa_emit_grad(e, layer->top[0], &dy));
    if (is_inference(layer)) {
        SA_TRY(sa_emit_join(e, layer, source, SA_NODE_SCALE, shape, &dy, NULL, NULL, &node));
        node->vector[0] = sa_emit_param(e, layer, 0);
        return SA_OK;
    }
    SA_TRY(xhat_source(e, layer, &xhat));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_BN_GRAD, shape, &xhat, &dy, NULL, &node));
    node->vector[0] = sa_emit_param(e, layer, 0);
    SA_TRY(sa_emit_saved(e, layer, "inv_std", SA_EMIT_SAVED, bytes, &node->vector[1]));
    node->vector[2] = sa_emit_param_grad(e, layer, 0);
    node->vector[3] = sa_emit_param_grad(e, layer, 1);
    node->number.bn_grad.count = (float)shape->dim[0] * (float)shape->dim[2] * (float)shape->dim[3];
    return SA_OK;
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    sa_op_args args = {.bn_reduce = {.range = sa_emit_range(e, layer->bottom[0]), .spread = SA_SPREAD_CHANNELS}};
    SA_TRY(xhat_source(e, layer, &args.bn_reduce.xhat));
    SA_TRY(sa_emit_grad(e, layer->top[0], &args.bn_reduce.dy));
    args.bn_reduce.dgamma = sa_emit_param_grad(e, layer, 0);
    args.bn_reduce.dbeta = sa_emit_param_grad(e, layer, 1);
    SA_TRY(sa_emit_reduce_workspace(e, layer, &args.bn_reduce.range, &args.bn_reduce.workspace, &args.bn_reduce.workspace_bytes));
    SA_TRY(sa_emit_op(e, layer, "reduce", SA_OP_BN_REDUCE, &args));
    return sa_emit_backward_from_source(e, layer);
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const int32_t *dim = blobs[layer->bottom[0]].shape.dim;
    size_t bytes = sa_blob_bytes(&blobs[layer->bottom[0]]), n = (size_t)dim[0], c = (size_t)dim[1],
           plane = (size_t)dim[2] * (size_t)dim[3];
    list[0] = (sa_caffe_buffer){"buffer_blob", SA_CAFFE_BN_BUFFER, bytes, bytes, "buffer_blob_"};
    list[1] = (sa_caffe_buffer){"x_norm", SA_CAFFE_BN_XNORM, bytes, bytes, "x_norm_"};
    /* spatial and batch sum multipliers, batch and spatial statistics; CPU mode also touches gradients of some */
    list[2] = (sa_caffe_buffer){"small", SA_CAFFE_BN_SMALL, 4 * (plane + n + 2 * n * c + 2 * c),
                                4 * (2 * plane + 2 * n + 4 * n * c + 2 * c), "small blobs"};
    return 3;
}

const sa_layer_type sa_layer_bn = {
    .name = "BN",
    .config_field = "bn_param",
    .config_table = sa_bn_fields,
    .config_bytes = sizeof(sa_bn_param),
    .config_init = sa_bn_param_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 3,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .in_place = true,
    .segnet_fork = true,
    .writes_images = true,
    .pointwise = true,
    .channels_apart = true,
    .reads_bottom = true,
    .grad_over_bottom = true,
    .source_nodes = 2,
    .keeps_bottom = is_inference,
    .setup = setup,
    .folds_statistics = true,
    .choose_statistics = choose_statistics,
    .stored_statistics = stored_statistics,
    .caffe_buffers = caffe_buffers,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
