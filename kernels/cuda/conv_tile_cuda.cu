/* The direct convolution on CUDA: forward pass and data gradient as products whose operands are made in shared memory, one stage of
 * source channels and taps after the other, in two buffers. Sources are read as they are, also computed ones, each element about
 * once a block; 128 threads keep 64 sums each. */
#include "kernels/cuda/conv_tile.cuh"

/* What a form means for a thread. */
template <int CHANNEL_THREADS, int CHANNELS> struct sa_form {
    static constexpr int channels = CHANNELS;                        /* of a thread */
    static constexpr int across = SA_TILE_THREADS / CHANNEL_THREADS; /* threads side by side over pixels */
    static constexpr int block_channels = CHANNEL_THREADS * CHANNELS;
    static constexpr int pitch = block_channels == 1 ? 1 : block_channels + 4; /* of a product's weights in shared memory */
};
struct sa_wide : sa_form<8, 8> {
};
struct sa_narrow : sa_form<2, 8> {
};
struct sa_single : sa_form<1, 1> {
};

/* One launch. Grid: tiles of a plane; blocks of channels; images x runs (side by side) or images. */
struct sa_tile_launch {
    int image_begin, channel_begin, channel_end;
    int first_channel;    /* of the first block of channels */
    int blocks_per_group; /* of channels */
    int runs_at_once;     /* 1: a block does all runs */
    int buffers;          /* stages in shared memory, 1 or 2 */
    int plane_height, plane_width;
    const float *weight;
    float *partial; /* (images, runs, channels of the range, y.size, x.size), or NULL */
};

/* The channels of a block. */
struct sa_tile_channels_of {
    int group, begin, end;
};
template <class F> static __device__ __forceinline__ sa_tile_channels_of channels_of(const sa_tile &t, const sa_tile_launch &l)
{
    sa_tile_channels_of c;
    const int block = (int)blockIdx.y;
    c.group = l.first_channel / t.outputs + block / l.blocks_per_group;
    const int of_group = t.groups > 1 ? c.group * t.outputs : l.first_channel;
    c.begin = of_group + block % l.blocks_per_group * F::block_channels;
    c.end = min(min(c.begin + F::block_channels, (c.group + 1) * t.outputs), l.channel_end);
    return c;
}

/* Where a stage's products find their operands, in shared memory behind the buffers: (depth) each. */
struct sa_tile_tables {
    int *patch, *weight; /* offsets from the patches' begin, from the stage's first weight */
};
static __device__ __forceinline__ void fill_tables(const sa_tile &t, const sa_tile_tables &tables)
{
    const int taps = t.patch_y.taps * t.patch_x.taps;
    for (int k = (int)threadIdx.x; k < t.depth; k += SA_TILE_THREADS) {
        const int c = k / taps, u = k % taps / t.patch_x.taps, v = k % t.patch_x.taps;
        tables.patch[k] = c * t.patch_floats + u * t.patch_y.tap_step * t.patch_x.size + v * t.patch_x.tap_step;
        tables.weight[k] = c * (int)t.source_stride + u * t.y.weight_step * t.kernel_w + v * t.x.weight_step;
    }
}

/* A stage: source channels [channel, +channels) of the group, taps from (u, v) on. */
struct sa_tile_stage {
    int channel, channels, u, v;
};
static __device__ __forceinline__ sa_tile_stage stage_at(const sa_tile &t, int run_begin, int run_end, int number)
{
    const int down = t.y.taps / t.patch_y.taps, across = t.x.taps / t.patch_x.taps, of_taps = number % (down * across);
    sa_tile_stage s;
    s.channel = run_begin + number / (down * across) * t.stage_channels;
    s.channels = min(t.stage_channels, run_end - s.channel);
    s.u = of_taps / across * t.patch_y.taps;
    s.v = of_taps % across * t.patch_x.taps;
    return s;
}

/* patch: (stage channels, patch_y.size, patch_x.size). row, column: of the block's first output. */
template <class E>
static __device__ __forceinline__ void load_patch(const sa_program<E> &source, const sa_tile &t, const sa_tile_stage &s, int n,
                                                  int group, int row, int column, float *slots, float *patch)
{
    const int per_row = t.patch_x.size / SA_EVAL_LANES, per_channel = t.patch_y.size * per_row;
    const int y = row * t.y.source_step + t.y.source_begin + s.u * t.y.tap_step;
    const int x = column * t.x.source_step + t.x.source_begin + s.v * t.x.tap_step - t.patch_x.shift;
#pragma unroll 1 /* registers are for sums */
    for (int i = (int)threadIdx.x; i < s.channels * per_channel; i += SA_TILE_THREADS) {
        const int c = i / per_channel, r = i % per_channel / per_row, q = i % per_row;
        sa_lanes at;
        float value[SA_EVAL_LANES];
        at.n = n, at.c = group * t.sources + s.channel + c, at.valid = 0;
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            at.y[e] = y + r * t.patch_y.step;
            at.x[e] = x + (q * SA_EVAL_LANES + e) * t.patch_x.step;
            const bool inside = at.y[e] >= 0 && at.y[e] < t.y.source_size && at.x[e] >= 0 && at.x[e] < t.x.source_size;
            if (inside) at.valid |= 1u << e;
        }
        sa_eval<E>(source, at, slots, value);
        *(float4 *)(patch + c * t.patch_floats + r * t.patch_x.size + q * SA_EVAL_LANES) =
            make_float4(value[0], value[1], value[2], value[3]);
    }
}

/* weights: (products of the stage, F::pitch), 0 beyond the block's last channel. Of a warp, eight lanes read neighbouring products
 * of a channel and four of them neighbouring channels: their stores meet all banks once. */
template <class F>
static __device__ __forceinline__ void load_weights(const sa_tile &t, const sa_tile_stage &s, const sa_tile_channels_of &c,
                                                    const float *__restrict__ weight, const int *offsets, float *weights)
{
    const int products = s.channels * t.patch_y.taps * t.patch_x.taps;
    const float *from = weight + (int64_t)s.channel * t.source_stride + (t.y.weight_begin + s.u * t.y.weight_step) * t.kernel_w +
                        t.x.weight_begin + s.v * t.x.weight_step;
    from += c.group * t.group_stride + (c.begin - c.group * t.outputs) * t.output_stride;
    if constexpr (F::block_channels == 1) {
        for (int k = (int)threadIdx.x; k < products; k += SA_TILE_THREADS) weights[k] = from[offsets[k]];
    } else {
#pragma unroll 1
        for (int i = (int)threadIdx.x; i < (products + 7) / 8 * 8 * F::block_channels; i += SA_TILE_THREADS) {
            const int m = i / 8 % F::block_channels, k = i / 8 / F::block_channels * 8 + i % 8;
            if (k < products) weights[k * F::pitch + m] = c.begin + m < c.end ? from[m * t.output_stride + offsets[k]] : 0.0f;
        }
    }
}

template <class F> static __device__ __forceinline__ void take_weights(const float *weights, float (&w)[F::channels])
{
    if constexpr (F::channels == 1) {
        w[0] = weights[0];
    } else {
        const float4 a = *(const float4 *)weights, b = *(const float4 *)(weights + 4);
        w[0] = a.x, w[1] = a.y, w[2] = a.z, w[3] = a.w, w[4] = b.x, w[5] = b.y, w[6] = b.z, w[7] = b.w;
    }
}

/* sum += the products of a stage. place: where this thread's pixels lie in a patch. */
template <class F>
static __device__ __forceinline__ void multiply(int products, const int *offsets, const float *patch, const float *weights,
                                                const int (&place)[SA_TILE_PIXELS], float (&sum)[SA_TILE_PIXELS][F::channels])
{
    weights += threadIdx.x / F::across * F::channels;
#pragma unroll 1
    for (int k = 0; k < products; k++) {
        const float *from = patch + offsets[k];
        float pixel[SA_TILE_PIXELS], w[F::channels];
#pragma unroll
        for (int j = 0; j < SA_TILE_PIXELS; j++) pixel[j] = from[place[j]];
        take_weights<F>(weights + k * F::pitch, w);
#pragma unroll
        for (int j = 0; j < SA_TILE_PIXELS; j++)
#pragma unroll
            for (int m = 0; m < F::channels; m++) sum[j][m] = fmaf(w[m], pixel[j], sum[j][m]);
    }
}

/* The sum of a run for output (i, k) of the lattice, to its place or to the partial sums. */
static __device__ __forceinline__ void put_sum(const sa_tile &t, const sa_tile_launch &l, const sa_tile_sink &sink, int n,
                                               int channel, int i, int k, int run, float sum)
{
    const int y = t.y.out_begin + i * t.y.out_step, x = t.x.out_begin + k * t.x.out_step;
    if (l.partial) {
        const size_t channels = (size_t)(l.channel_end - l.channel_begin),
                     slot = (size_t)(n - l.image_begin) * (size_t)t.runs + (size_t)run;
        const size_t row = (slot * channels + (size_t)(channel - l.channel_begin)) * (size_t)t.y.size + (size_t)i;
        l.partial[row * (size_t)t.x.size + (size_t)k] = sum;
    } else {
        sa_sink_write(sink, n, channel, y, x, l.plane_height, l.plane_width, sum, run == 0, run == t.runs - 1);
    }
}

/* The sums of a run, one channel of each thread after the other, by way of shared memory: neighbouring threads store neighbouring
 * pixels, and addresses do not pile up in registers beside the sums. All threads call; shared: SA_TILE_THREADS * SA_TILE_PIXELS. */
template <class F>
static __device__ __forceinline__ void finish_run(const sa_tile &t, const sa_tile_launch &l, const sa_tile_sink &sink,
                                                  const sa_tile_channels_of &c, int n, int row, int column, int run, float *shared,
                                                  const float (&sum)[SA_TILE_PIXELS][F::channels])
{
    constexpr int pixels = F::across * SA_TILE_PIXELS;
    float *own = shared + (int)threadIdx.x / F::across * pixels + (int)threadIdx.x % F::across;
#pragma unroll
    for (int m = 0; m < F::channels; m++) {
#pragma unroll
        for (int j = 0; j < SA_TILE_PIXELS; j++) own[j * F::across] = sum[j][m];
        __syncthreads();
#pragma unroll 1
        for (int e = (int)threadIdx.x; e < SA_TILE_THREADS * SA_TILE_PIXELS; e += SA_TILE_THREADS) {
            const int channel = c.begin + e / pixels * F::channels + m, p = e % pixels;
            const int i = row + (p >> t.columns_log2), k = column + (p & ((1 << t.columns_log2) - 1));
            if (i < t.y.size && k < t.x.size && channel >= l.channel_begin && channel < c.end)
                put_sum(t, l, sink, n, channel, i, k, run, shared[e]);
        }
        __syncthreads();
    }
}

template <class E, class F>
SA_KERNEL(sa_tile_kernel, sa_tile_block<E>, const __grid_constant__ sa_program<E> source, const __grid_constant__ sa_tile t,
          const __grid_constant__ sa_tile_launch l, const __grid_constant__ sa_tile_sink sink)
{
    SA_DYN_SHARED(float, buffer);
    const sa_tile_tables tables = {(int *)(buffer + l.buffers * t.stage_floats),
                                   (int *)(buffer + l.buffers * t.stage_floats) + t.depth};
    float *slots = buffer + l.buffers * t.stage_floats + (2 * t.depth + 3) / 4 * 4;
    const sa_tile_channels_of c = channels_of<F>(t, l);
    const int n = l.image_begin + (int)blockIdx.z / l.runs_at_once, run = (int)blockIdx.z % l.runs_at_once;
    const int row = (int)blockIdx.x / t.across * t.rows, column = (int)blockIdx.x % t.across << t.columns_log2;
    const int taps = t.patch_y.taps * t.patch_x.taps, weights_at = (t.stage_channels * t.patch_floats + 3) / 4 * 4;
    int place[SA_TILE_PIXELS];
#pragma unroll
    for (int j = 0; j < SA_TILE_PIXELS; j++) {
        const int p = (int)threadIdx.x % F::across + j * F::across;
        place[j] = (p >> t.columns_log2) * t.patch_y.out_step * t.patch_x.size +
                   (p & ((1 << t.columns_log2) - 1)) * t.patch_x.out_step + t.patch_x.shift;
    }
    fill_tables(t, tables);
    __syncthreads();
    for (int r = run; r < (l.runs_at_once > 1 ? run + 1 : t.runs); r++) {
        const int begin = r * t.run_channels, end = min(begin + t.run_channels, t.sources);
        const int stages =
            (end - begin + t.stage_channels - 1) / t.stage_channels * (t.y.taps / t.patch_y.taps) * (t.x.taps / t.patch_x.taps);
        float sum[SA_TILE_PIXELS][F::channels] = {};
        for (int i = 0; i <= stages; i++) { /* loads stage i; with two buffers multiplies the one before */
            if (i < stages) {
                const sa_tile_stage s = stage_at(t, begin, end, i);
                float *into = buffer + (l.buffers == 2 ? i % 2 * t.stage_floats : 0);
                load_patch<E>(source, t, s, n, c.group, row, column, slots, into);
                load_weights<F>(t, s, c, l.weight, tables.weight, into + weights_at);
            }
            if (l.buffers == 1) __syncthreads();
            const int j = i + 1 - l.buffers;
            const int products = j >= 0 && j < stages ? stage_at(t, begin, end, j).channels * taps : 0;
            const float *from = buffer + (l.buffers == 2 ? (j & 1) * t.stage_floats : 0);
            multiply<F>(products, tables.patch, from, from + weights_at, place, sum);
            __syncthreads();
        }
        finish_run<F>(t, l, sink, c, n, row, column, r, buffer, sum);
    }
}

/* Adds the runs of each output in order. Grid: pixels of the lattice; channels of the range; images. */
SA_KERNEL(sa_tile_sum_kernel, sa_eval_block, const __grid_constant__ sa_tile t, const __grid_constant__ sa_tile_launch l,
          const __grid_constant__ sa_tile_sink sink)
{
    const size_t plane = (size_t)t.y.size * (size_t)t.x.size, channels = (size_t)(l.channel_end - l.channel_begin);
    const int n = l.image_begin + (int)blockIdx.z, c = l.channel_begin + (int)blockIdx.y;
    const float *from = l.partial + ((size_t)blockIdx.z * (size_t)t.runs * channels + blockIdx.y) * plane;
    for (size_t p = (size_t)blockIdx.x * SA_EVAL_THREADS + threadIdx.x; p < plane; p += (size_t)gridDim.x * SA_EVAL_THREADS) {
        float sum = from[p];
        for (int run = 1; run < t.runs; run++) sum = sum + from[(size_t)run * channels * plane + p];
        const int i = (int)(p / (size_t)t.x.size), k = (int)(p % (size_t)t.x.size);
        sa_sink_write(sink, n, c, t.y.out_begin + i * t.y.out_step, t.x.out_begin + k * t.x.out_step, l.plane_height, l.plane_width,
                      sum, true, true);
    }
}

#define SA_TILE_FORMS(X, kernel)  \
    X(kernel, sa_dense, sa_wide)  \
    X(kernel, sa_unpool, sa_wide) \
    X(kernel, sa_unpool_bn, sa_wide)
SA_TILE_FORMS(SA_REGISTER_FORM, sa_tile_kernel)
SIMT_KERNEL(sa_tile_kernel<sa_flat, sa_wide>)
SIMT_KERNEL(sa_tile_kernel<sa_nested, sa_wide>)
SIMT_KERNEL(sa_tile_kernel<sa_dense, sa_narrow>)
SIMT_KERNEL(sa_tile_kernel<sa_bn, sa_narrow>)
SIMT_KERNEL(sa_tile_kernel<sa_flat, sa_narrow>)
SIMT_KERNEL(sa_tile_kernel<sa_nested, sa_narrow>)
SIMT_KERNEL(sa_tile_kernel<sa_dense, sa_single>)
SIMT_KERNEL(sa_tile_kernel<sa_flat, sa_single>)
SIMT_KERNEL(sa_tile_kernel<sa_nested, sa_single>)
SIMT_KERNEL(sa_tile_sum_kernel)

/* Launches the kernel of a form whose program fits. */
template <class F>
static sa_status launch_form(sa_cuda_device *device, const sa_eval_program &program, dim3 grid, size_t shared_bytes,
                             const sa_tile &t, const sa_tile_launch &l, const sa_tile_sink &sink)
{
    const char *const name = "sa_tile_kernel";
    const sa_eval_signature signature = sa_eval_signature_of(&program);
    const bool wide = F::block_channels == sa_wide::block_channels, narrow = F::block_channels == sa_narrow::block_channels;
    const bool dense = sa_dense::fits(signature), unpool = wide && sa_unpool::fits(signature);
    const bool unpool_bn = wide && sa_unpool_bn::fits(signature), bn = narrow && sa_bn::fits(signature);
    if (dense)
        return sa_launch_eval(name, sa_variants(sa_variant(true, false, sa_tile_kernel<sa_dense, F>)), {&program}, grid,
                              shared_bytes, device->stream, program, t, l, sink);
    return sa_launch_eval(name,
                          sa_variants(sa_variant(unpool, false, sa_tile_kernel<sa_unpool, sa_wide>),
                                      sa_variant(unpool_bn, false, sa_tile_kernel<sa_unpool_bn, sa_wide>),
                                      sa_variant(bn, false, sa_tile_kernel<sa_bn, sa_narrow>),
                                      sa_variant(program.levels == 1, true, sa_tile_kernel<sa_flat, F>),
                                      sa_variant(true, true, sa_tile_kernel<sa_nested, F>)),
                          {&program}, grid, shared_bytes, device->stream, program, t, l, sink);
}

static sa_status launch_images(sa_cuda_device *device, const sa_eval_program &program, const sa_tile &t, const sa_tile_launch &l,
                               int images, const sa_tile_sink &sink)
{
    const int group_end = t.groups > 1 ? (l.channel_end - 1) / t.outputs + 1 : 1,
              groups = t.groups > 1 ? group_end - l.first_channel / t.outputs : 1;
    const dim3 grid((unsigned)(t.across * t.down), (unsigned)(groups * l.blocks_per_group), (unsigned)(images * l.runs_at_once));
    const size_t bytes = ((size_t)l.buffers * (size_t)t.stage_floats + (size_t)(2 * t.depth + 3) / 4 * 4) * sizeof(float);
    switch (t.form) {
    case SA_TILE_WIDE: SA_TRY(launch_form<sa_wide>(device, program, grid, bytes, t, l, sink)); break;
    case SA_TILE_NARROW: SA_TRY(launch_form<sa_narrow>(device, program, grid, bytes, t, l, sink)); break;
    case SA_TILE_SINGLE: SA_TRY(launch_form<sa_single>(device, program, grid, bytes, t, l, sink)); break;
    }
    if (!l.partial) return SA_OK;
    const dim3 sums(sa_blocks_for((uint64_t)t.y.size * (uint64_t)t.x.size, SA_EVAL_THREADS),
                    (unsigned)(l.channel_end - l.channel_begin), (unsigned)images);
    SA_CUDA_TRY(sa_launch(sa_tile_sum_kernel, sums, 0, device->stream, t, l, sink));
    return SA_OK;
}

sa_status sa_tile_product(sa_cuda_device *device, const sa_source *source, const sa_tile *tile, const sa_tile_work *work,
                          const sa_tile_sink *sink)
{
    const sa_tile &t = *tile;
    const int channels = work->range.channel_end - work->range.channel_begin, block = sa_tile_channels(t.form);
    sa_eval_program program;
    if (t.y.size == 0 || t.x.size == 0) return SA_OK;
    SA_TRY(sa_compile_one(source, &program));
    sa_tile_launch l = {};
    l.channel_begin = work->range.channel_begin, l.channel_end = work->range.channel_end;
    l.first_channel = t.groups > 1 ? l.channel_begin / t.outputs * t.outputs : l.channel_begin;
    l.blocks_per_group = ((t.groups > 1 ? t.outputs : channels) + block - 1) / block;
    l.plane_height = work->plane_height, l.plane_width = work->plane_width;
    l.weight = work->weight;
    const size_t partial = sa_tile_partial_bytes(&t, channels), per_launch = 65535 / (size_t)t.runs;
    size_t images = partial ? work->workspace_bytes / partial : 0;
    if (images > 0) l.partial = work->workspace;
    l.runs_at_once = images > 0 ? t.runs : 1;
    if (images == 0 || images > per_launch) images = per_launch;
    /* One buffer instead of two leaves room for the values of a program that is interpreted. */
    const size_t stage = (size_t)t.stage_floats * sizeof(float), tables = (size_t)(2 * t.depth + 4) * sizeof(float);
    const size_t slots = sa_eval_slot_bytes({&program}, SA_TILE_THREADS);
    l.buffers = 2 * stage + tables + slots <= SA_DYN_SHARED_MAX ? 2 : 1;
    if ((size_t)l.buffers * stage + tables + slots > SA_DYN_SHARED_MAX)
        SA_FAIL(SA_UNSUPPORTED,
                "direct convolution: a computed input needs %zu bytes of shared memory beside %zu of a tile, %d are there", slots,
                stage + tables, SA_DYN_SHARED_MAX);
    for (int n = work->range.image_begin; n < work->range.image_end; n += (int)images) {
        l.image_begin = n;
        const int left = work->range.image_end - n;
        SA_TRY(launch_images(device, program, t, l, left < (int)images ? left : (int)images, *sink));
    }
    return SA_OK;
}

/* ------------------------------------------------------------------ the method ------------------------------------- */

static sa_status forward(sa_cuda_device *device, const sa_conv_forward_args *args, const sa_conv_request *request)
{
    (void)request;
    const sa_tile tile = sa_cuda_plan_forward_tile(&args->shape);
    const sa_tile_work work = {args->range,           (const float *)args->weight.ptr, (float *)args->workspace.ptr,
                               args->workspace_bytes, args->shape.out_height,          args->shape.out_width};
    sa_tile_sink sink = {};
    sink.out = args->y;
    sink.bias = (const float *)args->bias.ptr;
    return sa_tile_product(device, &args->x, &tile, &work, &sink);
}

static sa_status data_gradient(sa_cuda_device *device, const sa_conv_backward_args *args)
{
    const sa_conv_shape *s = &args->shape;
    const sa_tile_work work = {{args->range.image_begin, args->range.image_end, 0, s->in_channels},
                               (const float *)args->weight.ptr,
                               (float *)args->workspace.ptr,
                               args->workspace_bytes,
                               s->in_height,
                               s->in_width};
    sa_tile_sink sink = {};
    sink.out = args->dx;
    sink.bias = (const float *)args->dx_bias.ptr;
    sink.gather = args->gather;
    if (args->gather) sink.mask = args->mask, sink.window = args->window;
    for (int y = 0; y < s->stride_h; y++)
        for (int x = 0; x < s->stride_w; x++) {
            const sa_tile tile = sa_cuda_plan_data_tile(s, y, x);
            SA_TRY(sa_tile_product(device, &args->dy, &tile, &work, &sink));
        }
    return SA_OK;
}

/* dx may lie over x: all of the weight gradient comes first. */
static sa_status backward(sa_cuda_device *device, const sa_conv_backward_args *args, const sa_conv_request *request)
{
    (void)request;
    if (args->dweight.ptr) SA_TRY(sa_tile_weight_gradient(device, args));
    if (args->dx.at.ptr) SA_TRY(data_gradient(device, args));
    return SA_OK;
}

const sa_cuda_conv_method sa_cuda_conv_direct = {forward, backward};
