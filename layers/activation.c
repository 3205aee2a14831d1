/* Activations: the types whose top is a function of one element (kernels/maps.h), and so is the gradient. A new one is a row of
 * SA_MAPS for the function, one for its derivative, and an ACTIVATION here. Caffe: the neuron layers of these names. */
#include "layers/layer_common.h"
#include "program/emit.h"

#include "proto/fields.h"

#include <math.h>

/* What a gradient needs besides that of the top. A type of TOP may write over its bottom. */
typedef enum reads { READS_NOTHING, READS_BOTTOM, READS_TOP } reads;

typedef struct activation {
    float first, second, third; /* from the prototxt */
    sa_map value, grad;         /* set by setup */
    reads reads;
} activation;

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    const activation *a = layer->config;
    sa_node *node;
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_MAP, &sa_emit_blob(e, layer->top[0])->shape, source, NULL, NULL, &node));
    node->number.map = a->value;
    return SA_OK;
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    const activation *a = layer->config;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    sa_source at, dy;
    sa_node *node;
    if (a->reads != READS_NOTHING) SA_TRY(sa_emit_data(e, a->reads == READS_TOP ? layer->top[0] : layer->bottom[0], &at));
    SA_TRY(sa_emit_grad(e, layer->top[0], &dy));
    if (a->reads == READS_NOTHING) SA_TRY(sa_emit_join(e, layer, source, SA_NODE_MAP, shape, &dy, NULL, NULL, &node));
    else SA_TRY(sa_emit_join(e, layer, source, SA_NODE_MAP2, shape, &at, &dy, NULL, &node));
    node->number.map = a->grad;
    return SA_OK;
}

static bool keeps_bottom(const sa_layer *layer)
{
    return ((const activation *)layer->config)->reads == READS_BOTTOM;
}

/* from_top: the gradient reads the top. set: from the prototxt's numbers. */
#define ACTIVATION(symbol, text, field, table, init, set, may_be_in_place, from_top, buffers) \
    static sa_status symbol##_setup(sa_layer *layer, sa_blob *blobs)                          \
    {                                                                                         \
        SA_TRY(set(layer->config));                                                           \
        return sa_layer_same_shape(layer, blobs);                                             \
    }                                                                                         \
    const sa_layer_type symbol = {                                                            \
        .name = (text),                                                                       \
        .config_field = (field),                                                              \
        .config_table = (table),                                                              \
        .config_bytes = sizeof(activation),                                                   \
        .config_init = (init),                                                                \
        .min_bottoms = 1,                                                                     \
        .max_bottoms = 1,                                                                     \
        .min_tops = 1,                                                                        \
        .max_tops = 1,                                                                        \
        .grad_bottoms = 1,                                                                    \
        .grad_tops = 1,                                                                       \
        .in_place = (may_be_in_place),                                                        \
        .writes_images = true,                                                                \
        .pointwise = true,                                                                    \
        .channels_apart = true,                                                               \
        .reads_top = (from_top),                                                              \
        .cheap_grad = true,                                                                   \
        .source_nodes = 1,                                                                    \
        .keeps_bottom = keeps_bottom,                                                         \
        .setup = symbol##_setup,                                                              \
        .caffe_buffers = (buffers),                                                           \
        .emit_forward = sa_emit_forward_from_source,                                          \
        .emit_backward = sa_emit_backward_from_source,                                        \
        .top_source = top_source,                                                             \
        .bottom_grad_source = bottom_grad_source,                                             \
    }

#define FIELDS(table, ...) static const sa_field table[] = {__VA_ARGS__, SA_F_IGNORED("engine"), SA_F_END}
#define NUMBER(member, name) SA_F_SINGLE(activation, member, name, FLOAT)

/* ---- without numbers ---- */

FIELDS(no_fields, SA_F_IGNORED("unused"));

static sa_status set_absval(activation *a)
{
    a->value.kind = SA_MAP_ABS;
    a->grad.kind = SA_MAP_ABS_GRAD;
    a->reads = READS_BOTTOM;
    return SA_OK;
}
ACTIVATION(sa_layer_absval, "AbsVal", NULL, NULL, NULL, set_absval, false, false, NULL);

static sa_status set_bnll(activation *a)
{
    a->value.kind = SA_MAP_BNLL;
    a->grad.kind = SA_MAP_BNLL_GRAD;
    a->reads = READS_BOTTOM;
    return SA_OK;
}
ACTIVATION(sa_layer_bnll, "BNLL", NULL, NULL, NULL, set_bnll, true, false, NULL);

static sa_status set_sigmoid(activation *a)
{
    a->value.kind = SA_MAP_SIGMOID;
    a->grad.kind = SA_MAP_SIGMOID_GRAD;
    a->reads = READS_TOP;
    return SA_OK;
}
ACTIVATION(sa_layer_sigmoid, "Sigmoid", "sigmoid_param", no_fields, NULL, set_sigmoid, true, true, NULL);

static sa_status set_tanh(activation *a)
{
    a->value.kind = SA_MAP_TANH;
    a->grad.kind = SA_MAP_TANH_GRAD;
    a->reads = READS_TOP;
    return SA_OK;
}
ACTIVATION(sa_layer_tanh, "TanH", "tanh_param", no_fields, NULL, set_tanh, true, true, NULL);

/* ---- ELU, Swish, Clip ---- */

FIELDS(elu_fields, NUMBER(first, "alpha"));
FIELDS(swish_fields, NUMBER(first, "beta"));
FIELDS(clip_fields, NUMBER(first, "min"), NUMBER(second, "max"));

static void first_is_1(void *config)
{
    *(activation *)config = (activation){.first = 1.0f};
}

static void clip_init(void *config)
{
    *(activation *)config = (activation){.first = NAN, .second = NAN};
}

/* The output tells the input's sign for alpha > 0 only. */
static sa_status set_elu(activation *a)
{
    const bool from_top = a->first > 0.0f;
    a->value = (sa_map){.kind = SA_MAP_ELU, .p = a->first};
    a->grad = (sa_map){.kind = from_top ? SA_MAP_ELU_GRAD : SA_MAP_ELU_GRAD_IN, .p = a->first};
    a->reads = from_top ? READS_TOP : READS_BOTTOM;
    return SA_OK;
}
ACTIVATION(sa_layer_elu, "ELU", "elu_param", elu_fields, first_is_1, set_elu, true, true, NULL);

static sa_status set_swish(activation *a)
{
    a->value = (sa_map){.kind = SA_MAP_SWISH, .p = a->first};
    a->grad = (sa_map){.kind = SA_MAP_SWISH_GRAD, .p = a->first};
    a->reads = READS_BOTTOM;
    return SA_OK;
}

static int swish_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    list[0] = sa_both("sigmoid_input_", SA_CAFFE_OTHER, sa_blob_bytes(&blobs[layer->bottom[0]]));
    list[1] = sa_both("sigmoid_output_", SA_CAFFE_OTHER, sa_blob_bytes(&blobs[layer->bottom[0]]));
    return 2;
}
ACTIVATION(sa_layer_swish, "Swish", "swish_param", swish_fields, first_is_1, set_swish, true, false, swish_buffers);

static sa_status set_clip(activation *a)
{
    if (isnan(a->first) || isnan(a->second)) SA_FAIL(SA_INVALID, "clip_param needs 'min' and 'max'");
    a->value = (sa_map){.kind = SA_MAP_CLIP, .p = a->first, .q = a->second};
    a->grad = (sa_map){.kind = SA_MAP_CLIP_GRAD, .p = a->first, .q = a->second};
    a->reads = READS_BOTTOM;
    return SA_OK;
}
ACTIVATION(sa_layer_clip, "Clip", "clip_param", clip_fields, clip_init, set_clip, true, false, NULL);

/* ---- ReLU6: MobileNet's, of forks ---- */

static const sa_field relu6_fields[] = {NUMBER(first, "negative_slope"), SA_F_IGNORED("engine"), SA_F_END};

static sa_status set_relu6(activation *a)
{
    if (a->first != 0.0f) SA_FAIL(SA_UNSUPPORTED, "negative_slope %g of a ReLU6: forks differ", (double)a->first);
    a->value = (sa_map){.kind = SA_MAP_CLIP, .p = 0.0f, .q = 6.0f};
    a->grad = (sa_map){.kind = SA_MAP_INSIDE, .p = 0.0f, .q = 6.0f};
    a->reads = READS_TOP;
    return SA_OK;
}
ACTIVATION(sa_layer_relu6, "ReLU6", "relu_param", relu6_fields, NULL, set_relu6, true, true, NULL);

/* ---- Power, Exp, Log: of shift + scale * x ---- */

FIELDS(power_fields, NUMBER(first, "power"), NUMBER(second, "scale"), NUMBER(third, "shift"));
FIELDS(base_fields, NUMBER(first, "base"), NUMBER(second, "scale"), NUMBER(third, "shift"));

static void power_init(void *config)
{
    *(activation *)config = (activation){.first = 1.0f, .second = 1.0f};
}

/* base -1 stands for e */
static void base_init(void *config)
{
    *(activation *)config = (activation){.first = -1.0f, .second = 1.0f};
}

static sa_status set_power(activation *a)
{
    const float power = a->first, scale = a->second, shift = a->third;
    a->reads = READS_NOTHING;
    if (power * scale == 0.0f) {
        a->value = (sa_map){.kind = SA_MAP_CONSTANT, .p = power == 0.0f ? 1.0f : (float)pow((double)shift, (double)power)};
        a->grad = (sa_map){.kind = SA_MAP_CONSTANT};
    } else if (power == 1.0f) {
        a->value = (sa_map){.kind = SA_MAP_LINEAR, .p = scale, .q = shift};
        a->grad = (sa_map){.kind = SA_MAP_LINEAR, .p = scale};
    } else {
        const bool square = power == 2.0f;
        a->value = (sa_map){.kind = square ? SA_MAP_SQUARE : SA_MAP_POWER, .p = scale, .q = shift, .r = power};
        a->grad = (sa_map){.kind = square ? SA_MAP_SQUARE_GRAD : SA_MAP_POWER_GRAD, .p = scale, .q = shift, .r = power};
        a->reads = READS_BOTTOM;
    }
    return SA_OK;
}
ACTIVATION(sa_layer_power, "Power", "power_param", power_fields, power_init, set_power, true, false, NULL);

static sa_status log_of_base(float base, double *logarithm)
{
    if (base != -1.0f && !(base > 0.0f)) SA_FAIL(SA_INVALID, "base %g: must be greater than 0, or -1 for e", (double)base);
    *logarithm = base == -1.0f ? 1.0 : log((double)base);
    return SA_OK;
}

static sa_status set_exp(activation *a)
{
    double logarithm;
    SA_TRY(log_of_base(a->first, &logarithm));
    a->value =
        (sa_map){.kind = SA_MAP_EXP, .p = (float)(logarithm * (double)a->second), .q = (float)exp(logarithm * (double)a->third)};
    a->grad = (sa_map){.kind = SA_MAP_EXP_GRAD, .p = a->value.p};
    a->reads = READS_TOP;
    return SA_OK;
}
ACTIVATION(sa_layer_exp, "Exp", "exp_param", base_fields, base_init, set_exp, true, true, NULL);

static sa_status set_log(activation *a)
{
    double logarithm;
    SA_TRY(log_of_base(a->first, &logarithm));
    if (logarithm == 0.0) SA_FAIL(SA_INVALID, "base 1: there is no logarithm of it");
    a->value = (sa_map){.kind = SA_MAP_LOG, .p = a->second, .q = a->third, .r = (float)(1.0 / logarithm)};
    a->grad = a->value;
    a->grad.kind = SA_MAP_LOG_GRAD;
    a->reads = READS_BOTTOM;
    return SA_OK;
}
ACTIVATION(sa_layer_log, "Log", "log_param", base_fields, base_init, set_log, true, false, NULL);

/* ---- Threshold: no gradient ---- */

FIELDS(threshold_fields, NUMBER(first, "threshold"));

static sa_status threshold_setup(sa_layer *layer, sa_blob *blobs)
{
    activation *a = layer->config;
    a->value = (sa_map){.kind = SA_MAP_STEP, .p = a->first};
    return sa_layer_same_shape(layer, blobs);
}

const sa_layer_type sa_layer_threshold = {
    .name = "Threshold",
    .config_field = "threshold_param",
    .config_table = threshold_fields,
    .config_bytes = sizeof(activation),
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .in_place = true,
    .writes_images = true,
    .pointwise = true,
    .channels_apart = true,
    .source_nodes = 1,
    .setup = threshold_setup,
    .emit_forward = sa_emit_forward_from_source,
    .top_source = top_source,
};
