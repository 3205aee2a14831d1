/* reduction on CUDA: one block per channel sums its rows, half a warp per row, and adds them in order; the gradient is one pass. */
#include "kernels/cuda/eval_launch.cuh"
#include "kernels/cuda/row_reduce.cuh"

static __device__ __forceinline__ float summand(int kind, float a)
{
    return kind == SA_REDUCTION_ASUM ? fabsf(a) : kind == SA_REDUCTION_SUMSQ ? a * a : a;
}

/* This thread's lane of one row. */
template <class E>
static __device__ __forceinline__ double sum_lane(const sa_program<E> &source, int kind, int c, int y, int width, float *slots)
{
    double sum = 0.0;
    for (int x = (int)(threadIdx.x % SA_ROW_LANES); x < width; x += SA_ROW_LANES * SA_EVAL_LANES) {
        sa_lanes at = sa_row_lanes(0, c, y, x, SA_ROW_LANES, width);
        float value[SA_EVAL_LANES];
        sa_eval<E>(source, at, slots, value);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++)
            if (at.valid >> e & 1) sum = sum + (double)summand(kind, value[e]);
    }
    return sum;
}

template <class E>
SA_KERNEL(sa_reduction_kernel, sa_eval_block, const __grid_constant__ sa_program<E> source, int kind, int height, int width,
          float factor, float *__restrict__ sums)
{
    SA_DYN_SHARED(float, slots);
    __shared__ double row_sum[SA_ROWS_AT_ONCE];
    const int c = (int)blockIdx.x, part = (int)(threadIdx.x / SA_ROW_LANES);
    double total = 0.0;
    for (int first = 0; first < height; first += SA_ROWS_AT_ONCE) {
        double own = 0.0;
        if (first + part < height) own = sum_lane<E>(source, kind, c, first + part, width, slots);
        own = sa_add_lanes(own);
        if (threadIdx.x % SA_ROW_LANES == 0) row_sum[part] = own;
        __syncthreads();
        for (int r = 0; threadIdx.x == 0 && r < SA_ROWS_AT_ONCE && first + r < height; r++) total = total + row_sum[r];
        __syncthreads();
    }
    if (threadIdx.x == 0) sums[c] = factor * (float)total;
}

template <class E>
SA_KERNEL(sa_reduction_grad_kernel, sa_eval_block, const __grid_constant__ sa_program<E> source,
          const __grid_constant__ sa_pieces pieces, int kind, float factor, const float *__restrict__ sums,
          const __grid_constant__ sa_slab dx)
{
    SA_DYN_SHARED(float, slots);
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes at = sa_row_lanes(piece.n, piece.c, piece.y, piece.x, 1, pieces.width);
        const float gradient = factor * sums[piece.c];
        float value[SA_EVAL_LANES];
        sa_eval<E>(source, at, slots, value);
        SA_EACH_LANE(gradient * (kind == SA_REDUCTION_SUMSQ ? 2.0f * value[e]
                                 : value[e] > 0.0f          ? 1.0f
                                 : value[e] < 0.0f          ? -1.0f
                                                            : 0.0f));
        sa_store_lanes((float *)sa_slab_row(&dx, at.n, at.c, at.y[0]), at, value);
    }
}

SA_KERNEL(sa_reduction_spread_kernel, sa_eval_block, const __grid_constant__ sa_pieces pieces, float factor,
          const float *__restrict__ sums, const __grid_constant__ sa_slab dx)
{
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes at = sa_row_lanes(piece.n, piece.c, piece.y, piece.x, 1, pieces.width);
        const float gradient = factor * sums[piece.c];
        const float value[SA_EVAL_LANES] = {gradient, gradient, gradient, gradient};
        sa_store_lanes((float *)sa_slab_row(&dx, at.n, at.c, at.y[0]), at, value);
    }
}
SA_EVAL_REGISTER(sa_reduction_kernel, SA_NO_FORMS)
SA_EVAL_REGISTER(sa_reduction_grad_kernel, SA_NO_FORMS)
SIMT_KERNEL(sa_reduction_spread_kernel)

static sa_status backward(sa_cuda_device *device, const sa_reduction_args *args)
{
    const sa_range range = {0, 1, 0, args->channels};
    sa_pieces pieces;
    SA_TRY(sa_count_pieces(&range, args->height, args->width, 1, &pieces));
    const unsigned blocks = sa_blocks_for(pieces.count, SA_EVAL_THREADS);
    if (args->kind == SA_REDUCTION_SUM) {
        SA_CUDA_TRY(sa_launch(sa_reduction_spread_kernel, blocks, 0, device->stream, pieces, args->factor,
                              (const float *)args->sums.ptr, args->dx));
        return SA_OK;
    }
    sa_eval_program program;
    SA_TRY(sa_compile_one(&args->x, &program));
    SA_EVAL_LAUNCH(sa_reduction_grad_kernel, SA_NO_FORMS, program, blocks, 0, device->stream, program, pieces, (int)args->kind,
                   args->factor, (const float *)args->sums.ptr, args->dx);
    return SA_OK;
}

sa_status sa_cuda_reduction(sa_device *device, const sa_reduction_args *args)
{
    if (args->backward) return backward(sa_cuda(device), args);
    sa_eval_program program;
    SA_TRY(sa_compile_one(&args->x, &program));
    SA_EVAL_LAUNCH(sa_reduction_kernel, SA_NO_FORMS, program, (unsigned)args->channels, 0, sa_cuda(device)->stream, program,
                   (int)args->kind, args->height, args->width, args->factor, (float *)args->sums.ptr);
    return SA_OK;
}
