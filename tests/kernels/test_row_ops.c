/* Every op on the CPU but the convolutions against plain loops: odd sizes, ties, encodings, ranges, threads, in place, errors. */
#include "tests/support/all_threads.h"
#include "tests/support/close.h"
#include "tests/support/rows.h"

#include "kernels/vector_math.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int shapes[][4] = {{1, 1, 1, 1},    {2, 3, 5, 7},  {1, 2, 1, 33},   {2, 1, 3, 1040},
                                {1, 12, 17, 16}, {3, 2, 9, 31}, {1, 9, 2, 2049}, {3, 1, 190, 3}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static sa_status run(sa_op_kind kind, const sa_op_args *args, int threads)
{
    sa_device *device;
    assert_int_equal(sa_open_all_threads(threads, &device), SA_OK);
    sa_status status = sa_op_run(device, kind, args);
    sa_device_close(device);
    return status;
}

static sa_source dense(const sa_test_value *value)
{
    sa_source source = {0};
    sa_test_dense(&source, value);
    return source;
}

/* The canonical row sum of ops.h. */
static double row_sum(const float *a, const float *b, int count)
{
    double lane[16] = {0.0}, total;
    for (int x = 0; x < count; x++) lane[x % 16] += b ? (double)a[x] * (double)b[x] : (double)a[x];
    total = lane[0];
    for (int l = 1; l < 16; l++) total += lane[l];
    return total;
}

static double channel_sum(const sa_test_value *a, const sa_test_value *b, int c)
{
    double total = 0.0;
    for (int n = 0; n < a->n; n++) {
        for (int y = 0; y < a->h; y++) {
            size_t row = ((size_t)(n * a->c + c) * (size_t)a->h + (size_t)y) * (size_t)a->w;
            total += row_sum(a->data + row, b ? b->data + row : NULL, a->w);
        }
    }
    return total;
}

/* bn_reduce of the node XHAT has the bits of bn_reduce of the stored xhat. vectors: mean, inv_std and three to write to */
static void check_virtual_xhat(const sa_test_value *x, const sa_test_value *dy, float *vectors[5], int threads)
{
    sa_source tree = dense(x);
    sa_node *xhat = &tree.node[sa_test_node(&tree, SA_NODE_XHAT, 0, -1, -1)];
    for (int k = 0; k < 2; k++) xhat->vector[k] = sa_test_ref(vectors[k]);
    sa_test_value stored = sa_test_poisoned(x->n, x->c, x->h, x->w);
    sa_op_args args = {.materialize = {sa_test_range(x), tree, sa_test_slab(&stored)}};
    assert_int_equal(run(SA_OP_MATERIALIZE, &args, 1), SA_OK);
    args = (sa_op_args){.bn_reduce = {sa_test_range(x), dense(&stored), dense(dy), SA_SPREAD_CHANNELS, sa_test_ref(vectors[2]),
                                      sa_test_ref(vectors[4])}};
    assert_int_equal(run(SA_OP_BN_REDUCE, &args, threads), SA_OK);
    args.bn_reduce.xhat = tree;
    args.bn_reduce.dgamma = sa_test_ref(vectors[3]);
    assert_int_equal(run(SA_OP_BN_REDUCE, &args, threads), SA_OK);
    sa_assert_same_bits("dgamma of a virtual xhat", vectors[3], vectors[2], (size_t)x->c);
}

static void test_bn_reductions(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        const int *d = shapes[s];
        sa_test_value x = sa_test_random(d[0], d[1], d[2], d[3]), dy = sa_test_random(d[0], d[1], d[2], d[3]);
        float *want = sa_test_memory((size_t)d[1] * 5 * sizeof(float)), *got = sa_test_memory((size_t)d[1] * 5 * sizeof(float));
        for (int c = 0; c < d[1]; c++) {
            double m = (double)d[0] * d[2] * d[3], mean = channel_sum(&x, NULL, c) / m;
            double var = fmax(0.0, channel_sum(&x, &x, c) / m - mean * mean);
            want[5 * c] = (float)mean;
            want[5 * c + 1] = (float)(1.0 / sqrt(var + (double)1e-9f));
            want[5 * c + 2] = (float)var;
            want[5 * c + 3] = (float)channel_sum(&dy, &x, c);
            want[5 * c + 4] = (float)channel_sum(&dy, NULL, c);
        }
        for (int threads = 1; threads <= 3; threads++) {
            float *v[5];
            for (int k = 0; k < 5; k++) v[k] = sa_test_memory((size_t)d[1] * sizeof(float));
            sa_op_args args = {.bn_statistics = {sa_test_range(&x), dense(&x), SA_SPREAD_CHANNELS, 1e-9f, false, sa_test_ref(v[0]),
                                                 sa_test_ref(v[1]), sa_test_ref(v[2])}};
            assert_int_equal(run(SA_OP_BN_STATISTICS, &args, threads), SA_OK);
            args = (sa_op_args){
                .bn_reduce = {sa_test_range(&x), dense(&x), dense(&dy), SA_SPREAD_CHANNELS, sa_test_ref(v[3]), sa_test_ref(v[4])}};
            assert_int_equal(run(SA_OP_BN_REDUCE, &args, threads), SA_OK);
            for (int i = 0; i < 5 * d[1]; i++) got[i] = v[i % 5][i / 5];
            sa_assert_same_bits("bn", got, want, (size_t)d[1] * 5);
            check_virtual_xhat(&x, &dy, v, threads);
        }
        sa_test_release(NULL);
    }
}

static void test_bn_statistics_of_constants(void **state)
{
    (void)state;
    sa_test_value x = sa_test_poisoned(1, 2, 9, 50);
    for (size_t i = 0; i < sa_test_count(&x); i++) x.data[i] = i < 450 ? 0.1f : 0.0f;
    float mean[2], inv_std[2];
    sa_op_args args = {
        .bn_statistics = {
            {0, 1, 0, 2}, dense(&x), SA_SPREAD_CHANNELS, 1e-9f, false, sa_test_ref(mean), sa_test_ref(inv_std), sa_test_ref(NULL)}};
    assert_int_equal(run(SA_OP_BN_STATISTICS, &args, 2), SA_OK);
    for (int c = 0; c < 2; c++) assert_true(fabsf(inv_std[c] / 31622.777f - 1.0f) < 1e-6f);
    assert_true(mean[0] == 0.1f && mean[1] == 0.0f);
}

static const sa_window windows[] = {{2, 2, 2, 2, 0, 0}, {3, 3, 2, 2, 0, 0}, {3, 3, 2, 2, 1, 1},
                                    {3, 3, 1, 1, 0, 0}, {2, 2, 1, 1, 0, 0}, {2, 3, 3, 2, 1, 0},
                                    {3, 5, 2, 3, 0, 2}, {2, 2, 3, 3, 0, 0}, {1, 90, 1, 70, 0, 9}};

static void check_pool(const sa_test_value *x, sa_window window, sa_encoding encoding)
{
    sa_test_value want, want_mask;
    sa_test_pool(x, window, &want, &want_mask);
    sa_slab expected = sa_test_encode_mask(&want_mask, window, x->w, encoding);
    for (int threads = 1; threads <= 3; threads += 2) {
        sa_test_value out = sa_test_poisoned(want.n, want.c, want.h, want.w);
        sa_slab mask = expected;
        mask.at.ptr = sa_test_memory(sa_slab_bytes(&mask));
        sa_op_args args = {.pool_forward = {sa_test_range(x), window, dense(x), sa_test_slab(&out), mask}};
        assert_int_equal(run(SA_OP_POOL_FORWARD, &args, threads), SA_OK);
        sa_assert_same_bits("pool", out.data, want.data, sa_test_count(&want));
        assert_memory_equal(mask.at.ptr, expected.at.ptr, sa_slab_bytes(&mask));
        /* without a mask */
        memset(out.data, 0xff, sa_test_count(&out) * sizeof(float));
        args.pool_forward.mask.at = sa_test_ref(NULL);
        assert_int_equal(run(SA_OP_POOL_FORWARD, &args, threads), SA_OK);
        sa_assert_same_bits("pool without mask", out.data, want.data, sa_test_count(&want));
    }
}

/* dx[i] = dy[mask[i]] in every encoding */
static void check_gather(const sa_test_value *x, sa_window window, sa_encoding encoding)
{
    sa_test_value pooled, mask, dy = sa_test_random(x->n, x->c, x->h, x->w);
    sa_test_pool(x, window, &pooled, &mask);
    sa_test_value want = sa_test_poisoned(pooled.n, pooled.c, pooled.h, pooled.w);
    size_t plane = (size_t)x->h * (size_t)x->w, pooled_plane = (size_t)pooled.h * (size_t)pooled.w;
    for (size_t i = 0; i < sa_test_count(&want); i++)
        want.data[i] = mask.data[i] < 0.0f ? 0.0f : dy.data[i / pooled_plane * plane + (size_t)mask.data[i]];
    sa_test_value dx = sa_test_poisoned(pooled.n, pooled.c, pooled.h, pooled.w);
    sa_op_args args = {.unpool_gather = {sa_test_range(x), sa_test_slab(&dy), sa_test_encode_mask(&mask, window, x->w, encoding),
                                         window, sa_test_slab(&dx)}};
    assert_int_equal(run(SA_OP_UNPOOL_GATHER, &args, 2), SA_OK);
    sa_assert_same_bits("unpool_gather", dx.data, want.data, sa_test_count(&want));
}

static void test_pool(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
            for (int levels = 3; levels <= 1003; levels += 1000) {
                const int *d = shapes[s];
                sa_test_value x = sa_test_levels(d[0], d[1], d[2], d[3], levels);
                for (int encoding = SA_F32; encoding <= SA_MASK4; encoding++) {
                    int most = encoding == SA_F32 ? INT32_MAX : encoding == SA_MASK2 ? 4 : encoding == SA_MASK4 ? 15 : 0;
                    if (windows[w].kernel_h * windows[w].kernel_w > most) continue;
                    check_pool(&x, windows[w], (sa_encoding)encoding);
                    check_gather(&x, windows[w], (sa_encoding)encoding);
                }
                sa_test_release(NULL);
            }
        }
    }
}

static void test_pool_edge_values(void **state)
{
    (void)state;
    sa_test_value x = sa_test_poisoned(1, 1, 2, 8), out = sa_test_poisoned(1, 1, 1, 4), mask = sa_test_poisoned(1, 1, 1, 4);
    for (int i = 0; i < 16; i++) x.data[i] = i % 8 < 2 ? NAN : i % 8 < 4 ? -INFINITY : i % 8 < 6 ? -FLT_MAX : 1.0f;
    x.data[0] = 3.0f;
    sa_op_args args = {.pool_forward = {{0, 1, 0, 1}, windows[0], dense(&x), sa_test_slab(&out), sa_test_slab(&mask)}};
    assert_int_equal(run(SA_OP_POOL_FORWARD, &args, 1), SA_OK);
    const float want[4] = {3.0f, -FLT_MAX, -FLT_MAX, 1.0f}, want_mask[4] = {0.0f, -1.0f, -1.0f, 6.0f};
    sa_assert_same_bits("values", out.data, want, 4);
    sa_assert_same_bits("mask", mask.data, want_mask, 4);
    args.pool_forward.window = (sa_window){3, 3, 2, 2, 0, 0};
    args.pool_forward.mask.encoding = SA_MASK2;
    assert_int_equal(run(SA_OP_POOL_FORWARD, &args, 1), SA_UNSUPPORTED);
    assert_non_null(strstr(sa_error_message(), "3 x 3 has 9 positions"));
}

static void test_unpool_scatter(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        sa_test_value x = sa_test_random(2, 3, 5, 6), mask = sa_test_poisoned(2, 3, 5, 6);
        sa_test_value out = sa_test_poisoned(2, 3, 7, 9), want = sa_test_poisoned(2, 3, 7, 9);
        memset(want.data, 0, sa_test_count(&want) * sizeof(float));
        for (size_t i = 0; i < sa_test_count(&x); i++) {
            mask.data[i] = floorf(sa_test_uniform(0.0f, 62.999f)); /* with duplicates */
            want.data[i / 30 * 63 + (size_t)mask.data[i]] = x.data[i];
        }
        sa_op_args args = {.unpool_scatter = {sa_test_range(&x), dense(&x), sa_test_slab(&mask), sa_test_slab(&out)}};
        assert_int_equal(run(SA_OP_UNPOOL_SCATTER, &args, threads), SA_OK);
        sa_assert_same_bits("unpool_scatter", out.data, want.data, sa_test_count(&want));
        mask.data[30 + 8] = 63.0f;
        mask.data[90 + 1] = -1.0f;
        assert_int_equal(run(SA_OP_UNPOOL_SCATTER, &args, threads), SA_NUMERIC);
        assert_non_null(strstr(sa_error_message(), "(0, 1, 1, 2) is 63"));
    }
}

static double ulps(double got, double want)
{
    int exponent;
    frexp(want, &exponent);
    return fabs(got - want) / ldexp(1.0, (exponent < -125 ? -125 : exponent) - 24);
}

static void test_vector_math(void **state)
{
    (void)state;
    double worst_exp = 0.0, worst_log = 0.0;
    for (float x = -104.5f; x < 88.7f; x += 0.00021f) worst_exp = fmax(worst_exp, ulps((double)sa_expf(x), exp((double)x)));
    for (float x = FLT_MIN; x < 3e38f; x *= 1.00007f) worst_log = fmax(worst_log, ulps((double)sa_logf(x), log((double)x)));
    for (float x = 0.5f; x < 2.0f; x += 0x1p-20f)
        if (x != 1.0f) worst_log = fmax(worst_log, ulps((double)sa_logf(x), log((double)x)));
    if (worst_exp > 2.0 || worst_log > 2.0) fail_msg("exp is off by %.2f ulp, log by %.2f", worst_exp, worst_log);
    assert_true(sa_expf(0.0f) == 1.0f && sa_expf(-INFINITY) == 0.0f && sa_expf(200.0f) == INFINITY && isnan(sa_expf(NAN)));
    assert_true(sa_logf(1.0f) == 0.0f && isnan(sa_logf(NAN)));
}

/* The vector part of a loop and its tail give the same bits: every element alone against all at once. */
static void test_softmax(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        const int *d = shapes[s];
        sa_test_value x = sa_test_random(d[0], d[1], d[2], d[3]), got = sa_test_poisoned(d[0], d[1], d[2], d[3]);
        double *want = sa_test_memory(sa_test_count(&x) * sizeof *want);
        size_t plane = (size_t)d[2] * (size_t)d[3];
        for (size_t p = 0; p < (size_t)d[0] * plane; p++) {
            const float *score = x.data + p / plane * plane * (size_t)d[1] + p % plane;
            double sum = 0.0;
            for (int c = 0; c < d[1]; c++) sum += exp((double)score[(size_t)c * plane]);
            for (int c = 0; c < d[1]; c++)
                want[(size_t)(score - x.data) + (size_t)c * plane] = exp((double)score[(size_t)c * plane]) / sum;
        }
        sa_op_args args = {.softmax = {sa_test_range(&x), dense(&x), sa_test_slab(&got)}};
        assert_int_equal(run(SA_OP_SOFTMAX, &args, 3), SA_OK);
        sa_assert_all_close("softmax", got.data, want, sa_test_count(&x), 0.0, 1e-6);
        sa_test_value reversed = sa_test_poisoned(d[0], d[1], d[2], d[3]), other = sa_test_poisoned(d[0], d[1], d[2], d[3]);
        for (size_t i = 0; i < sa_test_count(&x); i++) reversed.data[i] = x.data[i / plane * plane + (plane - 1 - i % plane)];
        args.softmax.x = dense(&reversed);
        args.softmax.prob = sa_test_slab(&other);
        assert_int_equal(run(SA_OP_SOFTMAX, &args, 1), SA_OK);
        for (size_t i = 0; i < sa_test_count(&x); i++) reversed.data[i] = other.data[i / plane * plane + (plane - 1 - i % plane)];
        sa_assert_same_bits("softmax of the reversed plane", got.data, reversed.data, sa_test_count(&x));
        args.softmax.x = dense(&x);
        args.softmax.prob = sa_test_slab(&x);
        assert_int_equal(run(SA_OP_SOFTMAX, &args, 2), SA_OK);
        sa_assert_same_bits("softmax in place", x.data, got.data, sa_test_count(&x));
        sa_test_release(NULL);
    }
}

typedef struct loss_case {
    sa_test_value scores, label;
    sa_loss_config config;
    double loss, divisor;
    double *gradient; /* shape of scores */
} loss_case;

/* The loss and its gradient in float64. */
static loss_case make_loss_case(const int *d, bool weighted, bool has_ignore, bool normalize)
{
    loss_case k = {sa_test_random(d[0], d[1], d[2], d[3]), sa_test_poisoned(d[0], 1, d[2], d[3]), {0}, 0.0, 0.0, NULL};
    k.config = (sa_loss_config){.weighted = weighted,
                                .has_ignore = has_ignore,
                                .ignore_label = has_ignore ? d[1] : 0,
                                .classes = d[1],
                                .divisor = normalize ? 0.0f : (float)d[0],
                                .loss_weight = 0.7f};
    for (int c = 0; c < d[1]; c++) k.config.class_weight[c] = c == 1 ? 0.0f : 0.5f + (float)c;
    for (size_t i = 0; i < sa_test_count(&k.label); i++)
        k.label.data[i] = floorf(sa_test_uniform(0.0f, (float)(d[1] + has_ignore) - 0.001f));
    if (has_ignore) k.label.data[0] = 0.0f; /* one kept pixel at least */
    k.scores.data[0] += 200.0f;             /* its neighbours' probabilities underflow */
    k.gradient = sa_test_memory(sa_test_count(&k.scores) * sizeof *k.gradient);
    memset(k.gradient, 0, sa_test_count(&k.scores) * sizeof *k.gradient);
    size_t plane = (size_t)d[2] * (size_t)d[3], kept = 0;
    for (size_t p = 0; p < (size_t)d[0] * plane; p++) {
        int label = (int)k.label.data[p];
        size_t first = p / plane * plane * (size_t)d[1] + p % plane;
        if (has_ignore && label == k.config.ignore_label) continue;
        double max = -1e30, sum = 0.0, weight = weighted ? (double)k.config.class_weight[label] : 1.0;
        for (int c = 0; c < d[1]; c++) max = fmax(max, (double)k.scores.data[first + (size_t)c * plane]);
        for (int c = 0; c < d[1]; c++) sum += exp((double)k.scores.data[first + (size_t)c * plane] - max);
        double prob = exp((double)k.scores.data[first + (size_t)label * plane] - max) / sum;
        k.loss -= weight * log(fmax(prob, (double)FLT_MIN));
        for (int c = 0; c < d[1]; c++)
            k.gradient[first + (size_t)c * plane] =
                (exp((double)k.scores.data[first + (size_t)c * plane] - max) / sum - (c == label)) * weight * (double)0.7f;
        kept++;
    }
    k.divisor = normalize ? (double)kept : (double)d[0];
    k.loss /= k.divisor;
    for (size_t i = 0; i < sa_test_count(&k.scores); i++) k.gradient[i] /= k.divisor;
    return k;
}

static void check_loss(const loss_case *k, int threads, bool is_prob, const sa_test_value *scores, float result[2],
                       sa_test_value *out)
{
    sa_device *device;
    assert_int_equal(sa_open_all_threads(threads, &device), SA_OK);
    size_t bytes = device->kernels->loss_workspace_bytes(device, k->scores.n, k->scores.c, k->scores.h, k->scores.w);
    sa_op_args args = {.loss = {k->config, is_prob, dense(scores), dense(&k->label), SA_REF_NONE, sa_test_ref(&result[0]),
                                sa_test_ref(&result[1]), sa_test_ref(sa_test_memory(bytes)), bytes}};
    assert_int_equal(sa_op_run(device, SA_OP_LOSS, &args), SA_OK);
    args = (sa_op_args){.loss_grad = {k->config, is_prob, dense(scores), dense(&k->label), SA_REF_NONE, sa_test_ref(&result[1]),
                                      sa_test_slab(out)}};
    assert_int_equal(sa_op_run(device, SA_OP_LOSS_GRAD, &args), SA_OK);
    sa_device_close(device);
}

static void test_softmax_loss(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        for (int flags = 0; flags < 8; flags++) {
            loss_case k = make_loss_case(shapes[s], flags & 1, flags >> 1 & 1, flags >> 2 & 1);
            size_t count = sa_test_count(&k.scores);
            float first[2], other[2];
            sa_test_value grad = sa_test_poisoned(k.scores.n, k.scores.c, k.scores.h, k.scores.w), again = grad, prob = grad;
            again.data = sa_test_memory(count * sizeof(float));
            prob.data = sa_test_memory(count * sizeof(float));
            check_loss(&k, 1, false, &k.scores, first, &grad);
            sa_assert_all_close("loss", &first[0], &k.loss, 1, 1e-6, 1e-6);
            sa_assert_all_close("divisor", &first[1], &k.divisor, 1, 0.0, 0.0);
            sa_assert_all_close("gradient", grad.data, k.gradient, count, 2e-7 / k.divisor * k.scores.c, 1e-6);
            /* other thread counts; from stored probabilities; in place over the scores */
            check_loss(&k, 3, false, &k.scores, other, &again);
            sa_assert_same_bits("loss, 3 threads", other, first, 2);
            sa_assert_same_bits("gradient, 3 threads", again.data, grad.data, count);
            sa_op_args args = {.softmax = {sa_test_range(&k.scores), dense(&k.scores), sa_test_slab(&prob)}};
            assert_int_equal(run(SA_OP_SOFTMAX, &args, 2), SA_OK);
            check_loss(&k, 2, true, &prob, other, &again);
            sa_assert_same_bits("loss of probabilities", other, first, 2);
            sa_assert_same_bits("gradient of probabilities", again.data, grad.data, count);
            check_loss(&k, 2, true, &prob, other, &prob);
            sa_assert_same_bits("gradient over probabilities", prob.data, grad.data, count);
            check_loss(&k, 2, false, &k.scores, other, &k.scores);
            sa_assert_same_bits("gradient over scores", k.scores.data, grad.data, count);
            sa_test_release(NULL);
        }
    }
}

static void test_loss_errors(void **state)
{
    (void)state;
    loss_case k = make_loss_case(shapes[1], false, true, true);
    float loss = -1.0f, divisor = -1.0f;
    sa_device *device;
    assert_int_equal(sa_open_all_threads(2, &device), SA_OK);
    size_t bytes = device->kernels->loss_workspace_bytes(device, k.scores.n, k.scores.c, k.scores.h, k.scores.w);
    sa_op_args args = {.loss = {k.config, false, dense(&k.scores), dense(&k.label), SA_REF_NONE, sa_test_ref(&loss),
                                sa_test_ref(&divisor), sa_test_ref(sa_test_memory(bytes)), bytes}};
    k.label.data[35 + 2 * 7 + 3] = 9.0f;
    k.label.data[35 + 3 * 7 + 3] = -2.0f;
    assert_int_equal(sa_op_run(device, SA_OP_LOSS, &args), SA_NUMERIC);
    assert_non_null(strstr(sa_error_message(), "label 9 of pixel (n 1, y 2, x 3) is outside the 3 classes"));
    assert_true(loss == -1.0f && divisor == -1.0f);
    args.loss.workspace_bytes = bytes - 1;
    assert_int_equal(sa_op_run(device, SA_OP_LOSS, &args), SA_CAPACITY);
    k.label.data[35 + 2 * 7 + 3] = 0.0f; /* a NaN score makes the loss NaN */
    k.label.data[35 + 3 * 7 + 3] = 0.0f;
    k.scores.data[3 * 35 + 2 * 7 + 3] = NAN;
    args.loss.workspace_bytes = bytes;
    assert_int_equal(sa_op_run(device, SA_OP_LOSS, &args), SA_OK);
    assert_true(isnan(loss));
    sa_device_close(device);
}

static void check_accuracy(const int *d, bool has_ignore, int top_k, bool ties_lose)
{
    const int classes = d[1], ignore = 1;
    sa_test_value scores = sa_test_levels(d[0], d[1], d[2], d[3], 3), label = sa_test_poisoned(d[0], 1, d[2], d[3]);
    double *want = sa_test_memory(((size_t)classes + 1) * sizeof *want);
    size_t plane = (size_t)d[2] * (size_t)d[3], all = 0, all_right = 0, *kept = calloc(2 * (size_t)classes, sizeof *kept);
    for (size_t p = 0; p < (size_t)d[0] * plane; p++) {
        label.data[p] = floorf(sa_test_uniform(-1.0f, (float)classes + 1.0f)); /* some outside the classes */
        if (p == 0) label.data[p] = 0.0f;
        int l = (int)label.data[p], ahead = 0;
        if (has_ignore && l == ignore) continue;
        all++;
        if (l < 0 || l >= classes) continue;
        const float *score = scores.data + p / plane * plane * (size_t)classes + p % plane;
        for (int c = 0; c < classes; c++) {
            float own = score[(size_t)l * plane], other = score[(size_t)c * plane];
            ahead += other > own || (other == own && (ties_lose ? c != l : c > l));
        }
        kept[2 * l]++;
        kept[2 * l + 1] += ahead < top_k;
        all_right += ahead < top_k;
    }
    want[0] = (double)(float)((double)all_right / (double)all);
    for (int c = 0; c < classes; c++)
        want[1 + c] = kept[2 * c] ? (double)(float)((double)kept[2 * c + 1] / (double)kept[2 * c]) : 0.25;
    free(kept);
    for (int threads = 1; threads <= 3; threads++) {
        sa_device *device;
        assert_int_equal(sa_open_all_threads(threads, &device), SA_OK);
        size_t bytes = device->kernels->accuracy_workspace_bytes(device, d[0], classes, d[2], d[3]);
        float *got = sa_test_memory(((size_t)classes + 1) * sizeof *got);
        sa_op_args args = {.accuracy = {dense(&scores), dense(&label), has_ignore, ties_lose, ignore, top_k, 0.25f,
                                        sa_test_ref(got), sa_test_ref(got + 1), sa_test_ref(sa_test_memory(bytes)), bytes}};
        assert_int_equal(sa_op_run(device, SA_OP_ACCURACY, &args), SA_OK);
        sa_assert_all_close("accuracy", got, want, (size_t)classes + 1, 0.0, 0.0);
        sa_device_close(device);
    }
}

static void test_accuracy(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++)
        for (int flags = 0; flags < 8; flags++) check_accuracy(shapes[s], flags & 1, 1 + (flags >> 1 & 1), flags >> 2);
    sa_test_release(NULL);
}

static void test_update_and_fill(void **state)
{
    (void)state;
    static const int counts[] = {1, 63, 16384, 16385, 50001};
    for (int k = 0; k < 5; k++) {
        int count = counts[k];
        float *v[3], *want[3];
        for (int i = 0; i < 3; i++) {
            v[i] = sa_test_vector(count, -1.0f, 1.0f);
            want[i] = sa_test_memory((size_t)count * sizeof(float));
        }
        const float rate = 0.1f * 0.3f;
        for (int i = 0; i < count; i++) {
            float g = v[1][i] + 0.0005f * v[0][i], h = 0.9f * v[2][i] + rate * g;
            want[0][i] = v[0][i] - h;
            want[1][i] = want[2][i] = h;
        }
        sa_step_state step = {.rate = 0.1f, .step = 3};
        sa_op_args args = {.update = {.rule = {.momentum = 0.9f},
                                      .param = sa_test_ref(v[0]),
                                      .grad = sa_test_ref(v[1]),
                                      .history = sa_test_ref(v[2]),
                                      .step_state = sa_test_ref(&step),
                                      .count = (size_t)count,
                                      .lr_mult = 0.3f,
                                      .decay = 0.0005f}};
        assert_int_equal(run(SA_OP_UPDATE, &args, 3), SA_OK);
        for (int i = 0; i < 3; i++) sa_assert_same_bits("update", v[i], want[i], (size_t)count);
        args = (sa_op_args){.fill = {sa_test_ref(v[0]), (size_t)count - 1, 1.5f}};
        float last = v[0][count - 1];
        assert_int_equal(run(SA_OP_FILL, &args, 2), SA_OK);
        for (int i = 0; i + 1 < count; i++) assert_true(v[0][i] == 1.5f);
        assert_true(v[0][count - 1] == last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_bn_reductions, sa_test_release),
        cmocka_unit_test_teardown(test_bn_statistics_of_constants, sa_test_release),
        cmocka_unit_test_teardown(test_pool, sa_test_release),
        cmocka_unit_test_teardown(test_pool_edge_values, sa_test_release),
        cmocka_unit_test_teardown(test_unpool_scatter, sa_test_release),
        cmocka_unit_test(test_vector_math),
        cmocka_unit_test_teardown(test_softmax, sa_test_release),
        cmocka_unit_test_teardown(test_softmax_loss, sa_test_release),
        cmocka_unit_test_teardown(test_loss_errors, sa_test_release),
        cmocka_unit_test_teardown(test_accuracy, sa_test_release),
        cmocka_unit_test_teardown(test_update_and_fill, sa_test_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
