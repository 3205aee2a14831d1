/* What poolings share on CUDA: a thread's windows, and how their values and masks are written. */
#ifndef SA_CUDA_POOL_CUH
#define SA_CUDA_POOL_CUH

#include "kernels/cuda/eval_launch.cuh"

/* Best values and tokens (index or position in the window) of a thread's windows. */
struct sa_best {
    float value[SA_EVAL_LANES];
    int token[SA_EVAL_LANES];
};

/* Packed masks: threads of a word are neighbours (4 for 2 bits, 2 for 4 bits); all lanes of the warp call. */
static __device__ __forceinline__ void sa_store_packed(const sa_slab &mask, const sa_lanes &pooled, const sa_best &best,
                                                       bool active)
{
    const int bits = mask.encoding == SA_MASK2 ? 2 : 4, per_word = 32 / bits, threads = per_word / SA_EVAL_LANES;
    const int position = pooled.x[0] % per_word;
    unsigned word = 0;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++)
        if (pooled.valid >> e & 1) word |= (unsigned)best.token[e] << (bits * (position + e));
    for (int d = 1; d < threads; d *= 2) word |= __shfl_xor_sync(0xffffffffu, word, d);
    if (active && position == 0 && pooled.valid)
        ((unsigned *)sa_slab_row(&mask, pooled.n, pooled.c, pooled.y[0]))[pooled.x[0] / per_word] = word;
}

static __device__ __forceinline__ void sa_store_windows(const sa_slab &out, const sa_slab &mask, const sa_lanes &pooled,
                                                        const sa_best &best)
{
    sa_store_lanes((float *)sa_slab_row(&out, pooled.n, pooled.c, pooled.y[0]), pooled, best.value);
    if (!mask.at.ptr || mask.encoding != SA_F32) return;
    float index[SA_EVAL_LANES];
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) index[e] = (float)best.token[e];
    sa_store_lanes((float *)sa_slab_row(&mask, pooled.n, pooled.c, pooled.y[0]), pooled, index);
}

#endif
