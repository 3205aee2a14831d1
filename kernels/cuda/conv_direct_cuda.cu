/* Direct convolution on CUDA (SA_CONV_DIRECT): no column matrix, any source, no library. Forward and data gradient.
 *
 * A block makes SA_DIRECT_ROWS x SA_DIRECT_COLUMNS pixels of OUT_CHANNELS channels; input tiles and weights go through shared
 * memory, a thread keeps two pixels of all the channels in registers. Sums run over c, u, v in this order with fused multiply-adds.
 * The data gradient at stride 1 is the same kernel with the kernel turned round; other strides have a plain kernel. */
#include "kernels/cuda/conv_direct.cuh"

enum {
    OUT_CHANNELS = 16,
    WEIGHT_STRIDE = OUT_CHANNELS + 4, /* of a tap's weights in shared memory: stores of 8 taps by 4 channels meet all banks once */
    PIXELS = 2,                       /* rows of a thread: its own and the one half a tile below */
    HALF_ROWS = SA_DIRECT_ROWS / PIXELS,
};
static_assert(HALF_ROWS * SA_DIRECT_COLUMNS == SA_EVAL_THREADS, "a thread takes PIXELS rows of one column");

/* weight[o * out_stride + c * in_stride + (flip ? K - 1 - k : k)] multiplies tap k of input channel c for output channel o. */
struct sa_direct_weight {
    const float *data, *bias; /* bias NULL: none */
    size_t out_stride, in_stride;
    bool flip;
};

/* Weights of one input channel for OUT_CHANNELS output channels, transposed to (taps, WEIGHT_STRIDE); 0 beyond the last channel.
 * Eight threads read neighbouring taps of a channel. */
static __device__ __forceinline__ void load_weights(const sa_direct_weight &w, int taps, int first, int channels, int c,
                                                    float *shared)
{
    const int together = SA_EVAL_THREADS / OUT_CHANNELS, o = (int)threadIdx.x / together;
    const bool exists = first + o < channels;
    const float *from = w.data + (size_t)(exists ? first + o : first) * w.out_stride + (size_t)c * w.in_stride;
    for (int k = (int)threadIdx.x % together; k < taps; k += together)
        shared[k * WEIGHT_STRIDE + o] = exists ? from[w.flip ? taps - 1 - k : k] : 0.0f;
}

/* sum[o] += weight[o] * value for the two pixels of this thread, over the taps of one channel. */
static __device__ __forceinline__ void multiply_tile(const sa_conv_shape &s, const sa_direct_tile &tile, const float *pixels,
                                                     const float *weights, float (&sum)[PIXELS][OUT_CHANNELS])
{
    const int column = (int)(threadIdx.x % SA_DIRECT_COLUMNS) * s.stride_w,
              row = (int)(threadIdx.x / SA_DIRECT_COLUMNS) * s.stride_h;
    const float *above = pixels + row * tile.width + column, *below = above + HALF_ROWS * s.stride_h * tile.width;
    for (int u = 0; u < s.kernel_h; u++) {
        for (int v = 0; v < s.kernel_w; v++) {
            const float a = above[u * tile.width + v], b = below[u * tile.width + v];
            const float4 *quad = (const float4 *)(weights + (u * s.kernel_w + v) * WEIGHT_STRIDE);
#pragma unroll
            for (int q = 0; q < OUT_CHANNELS / 4; q++) {
                const float4 w = quad[q];
                sum[0][4 * q] = fmaf(w.x, a, sum[0][4 * q]);
                sum[0][4 * q + 1] = fmaf(w.y, a, sum[0][4 * q + 1]);
                sum[0][4 * q + 2] = fmaf(w.z, a, sum[0][4 * q + 2]);
                sum[0][4 * q + 3] = fmaf(w.w, a, sum[0][4 * q + 3]);
                sum[1][4 * q] = fmaf(w.x, b, sum[1][4 * q]);
                sum[1][4 * q + 1] = fmaf(w.y, b, sum[1][4 * q + 1]);
                sum[1][4 * q + 2] = fmaf(w.z, b, sum[1][4 * q + 2]);
                sum[1][4 * q + 3] = fmaf(w.w, b, sum[1][4 * q + 3]);
            }
        }
    }
}

/* Grid: tiles of a plane, groups of OUT_CHANNELS channels. s: as seen by this kernel, s.in_* is the source's plane. out: channels
 * [channel_begin, channel_end) of image n. tile_floats: a multiple of 4. */
template <class E>
SA_KERNEL(sa_direct_kernel, sa_eval_block, const __grid_constant__ sa_eval_program source, const __grid_constant__ sa_conv_shape s,
          sa_direct_tile tile, const __grid_constant__ sa_direct_weight w, int n, int channel_begin, int channel_end,
          const __grid_constant__ sa_slab out)
{
    SA_DYN_SHARED(float, weights);
    float *pixels = weights + s.kernel_h * s.kernel_w * WEIGHT_STRIDE, *slots = pixels + tile.height * tile.width;
    const int tiles_across = (s.out_width + SA_DIRECT_COLUMNS - 1) / SA_DIRECT_COLUMNS;
    const int y = (int)blockIdx.x / tiles_across * SA_DIRECT_ROWS, x = (int)blockIdx.x % tiles_across * SA_DIRECT_COLUMNS;
    const int first = channel_begin + (int)blockIdx.y * OUT_CHANNELS;
    float sum[PIXELS][OUT_CHANNELS] = {};
    for (int c = 0; c < s.in_channels; c++) {
        __syncthreads();
        sa_load_tile<E>(source, tile, n, c, y * s.stride_h - s.pad_h, x * s.stride_w - s.pad_w, s.in_height, s.in_width, slots,
                        pixels);
        load_weights(w, s.kernel_h * s.kernel_w, first, channel_end, c, weights);
        __syncthreads();
        multiply_tile(s, tile, pixels, weights, sum);
    }
    const int column = x + (int)(threadIdx.x % SA_DIRECT_COLUMNS), row = y + (int)(threadIdx.x / SA_DIRECT_COLUMNS);
#pragma unroll
    for (int p = 0; p < PIXELS; p++) {
        if (column >= s.out_width || row + p * HALF_ROWS >= s.out_height) continue;
#pragma unroll
        for (int o = 0; o < OUT_CHANNELS; o++) {
            if (first + o >= channel_end) continue;
            const float bias = w.bias ? w.bias[first + o] : 0.0f;
            ((float *)sa_slab_row(&out, n, first + o, row + p * HALF_ROWS))[column] = sum[p][o] + bias;
        }
    }
}

/* The data gradient at strides above 1: one thread a piece of dx, over o, u, v. pieces: of dx's rows; s: the forward shape. */
template <class E>
SA_KERNEL(sa_direct_strided_kernel, sa_eval_block, const __grid_constant__ sa_eval_program dy,
          const __grid_constant__ sa_pieces pieces, const __grid_constant__ sa_conv_shape s, const float *__restrict__ weight,
          const __grid_constant__ sa_slab out)
{
    SA_DYN_SHARED(float, slots);
    const int taps = s.kernel_h * s.kernel_w;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        const sa_piece piece = sa_piece_at(pieces, i);
        float sum[SA_EVAL_LANES] = {};
        for (int j = 0; j < s.out_channels * taps; j++) {
            const int o = j / taps, u = j % taps / s.kernel_w, v = j % taps % s.kernel_w;
            const float w = weight[((size_t)o * (size_t)s.in_channels + (size_t)piece.c) * (size_t)taps + (size_t)(j % taps)];
            const int top = piece.y + s.pad_h - u;
            sa_lanes at;
            float value[SA_EVAL_LANES];
            at.n = piece.n, at.c = o, at.valid = 0;
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                const int left = piece.x + e + s.pad_w - v;
                at.y[e] = top / s.stride_h, at.x[e] = left / s.stride_w;
                bool inside = top >= 0 && top % s.stride_h == 0 && at.y[e] < s.out_height && left >= 0 && left % s.stride_w == 0 &&
                              at.x[e] < s.out_width && piece.x + e < pieces.width;
                if (inside) at.valid |= 1u << e;
            }
            sa_eval<E>(dy, at, slots, value);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++)
                if (at.valid >> e & 1) sum[e] = fmaf(w, value[e], sum[e]);
        }
        sa_store_lanes((float *)sa_slab_row(&out, piece.n, piece.c, piece.y),
                       sa_row_lanes(piece.n, piece.c, piece.y, piece.x, 1, pieces.width), sum);
    }
}
SA_EVAL_REGISTER(sa_direct_kernel, SA_DENSE_FORMS)
SA_EVAL_REGISTER(sa_direct_strided_kernel, SA_NO_FORMS)

/* Shared memory of sa_direct_kernel beside the slots. */
static size_t tile_bytes(const sa_conv_shape *s)
{
    const sa_direct_tile tile = sa_direct_tile_of(s);
    return ((size_t)s->kernel_h * (size_t)s->kernel_w * WEIGHT_STRIDE + (size_t)tile.height * (size_t)tile.width) * sizeof(float);
}

static sa_status launch_direct(sa_cuda_device *device, const sa_source *source, const sa_conv_shape *s, const sa_direct_weight *w,
                               int n, int channel_begin, int channel_end, const sa_slab *out)
{
    sa_eval_program program;
    SA_TRY(sa_compile_one(source, &program));
    const size_t shared_bytes = sa_eval_slot_bytes({&program}) + tile_bytes(s);
    if (shared_bytes > SA_DYN_SHARED_MAX)
        SA_FAIL(SA_UNSUPPORTED, "direct convolution: a %dx%d kernel at stride %dx%d needs %zu bytes of shared memory, %d are there",
                s->kernel_h, s->kernel_w, s->stride_h, s->stride_w, shared_bytes, SA_DYN_SHARED_MAX);
    const int across = (s->out_width + SA_DIRECT_COLUMNS - 1) / SA_DIRECT_COLUMNS;
    const int down = (s->out_height + SA_DIRECT_ROWS - 1) / SA_DIRECT_ROWS;
    const dim3 grid((unsigned)(across * down), (unsigned)((channel_end - channel_begin + OUT_CHANNELS - 1) / OUT_CHANNELS));
    SA_EVAL_LAUNCH(sa_direct_kernel, SA_DENSE_FORMS, program, grid, tile_bytes(s), device->stream, program, *s,
                   sa_direct_tile_of(s), *w, n, channel_begin, channel_end, *out);
    return SA_OK;
}

static sa_status forward(sa_cuda_device *device, const sa_conv_forward_args *args, const sa_conv_request *request)
{
    (void)request;
    const sa_conv_shape *s = &args->shape;
    const size_t taps = (size_t)s->kernel_h * (size_t)s->kernel_w;
    const sa_direct_weight w = {(const float *)args->weight.ptr, (const float *)args->bias.ptr, taps * (size_t)s->in_channels, taps,
                                false};
    for (int n = args->range.image_begin; n < args->range.image_end; n++)
        SA_TRY(launch_direct(device, &args->x, s, &w, n, args->range.channel_begin, args->range.channel_end, &args->y));
    return SA_OK;
}

/* dx of image n into a slab. */
static sa_status data_gradient(sa_cuda_device *device, const sa_conv_backward_args *args, int n, const sa_slab *dx)
{
    const sa_conv_shape *s = &args->shape;
    const float *weight = (const float *)args->weight.ptr;
    if (s->stride_h == 1 && s->stride_w == 1) {
        const size_t taps = (size_t)s->kernel_h * (size_t)s->kernel_w;
        const sa_conv_shape turned = {s->out_channels,
                                      s->out_height,
                                      s->out_width,
                                      s->in_channels,
                                      s->in_height,
                                      s->in_width,
                                      s->kernel_h,
                                      s->kernel_w,
                                      1,
                                      1,
                                      s->kernel_h - 1 - s->pad_h,
                                      s->kernel_w - 1 - s->pad_w,
                                      1,
                                      1,
                                      1};
        const sa_direct_weight w = {weight, nullptr, taps, taps * (size_t)s->in_channels, true};
        return launch_direct(device, &args->dy, &turned, &w, n, 0, s->in_channels, dx);
    }
    sa_eval_program program;
    sa_pieces pieces;
    const sa_range range = {n, n + 1, 0, s->in_channels};
    SA_TRY(sa_compile_one(&args->dy, &program));
    SA_TRY(sa_count_pieces(&range, s->in_height, s->in_width, 1, &pieces));
    SA_EVAL_LAUNCH(sa_direct_strided_kernel, SA_NO_FORMS, program, sa_blocks_for(pieces.count, SA_EVAL_THREADS), 0, device->stream,
                   program, pieces, *s, weight, *dx);
    return SA_OK;
}

static sa_status backward(sa_cuda_device *device, const sa_conv_backward_args *args, const sa_conv_request *request)
{
    const sa_conv_shape *s = &args->shape;
    sa_conv_parts parts;
    SA_TRY(sa_cuda_plan_own_parts(request, &parts));
    const sa_conv_workspace w = sa_conv_divide(&parts, &args->workspace, args->workspace_bytes);
    if (args->dweight.ptr) SA_TRY(sa_direct_weight_gradient(device, args, w.last, w.last_bytes));
    for (int n = args->range.image_begin; args->dx.at.ptr && n < args->range.image_end; n++) {
        const sa_slab image = sa_conv_image_slab(w.dx, n, 0, s->in_channels, s->in_height, s->in_width);
        SA_TRY(data_gradient(device, args, n, args->gather ? &image : &args->dx));
        SA_TRY(sa_conv_finish_dx(device, args, n, w.dx));
    }
    return SA_OK;
}

const sa_cuda_conv_method sa_cuda_conv_direct = {forward, backward};
