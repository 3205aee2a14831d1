/* Every source node on the CPU against plain loops: same bits, odd sizes, ranges, encodings, threads, in place, compositions.
 *
 * The plain loops compute a whole value element by element, from the formulas of kernels/source.h. */
#include "tests/support/all_threads.h"
#include "tests/support/close.h"
#include "tests/support/rows.h"
#include "tests/support/source_reference.h"

#include "kernels/cpu/rows/source_cpu.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* n, c, h, w */
static const int shapes[][4] = {{1, 1, 1, 1},   {2, 3, 5, 7},  {1, 2, 1, 33},  {2, 1, 3, 1040},
                                {1, 5, 17, 16}, {3, 2, 9, 31}, {1, 7, 2, 2049}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void set_vectors(sa_node *node, int count)
{
    for (int k = 0; k < count; k++) node->vector[k] = sa_test_ref(sa_test_vector(node->channels, 0.5f, 1.5f));
}

static const struct {
    const char *name;
    sa_node_kind kind;
    int children, vectors;
} simple_kinds[] = {
    {"xhat", SA_NODE_XHAT, 1, 2},   {"affine", SA_NODE_AFFINE, 1, 2},
    {"relu", SA_NODE_RELU, 1, 0},   {"relu_grad", SA_NODE_RELU_GRAD, 2, 0},
    {"scale", SA_NODE_SCALE, 1, 1}, {"bn_grad", SA_NODE_BN_GRAD, 2, 4},
    {"add", SA_NODE_ADD, 2, 0},
};

static void test_simple_nodes(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof simple_kinds / sizeof *simple_kinds; k++) {
        for (int s = 0; s < SHAPES; s++) {
            const int *d = shapes[s];
            sa_test_value a = sa_test_random(d[0], d[1], d[2], d[3]), b = sa_test_random(d[0], d[1], d[2], d[3]);
            for (size_t i = 0; i < sa_test_count(&a); i += 3) a.data[i] = i % 2 ? 0.0f : -0.0f;
            sa_source source = {0};
            int children[2] = {sa_test_dense(&source, &a), -1};
            if (simple_kinds[k].children == 2) children[1] = sa_test_dense(&source, &b);
            sa_node *node = &source.node[sa_test_node(&source, simple_kinds[k].kind, children[0], children[1], -1)];
            set_vectors(node, simple_kinds[k].vectors);
            node->number.bn_grad.count = 37.0f;
            sa_test_check_source(simple_kinds[k].name, &source, d[0]);
            /* in place: over the first child */
            sa_test_value want = sa_test_expected(&source, d[0]);
            sa_op_args args = {.materialize = {.range = sa_test_range(&a), .source = source, .out = sa_test_slab(&a)}};
            sa_device *device;
            assert_int_equal(sa_open_all_threads(2, &device), SA_OK);
            assert_int_equal(sa_op_run(device, SA_OP_MATERIALIZE, &args), SA_OK);
            sa_device_close(device);
            sa_assert_same_bits("in place", a.data, want.data, sa_test_count(&want));
            sa_test_release(NULL);
        }
    }
}

static void test_channel_nodes(void **state)
{
    (void)state;
    static const float betas[] = {0.75f, 0.5f};
    for (int s = 0; s < SHAPES; s++) {
        for (int b = 0; b < 2; b++) {
            const int *d = shapes[s];
            sa_test_value x = sa_test_random(d[0], d[1], d[2], d[3]), dy = sa_test_random(d[0], d[1], d[2], d[3]);
            sa_source source = {0};
            int dense = sa_test_dense(&source, &x);
            int shifted = sa_test_node(&source, SA_NODE_XHAT, dense, -1, -1); /* a virtual x, shared by both readers */
            set_vectors(&source.node[shifted], 2);
            int scale = sa_test_node(&source, SA_NODE_LRN_SCALE, shifted, -1, -1);
            source.node[scale].channels_read = 5;
            source.node[scale].number.lrn.alpha = 0.3f;
            source.node[scale].number.lrn.k = 1.0f;
            sa_test_check_source("lrn_scale", &source, d[0]);
            int lrn = sa_test_node(&source, SA_NODE_LRN, shifted, scale, -1);
            source.node[lrn].number.lrn.beta = betas[b];
            sa_test_check_source("lrn", &source, d[0]);
            source.count--;
            int gradient = sa_test_dense(&source, &dy);
            int grad = sa_test_node(&source, SA_NODE_LRN_GRAD, shifted, scale, gradient);
            source.node[grad].channels_read = 5;
            source.node[grad].number.lrn.alpha = 0.3f;
            source.node[grad].number.lrn.beta = betas[b];
            sa_test_check_source("lrn_grad", &source, d[0]);
            sa_source mix = {0};
            int few = sa_test_dense(&mix, &dy);
            sa_node *node = &mix.node[sa_test_node(&mix, SA_NODE_CHANNEL_MIX, few, -1, -1)];
            node->channels = 6;
            node->channels_read = d[1];
            node->vector[0] = sa_test_ref(sa_test_vector(6 * d[1], -1.0f, 1.0f));
            sa_test_check_source("channel_mix", &mix, d[0]);
            sa_test_release(NULL);
        }
    }
}

static void test_dropout(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        const int *d = shapes[s];
        sa_test_value x = sa_test_random(d[0], d[1], d[2], d[3]);
        sa_step_state step = {.rate = 0.1f, .step = 7};
        sa_source source = {0};
        sa_node *node = &source.node[sa_test_node(&source, SA_NODE_DROPOUT, sa_test_dense(&source, &x), -1, -1)];
        node->number.dropout.ratio = 0.5f;
        node->number.dropout.factor = 2.0f;
        node->number.dropout.seed = 42;
        node->vector[0] = sa_test_ref(&step);
        sa_test_check_source("dropout", &source, d[0]);
        sa_test_release(NULL);
    }
}

/* kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w */
static const sa_window windows[] = {{2, 2, 2, 2, 0, 0}, {3, 3, 2, 2, 0, 0}, {3, 3, 2, 2, 1, 1}, {3, 3, 1, 1, 0, 0},
                                    {2, 2, 1, 1, 0, 0}, {2, 3, 3, 2, 1, 0}, {3, 5, 2, 3, 0, 2}, {2, 2, 3, 3, 0, 0},
                                    {7, 2, 3, 2, 0, 0}, {5, 3, 2, 2, 0, 0}};

static int pooled_size(int size, int kernel, int stride, int pad)
{
    int count = size + 2 * pad <= kernel ? 1 : (size + 2 * pad - kernel + stride - 1) / stride + 1;
    while (count > 1 && (count - 1) * stride - pad >= size) count--;
    return count;
}

/* Average pooling and its gradient, of a stored and of a computed value. */
static void check_average(const int d[4], sa_window w, bool computed)
{
    sa_test_value x = sa_test_random(d[0], d[1], d[2], d[3]);
    const int height = pooled_size(d[2], w.kernel_h, w.stride_h, w.pad_h),
              width = pooled_size(d[3], w.kernel_w, w.stride_w, w.pad_w);
    sa_test_value dy = sa_test_random(d[0], d[1], height, width);
    for (int gradient = 0; gradient < 2; gradient++) {
        sa_source source = {0};
        int child = sa_test_dense(&source, gradient ? &dy : &x);
        if (computed) child = sa_test_node(&source, SA_NODE_RELU, child, -1, -1);
        sa_node *node = &source.node[sa_test_node(&source, gradient ? SA_NODE_AVE_GRAD : SA_NODE_AVE_POOL, child, -1, -1)];
        node->height = gradient ? d[2] : height;
        node->width = gradient ? d[3] : width;
        node->window = w;
        sa_test_check_source(gradient ? "ave_grad" : "ave_pool", &source, d[0]);
    }
    sa_test_release(NULL);
}

static void check_plane_lrn(const int d[4], int size)
{
    sa_test_value x = sa_test_random(d[0], d[1], d[2], d[3]), dy = sa_test_random(d[0], d[1], d[2], d[3]);
    const sa_window w = {size, size, 1, 1, (size - 1) / 2, (size - 1) / 2};
    sa_source source = {0};
    int value = sa_test_node(&source, SA_NODE_RELU, sa_test_dense(&source, &x), -1, -1);
    int scale = sa_test_node(&source, SA_NODE_PLANE_LRN_SCALE, value, -1, -1);
    source.node[scale].window = w;
    source.node[scale].number.lrn.alpha = 0.3f;
    source.node[scale].number.lrn.k = 1.0f;
    sa_test_check_source("plane_lrn_scale", &source, d[0]);
    int gradient = sa_test_dense(&source, &dy), grad = sa_test_node(&source, SA_NODE_PLANE_LRN_GRAD, value, scale, gradient);
    source.node[grad].window = w;
    source.node[grad].number.lrn.alpha = 0.3f;
    source.node[grad].number.lrn.beta = 0.75f;
    sa_test_check_source("plane_lrn_grad", &source, d[0]);
    sa_test_release(NULL);
}

static void test_plane_nodes(void **state)
{
    (void)state;
    static const int planes[][4] = {{1, 1, 1, 1}, {2, 2, 5, 7}, {1, 3, 18, 33}, {1, 1, 3, 1150}};
    for (size_t s = 0; s < sizeof planes / sizeof *planes; s++) {
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++)
            for (int computed = 0; computed < 2; computed++) check_average(planes[s], windows[w], computed);
        check_average(planes[s], (sa_window){planes[s][2], planes[s][3], 1, 1, 0, 0}, false);
        if (planes[s][3] < 100)
            for (int size = 1; size <= 5; size += 2) check_plane_lrn(planes[s], size);
    }
}

static void check_spread(sa_node_kind kind, const sa_test_value *x, sa_window window, sa_encoding encoding)
{
    sa_test_value pooled, mask;
    sa_test_pool(x, window, &pooled, &mask);
    sa_test_value gradient = sa_test_random(pooled.n, pooled.c, pooled.h, pooled.w);
    gradient.data[0] = -0.0f;
    sa_source source = {0};
    sa_node *node = &source.node[sa_test_node(&source, kind, sa_test_dense(&source, &gradient), -1, -1)];
    node->height = x->h;
    node->width = x->w;
    node->window = window;
    node->slab = sa_test_encode_mask(&mask, window, x->w, encoding);
    char what[96];
    snprintf(what, sizeof what, "%s, %dx%d windows, stride %d %d, pad %d %d, encoding %d",
             kind == SA_NODE_UNPOOL ? "unpool" : "pool_grad", window.kernel_h, window.kernel_w, window.stride_h, window.stride_w,
             window.pad_h, window.pad_w, (int)encoding);
    sa_test_check_source(what, &source, x->n);
    /* pieces that start and end anywhere */
    sa_test_value want = sa_test_expected(&source, x->n);
    _Alignas(64) static float scratch[SA_CPU_SCRATCH_FLOATS];
    for (int i = 0; i < 40; i++) {
        int from = (int)sa_test_uniform(0.0f, (float)x->w - 0.001f),
            longest = x->w - from < SA_CPU_SEGMENT ? x->w - from : SA_CPU_SEGMENT;
        int count = 1 + (int)sa_test_uniform(0.0f, (float)longest - 0.001f), y = (int)sa_test_uniform(0.0f, (float)x->h - 0.001f);
        if (i == 0) count = longest;
        const float *got = sa_cpu_pull(&source, 1, x->n - 1, x->c - 1, y, from, count, scratch);
        size_t row = ((size_t)(x->n * x->c - 1) * (size_t)x->h + (size_t)y) * (size_t)x->w;
        sa_assert_same_bits("piece", got, want.data + row + from, (size_t)count);
    }
}

static void test_spread_nodes(void **state)
{
    (void)state;
    static const int planes[][4] = {{1, 1, 1, 1}, {2, 2, 5, 7}, {1, 1, 3, 2}, {1, 3, 18, 33}, {2, 1, 16, 64}, {1, 1, 2, 1100}};
    for (size_t s = 0; s < sizeof planes / sizeof *planes; s++) {
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
            const int *d = planes[s];
            sa_test_value x = sa_test_levels(d[0], d[1], d[2], d[3], 4);
            int positions = windows[w].kernel_h * windows[w].kernel_w;
            for (int kind = SA_NODE_UNPOOL; kind <= SA_NODE_POOL_GRAD; kind++) {
                check_spread(kind, &x, windows[w], SA_F32);
                if (positions <= 15) check_spread(kind, &x, windows[w], SA_MASK4);
                if (positions <= 4) check_spread(kind, &x, windows[w], SA_MASK2);
            }
            sa_test_release(NULL);
        }
    }
}

/* The gradient of pooling of ReLU of BN, virtual in one tree, against the same with every value stored. */
static void test_virtual_equals_stored(void **state)
{
    (void)state;
    static const int planes[][4] = {{2, 3, 9, 15}, {1, 2, 6, 70}, {1, 1, 3, 1500}};
    for (size_t s = 0; s < sizeof planes / sizeof *planes; s++) {
        const int *d = planes[s];
        const sa_window window = windows[s % 2];
        sa_test_value x = sa_test_random(d[0], d[1], d[2], d[3]);
        sa_source tree = {0};
        int xhat = sa_test_node(&tree, SA_NODE_XHAT, sa_test_dense(&tree, &x), -1, -1);
        set_vectors(&tree.node[xhat], 2);
        sa_test_value stored_xhat = sa_test_materialize(&tree, d[0], 2);
        int affine = sa_test_node(&tree, SA_NODE_AFFINE, xhat, -1, -1);
        set_vectors(&tree.node[affine], 2);
        sa_source step = {0};
        step.node[sa_test_node(&step, SA_NODE_AFFINE, sa_test_dense(&step, &stored_xhat), -1, -1)].vector[0] =
            tree.node[affine].vector[0];
        step.node[1].vector[1] = tree.node[affine].vector[1];
        sa_test_value stored_y = sa_test_materialize(&step, d[0], 1), pooled, mask;
        sa_test_pool(&stored_y, window, &pooled, &mask);
        sa_test_value dpool = sa_test_random(pooled.n, pooled.c, pooled.h, pooled.w);

        int pool_grad = sa_test_node(&tree, SA_NODE_POOL_GRAD, sa_test_dense(&tree, &dpool), -1, -1);
        sa_node *spread = &tree.node[pool_grad];
        spread->height = x.h;
        spread->width = x.w;
        spread->window = window;
        spread->slab = sa_test_encode_mask(&mask, window, x.w, window.kernel_w == 2 ? SA_MASK2 : SA_MASK4);
        sa_source spread_alone = {.count = 2, .node = {tree.node[pool_grad - 1], *spread}};
        spread_alone.node[1].child[0] = 0;
        sa_test_value stored_spread = sa_test_materialize(&spread_alone, d[0], 2);
        int relu_grad = sa_test_node(&tree, SA_NODE_RELU_GRAD, affine, pool_grad, -1);
        int bn_grad = sa_test_node(&tree, SA_NODE_BN_GRAD, xhat, relu_grad, -1);
        set_vectors(&tree.node[bn_grad], 4);
        tree.node[bn_grad].number.bn_grad.count = 100.0f;

        sa_source relu_step = {0};
        int y_stored = sa_test_dense(&relu_step, &stored_y);
        sa_test_node(&relu_step, SA_NODE_RELU_GRAD, y_stored, sa_test_dense(&relu_step, &stored_spread), -1);
        sa_test_value stored_relu = sa_test_materialize(&relu_step, d[0], 2);
        sa_source last = {0};
        int xhat_stored = sa_test_dense(&last, &stored_xhat);
        int node = sa_test_node(&last, SA_NODE_BN_GRAD, xhat_stored, sa_test_dense(&last, &stored_relu), -1);
        memcpy(last.node[node].vector, tree.node[bn_grad].vector, sizeof last.node[node].vector);
        last.node[node].number.bn_grad.count = 100.0f;
        sa_test_value want = sa_test_materialize(&last, d[0], 2), got = sa_test_materialize(&tree, d[0], 2);
        sa_assert_same_bits("bn_grad of a chain", got.data, want.data, sa_test_count(&want));

        /* in place over x, which is read by two branches */
        sa_op_args args = {.materialize = {.range = sa_test_range(&x), .source = tree, .out = sa_test_slab(&x)}};
        sa_device *device;
        assert_int_equal(sa_open_all_threads(3, &device), SA_OK);
        assert_int_equal(sa_op_run(device, SA_OP_MATERIALIZE, &args), SA_OK);
        sa_device_close(device);
        sa_assert_same_bits("in place over x", x.data, want.data, sa_test_count(&want));
        sa_test_release(NULL);
    }
}

static void test_encodings_and_ranges(void **state)
{
    (void)state;
    sa_device *device;
    assert_int_equal(sa_open_all_threads(2, &device), SA_OK);
    sa_test_value x = sa_test_random(3, 4, 3, 1037), out = sa_test_poisoned(3, 4, 3, 1037);
    /* the nearest bf16 of every value, by trying both neighbours */
    uint16_t *half = sa_test_memory(sa_test_count(&x) * sizeof *half);
    sa_source source = {0};
    sa_test_dense(&source, &x);
    x.data[5] = INFINITY;
    x.data[6] = 3.4e38f;   /* rounds to infinity */
    x.data[7] = 0x1.01p0f; /* a tie: down to even */
    x.data[8] = 0x1.03p0f; /* a tie: up to even */
    sa_op_args args = {.materialize = {.range = sa_test_range(&x), .source = source, .out = sa_test_slab(&x)}};
    args.materialize.out.encoding = SA_BF16;
    args.materialize.out.at.ptr = half;
    assert_int_equal(sa_op_run(device, SA_OP_MATERIALIZE, &args), SA_OK);
    assert_int_equal(half[5], 0x7f80);
    assert_int_equal(half[6], 0x7f80);
    assert_int_equal(half[7], 0x3f80);
    assert_int_equal(half[8], 0x3f82);
    sa_source back = source;
    back.node[0].slab = args.materialize.out;
    args.materialize.source = back;
    args.materialize.out = sa_test_slab(&out);
    assert_int_equal(sa_op_run(device, SA_OP_MATERIALIZE, &args), SA_OK);
    for (size_t i = 9; i < sa_test_count(&x); i++) assert_true(fabsf(out.data[i] - x.data[i]) <= fabsf(x.data[i]) * 0x1p-8f);
    /* bytes, a range of images and channels, and slabs that hold no more than the range */
    uint8_t *bytes = sa_test_memory(sa_test_count(&x));
    for (size_t i = 0; i < sa_test_count(&x); i++) bytes[i] = (uint8_t)(i * 7);
    sa_test_value part = sa_test_poisoned(1, 2, 3, 1037);
    args.materialize.source.node[0].slab.encoding = SA_U8;
    args.materialize.source.node[0].slab.at.ptr = bytes;
    args.materialize.range = (sa_range){2, 3, 1, 3};
    args.materialize.out = sa_test_slab(&part);
    args.materialize.out.image_begin = 2;
    args.materialize.out.channel_begin = 1;
    assert_int_equal(sa_op_run(device, SA_OP_MATERIALIZE, &args), SA_OK);
    size_t first = (2 * 4 + 1) * 3 * 1037;
    for (size_t i = 0; i < sa_test_count(&part); i++) assert_true(part.data[i] == (float)bytes[first + i]);
    sa_device_close(device);
}

/* An output too large for the caches goes there by another way; rows that start and end inside a cache line. */
static void test_large_output(void **state)
{
    (void)state;
    sa_test_value x = sa_test_random(1, 2, 4100, 1031);
    sa_source source = {0};
    sa_test_dense(&source, &x);
    sa_test_value copy = sa_test_materialize(&source, 1, 3);
    sa_assert_same_bits("large copy", copy.data, x.data, sa_test_count(&x));
    sa_node *xhat = &source.node[sa_test_node(&source, SA_NODE_XHAT, 0, -1, -1)];
    set_vectors(xhat, 2);
    sa_test_value want = sa_test_expected(&source, 1), got = sa_test_materialize(&source, 1, 2);
    sa_assert_same_bits("large xhat", got.data, want.data, sa_test_count(&want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_simple_nodes, sa_test_release),
        cmocka_unit_test_teardown(test_channel_nodes, sa_test_release),
        cmocka_unit_test_teardown(test_dropout, sa_test_release),
        cmocka_unit_test_teardown(test_spread_nodes, sa_test_release),
        cmocka_unit_test_teardown(test_plane_nodes, sa_test_release),
        cmocka_unit_test_teardown(test_virtual_equals_stored, sa_test_release),
        cmocka_unit_test_teardown(test_encodings_and_ranges, sa_test_release),
        cmocka_unit_test_teardown(test_large_output, sa_test_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
