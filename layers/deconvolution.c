/* Deconvolution: the transpose of a convolution, so its forward pass is a convolution's data gradient, and the gradient of its
 * bottom a convolution; what the ops call x is its top. Weight (C, Co / groups, Kh, Kw), C channels of the bottom. Caffe:
 * DeconvolutionLayer. */
#include "layers/convolution.h"
#include "layers/convolution_config.h"

/* H' = s (H - 1) + e - 2 p */
static int64_t grown_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
    return stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * pad;
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_conv_config *config = layer->config;
    const sa_window_param *w = &config->window;
    SA_TRY(sa_conv_config_resolve(layer, blobs));
    const int32_t *dim = blobs[layer->bottom[0]].shape.dim, out = config->param.num_output;
    int64_t height = grown_size(dim[2], w->kernel_h, w->stride_h, w->pad_h, config->dilation_h);
    int64_t width = grown_size(dim[3], w->kernel_w, w->stride_w, w->pad_w, config->dilation_w);
    if (height < 1 || width < 1 || height > INT32_MAX || width > INT32_MAX)
        SA_FAIL(SA_INVALID, "a %dx%d plane becomes %lldx%lld", dim[2], dim[3], (long long)height, (long long)width);
    sa_conv_set_params(layer, dim[1], out / config->param.group);
    for (int i = 0; i < layer->top_count; i++)
        blobs[layer->top[i]].shape = (sa_shape){4, {dim[0], out, (int32_t)height, (int32_t)width}};
    return SA_OK;
}

static sa_conv_shape conv_shape(sa_emitter *e, const sa_layer *layer)
{
    return sa_convolution_shape(layer, sa_emit_blob(e, layer->bottom[0])->shape.dim, sa_emit_blob(e, layer->top[0])->shape.dim);
}

/* One backward op of the convolution, of all channels. */
static sa_status emit_pass(sa_emitter *e, const sa_layer *layer, sa_conv_pass pass, const char *what, sa_op_args *args)
{
    sa_conv_backward_args *a = &args->conv_backward;
    sa_conv_request request = {.shape = a->shape,
                               .pass = pass,
                               .virtual_x = a->x.count > 0 && !sa_source_has_dense_images(&a->x),
                               .virtual_dy = !sa_source_has_dense_images(&a->dy),
                               .bias_gradient = a->dx_dbias.buffer != SA_NO_BUFFER,
                               .out_channels_at_once = a->shape.out_channels};
    SA_TRY(sa_emit_conv_workspace(e, layer, &request, &a->workspace, &a->workspace_bytes));
    a->algorithm = request.algorithm;
    return sa_emit_op(e, layer, what, SA_OP_CONV_BACKWARD, args);
}

static void init_args(sa_emitter *e, const sa_layer *layer, int i, sa_op_args *args)
{
    sa_conv_backward_args *a = &args->conv_backward;
    *args = (sa_op_args){.conv_backward = {.shape = conv_shape(e, layer), .range = sa_emit_range(e, layer->bottom[i])}};
    a->dx.at = a->mask.at = a->weight = a->dweight = a->dbias = a->dx_bias = a->dx_dbias = SA_REF_NONE;
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    const int tops = sa_emit_is_again(e) ? 1 : layer->top_count; /* no other is ever dropped */
    for (int i = 0; i < tops; i++) {
        sa_op_args args;
        init_args(e, layer, i, &args);
        sa_conv_backward_args *a = &args.conv_backward;
        SA_TRY(sa_emit_data(e, layer->bottom[i], &a->dy));
        SA_TRY(sa_emit_data_out(e, layer->top[i], &a->dx));
        a->weight = sa_emit_param(e, layer, 0);
        a->dx_bias = sa_conv_optional_bias(e, layer);
        const char *what = sa_emit_is_again(e) ? "forward again" : "forward";
        SA_TRY(emit_pass(e, layer, SA_CONV_PASS_BACKWARD_DATA, what, &args));
    }
    return SA_OK;
}

/* What bottom i adds to the gradients of weight and bias. */
static sa_status emit_dweight(sa_emitter *e, const sa_layer *layer, int i)
{
    sa_op_args args;
    init_args(e, layer, i, &args);
    sa_conv_backward_args *a = &args.conv_backward;
    SA_TRY(sa_emit_grad(e, layer->top[i], &a->x));
    SA_TRY(sa_emit_data(e, layer->bottom[i], &a->dy));
    a->weight = sa_emit_param(e, layer, 0);
    a->dweight = sa_emit_param_grad(e, layer, 0);
    if (layer->param_count > 1) a->dx_dbias = sa_emit_param_grad(e, layer, 1);
    a->accumulate = i > 0;
    return emit_pass(e, layer, SA_CONV_PASS_BACKWARD_WEIGHT, "backward weight", &args);
}

static sa_status emit_bottom_grad(sa_emitter *e, const sa_layer *layer, int i)
{
    sa_op_args args = {.conv_forward = {.shape = conv_shape(e, layer), .range = sa_emit_range(e, layer->bottom[i])}};
    sa_conv_forward_args *a = &args.conv_forward;
    SA_TRY(sa_emit_grad(e, layer->top[i], &a->x));
    SA_TRY(sa_emit_grad_out(e, layer->bottom[i], &a->y));
    a->weight = sa_emit_param(e, layer, 0);
    a->bias = SA_REF_NONE;
    sa_conv_request request = {.shape = a->shape,
                               .pass = SA_CONV_PASS_FORWARD,
                               .virtual_x = !sa_source_has_dense_images(&a->x),
                               .out_channels_at_once = a->shape.out_channels};
    SA_TRY(sa_emit_conv_workspace(e, layer, &request, &a->workspace, &a->workspace_bytes));
    a->algorithm = request.algorithm;
    return sa_emit_op(e, layer, "backward data", SA_OP_CONV_FORWARD, &args);
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    for (int i = 0; i < layer->bottom_count; i++) {
        if (sa_conv_wants_dweight(layer)) SA_TRY(emit_dweight(e, layer, i));
        if (sa_emit_grad_is_wanted(e, layer->bottom[i])) SA_TRY(emit_bottom_grad(e, layer, i));
    }
    return SA_OK;
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_conv_config *config = layer->config;
    const sa_shape *bottom = &blobs[layer->bottom[0]].shape, *top = &blobs[layer->top[0]].shape;
    size_t kernel = (size_t)config->window.kernel_h * (size_t)config->window.kernel_w, plane = sa_shape_span(top, 2, 4) * 4;
    size_t column = (size_t)top->dim[1] * kernel * sa_shape_span(bottom, 2, 4) * 4;
    int count = sa_caffe_conv_shapes(list);
    const bool cudnn = config->dilation_h == 1 && config->dilation_w == 1;
    list[count++] = (sa_caffe_buffer){"column", SA_CAFFE_COLUMNS, column, column, "col_buffer_", cudnn, 0};
    if (layer->param_count > 1)
        list[count++] = (sa_caffe_buffer){"bias_multiplier", SA_CAFFE_BIAS_MULTIPLIERS, plane, plane, "bias_multiplier_", cudnn, 0};
    if (cudnn) list[count++] = sa_caffe_cudnn_workspace(config->param.group);
    return count;
}

const sa_layer_type sa_layer_deconvolution = {
    .name = "Deconvolution",
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
    .convolves = true,
    .transposes = true,
    .keeps_top = true,
    .reads_bottom = true,
    .caffe_all_top_diffs = true,
    .setup = setup,
    .caffe_touched_diffs = sa_caffe_touches_all,
    .caffe_buffers = caffe_buffers,
    .writes_images = true,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
};
