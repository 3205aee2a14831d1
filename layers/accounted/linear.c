/* Embed, and the columns of a convolution. Caffe: the layers of these names. */
#include "layers/accounted/accounted.h"
#include "layers/convolution_config.h"

/* ---- Embed: a row of the weight per index ---- */

typedef struct embed_param {
    int32_t num_output, input_dim;
    bool bias_term;
    sa_filler_param weight_filler, bias_filler;
} embed_param;

static const sa_field embed_fields[] = {
    SA_F_RANGE(embed_param, num_output, "num_output", INT32, 1, INT32_MAX),
    SA_F_RANGE(embed_param, input_dim, "input_dim", INT32, 1, INT32_MAX),
    SA_F_SINGLE(embed_param, bias_term, "bias_term", BOOL),
    SA_F_MESSAGE(embed_param, weight_filler, "weight_filler", sa_filler_fields),
    SA_F_MESSAGE(embed_param, bias_filler, "bias_filler", sa_filler_fields),
    SA_F_END,
};

static void embed_init(void *config)
{
    embed_param *p = config;
    *p = (embed_param){.bias_term = true};
    sa_filler_param_init(&p->weight_filler);
    sa_filler_param_init(&p->bias_filler);
}

static sa_status embed_setup(sa_layer *layer, sa_blob *blobs)
{
    const embed_param *p = layer->config;
    sa_shape top = blobs[layer->bottom[0]].shape;
    if (p->num_output < 1 || p->input_dim < 1) SA_FAIL(SA_INVALID, "num_output and input_dim are needed");
    if (top.axes >= 4) SA_FAIL(SA_UNSUPPORTED, "its top would have %d axes; at most 4 are supported", top.axes + 1);
    top.dim[top.axes++] = p->num_output;
    layer->param_count = p->bias_term ? 2 : 1;
    layer->param[0].shape = (sa_shape){2, {p->input_dim, p->num_output}};
    layer->param[0].filler = p->weight_filler;
    layer->param[1].shape = (sa_shape){1, {p->num_output}};
    layer->param[1].filler = p->bias_filler;
    blobs[layer->top[0]].shape = top;
    return SA_OK;
}

static int embed_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    if (layer->param_count < 2) return 0;
    list[0] = sa_both("bias_multiplier_", SA_CAFFE_OTHER, sa_bottom_bytes(layer, blobs, 0));
    return 1;
}

const sa_layer_type sa_layer_embed = {
    .name = "Embed",
    .config_field = "embed_param",
    .config_table = embed_fields,
    .config_bytes = sizeof(embed_param),
    .config_init = embed_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_tops = 1,
    .accounted_only = true,
    .setup = embed_setup,
    .caffe_buffers = embed_buffers,
};

/* ---- Im2col ---- */

static sa_status im2col_setup(sa_layer *layer, sa_blob *blobs)
{
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    sa_conv_config *config = layer->config;
    const sa_window_param *w = &config->window;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    SA_TRY(sa_window_param_resolve(&config->param.kernel, &config->param.stride, &config->param.pad, &config->window));
    sa_conv_param_dilation(&config->param, &config->dilation_h, &config->dilation_w);
    int64_t channels = (int64_t)shape.dim[1] * w->kernel_h * w->kernel_w;
    int64_t height = sa_conv_out_size(shape.dim[2], w->kernel_h, w->stride_h, w->pad_h, config->dilation_h);
    int64_t width = sa_conv_out_size(shape.dim[3], w->kernel_w, w->stride_w, w->pad_w, config->dilation_w);
    if (height < 1 || width < 1 || channels > INT32_MAX)
        SA_FAIL(SA_INVALID, "kernel %dx%d does not fit the plane of %dx%d", w->kernel_h, w->kernel_w, shape.dim[2], shape.dim[3]);
    blobs[layer->top[0]].shape = (sa_shape){4, {shape.dim[0], (int32_t)channels, (int32_t)height, (int32_t)width}};
    return SA_OK;
}

const sa_layer_type sa_layer_im2col = {
    .name = "Im2col",
    .config_field = "convolution_param",
    .config_table = sa_conv_fields,
    .config_bytes = sizeof(sa_conv_config),
    .config_init = sa_conv_config_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .accounted_only = true,
    .setup = im2col_setup,
};
