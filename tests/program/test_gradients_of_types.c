/* The gradients of every type of layer that has one, against differences of the loss: to the inputs and to the parameters. A table
 * with a small net per type; a type of the registry without a row fails. Inputs go through a Scale with a factor per element, whose
 * gradients tell theirs, under strategies that store none of an input too.
 *
 * What a layer makes goes through (y + 0.3)^3 and is summed up, so that the loss has a slope under normalised values too. Where
 * differences of two widths agree, no maximum flips in between; their extrapolation has to be the gradient's projection. */
#include "layers/layer_registry.h"
#include "net/net.h"
#include "net/session.h"
#include "proto/textformat.h"
#include "tests/support/data_files.h"
#include "tests/support/random_net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TENSORS_MAX = 8, TRIES = 12, TEXT_BYTES = 4096 };
static const double AGREE = 0.004, TOLERANCE = 0.01; /* of a projection's size */

typedef struct row {
    const char *type, *layers; /* from 'x' to 'y', or to a loss */
    const char *inputs;        /* besides x; NULL: none. Names with l are class numbers, with s similarities, others like x */
    bool positive;             /* x */
} row;

/* A parameter of every element's own: its gradient, the value being 1, is the input's times the input. */
#define FACTORS(name) \
    "layer { name: '" name "' type: 'Scale' bottom: '" name "_in' top: '" name "' scale_param { axis: 0 num_axes: -1 } }\n"
#define INPUT(name, dims) "layer { name: '" name "' type: 'Input' top: '" name "' input_param { shape { " dims " } } }\n"
#define LAYER(type, more) "layer { name: 'it' type: '" type "' bottom: 'x' top: 'y' " more " }\n"
#define CASE(type, more)                     \
    {                                        \
        type, LAYER(type, more), NULL, false \
    }
#define FILL "weight_filler { type: 'gaussian' std: 0.3 }"
#define MAX_POOL                                                                                                    \
    "layer { name: 'pool' type: 'Pooling' bottom: 'x' top: 'p' top: 'mask' pooling_param { kernel_size: 2 stride: " \
    "2 } }\n"

static const row ROWS[] = {
    CASE("Convolution", "convolution_param { num_output: 3 kernel_size: 3 pad: 1 " FILL " }"),
    CASE("Convolution", "convolution_param { num_output: 4 kernel_size: 3 stride: 2 dilation: 2 pad: 2 group: 2 " FILL " }"),
    CASE("Convolution", "convolution_param { num_output: 2 kernel_size: 1 " FILL " }"),
    CASE("DepthwiseConvolution", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 " FILL " }"),
    CASE("ConvolutionDepthwise", "convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 " FILL " }"),
    CASE("Deconvolution", "convolution_param { num_output: 3 kernel_size: 4 stride: 2 pad: 1 " FILL " }"),
    CASE("Deconvolution", "convolution_param { num_output: 4 group: 4 kernel_size: 3 stride: 2 " FILL " }"),
    CASE("InnerProduct", "inner_product_param { num_output: 5 " FILL " }"),
    CASE("InnerProduct", "inner_product_param { num_output: 5 axis: 2 transpose: true " FILL " }"),
    CASE("BN", "param { lr_mult: 1 } param { lr_mult: 1 }"),
    CASE("BatchNorm", ""),
    CASE("Scale", "scale_param { bias_term: true filler { type: 'gaussian' mean: 1 std: 0.3 } }"),
    {"Scale", "layer { name: 'it' type: 'Scale' bottom: 'x' bottom: 'z' top: 'y' scale_param { axis: 0 } }\n",
     INPUT("z_in", "dim: 2 dim: 4"), false},
    CASE("Bias", ""),
    CASE("MVN", ""),
    CASE("MVN", "mvn_param { across_channels: true }"),
    CASE("LRN", "lrn_param { local_size: 3 alpha: 0.5 }"),
    CASE("LRN", "lrn_param { local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL }"),
    CASE("ReLU", ""),
    CASE("ReLU", "relu_param { negative_slope: 0.3 }"),
    CASE("ReLU6", ""),
    CASE("PReLU", ""),
    CASE("ELU", ""),
    CASE("Swish", ""),
    CASE("Sigmoid", ""),
    CASE("TanH", ""),
    CASE("AbsVal", ""),
    CASE("BNLL", ""),
    CASE("Clip", "clip_param { min: -0.8 max: 0.9 }"),
    CASE("Power", "power_param { power: 2 scale: 0.5 shift: 0.2 }"),
    CASE("Exp", "exp_param { scale: 0.5 }"),
    {"Log", LAYER("Log", "log_param { shift: 0.5 }"), NULL, true},
    CASE("Pooling", "pooling_param { kernel_size: 3 stride: 2 }"),
    CASE("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"),
    CASE("Pooling", "pooling_param { pool: AVE global_pooling: true }"),
    {"Pooling", LAYER("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }"), NULL, true},
    {"Upsample",
     MAX_POOL
     "layer { name: 'it' type: 'Upsample' bottom: 'p' bottom: 'mask' top: 'y' upsample_param { upsample_h: 6 upsample_w: 5 } }\n",
     NULL, false},
    CASE("Interp", "interp_param { zoom_factor: 3 }"),
    CASE("Interp", "interp_param { shrink_factor: 2 pad_beg: -1 }"),
    CASE("Interp", "interp_param { height: 4 width: 9 pad_end: -1 }"),
    {"Interp", "layer { name: 'it' type: 'Interp' bottom: 'x' bottom: 'z' top: 'y' }\n",
     INPUT("z_in", "dim: 1 dim: 1 dim: 11 dim: 1"), false},
    {"Eltwise", "layer { name: 'it' type: 'Eltwise' bottom: 'x' bottom: 'z' top: 'y' eltwise_param { coeff: 0.5 coeff: -2 } }\n",
     INPUT("z_in", "dim: 2 dim: 4 dim: 6 dim: 5"), false},
    {"Eltwise", "layer { name: 'it' type: 'Eltwise' bottom: 'x' bottom: 'z' top: 'y' eltwise_param { operation: PROD } }\n",
     INPUT("z_in", "dim: 2 dim: 4 dim: 6 dim: 5"), false},
    {"Eltwise", "layer { name: 'it' type: 'Eltwise' bottom: 'x' bottom: 'z' top: 'y' eltwise_param { operation: MAX } }\n",
     INPUT("z_in", "dim: 2 dim: 4 dim: 6 dim: 5"), false},
    CASE("Dropout", ""),
    CASE("Softmax", ""),
    CASE("Softmax", "softmax_param { axis: 3 }"),
    {"Concat", "layer { name: 'it' type: 'Concat' bottom: 'x' bottom: 'z' top: 'y' concat_param { axis: 2 } }\n",
     INPUT("z_in", "dim: 2 dim: 4 dim: 3 dim: 5"), false},
    {"Slice",
     "layer { name: 'it' type: 'Slice' bottom: 'x' top: 'a' top: 'b' }\n"
     "layer { name: 'two' type: 'Eltwise' bottom: 'a' bottom: 'b' top: 'y' eltwise_param { operation: PROD } }\n",
     NULL, false},
    {"Split",
     "layer { name: 'it' type: 'Split' bottom: 'x' top: 'a' top: 'b' }\n"
     "layer { name: 'two' type: 'Eltwise' bottom: 'a' bottom: 'b' top: 'y' eltwise_param { operation: PROD } }\n",
     NULL, false},
    {"Crop", "layer { name: 'it' type: 'Crop' bottom: 'x' bottom: 'z' top: 'y' crop_param { offset: 1 } }\n",
     INPUT("z_in", "dim: 2 dim: 4 dim: 4 dim: 3"), false},
    CASE("Flatten", ""),
    CASE("Reshape", "reshape_param { shape { dim: 0 dim: 6 dim: -1 dim: 2 } }"),
    CASE("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
    CASE("Tile", "tile_param { tiles: 2 }"),
    CASE("Reduction", "reduction_param { operation: SUMSQ axis: 1 }"),
    CASE("Reduction", "reduction_param { operation: MEAN axis: 2 }"),
    CASE("Reduction", "reduction_param { operation: ASUM axis: 1 coeff: 0.1 }"),
    {"SoftmaxWithLoss", "layer { name: 'it' type: 'SoftmaxWithLoss' bottom: 'x' bottom: 'l' top: 'loss' }\n",
     INPUT("l", "dim: 2 dim: 1 dim: 6 dim: 5"), false},
    {"InfogainLoss", "layer { name: 'it' type: 'InfogainLoss' bottom: 'x' bottom: 'l' bottom: 'm' top: 'loss' }\n",
     INPUT("l", "dim: 2 dim: 1 dim: 6 dim: 5") INPUT("m", "dim: 1 dim: 1 dim: 4 dim: 4"), false},
    {"HingeLoss", "layer { name: 'it' type: 'HingeLoss' bottom: 'x' bottom: 'l' top: 'loss' hinge_loss_param { norm: L2 } }\n",
     INPUT("l", "dim: 2 dim: 1"), false},
    {"HingeLoss", "layer { name: 'it' type: 'HingeLoss' bottom: 'x' bottom: 'l' top: 'loss' }\n", INPUT("l", "dim: 2 dim: 1"),
     false},
    {"MultinomialLogisticLoss",
     "layer { name: 'it' type: 'MultinomialLogisticLoss' bottom: 'x' bottom: 'l' top: 'loss' loss_weight: 0.1 }\n",
     INPUT("l", "dim: 2 dim: 1"), true},
    {"EuclideanLoss", "layer { name: 'it' type: 'EuclideanLoss' bottom: 'x' bottom: 'z' top: 'loss' }\n",
     INPUT("z_in", "dim: 2 dim: 4 dim: 6 dim: 5"), false},
    {"SigmoidCrossEntropyLoss", "layer { name: 'it' type: 'SigmoidCrossEntropyLoss' bottom: 'x' bottom: 's' top: 'loss' }\n",
     INPUT("s", "dim: 2 dim: 4 dim: 6 dim: 5"), false},
    {"ContrastiveLoss",
     "layer { name: 'it' type: 'ContrastiveLoss' bottom: 'x' bottom: 'z' bottom: 's' top: 'loss' contrastive_loss_param { margin: "
     "30 } }\n",
     INPUT("z_in", "dim: 2 dim: 4 dim: 6 dim: 5") INPUT("s", "dim: 2 dim: 1"), false},
};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

/* A value whose gradient is looked at, or that is only fed. */
typedef struct tensor {
    int blob, layer, param; /* blob -1: a parameter */
    bool graded;
    size_t count;
    float *value, *shifted, *gradient, *direction; /* (count), one allocation */
} tensor;

typedef struct subject {
    const row *row;
    char text[TEXT_BYTES];
    sa_net *net;
    sa_device *device;
    sa_session *session;
    int tensor_count;
    tensor tensor[TENSORS_MAX];
    double loss; /* where all values are what they are */
    uint64_t random;
} subject;

static float input_value(subject *s, const char *name)
{
    if (name[0] == 'l') return (float)random_below(&s->random, 4);
    if (name[0] == 's') return (float)random_below(&s->random, 2);
    const float normal = random_normal(&s->random);
    return s->row->positive ? fabsf(normal) + 0.3f : normal;
}

static tensor *add_tensor(subject *s, const sa_shape *shape, bool graded)
{
    assert_true(s->tensor_count < TENSORS_MAX);
    tensor *t = &s->tensor[s->tensor_count++];
    *t = (tensor){.blob = -1, .graded = graded, .count = sa_shape_elements(shape)};
    t->value = calloc(4 * t->count, sizeof *t->value);
    assert_non_null(t->value);
    t->shifted = t->value + t->count;
    t->gradient = t->shifted + t->count;
    t->direction = t->gradient + t->count;
    return t;
}

static void make_subject(const row *r, uint32_t seed, const char *strategy_text, subject *s)
{
    const sa_session_options session = {.program = {.training = true}, .debug = true, .seed = seed + 1};
    sa_proto_document *document;
    sa_strategy strategy;
    *s = (subject){.row = r, .random = 88172645463325252ull + seed};
    snprintf(s->text, sizeof s->text, INPUT("x_in", "dim: 2 dim: 4 dim: 6 dim: 5") "%s" FACTORS("x") "%s%s%s",
             r->inputs ? r->inputs : "", strstr(r->layers, "bottom: 'z'") ? FACTORS("z") : "", r->layers,
             strstr(r->layers, "'loss'")
                 ? ""
                 : "layer { name: 'cube' type: 'Power' bottom: 'y' top: 'cube' power_param { power: 3 shift: 0.3 } }\n"
                   "layer { name: 'loss' type: 'Reduction' bottom: 'cube' top: 'loss' loss_weight: 1 "
                   "reduction_param { coeff: 0.02 } }\n");
    assert_ok(sa_proto_parse_text("types.prototxt", s->text, strlen(s->text), &document));
    if (sa_net_from_document(document, NULL, &s->net) != SA_OK) fail_msg("%s: %s", r->type, sa_error_message());
    sa_proto_free(document);
    assert_ok(sa_device_open("cpu", 1, &s->device));
    assert_ok(sa_strategy_parse(strategy_text, &strategy));
    strategy.conv = SA_CONV_OPTION_DIRECT;
    if (sa_session_create(s->net, &strategy, s->device, &session, &s->session) != SA_OK)
        fail_msg("%s under %s: %s", r->type, strategy_text, sa_error_message());
    for (int b = 0; b < s->net->blob_count; b++) {
        const sa_blob *blob = &s->net->blob[b];
        if (!s->net->layer[blob->producer].type->is_input) continue;
        tensor *t = add_tensor(s, &blob->shape, false);
        t->blob = b;
        for (size_t i = 0; i < t->count; i++) t->value[i] = input_value(s, blob->name);
    }
    for (int l = 0; l < s->net->layer_count; l++)
        for (int i = 0; i < s->net->layer[l].param_count; i++) {
            if (!s->net->layer[l].param[i].needs_grad) continue;
            tensor *t = add_tensor(s, &s->net->layer[l].param[i].shape, true);
            t->layer = l;
            t->param = i;
            assert_ok(sa_session_get_param(s->session, l, i, t->value));
        }
}

static void free_subject(subject *s)
{
    for (int i = 0; i < s->tensor_count; i++) free(s->tensor[i].value);
    sa_session_destroy(s->session);
    sa_net_free(s->net);
    sa_device_close(s->device);
}

/* One step with `moved` (NULL: none) at its shifted values; the loss. */
static double run(subject *s, const tensor *moved, float rate)
{
    double sum = 0;
    for (int i = 0; i < s->tensor_count; i++) {
        const tensor *t = &s->tensor[i];
        const float *value = t == moved ? t->shifted : t->value;
        if (t->blob >= 0) assert_ok(sa_session_set_input(s->session, t->blob, value));
        else assert_ok(sa_session_set_param(s->session, t->layer, t->param, value));
    }
    assert_ok(sa_session_run(s->session, rate, 5, NULL));
    for (int l = 0; l < s->net->layer_count; l++) {
        float loss;
        const sa_layer *layer = &s->net->layer[l];
        if (layer->loss_weight == 0.0f) continue;
        assert_ok(sa_session_get_output(s->session, layer->top[0], &loss));
        sum += (double)layer->loss_weight * (double)loss;
    }
    return sum;
}

/* Without momentum and decay, the momentum after a step of rate 1 is the gradient. */
static void find_gradients(subject *s)
{
    s->loss = run(s, NULL, 1.0f);
    for (int i = 0; i < s->tensor_count; i++) {
        tensor *t = &s->tensor[i];
        if (t->blob < 0) assert_ok(sa_session_get_history(s->session, t->layer, t->param, 0, t->gradient));
    }
}

/* ---- slopes ---- */

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* The slope, and how far the loss bends away from it, of a width. */
static double slope_of(subject *s, tensor *t, double width, double *bend)
{
    double loss[2];
    for (int k = 0; k < 2; k++) {
        const double distance = k ? -width : width;
        for (size_t i = 0; i < t->count; i++) t->shifted[i] = (float)((double)t->value[i] + distance * (double)t->direction[i]);
        loss[k] = run(s, t, 0.0f);
    }
    *bend = (loss[0] + loss[1] - 2 * s->loss) / width;
    return (loss[0] - loss[1]) / (2 * width);
}

/* Ever smaller widths until the slopes of two agree, and their bends: a kink right here, which both slopes would share, does not
 * get smaller with the width. */
static bool measure(subject *s, tensor *t, double size, double *value)
{
    static const double WIDTHS[] = {0.3, 0.1, 0.03, 0.01, 0.003};
    for (size_t i = 0; i < sizeof WIDTHS / sizeof WIDTHS[0]; i++) {
        double bend[2];
        const double wide = slope_of(s, t, WIDTHS[i], &bend[0]), narrow = slope_of(s, t, WIDTHS[i] / 2, &bend[1]);
        if (!(fabs(wide - narrow) <= AGREE * size) || !(fabs(bend[0] - 2 * bend[1]) <= 2 * AGREE * size)) continue;
        *value = (4 * narrow - wide) / 3;
        return true;
    }
    return false;
}

/* Half along the gradient, more or less; half of few random elements, which sees each of them. */
static double make_direction(subject *s, tensor *t, int nth)
{
    const double length = sqrt(dot(t->gradient, t->gradient, t->count));
    for (size_t i = 0; i < t->count; i++) {
        const double noise = (double)random_normal(&s->random) / sqrt((double)t->count);
        if (nth % 2 == 0) t->direction[i] = (float)((double)t->gradient[i] / length + 0.1 * nth * noise);
        else t->direction[i] = random_below(&s->random, 4) == 0 ? (float)noise : 0.0f;
    }
    const double norm = sqrt(dot(t->direction, t->direction, t->count));
    for (size_t i = 0; i < t->count && norm > 0; i++) t->direction[i] = (float)((double)t->direction[i] / norm);
    return nth % 2 == 0 ? length : length / sqrt((double)t->count);
}

/* How many of the tensor's projections were compared; *worst: the largest error in units of their size. */
static int compare(subject *s, tensor *t, double *worst)
{
    int compared = 0;
    for (int i = 0; i < TRIES && compared < 4; i++) {
        double slope, size = make_direction(s, t, i);
        if (!(size > 1e-4) || !measure(s, t, size, &slope)) continue;
        const double error = fabs(dot(t->gradient, t->direction, t->count) - slope) / size;
        if (!(error <= *worst)) *worst = isnan(error) ? INFINITY : error;
        compared++;
    }
    return compared;
}

static bool is_zero(const tensor *t)
{
    return sqrt(dot(t->gradient, t->gradient, t->count)) < 1e-4; /* what a batch normalisation makes nothing of */
}

static double worst_of(const row *r, const char *strategy, int *tensors)
{
    subject s;
    double worst = 0;
    make_subject(r, 7, strategy, &s);
    find_gradients(&s);
    for (int i = 0; i < s.tensor_count; i++) {
        tensor *t = &s.tensor[i];
        double error = 0;
        if (!t->graded || is_zero(t)) continue;
        for (size_t k = 0; k < t->count; k++)
            if (!isfinite(t->gradient[k])) fail_msg("%s under %s: a gradient is missing\n%s", r->type, strategy, s.text);
        if (compare(&s, t, &error) < 2) fail_msg("%s under %s: no direction is smooth\n%s", r->type, strategy, s.text);
        if (!(error <= TOLERANCE))
            fail_msg("%s under %s: the gradient of %s.%d is off by %g of its size\n%s", r->type, strategy,
                     t->blob >= 0 ? s.net->blob[t->blob].name : "parameter", t->param, error, s.text);
        worst = fmax(worst, error);
        ++*tensors;
    }
    free_subject(&s);
    return worst;
}

static void each_type_has_its_gradient(void **state)
{
    (void)state;
    static const char *const STRATEGIES[] = {"caffe", "smallest"};
    double worst = 0;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        int tensors = 0;
        for (int k = 0; k < 2; k++) worst = fmax(worst, worst_of(&ROWS[i], STRATEGIES[k], &tensors));
        if (tensors == 0) fail_msg("row %zu (%s): no gradient was looked at", i, ROWS[i].type);
    }
    print_message("%d nets; worst error of a projection %.5f of its size, allowed %.5f\n", (int)ROW_COUNT, worst, TOLERANCE);
}

/* A new type needs a row, if it has a gradient. */
static void each_type_has_a_row(void **state)
{
    (void)state;
    for (int i = 0; sa_layer_type_at(i); i++) {
        const sa_layer_type *type = sa_layer_type_at(i);
        bool found = !type->grad_bottoms || type->accounted_only;
        for (size_t k = 0; k < ROW_COUNT && !found; k++) found = !strcmp(ROWS[k].type, type->name);
        if (!found) fail_msg("'%s' has a gradient and no row here", type->name);
    }
}

/* A gradient 2 % too long, and one with a tenth of its elements missing, are found. */
static void planted_errors_are_found(void **state)
{
    (void)state;
    subject s;
    make_subject(&ROWS[0], 7, "caffe", &s);
    find_gradients(&s);
    for (int i = 0; i < s.tensor_count; i++) {
        tensor *t = &s.tensor[i];
        double error = 0;
        if (!t->graded) continue;
        for (size_t k = 0; k < t->count; k++) t->gradient[k] *= 1.02f;
        assert_true(compare(&s, t, &error) > 1 && error > TOLERANCE);
        for (size_t k = 0; k < t->count; k++) t->gradient[k] = k % 10 ? t->gradient[k] / 1.02f : 0.0f;
        error = 0;
        assert_true(compare(&s, t, &error) > 1 && error > TOLERANCE);
    }
    free_subject(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_type_has_a_row), cmocka_unit_test(planted_errors_are_found),
                                       cmocka_unit_test(each_type_has_its_gradient)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
