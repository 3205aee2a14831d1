/* Convolution (cross-correlation), with groups, dilation, and several bottoms that share the weights. Which algorithm runs, and how
 * much workspace it gets, is the strategy's choice. Caffe: ConvolutionLayer (im2col + SGEMM). */
#include "layers/convolution.h"

#include "program/emit.h"

#include <string.h>

#include "layers/convolution_config.h"

enum { MIX_CHANNELS_MAX = 16 }; /* with more, the mix costs more than a matrix product */

static bool mixes_few_planes(const sa_conv_config *config)
{
    const sa_window_param *p = &config->window;
    bool pointwise = p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1 && p->pad_h == 0 && p->pad_w == 0;
    return pointwise && config->param.group == 1 && config->param.num_output <= MIX_CHANNELS_MAX;
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_conv_config *config = layer->config;
    const sa_window_param *p = &config->window;
    SA_TRY(sa_conv_config_resolve(layer, blobs));
    const sa_shape shape = blobs[layer->bottom[0]].shape;
    int64_t height = sa_conv_out_size(shape.dim[2], p->kernel_h, p->stride_h, p->pad_h, config->dilation_h);
    int64_t width = sa_conv_out_size(shape.dim[3], p->kernel_w, p->stride_w, p->pad_w, config->dilation_w);
    if (height < 1 || width < 1)
        SA_FAIL(SA_INVALID, "kernel %dx%d is larger than '%s' with pad: %dx%d + 2*%dx%d", p->kernel_h, p->kernel_w,
                blobs[layer->bottom[0]].name, shape.dim[2], shape.dim[3], p->pad_h, p->pad_w);
    for (int i = 0; i < layer->top_count; i++)
        blobs[layer->top[i]].shape = (sa_shape){4, {shape.dim[0], config->param.num_output, (int32_t)height, (int32_t)width}};
    sa_conv_set_params(layer, config->param.num_output, shape.dim[1] / config->param.group);
    layer->mixes_few_planes = mixes_few_planes(config);
    return SA_OK;
}

sa_conv_shape sa_convolution_shape(const sa_layer *convolution, const int32_t in[4], const int32_t out[4])
{
    const sa_conv_config *config = convolution->config;
    const sa_window_param *p = &config->window;
    const int32_t *from = convolution->type->transposes ? out : in, *to = convolution->type->transposes ? in : out;
    return (sa_conv_shape){.in_channels = from[1],
                           .in_height = from[2],
                           .in_width = from[3],
                           .out_channels = to[1],
                           .out_height = to[2],
                           .out_width = to[3],
                           .kernel_h = p->kernel_h,
                           .kernel_w = p->kernel_w,
                           .stride_h = p->stride_h,
                           .stride_w = p->stride_w,
                           .pad_h = p->pad_h,
                           .pad_w = p->pad_w,
                           .dilation_h = config->dilation_h,
                           .dilation_w = config->dilation_w,
                           .groups = config->param.group};
}

static sa_conv_shape conv_shape(const sa_layer *layer, const sa_blob *blobs)
{
    return sa_convolution_shape(layer, blobs[layer->bottom[0]].shape.dim, blobs[layer->top[0]].shape.dim);
}

static sa_status emit_top(sa_emitter *e, const sa_layer *layer, int i)
{
    sa_op_args args = {.conv_forward = {.shape = conv_shape(layer, sa_emit_blobs(e)), .range = sa_emit_range(e, layer->top[i])}};
    sa_conv_forward_args *a = &args.conv_forward;
    SA_TRY(sa_emit_data(e, layer->bottom[i], &a->x));
    SA_TRY(sa_emit_data_out(e, layer->top[i], &a->y));
    a->weight = sa_emit_param(e, layer, 0);
    a->bias = sa_conv_optional_bias(e, layer);
    sa_conv_request request = {.shape = a->shape,
                               .pass = SA_CONV_PASS_FORWARD,
                               .virtual_x = !sa_source_has_dense_images(&a->x),
                               .out_channels_at_once = a->range.channel_end - a->range.channel_begin,
                               .images = a->range.image_end - a->range.image_begin};
    SA_TRY(sa_emit_conv_workspace(e, layer, &request, &a->workspace, &a->workspace_bytes));
    a->algorithm = request.algorithm;
    return sa_emit_op(e, layer, sa_emit_is_again(e) ? "forward again" : "forward", SA_OP_CONV_FORWARD, &args);
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    const int tops = sa_emit_is_again(e) ? 1 : layer->top_count; /* no other is ever dropped */
    for (int i = 0; i < tops; i++) SA_TRY(emit_top(e, layer, i));
    return SA_OK;
}

static sa_status emit_pass(sa_emitter *e, const sa_layer *layer, sa_conv_pass pass, const char *what, sa_conv_backward_args *a)
{
    sa_op_args args = {.conv_backward = *a};
    sa_conv_request request = {.shape = a->shape,
                               .pass = pass,
                               .virtual_x = a->x.count > 0 && !sa_source_has_dense_images(&a->x),
                               .virtual_dy = !sa_source_has_dense_images(&a->dy),
                               .gather_dx = a->gather,
                               .bias_gradient = a->dbias.buffer != SA_NO_BUFFER,
                               .out_channels_at_once = a->range.channel_end - a->range.channel_begin,
                               .images = a->range.image_end - a->range.image_begin};
    SA_TRY(sa_emit_conv_workspace(e, layer, &request, &args.conv_backward.workspace, &args.conv_backward.workspace_bytes));
    args.conv_backward.algorithm = request.algorithm;
    return sa_emit_op(e, layer, what, SA_OP_CONV_BACKWARD, &args);
}

static void set_weight_part(sa_emitter *e, const sa_layer *layer, const sa_source *x, sa_conv_backward_args *a)
{
    a->x = *x;
    a->dweight = sa_emit_param_grad(e, layer, 0);
    if (layer->param_count > 1) a->dbias = sa_emit_param_grad(e, layer, 1);
}

static void set_data_part(const sa_grad_sink *sink, sa_conv_backward_args *a)
{
    a->dx = sink->slab;
    a->gather = sink->gather;
    a->mask = sink->mask;
    a->window = sink->window;
}

/* dx of one image after the other: image n may be written where dy of earlier images was. */
static sa_status emit_data_by_image(sa_emitter *e, const sa_layer *layer, const sa_grad_sink *sink, sa_conv_backward_args *a)
{
    sa_slab dy = a->dy.node[0].slab;
    set_data_part(sink, a);
    for (int n = 0; n < dy.images; n++) {
        a->range.image_begin = n;
        a->range.image_end = n + 1;
        a->dy.node[0].slab = sa_slab_image(&dy, n);
        a->dx = sa_slab_image(&sink->slab, n);
        SA_TRY(emit_pass(e, layer, SA_CONV_PASS_BACKWARD_DATA, "backward data, an image", a));
    }
    return SA_OK;
}

/* What bottom i adds to the gradients of the parameters and, if want_dx, its own. */
static sa_status emit_gradients(sa_emitter *e, const sa_layer *layer, int i, bool want_dx)
{
    bool want_dweight = sa_conv_wants_dweight(layer);
    if (!want_dx && !want_dweight) return SA_OK;
    sa_conv_backward_args base = {.shape = conv_shape(layer, sa_emit_blobs(e)), .range = sa_emit_range(e, layer->top[i])}, both;
    sa_grad_sink sink;
    sa_source x = {.count = 0};
    base.dx.at = base.mask.at = base.dweight = base.dbias = base.dx_bias = base.dx_dbias = SA_REF_NONE;
    SA_TRY(sa_emit_grad(e, layer->top[i], &base.dy));
    if (want_dweight) SA_TRY(sa_emit_data(e, layer->bottom[i], &x));
    if (want_dx) SA_TRY(sa_emit_grad_sink(e, layer->bottom[i], &sink));
    base.weight = sa_emit_param(e, layer, 0);
    both = base;
    if (want_dweight) set_weight_part(e, layer, &x, &both);
    both.accumulate = i > 0;
    if (!want_dx) return emit_pass(e, layer, SA_CONV_PASS_BACKWARD_WEIGHT, "backward", &both);
    sa_conv_backward_form form = sa_emit_conv_backward_form(e, layer);
    if (want_dweight && form == SA_CONV_BACKWARD_FUSED) {
        set_data_part(&sink, &both);
        return emit_pass(e, layer, SA_CONV_PASS_BACKWARD_BOTH, "backward", &both);
    }
    if (want_dweight) SA_TRY(emit_pass(e, layer, SA_CONV_PASS_BACKWARD_WEIGHT, "backward weight", &both));
    if (form == SA_CONV_BACKWARD_BY_IMAGE && sa_source_has_dense_images(&base.dy))
        return emit_data_by_image(e, layer, &sink, &base);
    set_data_part(&sink, &base);
    return emit_pass(e, layer, SA_CONV_PASS_BACKWARD_DATA, "backward data", &base);
}

/* A 1x1 convolution to few channels sends back a mix of few planes: cheaper to recompute than to store. */
static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    sa_node *node;
    SA_TRY(sa_emit_grad(e, layer->top[bottom], source));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_CHANNEL_MIX, &sa_emit_blob(e, layer->bottom[bottom])->shape, source, NULL, NULL,
                        &node));
    node->channels_read = layer->param[0].shape.dim[0];
    node->vector[0] = sa_emit_param(e, layer, 0);
    return SA_OK;
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    for (int i = 0; i < layer->bottom_count; i++)
        SA_TRY(emit_gradients(e, layer, i, sa_emit_grad_is_wanted(e, layer->bottom[i]) && !layer->mixes_few_planes));
    return layer->mixes_few_planes ? sa_emit_backward_from_source(e, layer) : SA_OK;
}

/* A 1x1 convolution needs no columns, but its backward pass touches them: before it asks whether its bottom needs a gradient in
 * SegNet's fork, if it does in BVLC Caffe. */
static bool has_columns(const sa_layer *layer, const sa_blob *blobs, const sa_conv_shape *s)
{
    bool plain = s->kernel_h * s->kernel_w * s->stride_h * s->stride_w == 1 && s->pad_h + s->pad_w == 0;
    return !plain || (layer->needs_backward && (layer->caffe_segnet || blobs[layer->bottom[0]].needs_grad));
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    sa_conv_shape s = conv_shape(layer, blobs);
    size_t plane = (size_t)s.out_height * (size_t)s.out_width * 4;
    size_t column = (size_t)s.in_channels * (size_t)s.kernel_h * (size_t)s.kernel_w * plane;
    const sa_blob *bottom = &blobs[layer->bottom[0]];
    int count = layer->caffe_segnet ? 0 : sa_caffe_conv_shapes(list);
    if (layer->needs_backward && !bottom->needs_grad) /* see sa_caffe_touches_all */
        list[count++] = (sa_caffe_buffer){"bottom.grad", SA_CAFFE_TOPS_DIFF, sa_blob_bytes(bottom), sa_blob_bytes(bottom), NULL};
    const bool cudnn = s.dilation_h == 1 && s.dilation_w == 1; /* Caffe leaves dilated ones to its own code */
    if (has_columns(layer, blobs, &s))
        list[count++] = (sa_caffe_buffer){"column", SA_CAFFE_COLUMNS, column, column, "col_buffer_", cudnn, 0};
    if (layer->param_count > 1)
        list[count++] = (sa_caffe_buffer){"bias_multiplier", SA_CAFFE_BIAS_MULTIPLIERS, plane, plane, "bias_multiplier_", cudnn, 0};
    if (cudnn) list[count++] = sa_caffe_cudnn_workspace(((const sa_conv_config *)layer->config)->param.group);
    return count;
}

const sa_layer_type sa_layer_convolution = {
    .name = "Convolution",
    .config_field = "convolution_param",
    .config_table = sa_conv_fields,
    .config_bytes = sizeof(sa_conv_config),
    .config_init = sa_conv_config_init,
    .min_bottoms = 1,
    .max_bottoms = SA_LAYER_BOTTOMS_MAX,
    .min_tops = 1,
    .max_tops = SA_LAYER_TOPS_MAX,
    .grad_bottoms = SA_LAYER_BOTTOMS_MAX,
    .grad_tops = SA_LAYER_TOPS_MAX,
    .channels_apart = true,
    .writes_images = true,
    .convolves = true,
    .keeps_top = true,
    .reads_bottom = true,
    .source_nodes = 1,
    .caffe_all_top_diffs = true,
    .setup = setup,
    .caffe_touched_diffs = sa_caffe_touches_all,
    .caffe_buffers = caffe_buffers,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
    .bottom_grad_source = bottom_grad_source,
};

/* ---- of forks: one filter per channel, whatever `group` says ---- */

static sa_status depthwise_setup(sa_layer *layer, sa_blob *blobs)
{
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    ((sa_conv_config *)layer->config)->param.group = blobs[layer->bottom[0]].shape.dim[1];
    return setup(layer, blobs);
}

/* On a GPU their kernels take no columns. */
static int depthwise_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    int count = caffe_buffers(layer, blobs, list);
    for (int i = 0; i < count; i++)
        if (!strcmp(list[i].suffix, "column")) list[i].gpu_bytes = 0;
    return count;
}

#define DEPTHWISE(symbol, text)                      \
    const sa_layer_type symbol = {                   \
        .name = (text),                              \
        .config_field = "convolution_param",         \
        .config_table = sa_conv_fields,              \
        .config_bytes = sizeof(sa_conv_config),      \
        .config_init = sa_conv_config_init,          \
        .min_bottoms = 1,                            \
        .max_bottoms = 1,                            \
        .min_tops = 1,                               \
        .max_tops = 1,                               \
        .grad_bottoms = 1,                           \
        .grad_tops = 1,                              \
        .channels_apart = true,                      \
        .convolves = true,                           \
        .keeps_top = true,                           \
        .reads_bottom = true,                        \
        .source_nodes = 1,                           \
        .caffe_all_top_diffs = true,                 \
        .setup = depthwise_setup,                    \
        .caffe_touched_diffs = sa_caffe_touches_all, \
        .caffe_buffers = depthwise_buffers,          \
        .emit_forward = emit_forward,                \
        .emit_backward = emit_backward,              \
        .bottom_grad_source = bottom_grad_source,    \
    }
DEPTHWISE(sa_layer_depthwise_convolution, "DepthwiseConvolution");
DEPTHWISE(sa_layer_convolution_depthwise, "ConvolutionDepthwise");
