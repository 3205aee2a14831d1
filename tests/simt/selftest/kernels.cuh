/* Kernels for the tests of the stand-in itself: correct ones, and ones with a planted bug each. */
#ifndef SA_SIMT_SELFTEST_KERNELS_CUH
#define SA_SIMT_SELFTEST_KERNELS_CUH

#include "launch_any.cuh"

struct Scale {
    float factor;
    int n;
    double offset;
};

/* ------------------------------------------------------------------ correct ---------------------------------------- */

__global__ void increment(float *y, int n)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) y[i] += 1.0f;
}

template <int K, class T> __global__ void scale(T *y, Scale s)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < s.n) y[i] = (T)((double)(K * i) * (double)s.factor + s.offset);
}

/* One block a row: warp shuffles, shared memory and a block barrier. */
__global__ void row_sums(const float *x, double *sums, int n)
{
    __shared__ double partial[32];
    unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    double sum = 0;
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) sum += (double)x[(size_t)blockIdx.x * (size_t)n + (size_t)i];
    for (int d = 16; d; d >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, d);
    if (lane == 0) partial[warp] = sum;
    __syncthreads();
    if (warp == 0) {
        sum = lane < warps ? partial[lane] : 0.0;
        for (int d = 16; d; d >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, d);
        if (lane == 0) sums[blockIdx.x] = sum;
    }
}

/* A tree in dynamic shared memory; votes and counting barriers. */
__global__ void tree_and_votes(const float *x, float *out)
{
    SA_DYN_SHARED(float, tree);
    unsigned t = threadIdx.x;
    tree[t] = x[t];
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half; half /= 2) {
        if (t < half) tree[t] += tree[t + half];
        __syncthreads();
    }
    int count = __syncthreads_count(t < 10);
    unsigned ballot = __ballot_sync(0xffffffffu, t & 1);
    if (t == 0) {
        out[0] = tree[0];
        out[1] = (float)count;
        out[2] = ballot == 0xaaaaaaaau ? 1.0f : 0.0f;
    }
}

__global__ void count_negative(const float *x, int n, int *count)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n && x[i] < 0) atomicAdd(count, 1);
}

/* ------------------------------------------------------------------ planted bugs ----------------------------------- */

/* Reads its neighbour's element without a barrier. */
__global__ void bug_missing_barrier(const float *x, float *y)
{
    __shared__ float s[256];
    unsigned t = threadIdx.x;
    s[t] = x[t];
    y[t] = s[(t + 1) % blockDim.x];
}

/* Writes one element too many. */
__global__ void bug_off_by_one(float *y, int n)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i <= n) y[i] = 1.0f;
}

__global__ void bug_shared_overrun(float *y)
{
    __shared__ float s[64];
    s[threadIdx.x + 1] = 1.0f;
    __syncthreads();
    y[threadIdx.x] = s[threadIdx.x];
}

/* All threads add to one element without atomics. */
__global__ void bug_global_race(float *y)
{
    y[0] += 1.0f;
}

/* A barrier that half of the block does not reach. */
__global__ void bug_divergent_barrier(float *y)
{
    y[threadIdx.x] = 1.0f;
    if (threadIdx.x < 16) __syncthreads();
}

/* A full mask, but half of the warp calls. */
__global__ void bug_shuffle_mask(float *y)
{
    float v = 0;
    if (threadIdx.x < 16) v = __shfl_down_sync(0xffffffffu, (float)threadIdx.x, 1);
    y[threadIdx.x] = v;
}

/* Shifts by a thread's index: undefined from 32 on. */
__global__ void bug_shift(unsigned *y)
{
    y[threadIdx.x] = 1u << threadIdx.x;
}

SIMT_KERNEL(increment)
SIMT_KERNEL(scale<3, float>)
SIMT_KERNEL(row_sums)
SIMT_KERNEL(tree_and_votes)
SIMT_KERNEL(count_negative)
SIMT_KERNEL(bug_missing_barrier)
SIMT_KERNEL(bug_off_by_one)
SIMT_KERNEL(bug_shared_overrun)
SIMT_KERNEL(bug_global_race)
SIMT_KERNEL(bug_divergent_barrier)
SIMT_KERNEL(bug_shuffle_mask)
SIMT_KERNEL(bug_shift)

#endif
