/* Max pooling with a mask (the position of each maximum), either as a second top or private, and average pooling, which is an
 * expression; stochastic pooling, whose choice is a mask too. Caffe-SegNet: PoolingLayer. */
#include "core/hash.h"
#include "layers/layer_common.h"
#include "program/emit.h"

#include "core/checked.h"

/* H' = ceil((H + 2p - k) / s) + 1 (FLOOR: rounded down); with pad less one if the last window would start beyond the plane and its
 * pad */
static int32_t pooled_size(int32_t size, int32_t kernel, int32_t stride, int32_t pad, bool padded, bool round_down)
{
    int64_t pooled = ((int64_t)size + 2 * (int64_t)pad - kernel + (round_down ? 0 : stride - 1)) / stride + 1;
    if (padded && (pooled - 1) * stride >= (int64_t)size + pad) pooled--;
    return (int32_t)pooled;
}

static sa_status resolve_window(const sa_pooling_param *param, const sa_shape *shape, sa_window *window)
{
    const sa_pair_param whole = {.h = shape->dim[2], .w = shape->dim[3], .h_given = true, .w_given = true};
    bool kernel_given = param->kernel.count || param->kernel.h_given || param->kernel.w_given;
    sa_window_param p;
    if (param->global_pooling && kernel_given) SA_FAIL(SA_INVALID, "give either 'global_pooling' or a kernel size, not both");
    SA_TRY(sa_window_param_resolve(param->global_pooling ? &whole : &param->kernel, &param->stride, &param->pad, &p));
    if (param->global_pooling && (p.pad_h || p.pad_w || p.stride_h != 1 || p.stride_w != 1))
        SA_FAIL(SA_INVALID, "'global_pooling' needs stride 1 and pad 0");
    *window = (sa_window){p.kernel_h, p.kernel_w, p.stride_h, p.stride_w, p.pad_h, p.pad_w};
    return SA_OK;
}

/* With a stride larger than the kernel and no pad Caffe lets a last window lie outside, and corrupts memory in the backward pass.
 */
static bool window_outside(const sa_shape *shape, const sa_window *w, bool round_down)
{
    bool padded = w->pad_h || w->pad_w;
    int32_t rows = pooled_size(shape->dim[2], w->kernel_h, w->stride_h, w->pad_h, padded, round_down);
    int32_t columns = pooled_size(shape->dim[3], w->kernel_w, w->stride_w, w->pad_w, padded, round_down);
    return (int64_t)(rows - 1) * w->stride_h - w->pad_h >= shape->dim[2] ||
           (int64_t)(columns - 1) * w->stride_w - w->pad_w >= shape->dim[3];
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    const sa_pooling_param *param = layer->config;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    SA_TRY(resolve_window(param, &shape, &layer->window));
    const sa_window w = layer->window;
    if (w.pad_h >= w.kernel_h || w.pad_w >= w.kernel_w)
        SA_FAIL(SA_INVALID, "pad %dx%d must be smaller than the kernel %dx%d", w.pad_h, w.pad_w, w.kernel_h, w.kernel_w);
    if (w.kernel_h > shape.dim[2] + 2 * (int64_t)w.pad_h || w.kernel_w > shape.dim[3] + 2 * (int64_t)w.pad_w)
        SA_FAIL(SA_INVALID, "kernel %dx%d is larger than '%s' with pad: %dx%d + 2*%dx%d", w.kernel_h, w.kernel_w,
                blobs[layer->bottom[0]].name, shape.dim[2], shape.dim[3], w.pad_h, w.pad_w);
    if (param->method != SA_POOL_MAX && layer->top_count > 1) SA_FAIL(SA_INVALID, "only MAX pooling has a second top, the mask");
    if (param->method == SA_POOL_STOCHASTIC && (w.pad_h || w.pad_w)) SA_FAIL(SA_INVALID, "pad is for MAX and AVE pooling only");
    if (param->method == SA_POOL_STOCHASTIC && window_outside(&shape, &w, param->round_down))
        layer->not_computed = "pool: STOCHASTIC with a last window wholly outside of the plane";
    if (param->method == SA_POOL_AVE && window_outside(&shape, &w, param->round_down))
        layer->not_computed = "pool: AVE with a last window wholly outside of the plane";
    bool padded = w.pad_h || w.pad_w;
    shape.dim[2] = pooled_size(shape.dim[2], w.kernel_h, w.stride_h, w.pad_h, padded, param->round_down);
    shape.dim[3] = pooled_size(shape.dim[3], w.kernel_w, w.stride_w, w.pad_w, padded, param->round_down);
    for (int i = 0; i < layer->top_count; i++) blobs[layer->top[i]].shape = shape;
    return SA_OK;
}

/* A mask that only a Silence swallows need not be made, unless the pooling's own gradient reads it. */
static bool mask_is_wanted(sa_emitter *e, const sa_layer *layer)
{
    if (layer->needs_backward || layer->top_count < 2) return layer->needs_backward;
    int reader = sa_emit_blob(e, layer->top[1])->consumer;
    return reader < 0 || sa_emit_caffe_layout(e) || !sa_emit_layers(e)[reader].type->ignores_bottoms;
}

static bool is_average(const sa_layer *layer)
{
    return ((const sa_pooling_param *)layer->config)->method == SA_POOL_AVE;
}

static bool is_stochastic(const sa_layer *layer)
{
    return ((const sa_pooling_param *)layer->config)->method == SA_POOL_STOCHASTIC;
}

/* Of average pooling; nobody asks for it under another method, whose top is always stored. */
static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    sa_node *node;
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_AVE_POOL, &sa_emit_blob(e, layer->top[top])->shape, source, NULL, NULL, &node));
    node->window = layer->window;
    return SA_OK;
}

/* Each layer has its own random numbers, the same when the value is computed again. Tests draw none. */
static sa_status emit_stochastic(sa_emitter *e, const sa_layer *layer)
{
    sa_op_args args = {.pool_stochastic = {.range = sa_emit_range(e, layer->top[0]), .window = layer->window}};
    sa_pool_stochastic_args *a = &args.pool_stochastic;
    a->draws = !layer->test_phase;
    a->seed = sa_hash_text(layer->name);
    a->step_state = a->draws ? sa_emit_step_state(e) : SA_REF_NONE;
    a->mask.at.buffer = SA_NO_BUFFER;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &a->x));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &a->out));
    if (a->draws && mask_is_wanted(e, layer) && sa_emit_mask_is_due(e, layer)) SA_TRY(sa_emit_mask_out(e, layer, &a->mask));
    return sa_emit_op(e, layer, sa_emit_is_again(e) ? "forward again" : "forward", SA_OP_POOL_STOCHASTIC, &args);
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    if (is_average(layer)) return sa_emit_forward_from_source(e, layer);
    if (is_stochastic(layer)) return emit_stochastic(e, layer);
    sa_op_args args = {.pool_forward = {.range = sa_emit_range(e, layer->top[0]), .window = layer->window}};
    sa_pool_forward_args *a = &args.pool_forward;
    a->mask.at.buffer = SA_NO_BUFFER;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &a->x));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &a->out));
    if (mask_is_wanted(e, layer) && sa_emit_mask_is_due(e, layer)) SA_TRY(sa_emit_mask_out(e, layer, &a->mask));
    return sa_emit_op(e, layer, sa_emit_is_again(e) ? "forward again" : "forward", SA_OP_POOL_FORWARD, &args);
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    sa_node *node;
    if (is_stochastic(layer) && layer->test_phase)
        SA_FAIL(SA_UNSUPPORTED, "layer '%s': STOCHASTIC pooling has no gradient in the test phase, where it draws nothing",
                layer->name);
    const sa_node_kind kind = is_average(layer) ? SA_NODE_AVE_GRAD : SA_NODE_POOL_GRAD;
    SA_TRY(sa_emit_grad(e, layer->top[0], source));
    SA_TRY(sa_emit_join(e, layer, source, kind, &sa_emit_blob(e, layer->bottom[0])->shape, source, NULL, NULL, &node));
    node->window = layer->window;
    if (is_average(layer)) return SA_OK;
    return sa_emit_mask(e, layer, &node->slab);
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    int32_t method = ((const sa_pooling_param *)layer->config)->method;
    size_t bytes = sa_blob_bytes(&blobs[layer->top[0]]);
    if (layer->top_count == 2 || method == SA_POOL_AVE) return 0;
    list[0] = (sa_caffe_buffer){"mask", SA_CAFFE_POOL_INDICES, bytes, bytes, "max_idx_"};
    if (method == SA_POOL_STOCHASTIC) list[0] = (sa_caffe_buffer){"mask", SA_CAFFE_POOL_INDICES, bytes, 0, "rand_idx_"};
    return 1;
}

const sa_layer_type sa_layer_pooling = {
    .name = "Pooling",
    .config_field = "pooling_param",
    .config_table = sa_pooling_fields,
    .config_bytes = sizeof(sa_pooling_param),
    .config_init = sa_pooling_param_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 2,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .channels_apart = true,
    .writes_images = true,
    .makes_mask = true,
    .keeps_top = true,
    .cheap_grad = true,
    .source_nodes = 1,
    .setup = setup,
    .caffe_buffers = caffe_buffers,
    .emit_forward = emit_forward,
    .emit_backward = sa_emit_backward_from_source,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
