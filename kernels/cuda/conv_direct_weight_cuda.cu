/* The weight gradient of the direct convolution on CUDA, image by image.
 *
 * dweight[o, c, u, v] = sum over pixels (i, j) of dy[o, i, j] * x[c, i*s+u-p, j*s+v-p]. The tiles of an image are cut into at most
 * 16 runs of equal length, whatever the workspace; a run's sum is float64 over tiles of float32 sums, rounded once; runs are
 * added in order in float64. With room in the workspace each run has a block of its own and a second kernel adds, else one block
 * does all: the same additions, the same bits. */
#include "kernels/cuda/conv_direct.cuh"

enum {
    CHANNELS = 8, /* output channels of a block */
    QUADS = CHANNELS / 4,
    TILE_PIXELS = SA_DIRECT_ROWS * SA_DIRECT_COLUMNS,
    PIECES = TILE_PIXELS / SA_EVAL_LANES,
    PIECE_STRIDE = SA_EVAL_LANES * CHANNELS + 8, /* floats of a piece in shared memory: stores of 4 pieces meet all banks once */
};

/* dy of one tile, CHANNELS channels, as (PIECES, PIECE_STRIDE), of which (SA_EVAL_LANES, CHANNELS) are used; 0 outside the plane
 * and beyond channel_end. */
template <class E>
static __device__ __forceinline__ void load_gradient(const sa_eval_program &dy, const sa_conv_shape &s, int n, int first,
                                                     int channel_end, int y, int x, float *slots, float *shared)
{
    for (int i = (int)threadIdx.x; i < PIECES * CHANNELS; i += SA_EVAL_THREADS) {
        const int o = i % CHANNELS, piece = i / CHANNELS, pixel = piece * SA_EVAL_LANES, row = y + pixel / SA_DIRECT_COLUMNS;
        const bool exists = first + o < channel_end && row < s.out_height;
        sa_lanes at = sa_row_lanes(n, exists ? first + o : first, row, x + pixel % SA_DIRECT_COLUMNS, 1, s.out_width);
        float value[SA_EVAL_LANES];
        if (!exists) at.valid = 0;
        sa_eval<E>(dy, at, slots, value);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) shared[piece * PIECE_STRIDE + e * CHANNELS + o] = value[e];
    }
}

/* Float32 sums of one tile for this thread's tap and four channels, added to its float64 sums. */
static __device__ __forceinline__ void multiply_tile(const sa_conv_shape &s, const sa_direct_tile &tile, const float *pixels,
                                                     const float *gradient, int tap, int quad, double (&sum)[4])
{
    const float *from = pixels + tap / s.kernel_w * tile.width + tap % s.kernel_w;
    float part[4] = {};
    for (int row = 0; row < SA_DIRECT_ROWS; row++) {
        for (int column = 0; column < SA_DIRECT_COLUMNS; column++) {
            const float value = from[row * s.stride_h * tile.width + column * s.stride_w];
            const int pixel = row * SA_DIRECT_COLUMNS + column;
            const float4 d =
                *(const float4 *)(gradient + pixel / SA_EVAL_LANES * PIECE_STRIDE + pixel % SA_EVAL_LANES * CHANNELS + quad * 4);
            part[0] = fmaf(d.x, value, part[0]);
            part[1] = fmaf(d.y, value, part[1]);
            part[2] = fmaf(d.z, value, part[2]);
            part[3] = fmaf(d.w, value, part[3]);
        }
    }
#pragma unroll
    for (int q = 0; q < 4; q++) sum[q] = sum[q] + (double)part[q];
}

/* Grid: input channels x runs of threads over (tap, quad); groups of CHANNELS; chunks, or 1. partial: (chunks, channels, depth)
 * floats, or NULL: this block does all chunks and writes dweight (Cout, depth). */
template <class X, class G>
SA_KERNEL(sa_direct_weight_kernel, sa_eval_block, const __grid_constant__ sa_eval_program x_source,
          const __grid_constant__ sa_eval_program dy_source, const __grid_constant__ sa_conv_shape s, sa_direct_tile tile,
          sa_weight_cut cut, int n, int channel_begin, int channel_end, bool add, float *__restrict__ partial,
          float *__restrict__ dweight)
{
    SA_DYN_SHARED(float, gradient);
    float *pixels = gradient + PIECES * PIECE_STRIDE, *slots = pixels + tile.height * tile.width;
    const int taps = s.kernel_h * s.kernel_w, c = (int)blockIdx.x % s.in_channels;
    const int item = (int)blockIdx.x / s.in_channels * SA_EVAL_THREADS + (int)threadIdx.x, tap = item % taps, quad = item / taps;
    const int first = channel_begin + (int)blockIdx.y * CHANNELS;
    const int chunk_begin = partial ? (int)blockIdx.z : 0, chunk_end = partial ? chunk_begin + 1 : cut.chunks;
    double total[4] = {};
    for (int chunk = chunk_begin; chunk < chunk_end; chunk++) {
        double sum[4] = {};
        for (int t = chunk * cut.per_chunk; t < (chunk + 1) * cut.per_chunk && t < cut.tiles; t++) {
            const int y = t / cut.across * SA_DIRECT_ROWS, x = t % cut.across * SA_DIRECT_COLUMNS;
            __syncthreads();
            sa_load_tile<X>(x_source, tile, n, c, y * s.stride_h - s.pad_h, x * s.stride_w - s.pad_w, s.in_height, s.in_width,
                            slots, pixels);
            load_gradient<G>(dy_source, s, n, first, channel_end, y, x, slots, gradient);
            __syncthreads();
            if (quad < QUADS) multiply_tile(s, tile, pixels, gradient, tap, quad, sum);
        }
#pragma unroll
        for (int q = 0; q < 4; q++) total[q] = total[q] + (double)(float)sum[q];
    }
    const size_t depth = (size_t)s.in_channels * (size_t)taps, place = (size_t)c * (size_t)taps + (size_t)tap;
#pragma unroll
    for (int q = 0; q < 4; q++) {
        const int o = first + quad * 4 + q;
        if (quad >= QUADS || o >= channel_end) continue;
        if (partial)
            partial[((size_t)blockIdx.z * (size_t)(channel_end - channel_begin) + (size_t)(o - channel_begin)) * depth + place] =
                (float)total[q];
        else dweight[(size_t)o * depth + place] = (add ? dweight[(size_t)o * depth + place] : 0.0f) + (float)total[q];
    }
}

/* dweight = the chunks' sums, added in order. partial: (chunks, count). */
SA_KERNEL(sa_direct_weight_sum_kernel, sa_eval_block, const float *__restrict__ partial, int chunks, size_t count, bool add,
          float *__restrict__ dweight)
{
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        double sum = 0.0;
        for (int k = 0; k < chunks; k++) sum = sum + (double)partial[(size_t)k * count + i];
        dweight[i] = (add ? dweight[i] : 0.0f) + (float)sum;
    }
}
SA_EVAL_REGISTER_PAIR(sa_direct_weight_kernel, SA_DENSE_PAIR_FORMS)
SIMT_KERNEL(sa_direct_weight_sum_kernel)

sa_status sa_direct_weight_gradient(sa_cuda_device *device, const sa_conv_backward_args *args, void *workspace,
                                    size_t workspace_bytes)
{
    const sa_conv_shape *s = &args->shape;
    const sa_direct_tile tile = sa_direct_tile_of(s);
    const sa_weight_cut cut = sa_cuda_plan_weight_cut(s);
    const int begin = args->range.channel_begin, end = args->range.channel_end, taps = s->kernel_h * s->kernel_w;
    const size_t depth = sa_conv_depth(s), count = (size_t)(end - begin) * depth;
    sa_eval_program x, dy;
    SA_TRY(sa_compile_one(&args->x, &x));
    SA_TRY(sa_compile_one(&args->dy, &dy));
    const size_t tile_bytes = ((size_t)PIECES * PIECE_STRIDE + (size_t)tile.height * (size_t)tile.width) * sizeof(float);
    const size_t shared_bytes = sa_eval_slot_bytes({&x, &dy}) + tile_bytes;
    if (shared_bytes > SA_DYN_SHARED_MAX)
        SA_FAIL(SA_UNSUPPORTED,
                "direct convolution: the weight gradient of a %dx%d kernel at stride %dx%d needs %zu bytes of shared memory, "
                "%d are there",
                s->kernel_h, s->kernel_w, s->stride_h, s->stride_w, shared_bytes, SA_DYN_SHARED_MAX);
    float *dweight = (float *)args->dweight.ptr;
    float *partial = sa_cuda_plan_weight_bytes(s, end - begin, workspace_bytes) ? (float *)workspace : nullptr;
    const int item_blocks = (taps * QUADS + SA_EVAL_THREADS - 1) / SA_EVAL_THREADS;
    const dim3 grid((unsigned)(s->in_channels * item_blocks), (unsigned)((end - begin + CHANNELS - 1) / CHANNELS),
                    partial ? (unsigned)cut.chunks : 1);
    for (int n = args->range.image_begin; n < args->range.image_end; n++) {
        const bool add = args->accumulate || n > args->range.image_begin;
        SA_EVAL_LAUNCH_PAIR(sa_direct_weight_kernel, SA_DENSE_PAIR_FORMS, x, dy, grid, tile_bytes, device->stream, x, dy, *s, tile,
                            cut, n, begin, end, add, partial, dweight);
        if (partial)
            SA_CUDA_TRY(sa_launch(sa_direct_weight_sum_kernel, sa_blocks_for(count, SA_EVAL_THREADS), 0, device->stream,
                                  (const float *)partial, cut.chunks, count, add, dweight + (size_t)begin * depth));
    }
    return SA_OK;
}
