/* Types whose top has the shape of their bottom and that keep little or nothing. Caffe: the neuron layers. */
#include "layers/accounted/accounted.h"

#include "proto/fields.h"

/* Their parameters change values, not sizes. */
#define VALUES_ONLY(table, ...) static const sa_field table[] = {__VA_ARGS__, SA_F_IGNORED("engine"), SA_F_END}
VALUES_ONLY(elu_fields, SA_F_IGNORED("alpha"));
VALUES_ONLY(exp_fields, SA_F_IGNORED("base"), SA_F_IGNORED("scale"), SA_F_IGNORED("shift"));
VALUES_ONLY(power_fields, SA_F_IGNORED("power"), SA_F_IGNORED("scale"), SA_F_IGNORED("shift"));
VALUES_ONLY(clip_fields, SA_F_IGNORED("min"), SA_F_IGNORED("max"));
VALUES_ONLY(swish_fields, SA_F_IGNORED("beta"));
VALUES_ONLY(threshold_fields, SA_F_IGNORED("threshold"));
VALUES_ONLY(no_fields, SA_F_IGNORED("unused"));

static int swish_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    list[0] = sa_both("sigmoid_input_", SA_CAFFE_OTHER, sa_bottom_bytes(layer, blobs, 0));
    list[1] = sa_both("sigmoid_output_", SA_CAFFE_OTHER, sa_bottom_bytes(layer, blobs, 0));
    return 2;
}

#define ELEMENTWISE(symbol, text, field, table, may_be_in_place, buffers) \
    const sa_layer_type symbol = {                                        \
        .name = (text),                                                   \
        .config_field = (field),                                          \
        .config_table = (table),                                          \
        .min_bottoms = 1,                                                 \
        .max_bottoms = 1,                                                 \
        .min_tops = 1,                                                    \
        .max_tops = 1,                                                    \
        .grad_bottoms = 1,                                                \
        .grad_tops = 1,                                                   \
        .in_place = (may_be_in_place),                                    \
        .accounted_only = true,                                           \
        .setup = sa_layer_same_shape,                                     \
        .caffe_buffers = (buffers),                                       \
    }
ELEMENTWISE(sa_layer_absval, "AbsVal", NULL, no_fields, false, NULL);
ELEMENTWISE(sa_layer_bnll, "BNLL", NULL, no_fields, true, NULL);
ELEMENTWISE(sa_layer_clip, "Clip", "clip_param", clip_fields, true, NULL);
ELEMENTWISE(sa_layer_elu, "ELU", "elu_param", elu_fields, true, NULL);
ELEMENTWISE(sa_layer_exp, "Exp", "exp_param", exp_fields, true, NULL);
ELEMENTWISE(sa_layer_log, "Log", "log_param", exp_fields, true, NULL);
ELEMENTWISE(sa_layer_power, "Power", "power_param", power_fields, true, NULL);
ELEMENTWISE(sa_layer_sigmoid, "Sigmoid", "sigmoid_param", no_fields, true, NULL);
ELEMENTWISE(sa_layer_swish, "Swish", "swish_param", swish_fields, true, swish_buffers);
ELEMENTWISE(sa_layer_tanh, "TanH", "tanh_param", no_fields, true, NULL);

/* No gradient. */
const sa_layer_type sa_layer_threshold = {
    .name = "Threshold",
    .config_field = "threshold_param",
    .config_table = threshold_fields,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .in_place = true,
    .accounted_only = true,
    .setup = sa_layer_same_shape,
};

/* ---- PReLU: a slope per channel, or one for all ---- */

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

static sa_status prelu_setup(sa_layer *layer, sa_blob *blobs)
{
    const prelu_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    if (shape->axes < 2) SA_FAIL(SA_INVALID, "bottom '%s' has %d axes, needs 2 or more", blobs[layer->bottom[0]].name, shape->axes);
    layer->param_count = 1;
    layer->param[0].filler = p->filler;
    layer->param[0].shape = (sa_shape){.axes = p->channel_shared ? 0 : 1};
    if (!p->channel_shared) layer->param[0].shape.dim[0] = shape->dim[1];
    return sa_layer_same_shape(layer, blobs);
}

static int prelu_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t image = sa_shape_span(shape, 1, shape->axes) * 4;
    int count = 0;
    list[count++] = sa_both("multiplier_", SA_CAFFE_OTHER, image);
    if (sa_is_in_place(layer, blobs)) list[count++] = sa_both("bottom_memory_", SA_CAFFE_OTHER, sa_bottom_bytes(layer, blobs, 0));
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
    .accounted_only = true,
    .setup = prelu_setup,
    .caffe_buffers = prelu_buffers,
};
