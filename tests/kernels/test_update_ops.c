/* The ops `update` and `square_sum`: every rule of every solver over several steps against its formula in float64, with clipping,
 * several passes and both kinds of decay; the same bits for any number of threads. */
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

enum { STEPS = 4 };
static const int counts[] = {1, 63, 16385, 50001};

/* In float64. */
typedef struct model {
    double w, g, h, k;
} model;

static void run_op(sa_op_kind kind, const sa_op_args *args, int threads)
{
    sa_device *device;
    assert_int_equal(sa_open_all_threads(threads, &device), SA_OK);
    assert_int_equal(sa_op_run(device, kind, args), SA_OK);
    sa_device_close(device);
}

static double correction(const sa_update_rule *rule, int step)
{
    return sqrt(1 - pow((double)rule->momentum2, step + 1)) / (1 - pow((double)rule->momentum, step + 1));
}

static void step_model(model *m, const sa_update_rule *rule, double rate, double decay, double norm, int step)
{
    const double mu = (double)rule->momentum, mu2 = (double)rule->momentum2, rho = (double)rule->rms_decay;
    const double delta = (double)rule->delta, before = m->h;
    double g = m->g, u = 0;
    if (rule->clip > 0 && norm > (double)rule->clip) g *= (double)rule->clip / norm;
    if (rule->passes > 1) g /= rule->passes;
    g += decay * (rule->l1 ? (m->w > 0) - (m->w < 0) : m->w);
    switch (rule->kind) {
    case SA_UPDATE_SGD: u = m->h = mu * m->h + rate * g; break;
    case SA_UPDATE_NESTEROV:
        m->h = mu * before + rate * g;
        u = (1 + mu) * m->h - mu * before;
        break;
    case SA_UPDATE_ADAGRAD:
        m->h += g * g;
        u = rate * g / (sqrt(m->h) + delta);
        break;
    case SA_UPDATE_RMSPROP:
        m->h = rho * m->h + (1 - rho) * g * g;
        u = rate * g / (sqrt(m->h) + delta);
        break;
    case SA_UPDATE_ADADELTA:
        m->h = mu * m->h + (1 - mu) * g * g;
        u = g * sqrt((m->k + delta) / (m->h + delta));
        m->k = mu * m->k + (1 - mu) * u * u;
        u *= rate;
        break;
    case SA_UPDATE_ADAM:
        m->h = mu * m->h + (1 - mu) * g;
        m->k = mu2 * m->k + (1 - mu2) * g * g;
        u = rate * correction(rule, step) * m->h / (sqrt(m->k) + delta);
        break;
    }
    m->w -= u;
    m->g = rule->passes > 1 ? 0 : u;
}

typedef struct values {
    float *w, *g, *h, *k;
} values;

static values copy_values(const values *from, int count)
{
    values v = {sa_test_memory((size_t)count * 4), sa_test_memory((size_t)count * 4), sa_test_memory((size_t)count * 4),
                sa_test_memory((size_t)count * 4)};
    memcpy(v.w, from->w, (size_t)count * 4);
    memcpy(v.g, from->g, (size_t)count * 4);
    memcpy(v.h, from->h, (size_t)count * 4);
    memcpy(v.k, from->k, (size_t)count * 4);
    return v;
}

static sa_op_args update_args(const sa_update_rule *rule, const values *v, sa_step_state *state, double *squares, int count)
{
    return (sa_op_args){.update = {.rule = *rule,
                                   .param = sa_test_ref(v->w),
                                   .grad = sa_test_ref(v->g),
                                   .history = sa_test_ref(v->h),
                                   .history2 = sa_update_histories(rule->kind) > 1 ? sa_test_ref(v->k) : SA_REF_NONE,
                                   .step_state = sa_test_ref(state),
                                   .squares = rule->clip > 0.0f ? sa_test_ref(squares) : SA_REF_NONE,
                                   .count = (size_t)count,
                                   .lr_mult = 0.5f,
                                   .decay = 0.01f}};
}

static void check_close(const char *what, const float *got, const model *m, size_t offset, int count)
{
    double *want = sa_test_memory((size_t)count * sizeof *want);
    for (int i = 0; i < count; i++) memcpy(&want[i], (const char *)&m[i] + offset, sizeof want[i]);
    sa_assert_all_close(what, got, want, (size_t)count, 2e-6, 2e-5);
}

static void check_rule(const sa_update_rule *rule, int count)
{
    values v = {sa_test_vector(count, -1, 1), sa_test_vector(count, -1, 1), sa_test_vector(count, 0, 0),
                sa_test_vector(count, 0, 0)};
    model *m = sa_test_memory((size_t)count * sizeof *m);
    for (int i = 0; i < count; i++) m[i] = (model){(double)v.w[i], 0, 0, 0};
    for (int step = 0; step < STEPS; step++) {
        double squares = 0;
        for (int i = 0; i < count; i++) {
            v.g[i] = sa_test_uniform(-1, 1);
            m[i].g = (double)v.g[i];
            squares += m[i].g * m[i].g;
        }
        sa_step_state state = {.rate = 0.1f, .step = (uint32_t)step, .correction = (float)correction(rule, step)};
        values again = copy_values(&v, count);
        sa_op_args args = update_args(rule, &v, &state, &squares, count),
                   other = update_args(rule, &again, &state, &squares, count);
        run_op(SA_OP_UPDATE, &args, 1);
        run_op(SA_OP_UPDATE, &other, 3);
        sa_assert_same_bits("parameters, 3 threads", again.w, v.w, (size_t)count);
        sa_assert_same_bits("histories, 3 threads", again.h, v.h, (size_t)count);
        for (int i = 0; i < count; i++) step_model(&m[i], rule, (double)0.1f * (double)0.5f, (double)0.01f, sqrt(squares), step);
        check_close("parameters", v.w, m, offsetof(model, w), count);
        check_close("gradients", v.g, m, offsetof(model, g), count);
        check_close("histories", v.h, m, offsetof(model, h), count);
        check_close("second histories", v.k, m, offsetof(model, k), count);
    }
}

static void test_rules(void **state)
{
    (void)state;
    for (int kind = SA_UPDATE_SGD; kind <= SA_UPDATE_ADAM; kind++)
        for (int flags = 0; flags < 8; flags++)
            for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
                const sa_update_rule rule = {.kind = (sa_update_kind)kind,
                                             .l1 = flags & 1,
                                             .momentum = 0.9f,
                                             .momentum2 = 0.99f,
                                             .rms_decay = 0.95f,
                                             .delta = 1e-3f,
                                             .clip = flags & 2 ? 0.8f : 0.0f,
                                             .passes = flags & 4 ? 3 : 1};
                check_rule(&rule, counts[n]);
                sa_test_release(NULL);
            }
}

/* Adaptive histories of elements without a gradient stay 0, and so do those elements. */
static void test_zero_gradients(void **state)
{
    (void)state;
    for (int kind = SA_UPDATE_SGD; kind <= SA_UPDATE_ADAM; kind++) {
        const sa_update_rule rule = {
            .kind = (sa_update_kind)kind, .momentum = 0.9f, .momentum2 = 0.99f, .rms_decay = 0.9f, .delta = 1e-8f};
        sa_step_state step = {.rate = 0.1f, .correction = 1.0f};
        values v = {sa_test_vector(3, 0, 0), sa_test_vector(3, 0, 0), sa_test_vector(3, 0, 0), sa_test_vector(3, 0, 0)};
        sa_op_args args = update_args(&rule, &v, &step, NULL, 3);
        run_op(SA_OP_UPDATE, &args, 1);
        for (int i = 0; i < 3; i++) assert_true(v.w[i] == 0.0f && v.h[i] == 0.0f && v.k[i] == 0.0f);
        sa_test_release(NULL);
    }
}

static void test_square_sum(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        const size_t count = (size_t)counts[n], bytes = sa_square_sum_workspace_bytes(count);
        float *value = sa_test_vector(counts[n], -3, 3);
        double exact = 0, first = 0, again = 0;
        for (size_t i = 0; i < count; i++) exact += (double)value[i] * (double)value[i];
        sa_op_args args = {.square_sum = {.values = sa_test_ref(value),
                                          .count = count,
                                          .sum = sa_test_ref(&first),
                                          .workspace = sa_test_ref(sa_test_memory(bytes)),
                                          .workspace_bytes = bytes}};
        run_op(SA_OP_SQUARE_SUM, &args, 1);
        assert_true(fabs(first - exact) <= 1e-12 * exact);
        args.square_sum.sum = sa_test_ref(&again);
        run_op(SA_OP_SQUARE_SUM, &args, 3);
        assert_memory_equal(&again, &first, sizeof first);
        args.square_sum.add = true;
        run_op(SA_OP_SQUARE_SUM, &args, 2);
        assert_true(fabs(again - 2 * exact) <= 1e-12 * exact);
        sa_test_release(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rules, sa_test_release),
        cmocka_unit_test_teardown(test_zero_gradients, sa_test_release),
        cmocka_unit_test_teardown(test_square_sum, sa_test_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
