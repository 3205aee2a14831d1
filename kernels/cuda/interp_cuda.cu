/* interp on CUDA: one element of the output a thread, in the order of additions that the CPU has. */
#include "kernels/cuda/eval_launch.cuh"
#include "kernels/interp_math.h"

static __device__ __forceinline__ float resized(const sa_interp_args &args, int n, int c, int y, int x)
{
    const sa_interp_place row = sa_interp_at(sa_interp_scale(args.rows, args.out.height), args.rows, y);
    const sa_interp_place column = sa_interp_at(sa_interp_scale(args.columns, args.out.width), args.columns, x);
    const float *upper = (const float *)sa_slab_row(&args.x, n, c, args.top + row.first) + args.left;
    const float *lower = (const float *)sa_slab_row(&args.x, n, c, args.top + row.second) + args.left;
    return row.to_first * (column.to_first * upper[column.first] + column.to_second * upper[column.second]) +
           row.to_second * (column.to_first * lower[column.first] + column.to_second * lower[column.second]);
}

/* *sum plus what a row of dy with the weight `row` sends to a place. */
static __device__ __forceinline__ float add_columns(const sa_interp_args &args, const float *dy, float row, float scale, int first,
                                                    int place, float sum)
{
    for (int i = first; i < args.x.width; i++) {
        const sa_interp_place column = sa_interp_at(scale, args.columns, i);
        if (column.first > place) break;
        if (column.first == place) sum = sum + row * column.to_first * dy[i];
        if (column.second == place) sum = sum + row * column.to_second * dy[i];
    }
    return sum;
}

static __device__ __forceinline__ float gradient_at(const sa_interp_args &args, int n, int c, int y, int x)
{
    const float scale_h = sa_interp_scale(args.rows, args.x.height), scale_w = sa_interp_scale(args.columns, args.x.width);
    const int place_y = y - args.top, place_x = x - args.left;
    float sum = 0.0f;
    if (place_y < 0 || place_y >= args.rows || place_x < 0 || place_x >= args.columns) return sum;
    const int first = sa_interp_first_of(scale_w, args.columns, args.x.width, place_x);
    for (int i = sa_interp_first_of(scale_h, args.rows, args.x.height, place_y); i < args.x.height; i++) {
        const sa_interp_place row = sa_interp_at(scale_h, args.rows, i);
        const float *dy = (const float *)sa_slab_row(&args.x, n, c, i);
        if (row.first > place_y) break;
        if (row.first == place_y) sum = add_columns(args, dy, row.to_first, scale_w, first, place_x, sum);
        if (row.second == place_y) sum = add_columns(args, dy, row.to_second, scale_w, first, place_x, sum);
    }
    return sum;
}

SA_KERNEL(sa_interp_kernel, sa_eval_block, const __grid_constant__ sa_interp_args args, size_t count)
{
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        const int x = (int)(i % (size_t)args.out.width), y = (int)(i / (size_t)args.out.width % (size_t)args.out.height);
        const size_t plane = i / (size_t)args.out.width / (size_t)args.out.height;
        const int c = (int)(plane % (size_t)args.out.channels), n = (int)(plane / (size_t)args.out.channels);
        float *to = (float *)sa_slab_row(&args.out, n, c, y) + x;
        *to = args.gradient ? gradient_at(args, n, c, y, x) : resized(args, n, c, y, x);
    }
}
SIMT_KERNEL(sa_interp_kernel)

sa_status sa_cuda_interp(sa_device *device, const sa_interp_args *args)
{
    const size_t count = sa_slab_bytes(&args->out) / sizeof(float);
    if (count == 0) return SA_OK;
    SA_CUDA_TRY(sa_launch(sa_interp_kernel, sa_blocks_for(count, SA_EVAL_THREADS), 0, sa_cuda(device)->stream, *args, count));
    return SA_OK;
}
