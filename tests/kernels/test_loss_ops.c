/* The ops `loss` and `loss_grad`, every kind: values against float64 formulas, gradients against differences of the loss where the
 * gradient is the derivative; the same bits for any number of threads and in place. */
#include "core/device.h"
#include "kernels/ops.h"
#include "tests/support/all_threads.h"
#include "tests/support/close.h"
#include "tests/support/rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct loss_case {
    sa_test_value scores, label; /* label: classes, or values of the scores' shape */
    float *table;
    sa_loss_config config;
} loss_case;

static const int shapes[][4] = {{3, 4, 1, 1}, {2, 3, 5, 7}, {1, 5, 3, 1130}, {2, 1, 2, 40}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static const char *kind_name(sa_loss_kind kind)
{
    static const char *const NAMES[] = {"softmax",   "multinomial", "infogain",    "hinge L1",          "hinge L2",
                                        "euclidean", "sigmoid",     "contrastive", "contrastive legacy"};
    return NAMES[kind];
}

static loss_case make_case(sa_loss_kind kind, const int *d, bool has_ignore, bool constant)
{
    loss_case k = {.scores = sa_test_random(d[0], d[1], d[2], d[3])};
    k.config = (sa_loss_config){.kind = kind,
                                .has_ignore = has_ignore && kind <= SA_LOSS_SIGMOID && kind != SA_LOSS_EUCLIDEAN,
                                .ignore_label = kind == SA_LOSS_SIGMOID ? 1 : d[1],
                                .classes = d[1],
                                .divisor = constant ? 3.0f : 0.0f,
                                .loss_weight = 0.7f,
                                .margin = 1.3f};
    if (kind > SA_LOSS_HINGE_L2) {
        k.label = sa_test_random(d[0], d[1], d[2], d[3]);
        for (size_t i = 0; i < sa_test_count(&k.label) && kind == SA_LOSS_SIGMOID; i++) /* some are cut off to 1 */
            k.label.data[i] = sa_test_uniform(-0.5f, 1.5f);
    } else {
        k.label = sa_test_poisoned(d[0], 1, d[2], d[3]);
        for (size_t i = 0; i < sa_test_count(&k.label); i++)
            k.label.data[i] = floorf(sa_test_uniform(0.0f, (float)(d[1] + k.config.has_ignore) - 0.001f));
    }
    if (kind == SA_LOSS_MULTINOMIAL)
        for (size_t i = 0; i < sa_test_count(&k.scores); i++) k.scores.data[i] = sa_test_uniform(0.05f, 0.95f);
    if (kind == SA_LOSS_INFOGAIN) k.table = sa_test_vector(d[1] * d[1], -1.0f, 1.0f);
    if (kind >= SA_LOSS_CONTRASTIVE) k.table = sa_test_vector(d[0] * d[2] * d[3], -2.0f, 2.0f);
    return k;
}

static double softmax_of(const float *score, size_t plane, int classes, int c)
{
    double max = -1e30, sum = 0;
    for (int i = 0; i < classes; i++) max = fmax(max, (double)score[(size_t)i * plane]);
    for (int i = 0; i < classes; i++) sum += exp((double)score[(size_t)i * plane] - max);
    return exp((double)score[(size_t)c * plane] - max) / sum;
}

/* What one pixel adds. score, beside: channel 0 of it. */
static double pixel_part(const loss_case *k, const float *score, const float *beside, size_t plane, double similar, double *kept)
{
    const sa_loss_config *c = &k->config;
    const int label = (int)*beside;
    double sum = 0, square = 0;
    bool has_label = c->kind <= SA_LOSS_HINGE_L2;
    if (has_label && c->has_ignore && label == c->ignore_label) return 0;
    if (has_label) *kept += 1;
    if (c->kind == SA_LOSS_SOFTMAX) return -log(softmax_of(score, plane, c->classes, label));
    if (c->kind == SA_LOSS_MULTINOMIAL) return -log((double)score[(size_t)label * plane]);
    for (int i = 0; i < c->classes; i++) {
        double s = (double)score[(size_t)i * plane], b = has_label ? 0 : (double)beside[(size_t)i * plane];
        double m = fmax(0, 1 + (i == label ? -s : s));
        square += (s - b) * (s - b);
        switch (c->kind) {
        case SA_LOSS_INFOGAIN:
            sum -= (double)k->table[label * c->classes + i] * log(softmax_of(score, plane, c->classes, i));
            break;
        case SA_LOSS_HINGE_L1: sum += m; break;
        case SA_LOSS_HINGE_L2: sum += m * m; break;
        case SA_LOSS_EUCLIDEAN: sum += (s - b) * (s - b) / 2; break;
        case SA_LOSS_SIGMOID:
            if (c->has_ignore && (int)b == c->ignore_label) break;
            sum += fmax(s, 0) - s * b + log1p(exp(-fabs(s)));
            *kept += 1;
            break;
        default: break;
        }
    }
    if (c->kind < SA_LOSS_CONTRASTIVE) return sum;
    if ((int)similar != 0) return square / 2;
    if (c->kind == SA_LOSS_CONTRASTIVE_LEGACY) return fmax((double)c->margin - square, 0) / 2;
    return pow(fmax((double)c->margin - sqrt(square), 0), 2) / 2;
}

static double expected_loss(const loss_case *k, double *divisor)
{
    const sa_test_value *v = &k->scores;
    const size_t plane = (size_t)v->h * (size_t)v->w, beside_channels = (size_t)k->label.c;
    double sum = 0, kept = 0;
    for (size_t p = 0; p < (size_t)v->n * plane; p++) {
        const size_t n = p / plane, at = p % plane;
        sum += pixel_part(k, v->data + n * (size_t)v->c * plane + at, k->label.data + n * beside_channels * plane + at, plane,
                          k->table && k->config.kind >= SA_LOSS_CONTRASTIVE ? (double)k->table[p] : 0, &kept);
    }
    *divisor = k->config.divisor > 0 ? (double)k->config.divisor : fmax(kept, 1);
    return sum / *divisor;
}

static sa_source dense(const sa_test_value *value)
{
    sa_source source = {.count = 0};
    sa_test_dense(&source, value);
    return source;
}

static void run(const loss_case *k, int threads, const sa_test_value *scores, float result[2], sa_test_value *out)
{
    sa_device *device;
    assert_int_equal(sa_open_all_threads(threads, &device), SA_OK);
    const size_t bytes = device->kernels->loss_workspace_bytes(device, scores->n, scores->c, scores->h, scores->w);
    const sa_ref table = k->table ? sa_test_ref(k->table) : SA_REF_NONE;
    const bool is_prob = k->config.kind == SA_LOSS_MULTINOMIAL;
    sa_op_args args = {.loss = {k->config, is_prob, dense(scores), dense(&k->label), table, sa_test_ref(&result[0]),
                                sa_test_ref(&result[1]), sa_test_ref(sa_test_memory(bytes)), bytes}};
    assert_int_equal(sa_op_run(device, SA_OP_LOSS, &args), SA_OK);
    args = (sa_op_args){
        .loss_grad = {k->config, is_prob, dense(scores), dense(&k->label), table, sa_test_ref(&result[1]), sa_test_slab(out)}};
    assert_int_equal(sa_op_run(device, SA_OP_LOSS_GRAD, &args), SA_OK);
    sa_device_close(device);
}

/* ContrastiveLoss is no exact derivative: 1e-4 is added to d. */
static double slope(loss_case *k, size_t i)
{
    const double step = 1e-4;
    const float kept = k->scores.data[i];
    double divisor, above, below;
    k->scores.data[i] = (float)((double)kept + step);
    double x1 = (double)k->scores.data[i];
    above = expected_loss(k, &divisor);
    k->scores.data[i] = (float)((double)kept - step);
    double x0 = (double)k->scores.data[i];
    below = expected_loss(k, &divisor);
    k->scores.data[i] = kept;
    return (above - below) / (x1 - x0) * (double)k->config.loss_weight;
}

static void check_case(loss_case *k)
{
    const size_t count = sa_test_count(&k->scores);
    float first[2], other[2];
    double divisor, loss = expected_loss(k, &divisor);
    sa_test_value grad = sa_test_poisoned(k->scores.n, k->scores.c, k->scores.h, k->scores.w), again = grad;
    again.data = sa_test_memory(count * sizeof(float));
    run(k, 1, &k->scores, first, &grad);
    sa_assert_all_close(kind_name(k->config.kind), &first[0], &loss, 1, 2e-6, 2e-6);
    sa_assert_all_close("divisor", &first[1], &divisor, 1, 0.0, 0.0);
    int kinks = 0, tried = 0;
    for (size_t i = 0; i < count; i += 1 + count / 40) { /* at a kink differences mean nothing */
        double wanted = slope(k, i);
        tried++;
        kinks += !(fabs(wanted - (double)grad.data[i]) <= (2e-3 * fabs(wanted) + 2e-6) / fmin(divisor, 1));
    }
    if (kinks > tried / 10) fail_msg("%s: %d of %d gradients are wrong", kind_name(k->config.kind), kinks, tried);
    run(k, 3, &k->scores, other, &again);
    sa_assert_same_bits("loss, 3 threads", other, first, 2);
    sa_assert_same_bits("gradient, 3 threads", again.data, grad.data, count);
    run(k, 2, &k->scores, other, &k->scores);
    sa_assert_same_bits("gradient over the scores", k->scores.data, grad.data, count);
}

static void test_kinds(void **state)
{
    (void)state;
    for (int kind = 0; kind <= SA_LOSS_CONTRASTIVE_LEGACY; kind++)
        for (int s = 0; s < SHAPES; s++)
            for (int flags = 0; flags < 4; flags++) {
                loss_case k = make_case((sa_loss_kind)kind, shapes[s], flags & 1, flags >> 1);
                check_case(&k);
                sa_test_release(NULL);
            }
}

/* Where nothing counts the loss is 0 and so is every gradient. */
static void test_all_ignored(void **state)
{
    (void)state;
    static const sa_loss_kind KINDS[] = {SA_LOSS_SOFTMAX, SA_LOSS_INFOGAIN, SA_LOSS_SIGMOID};
    for (int i = 0; i < 3; i++) {
        loss_case k = make_case(KINDS[i], shapes[1], true, false);
        sa_test_value grad = sa_test_poisoned(k.scores.n, k.scores.c, k.scores.h, k.scores.w);
        float result[2];
        for (size_t p = 0; p < sa_test_count(&k.label); p++) k.label.data[p] = (float)k.config.ignore_label;
        run(&k, 2, &k.scores, result, &grad);
        assert_true(result[0] == 0.0f && result[1] == 1.0f);
        for (size_t p = 0; p < sa_test_count(&grad); p++) assert_true(grad.data[p] == 0.0f);
        sa_test_release(NULL);
    }
}

/* A NaN or infinite score must show in every loss. */
static void test_nan_reaches_the_loss(void **state)
{
    (void)state;
    for (int kind = 0; kind <= SA_LOSS_CONTRASTIVE_LEGACY; kind++) {
        loss_case k = make_case((sa_loss_kind)kind, shapes[1], false, true);
        sa_test_value grad = sa_test_poisoned(k.scores.n, k.scores.c, k.scores.h, k.scores.w);
        float result[2];
        k.scores.data[0] = NAN;
        if (kind <= SA_LOSS_HINGE_L2) k.label.data[0] = 0.0f;
        if (kind >= SA_LOSS_CONTRASTIVE) k.table[0] = 1.0f;
        run(&k, 2, &k.scores, result, &grad);
        if (!isnan(result[0])) fail_msg("%s: the loss is %g", kind_name((sa_loss_kind)kind), (double)result[0]);
        sa_test_release(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_kinds, sa_test_release),
        cmocka_unit_test_teardown(test_all_ignored, sa_test_release),
        cmocka_unit_test_teardown(test_nan_reaches_the_loss, sa_test_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
