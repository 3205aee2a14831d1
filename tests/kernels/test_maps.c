/* The functions of kernels/maps.h: values against libm in float64, derivatives against differences, the edges that libm has too,
 * and the same bits however a row is cut. */
#include "tests/support/all_threads.h"
#include "tests/support/close.h"
#include "tests/support/rows.h"

#include "kernels/maps.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef float map_function(float a, float b, float p, float q, float r);

static float any_map(int kind, float a, float b, float p, float q, float r)
{
    static map_function *const FUNCTION[] = {
#define ROW(kind, name, value) sa_map_##name,
        SA_MAPS(ROW)
#undef ROW
    };
    return FUNCTION[kind](a, b, p, q, r);
}

/* In units of the last place of `want` as float32. */
static double ulps(double got, double want)
{
    int exponent;
    if (got == want) return 0;
    frexp(want, &exponent);
    return fabs(got - want) / ldexp(1.0, (exponent < -125 ? -125 : exponent) - 24);
}

static void functions_are_accurate(void **state)
{
    (void)state;
    double worst_tanh = 0, worst_sigmoid = 0, worst_power = 0, worst_log = 0;
    for (float x = -20.0f; x < 20.0f; x += 0.00037f) {
        worst_tanh = fmax(worst_tanh, ulps((double)sa_tanhf(x), tanh((double)x)));
        worst_sigmoid = fmax(worst_sigmoid, fabs((double)sa_sigmoidf(x) - 1 / (1 + exp(-(double)x))) * 0x1p24);
    }
    for (float x = 1e-12f; x < 1e12f; x *= 1.0031f)
        for (float power = -3.0f; power <= 3.0f; power += 0.37f)
            worst_power = fmax(worst_power, ulps((double)sa_powf(x, power), pow((double)x, (double)power)));
    for (float x = 1e-40f; x < 3e38f; x *= 1.0037f) worst_log = fmax(worst_log, ulps((double)sa_log_anyf(x), log((double)x)));
    if (worst_tanh > 3 || worst_sigmoid > 2 || worst_power > 0.51 || worst_log > 2)
        fail_msg("tanh is off by %.2f ulp, sigmoid by %.2f of 1's, powers by %.3f, log by %.2f", worst_tanh, worst_sigmoid,
                 worst_power, worst_log);
}

static void assert_like(const char *what, float got, double want)
{
    bool same = isnan(want) ? isnan(got) : (double)got == want;
    if (!same) fail_msg("%s is %g, of libm %g", what, (double)got, want);
}

static void edges_are_those_of_libm(void **state)
{
    (void)state;
    static const float X[] = {0.0f, -1.5f, -2.0f, 2.0f, 1.0f, INFINITY, -INFINITY, NAN},
                       POWER[] = {0.0f, 1.0f, 2.0f, 3.0f, -1.0f, -2.0f};
    for (size_t i = 0; i < sizeof X / sizeof X[0]; i++) {
        const float x = X[i];
        char what[64];
        for (size_t k = 0; k < sizeof POWER / sizeof POWER[0]; k++) {
            snprintf(what, sizeof what, "%g^%g", (double)x, (double)POWER[k]);
            assert_like(what, sa_powf(x, POWER[k]), (double)powf(x, POWER[k]));
        }
        if (x < INFINITY) assert_like("x^0.5", sa_powf(x, 0.5f), x == 1.0f ? 1.0 : isnan(x) || x < 0 ? NAN : (double)sqrtf(x));
        if (!(x > 1.0f)) assert_like("log", sa_log_anyf(x), log((double)x));
        if (fabsf(x) == INFINITY || isnan(x)) assert_like("tanh", sa_tanhf(x), tanh((double)x));
    }
    assert_true(sa_log_anyf(INFINITY) == INFINITY);
    assert_true(sa_powf(10.0f, 38.0f) == 1e38f && sa_powf(10.0f, 40.0f) == INFINITY && sa_powf(10.0f, -60.0f) == 0.0f);
}

/* A function and its derivative; of_value: the derivative is a function of the value. */
static const struct {
    int value, grad;
    bool of_value;
    float p, q, r;
} PAIRS[] = {
    {SA_MAP_LEAKY, SA_MAP_LEAKY_GRAD, false, -0.3f, 0, 0},   {SA_MAP_LEAKY, SA_MAP_LEAKY_GRAD, true, 0.3f, 0, 0},
    {SA_MAP_ELU, SA_MAP_ELU_GRAD, true, 0.7f, 0, 0},         {SA_MAP_ELU, SA_MAP_ELU_GRAD_IN, false, -0.7f, 0, 0},
    {SA_MAP_SIGMOID, SA_MAP_SIGMOID_GRAD, true, 0, 0, 0},    {SA_MAP_TANH, SA_MAP_TANH_GRAD, true, 0, 0, 0},
    {SA_MAP_ABS, SA_MAP_ABS_GRAD, false, 0, 0, 0},           {SA_MAP_SQUARE, SA_MAP_SQUARE_GRAD, false, 0.5f, 0.3f, 2},
    {SA_MAP_POWER, SA_MAP_POWER_GRAD, false, 0.5f, 4, 2.5f}, {SA_MAP_POWER, SA_MAP_POWER_GRAD, false, 0.5f, 4, -1},
    {SA_MAP_EXP, SA_MAP_EXP_GRAD, true, 0.7f, 1.3f, 0},      {SA_MAP_LOG, SA_MAP_LOG_GRAD, false, 0.5f, 4, 0.43f},
    {SA_MAP_BNLL, SA_MAP_BNLL_GRAD, false, 0, 0, 0},         {SA_MAP_CLIP, SA_MAP_CLIP_GRAD, false, -1.03f, 1.51f, 0},
    {SA_MAP_SWISH, SA_MAP_SWISH_GRAD, false, 1.5f, 0, 0},
};

static void derivatives_are_slopes(void **state)
{
    (void)state;
    const float width = 0.01f, dy = -1.7f;
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++)
        for (float x = -5.005f; x < 5.0f; x += 0.11f) {
            const float p = PAIRS[i].p, q = PAIRS[i].q, r = PAIRS[i].r;
            if (fabsf(x) < 2 * width || fabsf(x + 1.03f) < 2 * width || fabsf(x - 1.51f) < 2 * width) continue; /* a kink */
            double above = (double)any_map(PAIRS[i].value, x + width, 0, p, q, r);
            double below = (double)any_map(PAIRS[i].value, x - width, 0, p, q, r);
            float at = PAIRS[i].of_value ? any_map(PAIRS[i].value, x, 0, p, q, r) : x;
            double got = (double)any_map(PAIRS[i].grad, at, dy, p, q, r);
            double want = (double)dy * (above - below) / ((double)(x + width) - (double)(x - width));
            if (!(fabs(got - want) <= 2e-3 * (0.1 + fabs(want))))
                fail_msg("%s at %g is %g, the slope of %s is %g", sa_map_name(PAIRS[i].grad), (double)x, got,
                         sa_map_name(PAIRS[i].value), want);
        }
}

/* Rows of 1 to 70: the vector part of a loop and its rest agree with the function taken alone. */
static void rows_have_the_bits_of_elements(void **state)
{
    (void)state;
    sa_device *device;
    assert_int_equal(sa_open_all_threads(2, &device), SA_OK);
    for (int kind = 0; kind < SA_MAP_KINDS; kind++)
        for (int width = 1; width <= 70; width += 23) {
            sa_test_value a = sa_test_random(2, 3, 2, width), b = sa_test_random(2, 3, 2, width);
            sa_test_value out = sa_test_poisoned(2, 3, 2, width), want = sa_test_poisoned(2, 3, 2, width);
            float *vector = sa_test_vector(2 * 3, 0.5f, 1.5f);
            sa_source source = {0};
            int first = sa_test_dense(&source, &a), second = sa_test_dense(&source, &b);
            sa_node *node = &source.node[sa_test_node(&source, SA_NODE_MAP2, first, second, -1)];
            node->number.map = (sa_map){kind, 0.0f, 3.0f, 1.5f};
            node->vector[0] = sa_test_ref(vector);
            node->spread = (sa_spread){.image = 3, .channel = 1};
            sa_op_args args = {.materialize = {.range = sa_test_range(&a), .source = source, .out = sa_test_slab(&out)}};
            assert_int_equal(sa_op_run(device, SA_OP_MATERIALIZE, &args), SA_OK);
            for (size_t i = 0; i < sa_test_count(&a); i++)
                want.data[i] = any_map(kind, a.data[i], b.data[i], vector[i / (size_t)(2 * width)], 3.0f, 1.5f);
            sa_assert_same_bits(sa_map_name(kind), out.data, want.data, sa_test_count(&out));
            sa_test_release(NULL);
        }
    sa_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_accurate),
        cmocka_unit_test(edges_are_those_of_libm),
        cmocka_unit_test(derivatives_are_slopes),
        cmocka_unit_test_teardown(rows_have_the_bits_of_elements, sa_test_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
