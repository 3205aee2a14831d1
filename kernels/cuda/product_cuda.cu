/* Products of whole matrices, and sums of columns, on CUDA: InnerProduct. A block makes a TILE x TILE part of c; parts of a and b
 * go through shared memory. Sums run over the depth in order with fused multiply-adds. */
#include "kernels/cuda/cuda_device.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/ops.h"

enum { TILE = 32, THREADS = 256, ROWS = TILE * TILE / THREADS /* of a thread, TILE / ROWS apart */ };

typedef sa_block<THREADS> sa_product_block;

/* Element (i, k) of a matrix of `pitch` floats a row, 0 outside of limit_i x limit_k. */
static __device__ __forceinline__ float element(const float *m, size_t pitch, bool transposed, int i, int k, int limit_i,
                                                int limit_k)
{
    if (i >= limit_i || k >= limit_k) return 0.0f;
    return transposed ? m[(size_t)k * pitch + (size_t)i] : m[(size_t)i * pitch + (size_t)k];
}

/* Grid: columns, rows of c in tiles. */
SA_KERNEL(sa_product_kernel, sa_product_block, const float *__restrict__ a, const float *__restrict__ b,
          const float *__restrict__ bias, float *__restrict__ c, int rows, int columns, int depth, bool a_transposed,
          bool b_transposed, bool add)
{
    __shared__ float left[TILE][TILE + 1], right[TILE][TILE + 1];
    const int x = (int)threadIdx.x % TILE, y = (int)threadIdx.x / TILE, step = TILE / ROWS;
    const int column = (int)blockIdx.x * TILE + x, first = (int)blockIdx.y * TILE;
    float sum[ROWS] = {};
    for (int k0 = 0; k0 < depth; k0 += TILE) {
        for (int r = 0; r < ROWS; r++) { /* neighbouring threads read neighbouring elements, whichever way a matrix lies */
            const int i = y + r * step;
            if (a_transposed) left[x][i] = element(a, (size_t)rows, true, first + x, k0 + i, rows, depth);
            else left[i][x] = element(a, (size_t)depth, false, first + i, k0 + x, rows, depth);
            if (b_transposed) right[x][i] = element(b, (size_t)depth, false, (int)blockIdx.x * TILE + i, k0 + x, columns, depth);
            else right[i][x] = element(b, (size_t)columns, false, k0 + i, column, depth, columns);
        }
        __syncthreads();
        for (int k = 0; k < TILE; k++)
#pragma unroll
            for (int r = 0; r < ROWS; r++) sum[r] = fmaf(left[y + r * step][k], right[k][x], sum[r]);
        __syncthreads();
    }
    for (int r = 0; r < ROWS; r++) {
        const int row = first + y + r * step;
        if (row >= rows || column >= columns) continue;
        float *to = c + (size_t)row * (size_t)columns + (size_t)column;
        *to = (add ? *to : 0.0f) + sum[r] + (bias ? bias[column] : 0.0f);
    }
}

/* A thread a column, in float64. */
SA_KERNEL(sa_column_sums_kernel, sa_product_block, const float *__restrict__ x, float *__restrict__ sums, int rows, int columns,
          bool add)
{
    const int column = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (column >= columns) return;
    double total = 0.0;
    for (int r = 0; r < rows; r++) total = total + (double)x[(size_t)r * (size_t)columns + (size_t)column];
    sums[column] = (add ? sums[column] : 0.0f) + (float)total;
}
SIMT_KERNEL(sa_product_kernel)
SIMT_KERNEL(sa_column_sums_kernel)

sa_status sa_cuda_product(sa_device *device, const sa_product_args *args)
{
    const dim3 grid((unsigned)((args->columns + TILE - 1) / TILE), (unsigned)((args->rows + TILE - 1) / TILE));
    if (grid.y > 65535) SA_FAIL(SA_UNSUPPORTED, "inner product: %d rows are too many for one launch", args->rows);
    SA_CUDA_TRY(sa_launch(sa_product_kernel, grid, 0, sa_cuda(device)->stream, (const float *)args->a.ptr,
                          (const float *)args->b.ptr, (const float *)args->bias.ptr, (float *)args->c.ptr, args->rows,
                          args->columns, args->depth, args->a_transposed, args->b_transposed, args->accumulate));
    return SA_OK;
}

sa_status sa_cuda_column_sums(sa_device *device, const sa_column_sums_args *args)
{
    SA_CUDA_TRY(sa_launch(sa_column_sums_kernel, dim3((unsigned)((args->columns + THREADS - 1) / THREADS)), 0,
                          sa_cuda(device)->stream, (const float *)args->x.ptr, (float *)args->sums.ptr, args->rows, args->columns,
                          args->accumulate));
    return SA_OK;
}
