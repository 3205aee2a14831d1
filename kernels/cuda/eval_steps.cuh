/* What each node computes, at SA_EVAL_LANES places a thread: the one definition of it on CUDA. The interpreter (eval.cuh) gives a
 * step's kind, encoding and window as it finds them in the program, a compiled program (eval_compiled.cuh) as constants.
 *
 * Formulas are those of kernels/source.h in the same order, without contraction (nvcc -fmad=false), so values have the bits of the
 * CPU's. Threads do not communicate here: a kernel may call this in divergent code. */
#ifndef SA_CUDA_EVAL_STEPS_CUH
#define SA_CUDA_EVAL_STEPS_CUH

#include "kernels/cuda/eval_program.cuh"
#include "kernels/vector_math.h"

/* The places: one image and channel, rows and columns a lane. Lanes whose bit of `valid` is 0 may lie outside: nothing is read for
 * them and their values are 0. */
struct sa_lanes {
    int n, c;
    int y[SA_EVAL_LANES], x[SA_EVAL_LANES];
    unsigned valid;
};

enum { SA_ALL_LANES = (1 << SA_EVAL_LANES) - 1 };

/* Lanes at columns x, x + stride, ... of one row, valid below `width`. */
__device__ __forceinline__ sa_lanes sa_row_lanes(int n, int c, int y, int x, int stride, int width)
{
    sa_lanes at;
    at.n = n, at.c = c, at.valid = 0;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        at.y[e] = y;
        at.x[e] = x + e * stride;
        if (at.x[e] < width) at.valid |= 1u << e;
    }
    return at;
}

/* Row y of channel c of image n of the step's slab. */
__device__ __forceinline__ const void *sa_data_row(const sa_eval_step &s, int n, int c, int y)
{
    return (const char *)s.data + (size_t)(n - s.data_image) * s.image_pitch + (size_t)(c - s.data_channel) * s.plane_pitch +
           (size_t)y * s.row_pitch;
}

/* value: 0 before, and after for lanes that are not valid. */
__device__ __forceinline__ void sa_step_dense(int encoding, const sa_eval_step &s, const sa_lanes &at,
                                              float (&value)[SA_EVAL_LANES])
{
    if (encoding == SA_F32) {
        const float *first = (const float *)sa_data_row(s, at.n, at.c, at.y[0]) + at.x[0];
        bool quad = at.valid == SA_ALL_LANES && ((size_t)first & 15) == 0;
#pragma unroll
        for (int e = 1; e < SA_EVAL_LANES; e++) quad = quad && at.y[e] == at.y[0] && at.x[e] == at.x[0] + e;
        if (quad) {
            float4 v = *(const float4 *)first;
            value[0] = v.x, value[1] = v.y, value[2] = v.z, value[3] = v.w;
            return;
        }
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++)
            if (at.valid >> e & 1) value[e] = ((const float *)sa_data_row(s, at.n, at.c, at.y[e]))[at.x[e]];
        return;
    }
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        if (!(at.valid >> e & 1)) continue;
        const void *row = sa_data_row(s, at.n, at.c, at.y[e]);
        if (encoding == SA_BF16) value[e] = sa_float_from_bits((uint32_t)((const uint16_t *)row)[at.x[e]] << 16);
        else value[e] = (float)((const uint8_t *)row)[at.x[e]];
    }
}

/* Not inlined: the formulas of all maps would be in every kernel that interprets, and their registers too. */
static __device__ __noinline__ float sa_map_any(int kind, float a, float b, float p, float q, float r)
{
    switch ((sa_map_kind)kind) {
#define SA_MAP_CASE(kind, name, value) \
    case SA_MAP_##kind: return sa_map_##name(a, b, p, q, r);
        SA_MAPS(SA_MAP_CASE)
#undef SA_MAP_CASE
    case SA_MAP_KINDS: break;
    }
    return 0.0f;
}

/* The element of a step's k-th vector for the places; 1 if it has none. */
__device__ __forceinline__ float sa_vector_element(const sa_eval_step &s, int k, const sa_lanes &at)
{
    return s.vector[k] ? s.vector[k][sa_spread_index(&s.spread, at.n, at.c)] : 1.0f;
}

/* Does the mask of window (py, px) of the step's slab point at (y, x)? */
__device__ __forceinline__ bool sa_mask_points_at(int encoding, const sa_window &w, const sa_eval_step &s, int n, int c, int py,
                                                  int px, int y, int x)
{
    const void *row = sa_data_row(s, n, c, py);
    if (encoding == SA_F32) return ((const float *)row)[px] == (float)(y * s.width + x);
    int bits = encoding == SA_MASK2 ? 2 : 4, per_word = 32 / bits;
    unsigned word = ((const unsigned *)row)[px / per_word];
    int code = (int)(word >> (bits * (px % per_word)) & ((1u << bits) - 1));
    int dy = y - (py * w.stride_h - w.pad_h), dx = x - (px * w.stride_w - w.pad_w);
    return code == dy * w.kernel_w + dx && dx >= 0 && dx < w.kernel_w;
}

/* The first window that reaches position `at` along an axis. */
__device__ __forceinline__ int sa_first_window(int at, int kernel, int stride, int pad)
{
    int reach = at + pad - kernel + 1;
    return reach <= 0 ? 0 : (reach + stride - 1) / stride;
}

/* The j-th place: lanes that read nothing there are not valid. */
__device__ __forceinline__ void sa_place(int kind, int encoding, const sa_window &w, const sa_eval_step &s, const sa_lanes &at,
                                         int j, sa_lanes &place)
{
    place = at;
    if (kind == SA_NODE_CHANNEL_MIX) {
        place.c = j;
        return;
    }
    if (kind == SA_NODE_LRN_SCALE || kind == SA_NODE_LRN_GRAD) {
        place.c = at.c - (s.channels_read - 1) / 2 + j;
        if (place.c >= 0 && place.c < s.channels) return;
        place.c = at.c; /* the steps inside read vectors by it */
        place.valid = 0;
        return;
    }
    place.valid = 0;
    if (kind == SA_NODE_AVE_POOL || kind == SA_NODE_PLANE_LRN_SCALE || kind == SA_NODE_PLANE_LRN_GRAD) {
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            if (!(at.valid >> e & 1)) continue;
            const int y = at.y[e] * w.stride_h - w.pad_h + j / w.kernel_w, x = at.x[e] * w.stride_w - w.pad_w + j % w.kernel_w;
            if (y < 0 || y >= s.data_height || x < 0 || x >= s.data_width) continue;
            place.y[e] = y, place.x[e] = x;
            place.valid |= 1u << e;
        }
        return;
    }
    int columns = (w.kernel_w + w.stride_w - 1) / w.stride_w;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        if (!(at.valid >> e & 1)) continue;
        int py = sa_first_window(at.y[e], w.kernel_h, w.stride_h, w.pad_h) + j / columns;
        int px = sa_first_window(at.x[e], w.kernel_w, w.stride_w, w.pad_w) + j % columns;
        bool reaches =
            py < s.data_height && px < s.data_width && py * w.stride_h - w.pad_h <= at.y[e] && px * w.stride_w - w.pad_w <= at.x[e];
        if (!reaches) continue;
        if (kind != SA_NODE_AVE_GRAD && !sa_mask_points_at(encoding, w, s, at.n, at.c, py, px, at.y[e], at.x[e])) continue;
        place.y[e] = py, place.x[e] = px;
        place.valid |= 1u << e;
    }
}

/* What average pooling divides window number j of those that lane e lies in by. */
__device__ __forceinline__ float sa_pixels_of_place(const sa_eval_step &s, const sa_lanes &at, int e, int j)
{
    const sa_window &w = s.window;
    const int columns = (w.kernel_w + w.stride_w - 1) / w.stride_w;
    return sa_window_pixels(&w, s.height, s.width, sa_first_window(at.y[e], w.kernel_h, w.stride_h, w.pad_h) + j / columns,
                            sa_first_window(at.x[e], w.kernel_w, w.stride_w, w.pad_w) + j % columns);
}

/* Adds the inside value of place j to the step's sum. */
__device__ __forceinline__ void sa_collect(int kind, const sa_eval_step &s, const sa_lanes &at, int j, unsigned valid,
                                           const float (&inside)[SA_EVAL_LANES], float (&sum)[SA_EVAL_LANES])
{
    float factor = kind == SA_NODE_CHANNEL_MIX ? s.vector[0][(size_t)j * (size_t)s.channels + (size_t)at.c] : 0.0f;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        if (!(valid >> e & 1)) continue;
        float v = inside[e];
        if (kind == SA_NODE_UNPOOL) sum[e] = v;
        else if (kind == SA_NODE_LRN_SCALE || kind == SA_NODE_PLANE_LRN_SCALE) sum[e] = sum[e] + v * v;
        else if (kind == SA_NODE_AVE_GRAD) sum[e] = sum[e] + v / sa_pixels_of_place(s, at, e, j);
        else if (kind == SA_NODE_CHANNEL_MIX) sum[e] = sum[e] + factor * v;
        else /* POOL_GRAD, AVE_POOL, LRN_GRAD, PLANE_LRN_GRAD */ sum[e] = sum[e] + v;
    }
}

/* value[e] = expression, for each lane e. Also for lanes that are not valid: whoever takes a root's value drops those. */
#define SA_EACH_LANE(expression) _Pragma("unroll") for (int e = 0; e < SA_EVAL_LANES; e++) value[e] = (expression)

/* A step that reads only at its own place. a, b, c: operands; value: in case of LRN_GRAD and LRN_SCALE the sum, out the result. */
__device__ __forceinline__ void sa_step_here(int kind, const sa_eval_step &s, const sa_lanes &at, const float (&a)[SA_EVAL_LANES],
                                             const float (&b)[SA_EVAL_LANES], const float (&c)[SA_EVAL_LANES],
                                             float (&value)[SA_EVAL_LANES])
{
    switch ((sa_node_kind)kind) { /* all of them: g++ refuses a kind that is missing */
    case SA_NODE_DENSE:           /* in sa_step_dense */
    case SA_NODE_UNPOOL:          /* the sum is the value, as of the next ones */
    case SA_NODE_POOL_GRAD:
    case SA_NODE_AVE_GRAD:
    case SA_NODE_CHANNEL_MIX: break;
    case SA_NODE_XHAT: {
        const float mean = sa_vector_element(s, 0, at), inv_std = sa_vector_element(s, 1, at);
        SA_EACH_LANE((a[e] - mean) * inv_std);
        break;
    }
    case SA_NODE_AFFINE: {
        const float gamma = sa_vector_element(s, 0, at), beta = sa_vector_element(s, 1, at);
        SA_EACH_LANE(gamma * a[e] + beta);
        break;
    }
    case SA_NODE_SCALE: {
        const float factor = sa_vector_element(s, 0, at);
        SA_EACH_LANE(factor * a[e]);
        break;
    }
    case SA_NODE_BN_GRAD: {
        const float factor = sa_vector_element(s, 0, at) * sa_vector_element(s, 1, at);
        const float dgamma = sa_vector_element(s, 2, at) / s.number.bn_grad.count;
        const float dbeta = sa_vector_element(s, 3, at) / s.number.bn_grad.count;
        SA_EACH_LANE(factor * ((b[e] - dbeta) - a[e] * dgamma));
        break;
    }
    case SA_NODE_RELU: SA_EACH_LANE(a[e] > 0.0f ? a[e] : 0.0f); break;
    case SA_NODE_RELU_GRAD: SA_EACH_LANE(a[e] > 0.0f ? b[e] : 0.0f); break;
    case SA_NODE_ADD: SA_EACH_LANE(a[e] + b[e]); break;
    case SA_NODE_AVE_POOL:
        SA_EACH_LANE(value[e] / sa_window_pixels(&s.window, s.data_height, s.data_width, at.y[e], at.x[e]));
        break;
    case SA_NODE_PLANE_LRN_SCALE: {
        const float factor = s.number.lrn.alpha / (float)(s.window.kernel_h * s.window.kernel_w);
        SA_EACH_LANE(s.number.lrn.k + factor * value[e]);
        break;
    }
    case SA_NODE_PLANE_LRN_GRAD: {
        const float factor = 2.0f * s.number.lrn.alpha * s.number.lrn.beta / (float)(s.window.kernel_h * s.window.kernel_w);
        SA_EACH_LANE(c[e] * sa_negative_powerf(b[e], s.number.lrn.beta) - factor * a[e] * value[e]);
        break;
    }
    case SA_NODE_LRN_SCALE: {
        const float factor = s.number.lrn.alpha / (float)s.channels_read;
        SA_EACH_LANE(s.number.lrn.k + factor * value[e]);
        break;
    }
    case SA_NODE_LRN: SA_EACH_LANE(a[e] * sa_negative_powerf(b[e], s.number.lrn.beta)); break;
    case SA_NODE_KINDS: /* SA_STEP_LRN_TERM */
        SA_EACH_LANE(c[e] * a[e] * sa_negative_powerf(b[e], s.number.lrn.beta) / b[e]);
        break;
    case SA_NODE_LRN_GRAD: {
        const float factor = 2.0f * s.number.lrn.alpha * s.number.lrn.beta / (float)s.channels_read;
        SA_EACH_LANE(c[e] * sa_negative_powerf(b[e], s.number.lrn.beta) - factor * a[e] * value[e]);
        break;
    }
    case SA_NODE_DROPOUT: {
        const uint32_t step = ((const sa_step_state *)s.vector[0])->step;
        const uint64_t first = ((uint64_t)at.n * (uint64_t)s.channels + (uint64_t)at.c) * (uint64_t)s.height;
        SA_EACH_LANE(sa_dropout_keep(s.number.dropout.seed, step,
                                     (first + (uint64_t)at.y[e]) * (uint64_t)s.width + (uint64_t)at.x[e], s.number.dropout.ratio)
                         ? a[e] * s.number.dropout.factor
                         : 0.0f);
        break;
    }
    case SA_NODE_SPREAD: {
        const float *from = s.vector[0] + sa_spread_index(&s.spread, at.n, at.c);
        SA_EACH_LANE(at.valid >> e & 1 ? from[(size_t)at.y[e] * s.spread.row + (size_t)at.x[e] * s.spread.column] : 0.0f);
        break;
    }
    case SA_NODE_MAP:
    case SA_NODE_MAP2: {
        const float p = s.vector[0] ? sa_vector_element(s, 0, at) : s.number.map.p;
        const bool two = kind == SA_NODE_MAP2;
        SA_EACH_LANE(sa_map_any(s.number.map.kind, a[e], two ? b[e] : a[e], p, s.number.map.q, s.number.map.r));
        break;
    }
    }
}

/* Lanes of one row at neighbouring columns: in one access where that can be. row: the row's first element. */
__device__ __forceinline__ void sa_store_lanes(float *row, const sa_lanes &at, const float (&value)[SA_EVAL_LANES])
{
    float *target = row + at.x[0];
    if (at.valid == SA_ALL_LANES && ((size_t)target & 15) == 0) {
        *(float4 *)target = make_float4(value[0], value[1], value[2], value[3]);
        return;
    }
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++)
        if (at.valid >> e & 1) target[e] = value[e];
}
__device__ __forceinline__ void sa_load_lanes(const float *row, const sa_lanes &at, float (&value)[SA_EVAL_LANES])
{
    const float *from = row + at.x[0];
    if (at.valid == SA_ALL_LANES && ((size_t)from & 15) == 0) {
        const float4 v = *(const float4 *)from;
        value[0] = v.x, value[1] = v.y, value[2] = v.z, value[3] = v.w;
        return;
    }
    SA_EACH_LANE(at.valid >> e & 1 ? from[e] : 0.0f);
}

/* A root's value, whose lanes that are not valid are 0. */
__device__ __forceinline__ void sa_drop_invalid(unsigned valid, float (&value)[SA_EVAL_LANES])
{
    SA_EACH_LANE(valid >> e & 1 ? value[e] : 0.0f);
}

#endif
