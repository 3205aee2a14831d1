/* The canonical row sum of ops.h on CUDA: half a warp a row, lane l takes x = l, l + 16, ..., lanes are added 0..15 in order.
 *
 * The order is the CPU's, so sums of equal values have equal bits. Float64 throughout: on cards with few float64 units these
 * kernels are bound by them, not by memory (docs/gpu.md). */
#ifndef SA_CUDA_ROW_REDUCE_CUH
#define SA_CUDA_ROW_REDUCE_CUH

#include "kernels/cuda/eval.cuh"

enum {
    SA_ROW_LANES = 16,
    SA_ROWS_AT_ONCE = SA_EVAL_THREADS / SA_ROW_LANES, /* rows that a block of SA_EVAL_THREADS sums at a time */
};

/* The sum of one value a lane over the 16 lanes of this half warp, in order; every lane gets it. All 32 lanes must call. */
__device__ __forceinline__ double sa_add_lanes(double value)
{
    double total = __shfl_sync(0xffffffffu, value, 0, SA_ROW_LANES);
#pragma unroll
    for (int l = 1; l < SA_ROW_LANES; l++) total = total + __shfl_sync(0xffffffffu, value, l, SA_ROW_LANES);
    return total;
}

#endif
