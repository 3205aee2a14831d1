/* The direct convolution's weight gradient on CUDA: dweight[m, (c, u, v)] = sum over pixels of dy[m, pixel] * x[c, place].
 *
 * A block takes 64 (or 16) output channels by 128 (or 64) weights and goes through a run of slabs of 32 pixels. dy lies in shared
 * memory pixel by pixel, x as patches of rows that all taps are read from. Groups of a few channels have a kernel of their own. */
#include "kernels/cuda/conv_tile.cuh"

/* One launch. A run's number counts the runs of all images of the range, in order. Grid: blocks of weights (single: source channels
 * of a group); blocks of output channels (single: output channels); runs side by side, or 1. */
struct sa_weight_launch {
    int image_begin, channel_begin, channel_end;
    int first_channel, blocks_per_group; /* of output channels */
    int run_begin, run_end;              /* runs of this launch */
    bool add;                            /* the first of them is added to what dweight has */
    int buffers;
    float *partial; /* (runs of this launch, channels of the range, weights of a channel), or NULL: one block does them all */
    float *dweight; /* (Cout, weights of a channel) */
};

struct sa_weight_wide {
    static constexpr int channel_threads = 8, weights = 8; /* weights: of a thread */
};
struct sa_weight_narrow {
    static constexpr int channel_threads = 2, weights = 1;
};
enum { CHANNELS = 8 /* of a thread */, PADDED_QUADS = SA_SLAB_PIXELS / SA_EVAL_LANES };

/* Which image a run belongs to, and its slabs. */
struct sa_weight_run {
    int n, begin, end;
};
static __device__ __forceinline__ sa_weight_run run_at(const sa_weight_tile &t, const sa_weight_launch &l, int number)
{
    sa_weight_run r;
    r.n = l.image_begin + number / t.runs;
    r.begin = number % t.runs * t.per_run;
    r.end = min(r.begin + t.per_run, t.slabs);
    return r;
}

/* The first output pixel of a slab. */
static __device__ __forceinline__ void slab_at(const sa_weight_tile &t, int slab, int *row, int *column)
{
    *row = slab / t.across * t.rows;
    *column = slab % t.across << t.columns_log2;
}

/* Where channel m of a pixel lies among `channels` in shared memory. Quads of channels change places with the pixel, so that a warp
 * that stores eight quads of pixels for four channels meets all banks once. */
static __device__ __forceinline__ int place_of(int pixel, int m, int channels)
{
    return pixel * channels + (m ^ (pixel / SA_EVAL_LANES * 4 & (channels - 1)));
}

/* dy of a slab: (SA_SLAB_PIXELS, channels), 0 outside the plane and the channels of the range. begin, end: the block's. */
template <class G>
static __device__ __forceinline__ void load_dy(const sa_program<G> &dy, const sa_conv_shape &s, const sa_weight_tile &t, int n,
                                               int begin, int end, int channels, int row, int column, float *slots, float *shared)
{
    const int columns = 1 << t.columns_log2;
#pragma unroll 1 /* registers are for sums */
    for (int i = (int)threadIdx.x; i < PADDED_QUADS * channels; i += SA_TILE_THREADS) {
        const int m = i / PADDED_QUADS, pixel = i % PADDED_QUADS * SA_EVAL_LANES, y = row + pixel / columns;
        const bool exists = begin + m < end && y < s.out_height;
        sa_lanes at = sa_row_lanes(n, begin + m < end ? begin + m : begin, y, column + pixel % columns, 1, s.out_width);
        float value[SA_EVAL_LANES];
        if (!exists) at.valid = 0;
        sa_eval<G>(dy, at, slots, value);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) shared[place_of(pixel + e, m, channels)] = value[e];
    }
}

/* x of a slab: (count, patch_rows, patch_pitch) from channel `first` of the source on; row r * kernel_h + u is what output row r
 * reads with tap row u. */
template <class X>
static __device__ __forceinline__ void load_x(const sa_program<X> &x, const sa_conv_shape &s, const sa_weight_tile &t, int n,
                                              int first, int count, int row, int column, float *slots, float *shared)
{
    const int per_row = t.patch_pitch / SA_EVAL_LANES, per_channel = t.patch_rows * per_row;
    const int left = column * s.stride_w - s.pad_w - t.shift;
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < count * per_channel; i += SA_TILE_THREADS) {
        const int c = i / per_channel, r = i % per_channel / per_row, q = i % per_row * SA_EVAL_LANES;
        const int y = (row + r / s.kernel_h) * s.stride_h - s.pad_h + r % s.kernel_h * s.dilation_h;
        sa_lanes at;
        float value[SA_EVAL_LANES];
        at.n = n, at.c = first + c, at.valid = 0;
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            at.y[e] = y, at.x[e] = left + q + e;
            if (y >= 0 && y < s.in_height && at.x[e] >= 0 && at.x[e] < s.in_width) at.valid |= 1u << e;
        }
        sa_eval<X>(x, at, slots, value);
        float *into = shared + c * t.channel_floats + r * t.patch_pitch + q;
        if (t.taps > 1) *(float4 *)into = make_float4(value[0], value[1], value[2], value[3]);
        else into[0] = value[0], into[1] = value[1], into[2] = value[2], into[3] = value[3]; /* an odd pitch of channels */
    }
}

static __device__ __forceinline__ void store_weight(const sa_weight_tile &t, const sa_weight_launch &l, int run, int m, int k,
                                                    float sum)
{
    const size_t depth = (size_t)t.sources * (size_t)t.taps, channels = (size_t)(l.channel_end - l.channel_begin);
    if (l.partial) {
        l.partial[((size_t)(run - l.run_begin) * channels + (size_t)(m - l.channel_begin)) * depth + (size_t)k] = sum;
        return;
    }
    float *at = l.dweight + (size_t)m * depth + (size_t)k;
    *at = l.add || run > l.run_begin ? *at + sum : sum;
}

/* sum += dy * x over the pixels of a slab. place: of this thread's weights in x. */
template <class F>
static __device__ __forceinline__ void multiply_slab(const sa_conv_shape &s, const sa_weight_tile &t, const float *dy,
                                                     const float *x, const int (&place)[F::weights],
                                                     float (&sum)[CHANNELS][F::weights])
{
    constexpr int channels = F::channel_threads * CHANNELS;
    const int mine = (int)threadIdx.x / (SA_TILE_THREADS / F::channel_threads) * CHANNELS;
#pragma unroll 2
    for (int p = 0; p < SA_SLAB_PIXELS; p++) {
        const float *from = x + (p >> t.columns_log2) * s.kernel_h * t.patch_pitch + (p & ((1 << t.columns_log2) - 1)) * s.stride_w;
        const float4 a = *(const float4 *)(dy + place_of(p, mine, channels));
        const float4 b = *(const float4 *)(dy + place_of(p, mine + 4, channels));
        const float d[CHANNELS] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
#pragma unroll
        for (int j = 0; j < F::weights; j++) {
            const float value = from[place[j]];
#pragma unroll
            for (int m = 0; m < CHANNELS; m++) sum[m][j] = fmaf(d[m], value, sum[m][j]);
        }
    }
}

template <class X, class G, class F>
SA_KERNEL(sa_tile_weight_kernel, sa_tile_block<X>, const __grid_constant__ sa_program<X> x_source,
          const __grid_constant__ sa_program<G> dy_source, const __grid_constant__ sa_conv_shape s,
          const __grid_constant__ sa_weight_tile t, const __grid_constant__ sa_weight_launch l)
{
    SA_DYN_SHARED(float, buffer);
    constexpr int across = SA_TILE_THREADS / F::channel_threads, channels = F::channel_threads * CHANNELS;
    float *slots = buffer + l.buffers * t.stage_floats;
    const int group = l.first_channel / t.outputs + (int)blockIdx.y / l.blocks_per_group;
    const int begin = (t.groups > 1 ? group * t.outputs : l.first_channel) + (int)blockIdx.y % l.blocks_per_group * channels;
    const int end = min(min(begin + channels, (group + 1) * t.outputs), l.channel_end);
    const int first = (int)blockIdx.x * across * F::weights, weights = t.sources * t.taps, c = first / t.taps;
    const int source_count = min((first + across * F::weights - 1) / t.taps, t.sources - 1) - c + 1;
    int place[F::weights];
#pragma unroll
    for (int j = 0; j < F::weights; j++) {
        const int k = min(first + (int)threadIdx.x % across + j * across, weights - 1), tap = k % t.taps;
        place[j] =
            (k / t.taps - c) * t.channel_floats + tap / s.kernel_w * t.patch_pitch + tap % s.kernel_w * s.dilation_w + t.shift;
    }
    const int own = l.run_begin + (int)blockIdx.z;
    for (int run = own; run < (l.partial ? own + 1 : l.run_end); run++) {
        const sa_weight_run r = run_at(t, l, run);
        float sum[CHANNELS][F::weights] = {};
        for (int slab = r.begin; slab <= r.end; slab++) { /* loads this slab; with two buffers multiplies the one before */
            float *into = buffer + (l.buffers == 2 ? slab % 2 * t.stage_floats : 0);
            if (slab < r.end) {
                int row, column;
                slab_at(t, slab, &row, &column);
                load_dy<G>(dy_source, s, t, r.n, begin, end, channels, row, column, slots, into);
                load_x<X>(x_source, s, t, r.n, group * t.sources + c, source_count, row, column, slots,
                          into + SA_SLAB_PIXELS * channels);
            }
            if (l.buffers == 1) __syncthreads();
            const int j = slab + 1 - l.buffers;
            if (j >= r.begin && j < r.end) {
                const float *from = buffer + (l.buffers == 2 ? j % 2 * t.stage_floats : 0);
                multiply_slab<F>(s, t, from, from + SA_SLAB_PIXELS * channels, place, sum);
            }
            __syncthreads();
        }
        const int mine = begin + (int)threadIdx.x / across * CHANNELS;
#pragma unroll
        for (int m = 0; m < CHANNELS; m++)
#pragma unroll
            for (int j = 0; j < F::weights; j++) {
                const int k = first + (int)threadIdx.x % across + j * across;
                if (k < weights && mine + m < end && mine + m >= l.channel_begin) store_weight(t, l, run, mine + m, k, sum[m][j]);
            }
    }
}

/* One output channel by one source channel. Threads share the taps and, of a tap, the slab's pixels; each pixel's thread goes
 * through all slabs of a run, then the threads of a tap are added in order. */
template <class X, class G>
SA_KERNEL(sa_tile_weight_single_kernel, sa_tile_block<X>, const __grid_constant__ sa_program<X> x_source,
          const __grid_constant__ sa_program<G> dy_source, const __grid_constant__ sa_conv_shape s,
          const __grid_constant__ sa_weight_tile t, const __grid_constant__ sa_weight_launch l)
{
    SA_DYN_SHARED(float, dy);
    __shared__ float sums[SA_TILE_THREADS];
    float *x = dy + SA_SLAB_PIXELS, *slots = dy + t.stage_floats;
    const int c = (int)blockIdx.x, m = l.channel_begin + (int)blockIdx.y, group = m / t.outputs;
    const int own = l.run_begin + (int)blockIdx.z;
    for (int run = own; run < (l.partial ? own + 1 : l.run_end); run++)
        for (int first = 0; first < t.taps; first += SA_TILE_THREADS) {
            const int taps = min((int)SA_TILE_THREADS, t.taps - first),
                      lanes = min((int)SA_TILE_THREADS / taps, (int)SA_SLAB_PIXELS);
            const int lane = (int)threadIdx.x / taps, tap = first + (int)threadIdx.x % taps;
            const int place = tap / s.kernel_w * t.patch_pitch + tap % s.kernel_w * s.dilation_w + t.shift;
            const sa_weight_run r = run_at(t, l, run);
            float sum = 0.0f;
            for (int slab = r.begin; slab < r.end; slab++) {
                int row, column;
                slab_at(t, slab, &row, &column);
                load_dy<G>(dy_source, s, t, r.n, m, m + 1, 1, row, column, slots, dy);
                load_x<X>(x_source, s, t, r.n, group * t.sources + c, 1, row, column, slots, x);
                __syncthreads();
                for (int p = lane; lane < lanes && p < SA_SLAB_PIXELS; p += lanes) {
                    const int i = p >> t.columns_log2, j = p & ((1 << t.columns_log2) - 1);
                    sum = fmaf(dy[p], x[i * s.kernel_h * t.patch_pitch + j * s.stride_w + place], sum);
                }
                __syncthreads();
            }
            sums[threadIdx.x] = sum;
            __syncthreads();
            if ((int)threadIdx.x < taps) {
                float total = sums[threadIdx.x];
                for (int i = 1; i < lanes; i++) total = total + sums[threadIdx.x + i * taps];
                store_weight(t, l, run, m, c * t.taps + tap, total);
            }
            __syncthreads();
        }
}

/* dweight = the runs' sums, added in order. partial: (runs, count). */
SA_KERNEL(sa_tile_weight_sum_kernel, sa_eval_block, const float *__restrict__ partial, int runs, size_t count, bool add,
          float *__restrict__ dweight)
{
    for (size_t i = (size_t)blockIdx.x * SA_EVAL_THREADS + threadIdx.x; i < count; i += (size_t)gridDim.x * SA_EVAL_THREADS) {
        float sum = add ? dweight[i] + partial[i] : partial[i];
        for (int run = 1; run < runs; run++) sum = sum + partial[(size_t)run * count + i];
        dweight[i] = sum;
    }
}

#define SA_WEIGHT_WIDE_FORMS(X, kernel)            \
    X(kernel, sa_dense, sa_dense, sa_weight_wide)  \
    X(kernel, sa_unpool, sa_dense, sa_weight_wide) \
    X(kernel, sa_unpool_bn, sa_dense, sa_weight_wide)
SA_WEIGHT_WIDE_FORMS(SA_REGISTER_FORM, sa_tile_weight_kernel)
SIMT_KERNEL(sa_tile_weight_kernel<sa_flat, sa_flat, sa_weight_wide>)
SIMT_KERNEL(sa_tile_weight_kernel<sa_nested, sa_nested, sa_weight_wide>)
SIMT_KERNEL(sa_tile_weight_kernel<sa_dense, sa_dense, sa_weight_narrow>)
SIMT_KERNEL(sa_tile_weight_kernel<sa_bn, sa_dense, sa_weight_narrow>)
SIMT_KERNEL(sa_tile_weight_kernel<sa_flat, sa_flat, sa_weight_narrow>)
SIMT_KERNEL(sa_tile_weight_kernel<sa_nested, sa_nested, sa_weight_narrow>)
SIMT_KERNEL(sa_tile_weight_single_kernel<sa_dense, sa_dense>)
SIMT_KERNEL(sa_tile_weight_single_kernel<sa_flat, sa_flat>)
SIMT_KERNEL(sa_tile_weight_single_kernel<sa_nested, sa_nested>)
SIMT_KERNEL(sa_tile_weight_sum_kernel)

/* The programs of both operands. */
struct sa_weight_programs {
    sa_eval_program x, dy;
};

static sa_status launch_runs(sa_cuda_device *device, const sa_weight_programs &programs, const sa_conv_shape &s,
                             const sa_weight_tile &t, const sa_weight_launch &l)
{
    const sa_eval_program &x = programs.x, &dy = programs.dy;
    const sa_eval_signature of_x = sa_eval_signature_of(&x), of_dy = sa_eval_signature_of(&dy);
    const bool dense_dy = sa_dense::fits(of_dy), dense = dense_dy && sa_dense::fits(of_x), flat = x.levels == 1 && dy.levels == 1;
    const int weights = sa_weight_tile_weights(&t),
              groups = t.groups > 1 ? (l.channel_end - 1) / t.outputs + 1 - l.first_channel / t.outputs : 1;
    const unsigned runs = l.partial ? (unsigned)(l.run_end - l.run_begin) : 1;
    const dim3 grid((unsigned)((t.sources * t.taps + weights - 1) / weights), (unsigned)(groups * l.blocks_per_group), runs);
    const dim3 single((unsigned)t.sources, (unsigned)(l.channel_end - l.channel_begin), runs);
    const size_t bytes = (size_t)l.buffers * (size_t)t.stage_floats * sizeof(float);
    const char *const name = "sa_tile_weight_kernel";
    const bool unpool = dense_dy && sa_unpool::fits(of_x), unpool_bn = dense_dy && sa_unpool_bn::fits(of_x);
    const bool bn = dense_dy && sa_bn::fits(of_x);
    if (t.single && dense)
        return sa_launch_eval(name, sa_variants(sa_variant(true, false, sa_tile_weight_single_kernel<sa_dense, sa_dense>)),
                              {&x, &dy}, single, bytes, device->stream, x, dy, s, t, l);
    if (t.single)
        return sa_launch_eval(name,
                              sa_variants(sa_variant(flat, true, sa_tile_weight_single_kernel<sa_flat, sa_flat>),
                                          sa_variant(true, true, sa_tile_weight_single_kernel<sa_nested, sa_nested>)),
                              {&x, &dy}, single, bytes, device->stream, x, dy, s, t, l);
    if (dense)
        return sa_launch_eval(name,
                              sa_variants(sa_variant(t.narrow, false, sa_tile_weight_kernel<sa_dense, sa_dense, sa_weight_narrow>),
                                          sa_variant(true, false, sa_tile_weight_kernel<sa_dense, sa_dense, sa_weight_wide>)),
                              {&x, &dy}, grid, bytes, device->stream, x, dy, s, t, l);
    if (t.narrow)
        return sa_launch_eval(name,
                              sa_variants(sa_variant(bn, false, sa_tile_weight_kernel<sa_bn, sa_dense, sa_weight_narrow>),
                                          sa_variant(flat, true, sa_tile_weight_kernel<sa_flat, sa_flat, sa_weight_narrow>),
                                          sa_variant(true, true, sa_tile_weight_kernel<sa_nested, sa_nested, sa_weight_narrow>)),
                              {&x, &dy}, grid, bytes, device->stream, x, dy, s, t, l);
    return sa_launch_eval(name,
                          sa_variants(sa_variant(unpool, false, sa_tile_weight_kernel<sa_unpool, sa_dense, sa_weight_wide>),
                                      sa_variant(unpool_bn, false, sa_tile_weight_kernel<sa_unpool_bn, sa_dense, sa_weight_wide>),
                                      sa_variant(flat, true, sa_tile_weight_kernel<sa_flat, sa_flat, sa_weight_wide>),
                                      sa_variant(true, true, sa_tile_weight_kernel<sa_nested, sa_nested, sa_weight_wide>)),
                          {&x, &dy}, grid, bytes, device->stream, x, dy, s, t, l);
}

/* One buffer instead of two leaves room for the values of programs that are interpreted. */
static sa_status choose_buffers(const sa_weight_programs &programs, const sa_weight_tile &t, int *buffers)
{
    const size_t stage = (size_t)t.stage_floats * sizeof(float), most = SA_DYN_SHARED_MAX - (t.single ? SA_TILE_THREADS * 4 : 0);
    const size_t slots = sa_eval_slot_bytes({&programs.x, &programs.dy}, SA_TILE_THREADS);
    *buffers = !t.single && 2 * stage + slots <= most ? 2 : 1;
    if ((size_t)*buffers * stage + slots > most)
        SA_FAIL(SA_UNSUPPORTED,
                "direct convolution: the weight gradient needs %zu bytes of shared memory for computed inputs beside %zu, "
                "%zu are there",
                slots, stage, most);
    return SA_OK;
}

sa_status sa_tile_weight_gradient(sa_cuda_device *device, const sa_conv_backward_args *args)
{
    const sa_conv_shape *s = &args->shape;
    const sa_weight_tile t = sa_cuda_plan_weight_tile(s);
    const int channels = args->range.channel_end - args->range.channel_begin, block = sa_weight_tile_outputs(&t);
    const int images = args->range.image_end - args->range.image_begin, runs = images * t.runs;
    const size_t depth = sa_conv_depth(s), count = (size_t)channels * depth;
    sa_weight_programs programs;
    SA_TRY(sa_compile_one(&args->x, &programs.x));
    SA_TRY(sa_compile_one(&args->dy, &programs.dy));
    sa_weight_launch l = {};
    SA_TRY(choose_buffers(programs, t, &l.buffers));
    l.image_begin = args->range.image_begin;
    l.channel_begin = args->range.channel_begin, l.channel_end = args->range.channel_end;
    l.first_channel = t.groups > 1 ? l.channel_begin / t.outputs * t.outputs : l.channel_begin;
    l.blocks_per_group = ((t.groups > 1 ? t.outputs : channels) + block - 1) / block;
    l.dweight = (float *)args->dweight.ptr;
    const size_t bytes = sa_cuda_plan_weight_slots(s, &t, channels, images, args->workspace_bytes);
    const int at_once = bytes ? (int)(bytes / (count * sizeof(float))) : runs;
    if (bytes) l.partial = (float *)args->workspace.ptr;
    if (runs == 0 && !args->accumulate)
        return sa_cuda_check(cudaMemsetAsync(l.dweight + (size_t)l.channel_begin * depth, 0, count * sizeof(float), device->stream),
                             "cudaMemsetAsync");
    for (int run = 0; run < runs; run += at_once) {
        l.run_begin = run, l.run_end = run + at_once < runs ? run + at_once : runs;
        l.add = args->accumulate || run > 0;
        SA_TRY(launch_runs(device, programs, *s, t, l));
        if (l.partial)
            SA_CUDA_TRY(sa_launch(sa_tile_weight_sum_kernel, sa_blocks_for(count, SA_EVAL_THREADS), 0, device->stream,
                                  (const float *)l.partial, l.run_end - l.run_begin, count, l.add,
                                  l.dweight + (size_t)l.channel_begin * depth));
    }
    return SA_OK;
}
