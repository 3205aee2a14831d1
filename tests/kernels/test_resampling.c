/* interp and stochastic pooling on the CPU against plain loops: odd sizes, cropped edges, windows at the edge, masks, threads. */
#include "kernels/interp_math.h"
#include "kernels/source.h"
#include "tests/support/all_threads.h"
#include "tests/support/close.h"
#include "tests/support/rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void run(sa_op_kind kind, const sa_op_args *args, int threads)
{
    sa_device *device;
    assert_int_equal(sa_open_all_threads(threads, &device), SA_OK);
    if (sa_op_run(device, kind, args) != SA_OK) fail_msg("%s", sa_error_message());
    sa_device_close(device);
}

static float *at(const sa_test_value *v, int n, int c, int y, int x)
{
    return v->data + (((size_t)n * (size_t)v->c + (size_t)c) * (size_t)v->h + (size_t)y) * (size_t)v->w + (size_t)x;
}

typedef struct size {
    int h, w, top, left, rows, columns, out_h, out_w;
} size;

static const size SIZES[] = {{4, 5, 0, 0, 4, 5, 25, 33}, {7, 9, 1, 2, 5, 6, 11, 4}, {9, 8, 0, 0, 9, 8, 9, 8},
                             {1, 1, 0, 0, 1, 1, 6, 7},   {6, 3, 2, 0, 4, 3, 1, 1},  {33, 41, 0, 1, 33, 40, 65, 7}};

/* The value of the plane between its places, in float64. */
static double between(const sa_test_value *x, const size *s, int n, int c, int i, int j)
{
    const double y = s->out_h > 1 ? (double)i * (s->rows - 1) / (s->out_h - 1) : 0;
    const double v = s->out_w > 1 ? (double)j * (s->columns - 1) / (s->out_w - 1) : 0;
    double sum = 0;
    for (int a = 0; a < s->rows; a++)
        for (int b = 0; b < s->columns; b++) {
            const double weight = fmax(0, 1 - fabs(y - a)) * fmax(0, 1 - fabs(v - b));
            if (weight > 0) sum += weight * (double)*at(x, n, c, s->top + a, s->left + b);
        }
    return sum;
}

static void interp_is_bilinear(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        const size *s = &SIZES[i];
        sa_test_value x = sa_test_random(2, 3, s->h, s->w), y = sa_test_poisoned(2, 3, s->out_h, s->out_w);
        sa_op_args args = {.interp = {s->top, s->left, s->rows, s->columns, false, sa_test_slab(&x), sa_test_slab(&y)}};
        run(SA_OP_INTERP, &args, 2);
        for (int n = 0; n < 2; n++)
            for (int c = 0; c < 3; c++)
                for (int a = 0; a < s->out_h; a++)
                    for (int b = 0; b < s->out_w; b++)
                        assert_true(fabs((double)*at(&y, n, c, a, b) - between(&x, s, n, c, a, b)) < 2e-5);
    }
}

/* The gradient is the transpose: <resized x, dy> = <x, dx>; and 0 outside of the rows and columns. */
static void the_gradient_is_the_transpose(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        const size *s = &SIZES[i];
        sa_test_value x = sa_test_random(2, 3, s->h, s->w), dy = sa_test_random(2, 3, s->out_h, s->out_w);
        sa_test_value dx = sa_test_poisoned(2, 3, s->h, s->w), again = sa_test_poisoned(2, 3, s->h, s->w);
        sa_op_args args = {.interp = {s->top, s->left, s->rows, s->columns, true, sa_test_slab(&dy), sa_test_slab(&dx)}};
        double left = 0, right = 0, length = 0;
        run(SA_OP_INTERP, &args, 1);
        args.interp.out = sa_test_slab(&again);
        run(SA_OP_INTERP, &args, 3);
        sa_assert_same_bits("threads", again.data, dx.data, sa_test_count(&dx));
        for (int n = 0; n < 2; n++)
            for (int c = 0; c < 3; c++) {
                for (int a = 0; a < s->out_h; a++)
                    for (int b = 0; b < s->out_w; b++) {
                        const double term = between(&x, s, n, c, a, b) * (double)*at(&dy, n, c, a, b);
                        left += term;
                        length += term * term;
                    }
                for (int a = 0; a < s->h; a++)
                    for (int b = 0; b < s->w; b++) {
                        const bool inside = a >= s->top && a < s->top + s->rows && b >= s->left && b < s->left + s->columns;
                        if (!inside) assert_true(*at(&dx, n, c, a, b) == 0.0f);
                        right += (double)*at(&x, n, c, a, b) * (double)*at(&dx, n, c, a, b);
                    }
            }
        assert_true(fabs(left - right) < 1e-5 * sqrt(length) + 1e-6);
    }
}

static const sa_window WINDOWS[] = {{2, 2, 2, 2, 0, 0}, {3, 3, 2, 2, 0, 0}, {3, 2, 1, 3, 0, 0}, {5, 4, 5, 2, 0, 0}};
static const uint64_t SEED = 4711;
enum { STEP = 9, H = 11, W = 530 };

static int pooled_size(int length, int kernel, int stride)
{
    return (length - kernel + stride - 1) / stride + 1;
}

/* What the op says of one window. */
static void draw(const sa_test_value *x, const sa_window *w, int n, int c, int py, int px, uint64_t element, float *value,
                 float *index)
{
    const int bottom = py * w->stride_h + w->kernel_h, right = px * w->stride_w + w->kernel_w;
    float sum = 0, reached = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int y = py * w->stride_h; y < bottom && y < H; y++)
            for (int v = px * w->stride_w; v < right && v < W; v++) {
                if (pass == 0) {
                    sum += *at(x, n, c, y, v);
                    continue;
                }
                reached += *at(x, n, c, y, v);
                *value = *at(x, n, c, y, v);
                *index = (float)(y * W + v);
                if (reached >= sa_uniform(SEED, STEP, element) * sum) return;
            }
}

static void stochastic_pooling_draws(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof WINDOWS / sizeof WINDOWS[0]; k++) {
        const sa_window *w = &WINDOWS[k];
        const int h = pooled_size(H, w->kernel_h, w->stride_h), width = pooled_size(W, w->kernel_w, w->stride_w);
        sa_test_value x = sa_test_random(2, 3, H, W), out = sa_test_poisoned(2, 3, h, width),
                      mask = sa_test_poisoned(2, 3, h, width);
        sa_step_state step = {.step = STEP};
        for (size_t i = 0; i < sa_test_count(&x); i++) x.data[i] = i % 7 ? fabsf(x.data[i]) : 0.0f;
        sa_op_args args = {
            .pool_stochastic = {
                sa_test_range(&x), *w, true, SEED, {0}, sa_test_slab(&out), sa_test_slab(&mask), sa_test_ref(&step)}};
        sa_test_dense(&args.pool_stochastic.x, &x);
        run(SA_OP_POOL_STOCHASTIC, &args, 2);
        uint64_t element = 0;
        for (int n = 0; n < 2; n++)
            for (int c = 0; c < 3; c++)
                for (int py = 0; py < h; py++)
                    for (int px = 0; px < width; px++) {
                        float value = NAN, index = NAN;
                        draw(&x, w, n, c, py, px, element++, &value, &index);
                        assert_true(*at(&out, n, c, py, px) == value);
                        assert_true(*at(&mask, n, c, py, px) == index);
                        assert_true(value > 0.0f); /* what has no probability is not drawn */
                    }
    }
}

/* Pixels are drawn as often as their share says; tests take the mean by these shares. */
static void shares_are_probabilities(void **state)
{
    (void)state;
    enum { IMAGES = 40000 };
    static const float VALUES[4] = {1, 0, 2, 5};
    sa_test_value x = sa_test_poisoned(1, IMAGES, 2, 2), out = sa_test_poisoned(1, IMAGES, 1, 1),
                  mask = sa_test_poisoned(1, IMAGES, 1, 1);
    sa_step_state step = {.step = 3};
    int drawn[4] = {0};
    for (int i = 0; i < 4 * IMAGES; i++) x.data[i] = VALUES[i % 4];
    sa_op_args args = {
        .pool_stochastic = {
            sa_test_range(&x), WINDOWS[0], true, SEED, {0}, sa_test_slab(&out), sa_test_slab(&mask), sa_test_ref(&step)}};
    sa_test_dense(&args.pool_stochastic.x, &x);
    run(SA_OP_POOL_STOCHASTIC, &args, 1);
    for (int i = 0; i < IMAGES; i++) drawn[(int)mask.data[i]]++;
    for (int k = 0; k < 4; k++) {
        const double p = (double)VALUES[k] / 8, deviation = sqrt(p * (1 - p) * IMAGES);
        assert_true(fabs(drawn[k] - p * IMAGES) <= 4.5 * deviation);
    }
    args.pool_stochastic.draws = false;
    args.pool_stochastic.mask.at = SA_REF_NONE;
    run(SA_OP_POOL_STOCHASTIC, &args, 1);
    for (int i = 0; i < IMAGES; i++) assert_true(out.data[i] == 30.0f / 8.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(interp_is_bilinear, sa_test_release),
                                       cmocka_unit_test_teardown(the_gradient_is_the_transpose, sa_test_release),
                                       cmocka_unit_test_teardown(stochastic_pooling_draws, sa_test_release),
                                       cmocka_unit_test_teardown(shares_are_probabilities, sa_test_release)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
