/* The parameters of Convolution and Deconvolution, and what both make of them. Private to layers/. */
#ifndef SA_LAYERS_CONVOLUTION_CONFIG_H
#define SA_LAYERS_CONVOLUTION_CONFIG_H

#include "layers/layer_common.h"
#include "program/emit.h"

#include <string.h>

typedef struct sa_conv_config {
    sa_conv_param param;    /* first: the field table fills it */
    sa_window_param window; /* this and the next resolved by setup */
    int32_t dilation_h, dilation_w;
} sa_conv_config;

static inline void sa_conv_config_init(void *config)
{
    sa_conv_param_init(&((sa_conv_config *)config)->param);
}

/* Fills in window and dilation; checks the bottoms, which share the weights, and the groups. */
static inline sa_status sa_conv_config_resolve(sa_layer *layer, const sa_blob *blobs)
{
    sa_conv_config *config = layer->config;
    const sa_conv_param *p = &config->param;
    const sa_blob *first = &blobs[layer->bottom[0]];
    SA_TRY(sa_window_param_resolve(&p->kernel, &p->stride, &p->pad, &config->window));
    sa_conv_param_dilation(p, &config->dilation_h, &config->dilation_w);
    if (layer->top_count != layer->bottom_count)
        SA_FAIL(SA_INVALID, "%d tops for %d bottoms: each bottom has one", layer->top_count, layer->bottom_count);
    for (int i = 0; i < layer->bottom_count; i++) {
        const sa_blob *bottom = &blobs[layer->bottom[i]];
        SA_TRY(sa_layer_need_nchw(layer, blobs, i));
        if (!memcmp(bottom->shape.dim, first->shape.dim, 4 * sizeof bottom->shape.dim[0])) continue;
        char a[SA_SHAPE_TEXT_BYTES], b[SA_SHAPE_TEXT_BYTES];
        SA_FAIL(SA_INVALID, "'%s' is %s, '%s' %s: bottoms that share weights have one shape", first->name,
                sa_shape_text(&first->shape, a), bottom->name, sa_shape_text(&bottom->shape, b));
    }
    int32_t channels = first->shape.dim[1];
    if (p->num_output < 1) SA_FAIL(SA_INVALID, "num_output is missing");
    if (channels % p->group || p->num_output % p->group)
        SA_FAIL(SA_INVALID, "%d input and %d output channels cannot be divided into %d groups", channels, p->num_output, p->group);
    return SA_OK;
}

/* Shapes and fillers of weight (of `rows` x `columns` kernels) and bias. */
static inline void sa_conv_set_params(sa_layer *layer, int32_t rows, int32_t columns)
{
    const sa_conv_config *config = layer->config;
    layer->param_count = config->param.bias_term ? 2 : 1;
    layer->param[0].shape = (sa_shape){4, {rows, columns, config->window.kernel_h, config->window.kernel_w}};
    layer->param[0].filler = config->param.weight_filler;
    layer->param[1].shape = (sa_shape){1, {config->param.num_output}};
    layer->param[1].filler = config->param.bias_filler;
}

static inline sa_ref sa_conv_optional_bias(sa_emitter *e, const sa_layer *layer)
{
    return layer->param_count > 1 ? sa_emit_param(e, layer, 1) : SA_REF_NONE;
}

static inline bool sa_conv_wants_dweight(const sa_layer *layer)
{
    return layer->param[0].needs_grad || (layer->param_count > 1 && layer->param[1].needs_grad);
}

#endif
