/* Loops that compute the nodes below them on the fly, on the CPU: pooling, BN's gradient and its sums, and the spread of a pooled
 * gradient, against the same with every value stored node by node. Same bits.
 *
 * Widths around the longest piece of a row, ceil-mode windows, ties, zeros of both signs, NaN. */
#include "tests/support/all_threads.h"
#include "tests/support/close.h"
#include "tests/support/rows.h"

#include "kernels/cpu/rows/source_cpu.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void run(sa_op_kind kind, const sa_op_args *args, int threads)
{
    sa_device *device;
    assert_int_equal(sa_open_all_threads(threads, &device), SA_OK);
    assert_int_equal(sa_op_run(device, kind, args), SA_OK);
    sa_device_close(device);
}

/* mean, inv_std, gamma, beta of each channel. Multiples of 1/4 keep ties, and values that are exactly 0. */
typedef struct factors {
    float *vector[4];
} factors;

static factors make_factors(int channels)
{
    factors f;
    for (int k = 0; k < 4; k++) {
        f.vector[k] = sa_test_vector(channels, k % 2 ? 0.5f : -1.0f, 2.0f);
        for (int c = 0; c < channels; c++) f.vector[k][c] = roundf(4.0f * f.vector[k][c]) / 4.0f;
    }
    return f;
}

static int add_normalisation(sa_source *source, sa_node_kind kind, const factors *f, int child)
{
    int node = sa_test_node(source, kind, child, -1, -1), first = kind == SA_NODE_XHAT ? 0 : 2;
    for (int k = 0; k < 2; k++) source->node[node].vector[k] = sa_test_ref(f->vector[first + k]);
    return node;
}

/* Adds XHAT, AFFINE, RELU of `child`, those of the set bits of `steps`. */
enum { XHAT = 1, AFFINE = 2, RELU = 4, STEPS = 8 };
static int add_steps(sa_source *source, int steps, const factors *f, int child)
{
    if (steps & XHAT) child = add_normalisation(source, SA_NODE_XHAT, f, child);
    if (steps & AFFINE) child = add_normalisation(source, SA_NODE_AFFINE, f, child);
    if (steps & RELU) child = sa_test_node(source, SA_NODE_RELU, child, -1, -1);
    return child;
}

static sa_test_value materialize(const sa_source *source, int n)
{
    const sa_node *root = sa_source_root(source);
    sa_test_value out = sa_test_poisoned(n, root->channels, root->height, root->width);
    sa_op_args args = {.materialize = {.range = sa_test_range(&out), .source = *source, .out = sa_test_slab(&out)}};
    run(SA_OP_MATERIALIZE, &args, 2);
    return out;
}

/* Every step stored. */
static sa_test_value stored_steps(const sa_test_value *x, int steps, const factors *f)
{
    sa_test_value value = *x;
    for (int step = 1; step < STEPS; step *= 2) {
        if (!(steps & step)) continue;
        sa_source source = {0};
        add_steps(&source, step, f, sa_test_dense(&source, &value));
        value = materialize(&source, x->n);
    }
    return value;
}

static sa_test_value with_odd_values(int n, int c, int h, int w)
{
    static const float odd[] = {-0.0f, 0.0f, NAN, -INFINITY, -FLT_MAX, FLT_MAX};
    sa_test_value x = sa_test_levels(n, c, h, w, 6);
    for (size_t i = 0; i < sa_test_count(&x); i++)
        if (sa_test_uniform(0.0f, 1.0f) < 0.2f) x.data[i] = odd[(int)sa_test_uniform(0.0f, 5.999f)];
    return x;
}

static const int widths[] = {1,    2,    31,   33,   63,   64,   65,   66,   1023, 1024, 1025, 1026, 1040, 1041,
                             1087, 1088, 1089, 1090, 1119, 1120, 1121, 1122, 2175, 2177, 2178, 2241, 3400};

static void check_pool(const sa_test_value *x, int steps, sa_window window, sa_encoding encoding)
{
    const factors f = make_factors(x->c);
    sa_test_value stored = stored_steps(x, steps, &f), want, want_mask;
    sa_test_pool(&stored, window, &want, &want_mask);
    sa_slab expected = sa_test_encode_mask(&want_mask, window, x->w, encoding), mask = expected;
    sa_test_value out = sa_test_poisoned(want.n, want.c, want.h, want.w);
    mask.at.ptr = sa_test_memory(sa_slab_bytes(&mask));
    sa_source source = {0};
    add_steps(&source, steps, &f, sa_test_dense(&source, x));
    sa_op_args args = {.pool_forward = {sa_test_range(x), window, source, sa_test_slab(&out), mask}};
    run(SA_OP_POOL_FORWARD, &args, 2);
    sa_assert_same_bits("pool", out.data, want.data, sa_test_count(&want));
    assert_memory_equal(mask.at.ptr, expected.at.ptr, sa_slab_bytes(&mask));
}

/* kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w */
static const sa_window windows[] = {{2, 2, 2, 2, 0, 0}, {3, 3, 2, 2, 0, 0}, {3, 3, 1, 2, 0, 0}, {2, 3, 3, 2, 1, 0},
                                    {1, 2, 3, 2, 0, 0}, {4, 3, 2, 2, 0, 0}, {3, 3, 2, 2, 1, 1}};

static void test_pool(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
            const int steps = (int)(i + w) % STEPS, positions = windows[w].kernel_h * windows[w].kernel_w;
            sa_test_value x = with_odd_values(1, 2, 6 + (int)i % 2, widths[i]);
            check_pool(&x, steps, windows[w], SA_F32);
            check_pool(&x, (steps + 3) % STEPS, windows[w], SA_MASK4);
            if (positions <= 4) check_pool(&x, (steps + 5) % STEPS, windows[w], SA_MASK2);
            sa_test_release(NULL);
        }
    }
}

/* Several blocks of window rows, every chain of steps. */
static void test_pool_tall(void **state)
{
    (void)state;
    for (int steps = 0; steps < STEPS; steps++) {
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
            sa_test_value x = with_odd_values(2, 3, 77, 37);
            check_pool(&x, steps, windows[w], SA_MASK4);
            sa_test_release(NULL);
        }
    }
}

/* An output too large for the caches goes there by another way. */
static void test_pool_large_output(void **state)
{
    (void)state;
    sa_test_value x = sa_test_random(1, 2, 4100, 2051);
    check_pool(&x, AFFINE | RELU, (sa_window){1, 2, 1, 2, 0, 0}, SA_MASK2);
}

/* bn_reduce and BN_GRAD of RELU_GRAD(gate, g), gate and xhat in every form, against the same of the stored gradient. */
static void check_gradient(const sa_test_value *x, int gate_steps, const factors *gate_factors, int xhat_steps, const factors *f)
{
    const sa_test_value g = sa_test_random(x->n, x->c, x->h, x->w);
    const sa_test_value gate = stored_steps(x, gate_steps, gate_factors), xhat = stored_steps(x, xhat_steps, f);
    sa_source stored_dy = {0}, dy = {0}, factor = {0}, stored_factor = {0};
    int stored_gate = sa_test_dense(&stored_dy, &gate);
    sa_test_node(&stored_dy, SA_NODE_RELU_GRAD, stored_gate, sa_test_dense(&stored_dy, &g), -1);
    const sa_test_value dy_value = materialize(&stored_dy, x->n);
    for (size_t i = 0; i < sa_test_count(&g); i++) assert_true(dy_value.data[i] == (gate.data[i] > 0.0f ? g.data[i] : 0.0f));
    int virtual_gate = add_steps(&dy, gate_steps, gate_factors, sa_test_dense(&dy, x));
    int relu_grad = sa_test_node(&dy, SA_NODE_RELU_GRAD, virtual_gate, sa_test_dense(&dy, &g), -1);
    add_steps(&factor, xhat_steps, f, sa_test_dense(&factor, x));
    sa_test_dense(&stored_factor, &xhat);
    sa_source dense_dy = {0};
    int stored = sa_test_dense(&dense_dy, &dy_value);
    float *sums[4];
    for (int k = 0; k < 4; k++) sums[k] = sa_test_memory((size_t)x->c * sizeof(float));
    sa_op_args args = {
        .bn_reduce = {sa_test_range(x), stored_factor, dense_dy, SA_SPREAD_CHANNELS, sa_test_ref(sums[0]), sa_test_ref(sums[1])}};
    run(SA_OP_BN_REDUCE, &args, 2);
    args =
        (sa_op_args){.bn_reduce = {sa_test_range(x), factor, dy, SA_SPREAD_CHANNELS, sa_test_ref(sums[2]), sa_test_ref(sums[3])}};
    run(SA_OP_BN_REDUCE, &args, 2);
    sa_assert_same_bits("dgamma", sums[2], sums[0], (size_t)x->c);
    sa_assert_same_bits("dbeta", sums[3], sums[1], (size_t)x->c);

    int virtual_xhat = add_steps(&dy, xhat_steps, f, sa_test_dense(&dy, x)), stored_xhat = sa_test_dense(&dense_dy, &xhat);
    sa_node *both[2] = {&dy.node[sa_test_node(&dy, SA_NODE_BN_GRAD, virtual_xhat, relu_grad, -1)],
                        &dense_dy.node[sa_test_node(&dense_dy, SA_NODE_BN_GRAD, stored_xhat, stored, -1)]};
    for (int k = 0; k < 2; k++) {
        both[k]->number.bn_grad.count = 64.0f;
        for (int v = 0; v < 4; v++) both[k]->vector[v] = sa_test_ref(v < 2 ? f->vector[v] : sums[v - 2]);
    }
    sa_test_value want = materialize(&dense_dy, x->n), got = materialize(&dy, x->n);
    sa_assert_same_bits("bn_grad", got.data, want.data, sa_test_count(&want));
}

static void test_gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        for (int gate_steps = 0; gate_steps < RELU; gate_steps++) {
            for (int xhat_steps = 0; xhat_steps < RELU; xhat_steps++) {
                sa_test_value x = sa_test_levels(1, 2, 2, widths[i], 6);
                const factors f = make_factors(2), other = make_factors(2);
                check_gradient(&x, gate_steps, &f, xhat_steps, &f);
                check_gradient(&x, gate_steps, &other, xhat_steps, &f);
                sa_test_release(NULL);
            }
        }
    }
}

/* UNPOOL or POOL_GRAD of a value that is not a stored float32: the two window rows that reach a row are pulled one after the other.
 */
static void check_spread(sa_node_kind kind, const sa_test_value *x, sa_window window, sa_encoding encoding)
{
    sa_test_value pooled, mask;
    sa_test_pool(x, window, &pooled, &mask);
    const factors f = make_factors(x->c);
    const sa_test_value gradient = sa_test_levels(pooled.n, pooled.c, pooled.h, pooled.w, 64);
    uint16_t *half = sa_test_memory(sa_test_count(&gradient) * sizeof *half);
    sa_source dense = {0};
    sa_test_dense(&dense, &gradient);
    sa_op_args args = {.materialize = {sa_test_range(&gradient), dense, sa_test_slab(&gradient)}};
    args.materialize.out.encoding = SA_BF16;
    args.materialize.out.at.ptr = half;
    run(SA_OP_MATERIALIZE, &args, 2);
    const sa_slab half_slab = args.materialize.out;
    for (int form = 0; form < 2; form++) { /* a bf16 value, which holds small whole numbers as they are; XHAT of a stored value */
        const sa_test_value value = stored_steps(&gradient, form ? XHAT : 0, &f);
        sa_source sources[2] = {{0}, {0}};
        sa_test_dense(&sources[0], &value);
        int child = add_steps(&sources[1], form ? XHAT : 0, &f, sa_test_dense(&sources[1], &gradient));
        if (!form) sources[1].node[child].slab = half_slab;
        sa_test_value result[2];
        for (int k = 0; k < 2; k++) {
            sa_node *node = &sources[k].node[sa_test_node(&sources[k], kind, sources[k].count - 1, -1, -1)];
            node->height = x->h;
            node->width = x->w;
            node->window = window;
            node->slab = sa_test_encode_mask(&mask, window, x->w, encoding);
            result[k] = materialize(&sources[k], x->n);
        }
        sa_assert_same_bits("spread", result[1].data, result[0].data, sa_test_count(&result[0]));
    }
}

static void test_spread(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
            sa_test_value x = sa_test_levels(1, 2, 6 + (int)i % 2, widths[i], 5);
            for (int kind = SA_NODE_UNPOOL; kind <= SA_NODE_POOL_GRAD; kind++) {
                check_spread((sa_node_kind)kind, &x, windows[w], SA_F32);
                check_spread((sa_node_kind)kind, &x, windows[w], SA_MASK4);
            }
            sa_test_release(NULL);
        }
    }
}

static void test_piece_length(void **state)
{
    (void)state;
    for (int width = 1; width <= 10000; width++) {
        int length = sa_cpu_piece_length(width, SA_CPU_SEGMENT), pieces = (width + length - 1) / length;
        assert_true(length > 0 && length <= SA_CPU_SEGMENT && length % SA_CPU_PIECE_UNIT == 0);
        assert_int_equal(pieces, (width + SA_CPU_SEGMENT - 1) / SA_CPU_SEGMENT);
        if (pieces > 1) assert_true(width - (pieces - 1) * length > SA_CPU_SEGMENT / 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_pool, sa_test_release),
        cmocka_unit_test_teardown(test_pool_tall, sa_test_release),
        cmocka_unit_test_teardown(test_pool_large_output, sa_test_release),
        cmocka_unit_test_teardown(test_gradients, sa_test_release),
        cmocka_unit_test_teardown(test_spread, sa_test_release),
        cmocka_unit_test(test_piece_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
