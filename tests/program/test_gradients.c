/* Gradients against differences of the loss, for random nets under several strategies and convolutions.
 *
 * For each parameter and the image, the loss is taken at four points along directions: the gradient's own (which sees its length)
 * and random ones (which see every element). Where central differences of two widths agree, the loss is smooth there: no ReLU,
 * maximum or mask flips in between; then their extrapolation has to be the gradient's projection. The differences come from one
 * strategy, the gradients from all. That the check is sharp is checked as well: a gradient that is 1 % too long has to fail. */
#include "layers/messages.h"
#include "net/net.h"
#include "net/session.h"
#include "program/emitter.h"
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

enum { NETS = 12, TENSORS_MAX = 40, PROBES_MAX = 4, TRIES = 10 };
static const double AGREE = 0.001, TOLERANCE = 0.005; /* of a projection's size */
static const double FLAT = 5e-5;                      /* a gradient shorter than this is 0: biases in front of a BN */

/* A direction and the loss's measured slope along it. */
typedef struct slope {
    float *direction;   /* (count), of length 1 */
    double value, size; /* size: what errors are measured by */
} slope;

typedef struct tensor {
    int layer, param; /* layer -1: the image */
    size_t count;
    float *value, *gradient, *shifted; /* (count) */
    bool randomly; /* a random direction is among the slopes: where the gradient is small, they may all be too rough */
    int slope_count;
    slope slope[PROBES_MAX];
} tensor;

typedef struct subject {
    uint32_t seed;
    random_net made;
    sa_net *net;
    sa_device *device;
    sa_session *session;
    int data_blob, label_blob;
    float *label;
    int tensor_count;
    tensor tensor[TENSORS_MAX];
    double loss;
    uint64_t random;
} subject;

/* ---- setting up ---- */

static void add_tensor(subject *s, int layer, int param, const sa_shape *shape)
{
    assert_true(s->tensor_count < TENSORS_MAX);
    tensor *t = &s->tensor[s->tensor_count++];
    size_t count = sa_shape_elements(shape);
    *t = (tensor){.layer = layer, .param = param, .count = count};
    t->value = calloc(3 * count, sizeof *t->value);
    assert_non_null(t->value);
    t->gradient = t->value + count;
    t->shifted = t->gradient + count;
    float center = 0, spread = 1;
    if (layer >= 0 && shape->axes == 4 && shape->dim[2] * shape->dim[3] * shape->dim[0] > 1) /* a convolution's weight */
        spread = sqrtf(2.0f / (float)(shape->dim[1] * shape->dim[2] * shape->dim[3]));
    else if (layer >= 0) {
        const char *type = s->net->layer[layer].type->name;
        center = (!strcmp(type, "BN") || !strcmp(type, "Scale")) && param == 0;
        spread = 0.3f;
    }
    for (size_t i = 0; i < count; i++) t->value[i] = center + spread * random_normal(&s->random);
}

static void make_subject(uint32_t seed, subject *s)
{
    sa_proto_document *document;
    sa_net_options options = {.grad_for_inputs = true};
    *s = (subject){.seed = seed, .random = 88172645463325252ull + seed};
    random_net_make(seed, &s->made);
    assert_ok(sa_proto_parse_text("random.prototxt", s->made.text, strlen(s->made.text), &document));
    assert_ok(sa_net_from_document(document, &options, &s->net));
    sa_proto_free(document);
    assert_ok(sa_device_open("cpu", 1, &s->device));
    s->data_blob = sa_net_blob_index(s->net, "data");
    s->label_blob = sa_net_blob_index(s->net, "label");
    add_tensor(s, -1, 0, &s->net->blob[s->data_blob].shape);
    for (int l = 0; l < s->net->layer_count; l++)
        for (int i = 0; i < s->net->layer[l].param_count; i++) /* running sums are no weights */
            if (s->net->layer[l].param[i].needs_grad) add_tensor(s, l, i, &s->net->layer[l].param[i].shape);
    size_t labels = sa_shape_elements(&s->net->blob[s->label_blob].shape);
    s->label = malloc(labels * sizeof *s->label);
    assert_non_null(s->label);
    for (size_t i = 0; i < labels; i++) s->label[i] = (float)random_below(&s->random, (uint32_t)s->made.classes + 1);
}

static void free_subject(subject *s)
{
    for (int i = 0; i < s->tensor_count; i++) {
        for (int k = 0; k < s->tensor[i].slope_count; k++) free(s->tensor[i].slope[k].direction);
        free(s->tensor[i].value);
    }
    free(s->label);
    sa_net_free(s->net);
    sa_device_close(s->device);
}

static const char *tensor_name(const subject *s, const tensor *t)
{
    return t->layer < 0 ? "data" : s->net->layer[t->layer].name;
}

/* ---- running ---- */

/* Without momentum and decay, the momentum after a step of rate 1 is the gradient. */
static void open_session(subject *s, const char *strategy_text, const char *conv)
{
    sa_strategy strategy;
    sa_session_options options = {.program = {.training = true}, .debug = true};
    assert_ok(sa_strategy_parse(strategy_text, &strategy));
    assert_ok(sa_conv_option_parse(conv, &strategy.conv));
    sa_status status = sa_session_create(s->net, &strategy, s->device, &options, &s->session);
    if (status != SA_OK) fail_msg("%s, %s: %s\n%s", strategy_text, conv, sa_error_message(), s->made.text);
}

/* Catches a value as it is written. */
typedef struct fetch {
    int value, buffer;
    float *into;
} fetch;

static void find_value(void *context, sa_ref *ref, sa_access_mode mode)
{
    fetch *f = context;
    if ((mode & SA_ACCESS_WRITE) && ref->value == f->value) f->buffer = ref->buffer;
}

static sa_status fetch_value(fetch *f, sa_session *session, size_t op)
{
    sa_op *o = &sa_session_layout(session)->program->op[op];
    f->buffer = -1;
    sa_op_visit_refs(o->kind, &o->args, find_value, f);
    return f->buffer < 0 ? SA_OK : sa_session_get_buffer(session, f->buffer, f->into);
}

/* One step with `moved` (NULL: none) at its shifted values. */
static void run(subject *s, const tensor *moved, float rate)
{
    for (int i = 0; i < s->tensor_count; i++) {
        const tensor *t = &s->tensor[i];
        const float *value = t == moved ? t->shifted : t->value;
        if (t->layer < 0) assert_ok(sa_session_set_input(s->session, s->data_blob, value));
        else assert_ok(sa_session_set_param(s->session, t->layer, t->param, value));
    }
    assert_ok(sa_session_set_input(s->session, s->label_blob, s->label));
    assert_ok(sa_session_run(s->session, rate, 5, NULL));
}

static sa_status fetch_image(void *context, sa_session *session, size_t op)
{
    return fetch_value(context, session, op);
}

static void find_gradients(subject *s)
{
    fetch image = {.value = sa_value_of_grad(s->data_blob), .into = s->tensor[0].gradient};
    for (size_t i = 0; i < s->tensor[0].count; i++) s->tensor[0].gradient[i] = NAN;
    sa_session_set_probe(s->session, fetch_image, &image);
    run(s, NULL, 1.0f);
    sa_session_set_probe(s->session, NULL, NULL);
    for (int i = 1; i < s->tensor_count; i++) {
        tensor *t = &s->tensor[i];
        assert_ok(sa_session_get_history(s->session, t->layer, t->param, 0, t->gradient));
    }
}

/* ---- the loss in double precision ---- */

typedef struct scores {
    const sa_layer *loss;
    fetch fetch;
} scores;

typedef struct all_scores {
    int count;
    scores of[2];
} all_scores;

static sa_status fetch_scores(void *context, sa_session *session, size_t op)
{
    all_scores *all = context;
    for (int i = 0; i < all->count; i++) SA_TRY(fetch_value(&all->of[i].fetch, session, op));
    return SA_OK;
}

/* -log softmax of the label's score */
static double pixel_loss(const float *score, size_t stride, int classes, int label)
{
    double largest = (double)score[0], sum = 0;
    for (int c = 1; c < classes; c++) largest = fmax(largest, (double)score[(size_t)c * stride]);
    for (int c = 0; c < classes; c++) sum += exp((double)score[(size_t)c * stride] - largest);
    /* cppcheck-suppress invalidFunctionArg ; sum is 1 at least: exp(largest - largest) is in it */
    return log(sum) + largest - (double)score[(size_t)label * stride];
}

static double loss_of(const subject *s, const scores *of)
{
    const sa_loss_param *p = of->loss->config;
    const int32_t *dim = s->net->blob[of->loss->bottom[0]].shape.dim;
    size_t plane = (size_t)dim[2] * (size_t)dim[3], kept = 0;
    double sum = 0;
    for (size_t i = 0; i < (size_t)dim[0] * plane; i++) {
        int label = (int)s->label[i];
        if (label == s->made.classes) continue; /* ignored */
        double weight = p->weight_by_label_freqs ? (double)p->class_weighting[label] : 1;
        sum += weight * pixel_loss(of->fetch.into + (i / plane * (size_t)dim[1]) * plane + i % plane, plane, dim[1], label);
        kept++;
    }
    return (double)of->loss->loss_weight * sum / (p->normalize ? (double)kept : (double)dim[0]);
}

/* Summed here from the scores: the rounding of the net's own float loss would hide small changes. It has to agree with that,
 * though. */
static double exact_loss(subject *s, const tensor *moved)
{
    all_scores all = {.count = 0};
    double sum = 0, rounded = 0;
    for (int l = 0; l < s->net->layer_count; l++) {
        const sa_layer *loss = &s->net->layer[l];
        if (loss->loss_weight == 0.0f) continue;
        float *values = malloc(sa_shape_elements(&s->net->blob[loss->bottom[0]].shape) * sizeof *values);
        assert_non_null(values);
        all.of[all.count++] = (scores){loss, {.value = sa_value_of_data(loss->bottom[0]), .into = values}};
    }
    sa_session_set_probe(s->session, fetch_scores, &all);
    run(s, moved, 0.0f);
    sa_session_set_probe(s->session, NULL, NULL);
    for (int i = 0; i < all.count; i++) {
        float loss;
        assert_ok(sa_session_get_output(s->session, all.of[i].loss->top[0], &loss));
        rounded += (double)all.of[i].loss->loss_weight * (double)loss;
        sum += loss_of(s, &all.of[i]);
        free(all.of[i].fetch.into);
    }
    if (!(fabs(rounded - sum) <= 1e-5 * fabs(sum)))
        fail_msg("net %u: its loss is %.9g, from the scores it is %.9g", s->seed, rounded, sum);
    return sum;
}

/* ---- measuring ---- */

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static double length_of(const float *a, size_t count)
{
    return sqrt(dot(a, a, count));
}

static double loss_at(subject *s, tensor *t, const float *direction, double distance)
{
    for (size_t i = 0; i < t->count; i++) t->shifted[i] = (float)((double)t->value[i] + distance * (double)direction[i]);
    return exact_loss(s, t);
}

/* Tries ever smaller widths until the slopes of two agree, and their bends as well: a kink right here, which both slopes would
 * share, does not get smaller with the width. size: about how steep the loss is. */
static bool measure(subject *s, tensor *t, const float *direction, double size, double *value)
{
    static const double CHANGES[] = {1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5}; /* of the loss */
    for (size_t i = 0; i < sizeof CHANGES / sizeof CHANGES[0]; i++) {
        double steep[2], bend[2];
        for (int half = 0; half < 2; half++) {
            double width = CHANGES[i] / size / (half ? 2 : 1);
            double above = loss_at(s, t, direction, width), below = loss_at(s, t, direction, -width);
            steep[half] = (above - below) / (2 * width);
            bend[half] = (above + below - 2 * s->loss) / width;
        }
        if (!(fabs(steep[0] - steep[1]) <= AGREE * size) || !(fabs(bend[0] - 2 * bend[1]) <= 2 * AGREE * size)) continue;
        *value = (4 * steep[1] - steep[0]) / 3;
        return true;
    }
    return false;
}

/* share of the gradient's own direction, the rest random; of length 1 */
static void make_direction(subject *s, const tensor *t, double share, float *direction)
{
    double length = length_of(t->gradient, t->count), random_share = share < 1 ? sqrt(1 - share * share) : 0;
    for (size_t i = 0; i < t->count; i++)
        direction[i] = (float)(share * (double)t->gradient[i] / length +
                               random_share * (double)random_normal(&s->random) / sqrt((double)t->count));
    double norm = length_of(direction, t->count);
    for (size_t i = 0; i < t->count; i++) direction[i] = (float)((double)direction[i] / norm);
}

/* Half of the directions lie along the gradient, half are random. */
static void find_slopes(subject *s, tensor *t)
{
    double length = length_of(t->gradient, t->count);
    int wanted[2] = {PROBES_MAX / 2, PROBES_MAX / 2};
    if (length < FLAT) return;
    for (int i = 0; i < TRIES && wanted[0] + wanted[1] > 0; i++) {
        int kind = i % 2;
        slope p = {.direction = malloc(t->count * sizeof *p.direction)};
        assert_non_null(p.direction);
        make_direction(s, t, kind ? 0.0 : 1.0 - 0.1 * i / TRIES, p.direction);
        p.size = kind ? length / sqrt((double)t->count) : length;
        if (wanted[kind] > 0 && measure(s, t, p.direction, p.size, &p.value)) {
            t->slope[t->slope_count++] = p;
            wanted[kind]--;
        } else {
            free(p.direction);
        }
    }
    if (wanted[0] == PROBES_MAX / 2)
        fail_msg("net %u, %s.%d: no direction is smooth; gradient of length %g\n%s", s->seed, tensor_name(s, t), t->param, length,
                 s->made.text);
    t->randomly = wanted[1] < PROBES_MAX / 2;
}

/* The worst error of the gradient's projections, in units of their size; infinite if it is not a number. */
static double worst_error(const tensor *t)
{
    double worst = 0;
    for (int k = 0; k < t->slope_count; k++) {
        double error = fabs(dot(t->gradient, t->slope[k].direction, t->count) - t->slope[k].value) / t->slope[k].size;
        if (!(error <= worst)) worst = isnan(error) ? INFINITY : error;
    }
    if (t->slope_count == 0 && !(length_of(t->gradient, t->count) < 2 * FLAT)) worst = INFINITY;
    return worst;
}

static void measure_net(subject *s, uint32_t seed)
{
    make_subject(seed, s);
    open_session(s, "caffe", "im2col");
    find_gradients(s);
    s->loss = exact_loss(s, NULL);
    for (int i = 0; i < s->tensor_count; i++) find_slopes(s, &s->tensor[i]);
    sa_session_destroy(s->session);
}

/* ---- tests ---- */

static double check_strategy(subject *s, const char *strategy, const char *conv)
{
    double worst = 0;
    open_session(s, strategy, conv);
    find_gradients(s);
    for (int i = 0; i < s->tensor_count; i++) {
        double error = worst_error(&s->tensor[i]);
        if (!(error <= TOLERANCE))
            fail_msg("net %u under %s, %s: the gradient of %s.%d is off by %g of its size\n%s", s->seed, strategy, conv,
                     tensor_name(s, &s->tensor[i]), s->tensor[i].param, error, s->made.text);
        worst = fmax(worst, error);
    }
    sa_session_destroy(s->session);
    return worst;
}

static void gradients_are_slopes(void **state)
{
    (void)state;
    static const char *const STRATEGIES[] = {"caffe", "fastest", "smallest", "smallest+recompute=3"};
    static const char *const CONVS[] = {"im2col", "direct", "fft", "winograd"};
    double worst = 0;
    int tensors = 0, randomly = 0;
    for (uint32_t seed = 0; seed < NETS; seed++) {
        subject s;
        measure_net(&s, seed);
        for (int i = 0; i < s.tensor_count; i++) {
            tensors += s.tensor[i].slope_count > 0;
            randomly += s.tensor[i].randomly;
        }
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < (int)(sizeof CONVS / sizeof CONVS[0]); k++)
                worst = fmax(worst, check_strategy(&s, STRATEGIES[i], CONVS[k]));
        free_subject(&s);
    }
    printf("%d gradients, %d of them along random directions; worst error of a projection %.5f of its size, allowed %.5f\n",
           tensors, randomly, worst, TOLERANCE);
    assert_true(randomly > tensors * 3 / 4);
}

static void scale(tensor *t, float factor)
{
    for (size_t i = 0; i < t->count; i++) t->gradient[i] *= factor;
}

/* A gradient 1 % too long or too short is found, and so is one with a third of its elements missing. */
static void planted_errors_are_found(void **state)
{
    (void)state;
    int planted = 0;
    for (uint32_t seed = 0; seed < 3; seed++) {
        subject s;
        measure_net(&s, seed);
        for (int i = 0; i < s.tensor_count; i++) {
            tensor *t = &s.tensor[i];
            if (t->slope_count == 0) continue;
            assert_true(worst_error(t) <= TOLERANCE);
            scale(t, 1.01f);
            assert_true(worst_error(t) > TOLERANCE);
            scale(t, 0.99f / 1.01f);
            assert_true(worst_error(t) > TOLERANCE);
            scale(t, 1.0f / 0.99f);
            for (size_t k = 0; k < t->count; k += 3) t->gradient[k] = 0;
            assert_true(worst_error(t) > TOLERANCE);
            t->gradient[0] = NAN;
            assert_true(worst_error(t) > TOLERANCE);
            planted++;
        }
        free_subject(&s);
    }
    assert_true(planted > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_slopes),
        cmocka_unit_test(planted_errors_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
