/* The nodes of sources in plain loops. */
#include "tests/support/source_reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/all_threads.h"
#include "tests/support/close.h"

sa_test_value sa_test_materialize(const sa_source *source, int n, int threads)
{
    const sa_node *root = sa_source_root(source);
    sa_test_value out = sa_test_poisoned(n, root->channels, root->height, root->width);
    sa_op_args args = {.materialize = {.range = sa_test_range(&out), .source = *source, .out = sa_test_slab(&out)}};
    sa_device *device;
    assert_int_equal(sa_open_all_threads(threads, &device), SA_OK);
    assert_int_equal(sa_op_run(device, SA_OP_MATERIALIZE, &args), SA_OK);
    sa_device_close(device);
    return out;
}

/* An element of the value of a node, by the formulas; children by recursion. */
static float element(const sa_source *source, int number, int n, int c, int y, int x);

static float power(float b, float beta)
{
    return beta == 0.75f ? 1.0f / (sqrtf(b) * sqrtf(sqrtf(b))) : sa_expf(-beta * sa_logf(b));
}

static float spread_element(const sa_source *source, const sa_node *node, int n, int c, int y, int x)
{
    float result = 0.0f;
    for (int py = 0; py < node->slab.height; py++) {
        for (int px = 0; px < node->slab.width; px++) {
            const sa_window *w = &node->window;
            int index;
            if (node->slab.encoding == SA_F32) {
                index = (int)((const float *)sa_slab_row(&node->slab, n, c, py))[px];
            } else {
                int bits = node->slab.encoding == SA_MASK2 ? 2 : 4;
                const uint32_t *row = sa_slab_row(&node->slab, n, c, py);
                int code = (int)(row[px * bits / 32] >> (px * bits % 32)) & ((1 << bits) - 1);
                int column = px * w->stride_w - w->pad_w + code % w->kernel_w;
                /* an empty window, beyond the plane, has a code that means nothing */
                if ((bits == 4 && code == 15) || column < 0 || column >= node->width) continue;
                index = (py * w->stride_h - w->pad_h + code / w->kernel_w) * node->width + column;
            }
            if (index != y * node->width + x) continue;
            float value = element(source, node->child[0], n, c, py, px);
            result = node->kind == SA_NODE_UNPOOL ? value : result + value;
        }
    }
    return result;
}

static float channel_element(const sa_source *source, const sa_node *node, int n, int c, int y, int x)
{
    const float *v0 = node->vector[0].ptr;
    float sum = 0.0f;
    if (node->kind == SA_NODE_CHANNEL_MIX) {
        for (int k = 0; k < node->channels_read; k++)
            sum += v0[k * node->channels + c] * element(source, node->child[0], n, k, y, x);
        return sum;
    }
    for (int other = 0; other < node->channels; other++) {
        if (abs(other - c) > (node->channels_read - 1) / 2) continue;
        float a = element(source, node->child[0], n, other, y, x);
        if (node->kind == SA_NODE_LRN_SCALE) {
            sum += a * a;
            continue;
        }
        float b = element(source, node->child[1], n, other, y, x);
        sum += element(source, node->child[2], n, other, y, x) * a * power(b, node->number.lrn.beta) / b;
    }
    if (node->kind == SA_NODE_LRN_SCALE) return node->number.lrn.k + node->number.lrn.alpha / (float)node->channels_read * sum;
    float own =
        element(source, node->child[2], n, c, y, x) * power(element(source, node->child[1], n, c, y, x), node->number.lrn.beta);
    return own - 2.0f * node->number.lrn.alpha * node->number.lrn.beta / (float)node->channels_read *
                     element(source, node->child[0], n, c, y, x) * sum;
}

/* The sum over a window's pixels; of LRN's terms, squares, or the values. */
static float area_element(const sa_source *source, const sa_node *node, int n, int c, int y, int x)
{
    const sa_window *w = &node->window;
    const sa_node *child = &source->node[node->child[0]];
    const float pixels = (float)(w->kernel_h * w->kernel_w), beta = node->number.lrn.beta;
    float sum = 0.0f;
    for (int u = 0; u < w->kernel_h; u++)
        for (int v = 0; v < w->kernel_w; v++) {
            int row = y * w->stride_h - w->pad_h + u, column = x * w->stride_w - w->pad_w + v;
            if (row < 0 || row >= child->height || column < 0 || column >= child->width) continue;
            float a = element(source, node->child[0], n, c, row, column);
            if (node->kind == SA_NODE_AVE_POOL) sum += a;
            else if (node->kind == SA_NODE_PLANE_LRN_SCALE) sum += a * a;
            else {
                float b = element(source, node->child[1], n, c, row, column);
                sum += element(source, node->child[2], n, c, row, column) * a * power(b, beta) / b;
            }
        }
    if (node->kind == SA_NODE_AVE_POOL) {
        int bottom = y * w->stride_h - w->pad_h + w->kernel_h, right = x * w->stride_w - w->pad_w + w->kernel_w;
        int beyond_y = bottom - child->height - w->pad_h, beyond_x = right - child->width - w->pad_w;
        return sum / (float)((w->kernel_h - (beyond_y > 0 ? beyond_y : 0)) * (w->kernel_w - (beyond_x > 0 ? beyond_x : 0)));
    }
    if (node->kind == SA_NODE_PLANE_LRN_SCALE) return node->number.lrn.k + node->number.lrn.alpha / pixels * sum;
    float own = element(source, node->child[2], n, c, y, x) * power(element(source, node->child[1], n, c, y, x), beta);
    return own - 2.0f * node->number.lrn.alpha * beta / pixels * element(source, node->child[0], n, c, y, x) * sum;
}

/* The gradient of average pooling: what each window that the place lies in gives to every one of its pixels. */
static float shared_element(const sa_source *source, const sa_node *node, int n, int c, int y, int x)
{
    const sa_window *w = &node->window;
    const sa_node *child = &source->node[node->child[0]];
    float sum = 0.0f;
    for (int py = 0; py < child->height; py++)
        for (int px = 0; px < child->width; px++) {
            int top = py * w->stride_h - w->pad_h, left = px * w->stride_w - w->pad_w;
            int bottom = top + w->kernel_h, right = left + w->kernel_w;
            if (y < top || y >= bottom || x < left || x >= right) continue;
            int rows = (bottom < node->height + w->pad_h ? bottom : node->height + w->pad_h) - top;
            int columns = (right < node->width + w->pad_w ? right : node->width + w->pad_w) - left;
            sum += element(source, node->child[0], n, c, py, px) / (float)(rows * columns);
        }
    return sum;
}

static float map_element(const sa_node *node, float a, float b, float p)
{
    const float q = node->number.map.q, r = node->number.map.r;
    switch ((sa_map_kind)node->number.map.kind) {
#define MAP_CASE(kind, name, value) \
    case SA_MAP_##kind: return sa_map_##name(a, b, p, q, r);
        SA_MAPS(MAP_CASE)
#undef MAP_CASE
    case SA_MAP_KINDS: break;
    }
    return NAN;
}

static float element(const sa_source *source, int number, int n, int c, int y, int x)
{
    const sa_node *node = &source->node[number];
    float a = 0.0f, b = 0.0f, v[SA_NODE_VECTORS] = {0};
    bool local = node->kind != SA_NODE_DENSE && node->kind != SA_NODE_UNPOOL && node->kind != SA_NODE_POOL_GRAD &&
                 node->kind != SA_NODE_CHANNEL_MIX && node->kind != SA_NODE_LRN_SCALE && node->kind != SA_NODE_LRN_GRAD &&
                 node->kind != SA_NODE_AVE_POOL && node->kind != SA_NODE_AVE_GRAD && node->kind != SA_NODE_PLANE_LRN_SCALE &&
                 node->kind != SA_NODE_PLANE_LRN_GRAD;
    if (local && node->child[0] >= 0) a = element(source, node->child[0], n, c, y, x);
    if (local && node->child[1] >= 0) b = element(source, node->child[1], n, c, y, x);
    for (int k = 0; local && k < SA_NODE_VECTORS; k++)
        if (node->vector[k].ptr && node->kind != SA_NODE_DROPOUT)
            v[k] = ((const float *)node->vector[k].ptr)[n * node->spread.image + c * node->spread.channel];
        else if (k < 2) v[k] = 1.0f;
    switch (node->kind) {
    case SA_NODE_DENSE: return ((const float *)sa_slab_row(&node->slab, n, c, y))[x];
    case SA_NODE_XHAT: return (a - v[0]) * v[1];
    case SA_NODE_AFFINE: return v[0] * a + v[1];
    case SA_NODE_RELU: return a > 0.0f ? a : 0.0f;
    case SA_NODE_RELU_GRAD: return a > 0.0f ? b : 0.0f;
    case SA_NODE_SCALE: return v[0] * a;
    case SA_NODE_BN_GRAD:
        return (v[0] * v[1]) * ((b - v[3] / node->number.bn_grad.count) - a * (v[2] / node->number.bn_grad.count));
    case SA_NODE_ADD: return a + b;
    case SA_NODE_LRN: return a * power(b, node->number.lrn.beta);
    case SA_NODE_UNPOOL:
    case SA_NODE_POOL_GRAD: return spread_element(source, node, n, c, y, x);
    case SA_NODE_AVE_POOL:
    case SA_NODE_PLANE_LRN_SCALE:
    case SA_NODE_PLANE_LRN_GRAD: return area_element(source, node, n, c, y, x);
    case SA_NODE_AVE_GRAD: return shared_element(source, node, n, c, y, x);
    case SA_NODE_LRN_SCALE:
    case SA_NODE_LRN_GRAD:
    case SA_NODE_CHANNEL_MIX: return channel_element(source, node, n, c, y, x);
    case SA_NODE_DROPOUT: {
        uint64_t index = (((uint64_t)n * (uint64_t)node->channels + (uint64_t)c) * (uint64_t)node->height + (uint64_t)y) *
                             (uint64_t)node->width +
                         (uint64_t)x;
        const sa_step_state *state = node->vector[0].ptr;
        return sa_dropout_keep(node->number.dropout.seed, state->step, index, node->number.dropout.ratio)
                   ? a * node->number.dropout.factor
                   : 0.0f;
    }
    case SA_NODE_SPREAD:
        return ((const float *)node->vector[0].ptr)[sa_spread_index(&node->spread, n, c) + (size_t)(y * node->spread.row) +
                                                    (size_t)(x * node->spread.column)];
    case SA_NODE_MAP: b = a; /* what a map of one value is given as the second does not matter */ // fall through
    case SA_NODE_MAP2: return map_element(node, a, b, node->vector[0].ptr ? v[0] : node->number.map.p);
    case SA_NODE_KINDS: break;
    }
    return NAN;
}

sa_test_value sa_test_expected(const sa_source *source, int n)
{
    const sa_node *root = sa_source_root(source);
    sa_test_value out = sa_test_poisoned(n, root->channels, root->height, root->width);
    size_t i = 0;
    for (int image = 0; image < n; image++)
        for (int c = 0; c < out.c; c++)
            for (int y = 0; y < out.h; y++)
                for (int x = 0; x < out.w; x++) out.data[i++] = element(source, source->count - 1, image, c, y, x);
    return out;
}

void sa_test_check_source(const char *what, const sa_source *source, int n)
{
    sa_test_value want = sa_test_expected(source, n);
    for (int threads = 1; threads <= 3; threads++) {
        sa_test_value got = sa_test_materialize(source, n, threads);
        sa_assert_same_bits(what, got.data, want.data, sa_test_count(&want));
    }
}
