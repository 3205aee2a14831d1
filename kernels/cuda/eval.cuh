/* The evaluator: computes a source's value at SA_EVAL_LANES places a thread. See eval_program.cuh for the idea.
 *
 * Formulas are those of kernels/source.h in the same order, without contraction (nvcc -fmad=false), so values have the bits of the
 * CPU's, but for powers other than 3/4. Threads do not communicate here: a kernel may call this in divergent code. */
#ifndef SA_CUDA_EVAL_CUH
#define SA_CUDA_EVAL_CUH

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

/* One slot is SA_EVAL_LANES planes of blockDim.x floats: neighbouring threads in neighbouring banks. */
__device__ __forceinline__ float *sa_slot(float *slots, int slot)
{
    return slots + (unsigned)(slot * SA_EVAL_LANES) * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ void sa_load_operand(int operand, float *slots, const float (&last)[SA_EVAL_LANES],
                                                float (&value)[SA_EVAL_LANES])
{
    if (operand == SA_OPERAND_LAST) {
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) value[e] = last[e];
    } else if (operand >= 0) {
        const float *slot = sa_slot(slots, operand);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) value[e] = slot[(unsigned)e * blockDim.x];
    }
}

__device__ __forceinline__ size_t sa_data_row(const sa_eval_step &s, int n, int c, int y)
{
    size_t plane = (size_t)(n - s.data_image) * (size_t)s.data_channels + (size_t)(c - s.data_channel);
    return plane * (size_t)s.data_height + (size_t)y;
}

__device__ __forceinline__ void sa_step_dense(const sa_eval_step &s, const sa_lanes &at, float (&value)[SA_EVAL_LANES])
{
    if (s.encoding == SA_F32) {
        const float *data = (const float *)s.data;
        const float *first = data + sa_data_row(s, at.n, at.c, at.y[0]) * (size_t)s.data_width + at.x[0];
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
            if (at.valid >> e & 1) value[e] = data[sa_data_row(s, at.n, at.c, at.y[e]) * (size_t)s.data_width + at.x[e]];
        return;
    }
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        if (!(at.valid >> e & 1)) continue;
        size_t i = sa_data_row(s, at.n, at.c, at.y[e]) * (size_t)s.data_width + at.x[e];
        if (s.encoding == SA_BF16) value[e] = sa_float_from_bits((uint32_t)((const uint16_t *)s.data)[i] << 16);
        else value[e] = (float)((const uint8_t *)s.data)[i];
    }
}

/* b^-beta */
__device__ __forceinline__ float sa_negative_power(float b, float beta)
{
    if (beta == 0.75f) {
        float root = sqrtf(b);
        return 1.0f / (root * sqrtf(root));
    }
    return sa_expf(-beta * sa_logf(b));
}

/* Does the mask of window (py, px) of the step's slab point at (y, x)? */
__device__ __forceinline__ bool sa_mask_points_at(const sa_eval_step &s, int n, int c, int py, int px, int y, int x)
{
    size_t row = sa_data_row(s, n, c, py);
    if (s.encoding == SA_F32) return ((const float *)s.data)[row * (size_t)s.data_width + px] == (float)(y * s.width + x);
    int bits = s.encoding == SA_MASK2 ? 2 : 4, per_word = 32 / bits;
    size_t words = (size_t)((s.data_width + per_word - 1) / per_word);
    unsigned word = ((const unsigned *)s.data)[row * words + (size_t)(px / per_word)];
    int code = (int)(word >> (bits * (px % per_word)) & ((1u << bits) - 1));
    int dy = y - (py * s.window.stride_h - s.window.pad_h), dx = x - (px * s.window.stride_w - s.window.pad_w);
    return code == dy * s.window.kernel_w + dx && dx >= 0 && dx < s.window.kernel_w;
}

/* The first window that reaches position `at` along an axis. */
__device__ __forceinline__ int sa_first_window(int at, int kernel, int stride, int pad)
{
    int reach = at + pad - kernel + 1;
    return reach <= 0 ? 0 : (reach + stride - 1) / stride;
}

/* The j-th place: lanes that read nothing there are not valid. */
__device__ __forceinline__ void sa_place(const sa_eval_step &s, const sa_lanes &at, int j, sa_lanes &place)
{
    place = at;
    if (s.kind == SA_NODE_CHANNEL_MIX) {
        place.c = j;
        return;
    }
    if (s.kind == SA_NODE_LRN_SCALE || s.kind == SA_NODE_LRN_GRAD) {
        place.c = at.c - (s.channels_read - 1) / 2 + j;
        if (place.c >= 0 && place.c < s.channels) return;
        place.c = at.c; /* the steps inside read vectors by it */
        place.valid = 0;
        return;
    }
    const sa_window &w = s.window;
    int columns = (w.kernel_w + w.stride_w - 1) / w.stride_w;
    place.valid = 0;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        if (!(at.valid >> e & 1)) continue;
        int py = sa_first_window(at.y[e], w.kernel_h, w.stride_h, w.pad_h) + j / columns;
        int px = sa_first_window(at.x[e], w.kernel_w, w.stride_w, w.pad_w) + j % columns;
        bool reaches =
            py < s.data_height && px < s.data_width && py * w.stride_h - w.pad_h <= at.y[e] && px * w.stride_w - w.pad_w <= at.x[e];
        if (!reaches || !sa_mask_points_at(s, at.n, at.c, py, px, at.y[e], at.x[e])) continue;
        place.y[e] = py, place.x[e] = px;
        place.valid |= 1u << e;
    }
}

/* Adds the inside value of place j to the step's sum. */
__device__ __forceinline__ void sa_collect(const sa_eval_step &s, const sa_lanes &at, int j, unsigned valid,
                                           const float (&inside)[SA_EVAL_LANES], float (&sum)[SA_EVAL_LANES])
{
    float factor = s.kind == SA_NODE_CHANNEL_MIX ? s.vector[0][(size_t)j * (size_t)s.channels + (size_t)at.c] : 0.0f;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        if (!(valid >> e & 1)) continue;
        float v = inside[e];
        if (s.kind == SA_NODE_UNPOOL) sum[e] = v;
        else if (s.kind == SA_NODE_LRN_SCALE) sum[e] = sum[e] + v * v;
        else if (s.kind == SA_NODE_CHANNEL_MIX) sum[e] = sum[e] + factor * v;
        else /* POOL_GRAD, LRN_GRAD */ sum[e] = sum[e] + v;
    }
}

/* A step that reads only at its own place. a, b, c: operands; value: in case of LRN_GRAD and LRN_SCALE the sum, out the result. */
__device__ __forceinline__ void sa_step_here(const sa_eval_step &s, const sa_lanes &at, const float (&a)[SA_EVAL_LANES],
                                             const float (&b)[SA_EVAL_LANES], const float (&c)[SA_EVAL_LANES],
                                             float (&value)[SA_EVAL_LANES])
{
    float v0 = 0.0f, v1 = 0.0f, v2 = 0.0f;
    uint64_t first = 0;
    uint32_t step = 0;
    switch (s.kind) { /* what is the same for all lanes */
    case SA_NODE_XHAT:
    case SA_NODE_AFFINE: v0 = s.vector[0][at.c], v1 = s.vector[1][at.c]; break;
    case SA_NODE_SCALE: v0 = s.vector[0][at.c]; break;
    case SA_NODE_BN_GRAD:
        v0 = s.vector[0][at.c] * s.vector[1][at.c];
        v1 = s.vector[2][at.c] / s.number.bn_grad.count;
        v2 = s.vector[3][at.c] / s.number.bn_grad.count;
        break;
    case SA_NODE_LRN_SCALE: v0 = s.number.lrn.alpha / (float)s.channels_read; break;
    case SA_NODE_LRN_GRAD: v0 = 2.0f * s.number.lrn.alpha * s.number.lrn.beta / (float)s.channels_read; break;
    case SA_NODE_DROPOUT:
        step = ((const sa_step_state *)s.vector[0])->step;
        first = ((uint64_t)at.n * (uint64_t)s.channels + (uint64_t)at.c) * (uint64_t)s.height;
        break;
    }
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        if (!(at.valid >> e & 1)) continue;
        switch ((sa_node_kind)s.kind) { /* all of them: g++ refuses a kind that is missing */
        case SA_NODE_DENSE:             /* in sa_load */
        case SA_NODE_UNPOOL:            /* the sum is the value, as of the next two */
        case SA_NODE_POOL_GRAD:
        case SA_NODE_CHANNEL_MIX: break;
        case SA_NODE_XHAT: value[e] = (a[e] - v0) * v1; break;
        case SA_NODE_AFFINE: value[e] = v0 * a[e] + v1; break;
        case SA_NODE_RELU: value[e] = a[e] > 0.0f ? a[e] : 0.0f; break;
        case SA_NODE_RELU_GRAD: value[e] = a[e] > 0.0f ? b[e] : 0.0f; break;
        case SA_NODE_SCALE: value[e] = v0 * a[e]; break;
        case SA_NODE_BN_GRAD: value[e] = v0 * ((b[e] - v2) - a[e] * v1); break;
        case SA_NODE_ADD: value[e] = a[e] + b[e]; break;
        case SA_NODE_LRN_SCALE: value[e] = s.number.lrn.k + v0 * value[e]; break;
        case SA_NODE_LRN: value[e] = a[e] * sa_negative_power(b[e], s.number.lrn.beta); break;
        case SA_NODE_KINDS: /* SA_STEP_LRN_TERM */
            value[e] = c[e] * a[e] * sa_negative_power(b[e], s.number.lrn.beta) / b[e];
            break;
        case SA_NODE_LRN_GRAD: value[e] = c[e] * sa_negative_power(b[e], s.number.lrn.beta) - v0 * a[e] * value[e]; break;
        case SA_NODE_DROPOUT: {
            uint64_t element = (first + (uint64_t)at.y[e]) * (uint64_t)s.width + (uint64_t)at.x[e];
            value[e] = sa_dropout_keep(s.number.dropout.seed, step, element, s.number.dropout.ratio)
                           ? a[e] * s.number.dropout.factor
                           : 0.0f;
            break;
        }
        }
    }
}

/* A step that has begun to visit places, put away while the group inside runs: words of shared memory, blockDim.x apart. */
enum {
    FRAME_C,
    FRAME_VALID,
    FRAME_PLACE_VALID,
    FRAME_STEP,
    FRAME_PLACE,
    FRAME_Y,
    FRAME_X = FRAME_Y + SA_EVAL_LANES,
    FRAME_SUM = FRAME_X + SA_EVAL_LANES
};
static_assert(FRAME_SUM + SA_EVAL_LANES <= SA_EVAL_FRAME_WORDS, "a frame is too small");

__device__ __forceinline__ void sa_put_away(int *frame, const sa_lanes &at, unsigned place_valid, int step, int j,
                                            const float (&sum)[SA_EVAL_LANES])
{
    frame[FRAME_C * blockDim.x] = at.c;
    frame[FRAME_VALID * blockDim.x] = (int)at.valid;
    frame[FRAME_PLACE_VALID * blockDim.x] = (int)place_valid;
    frame[FRAME_STEP * blockDim.x] = step;
    frame[FRAME_PLACE * blockDim.x] = j;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        frame[(unsigned)(FRAME_Y + e) * blockDim.x] = at.y[e];
        frame[(unsigned)(FRAME_X + e) * blockDim.x] = at.x[e];
        frame[(unsigned)(FRAME_SUM + e) * blockDim.x] = __float_as_int(sum[e]);
    }
}

__device__ __forceinline__ void sa_take_back(const int *frame, sa_lanes &at, unsigned &place_valid, int &step, int &j,
                                             float (&sum)[SA_EVAL_LANES])
{
    at.c = frame[FRAME_C * blockDim.x];
    at.valid = (unsigned)frame[FRAME_VALID * blockDim.x];
    place_valid = (unsigned)frame[FRAME_PLACE_VALID * blockDim.x];
    step = frame[FRAME_STEP * blockDim.x];
    j = frame[FRAME_PLACE * blockDim.x];
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        at.y[e] = frame[(unsigned)(FRAME_Y + e) * blockDim.x];
        at.x[e] = frame[(unsigned)(FRAME_X + e) * blockDim.x];
        sum[e] = __int_as_float(frame[(unsigned)(FRAME_SUM + e) * blockDim.x]);
    }
}

/* A step's value from its operands, into last and its slot. value: the sum over places, if it has any. */
__device__ __forceinline__ void sa_finish_step(const sa_eval_step &s, const sa_lanes &at, float *slots,
                                               float (&value)[SA_EVAL_LANES], float (&last)[SA_EVAL_LANES])
{
    float a[SA_EVAL_LANES] = {}, b[SA_EVAL_LANES] = {}, c[SA_EVAL_LANES] = {};
    if (s.kind == SA_NODE_DENSE) {
        sa_step_dense(s, at, value);
    } else {
        sa_load_operand(s.operand[0], slots, last, a);
        sa_load_operand(s.operand[1], slots, last, b);
        sa_load_operand(s.operand[2], slots, last, c);
        sa_step_here(s, at, a, b, c, value);
    }
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) last[e] = value[e];
    if (s.store < 0) return;
    float *slot = sa_slot(slots, s.store);
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) slot[(unsigned)e * blockDim.x] = value[e];
}

/* Evaluates the program at `at`; the last step's values are left in `last`. The flow of control depends on the program alone, not
 * on data or lanes, so a warp stays together. */
__device__ __forceinline__ void sa_eval_flat(const sa_eval_program &program, const sa_lanes &at, float *slots,
                                             float (&last)[SA_EVAL_LANES])
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) last[e] = 0.0f;
    for (int i = program.begin[0]; i < program.end[0]; i++) {
        float value[SA_EVAL_LANES] = {};
        sa_finish_step(program.step[i], at, slots, value, last);
    }
}

/* The same for programs with groups inside groups: a state machine with a stack of frames behind the slots. */
__device__ __forceinline__ void sa_eval_nested(const sa_eval_program &program, const sa_lanes &root, float *slots,
                                               float (&last)[SA_EVAL_LANES])
{
    int *frames = (int *)sa_slot(slots, program.slots);
    sa_lanes at = root;
    int i = program.begin[0], end = program.end[0], depth = 0;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) last[e] = 0.0f;
    for (;;) {
        int j = 0;
        float value[SA_EVAL_LANES] = {};
        if (i == end) { /* the group's value is in last */
            if (depth == 0) return;
            unsigned place_valid;
            sa_take_back(frames + (unsigned)(--depth * SA_EVAL_FRAME_WORDS) * blockDim.x, at, place_valid, i, j, value);
            sa_collect(program.step[i], at, j, place_valid, last, value);
            end = program.end[program.step[i].group];
            j++;
        }
        const sa_eval_step &s = program.step[i];
        if (s.inside >= 0 && j < s.places) {
            sa_lanes place;
            sa_place(s, at, j, place);
            sa_put_away(frames + (unsigned)(depth++ * SA_EVAL_FRAME_WORDS) * blockDim.x, at, place.valid, i, j, value);
            at = place;
            i = program.begin[s.inside];
            end = program.end[s.inside];
            continue;
        }
        sa_finish_step(s, at, slots, value, last);
        i++;
    }
}

/* The value of a program with one root. NESTED: it may have groups inside groups; else it must not. */
template <bool NESTED>
__device__ __forceinline__ void sa_eval(const sa_eval_program &program, const sa_lanes &at, float *slots,
                                        float (&value)[SA_EVAL_LANES])
{
    if (NESTED) sa_eval_nested(program, at, slots, value);
    else sa_eval_flat(program, at, slots, value);
}

/* The values of a program with two. */
template <bool NESTED>
__device__ __forceinline__ void sa_eval_pair(const sa_eval_program &program, const sa_lanes &at, float *slots,
                                             float (&first)[SA_EVAL_LANES], float (&second)[SA_EVAL_LANES])
{
    float last[SA_EVAL_LANES];
    sa_eval<NESTED>(program, at, slots, last);
    sa_load_operand(program.root[0], slots, last, first);
    sa_load_operand(program.root[1], slots, last, second);
}

#endif
