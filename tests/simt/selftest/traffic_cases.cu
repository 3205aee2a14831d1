/* Kernels whose sectors and bank conflicts one can count by hand. */
#include "traffic_cases.h"

#include "check.h"
#include "launch_any.cuh"

/* A warp's 32 lanes read floats `STRIDE` apart and write them side by side. */
template <int STRIDE> __global__ void strided_read(const float *x, float *y)
{
    y[threadIdx.x] = x[(int)threadIdx.x * STRIDE];
}

template <int STRIDE> __global__ void strided_shared(float *y)
{
    __shared__ float s[32 * 32];
    s[(int)threadIdx.x * STRIDE] = 1.0f;
    __syncthreads();
    y[threadIdx.x] = s[(int)threadIdx.x * STRIDE];
}

__global__ void whole_vectors(const float4 *x, float4 *y)
{
    __shared__ float4 s[32];
    float4 v = x[threadIdx.x];
    s[threadIdx.x] = make_float4(v.x + 1, v.y, v.z, v.w);
    __syncthreads();
    y[threadIdx.x] = s[31 - threadIdx.x];
}

/* Lanes go round their loops a different number of times. */
__global__ void uneven_loops(const float *x, float *y)
{
    float sum = 0;
    for (unsigned i = 0; i < threadIdx.x; i++) sum += x[i * 32 + threadIdx.x];
    y[threadIdx.x] = sum;
}

SIMT_KERNEL(strided_read<1>)
SIMT_KERNEL(strided_read<8>)
SIMT_KERNEL(strided_shared<1>)
SIMT_KERNEL(strided_shared<2>)
SIMT_KERNEL(strided_shared<32>)
SIMT_KERNEL(whole_vectors)
SIMT_KERNEL(uneven_loops)

int traffic_cases(void)
{
    float *x, *y;
    CHECK(cudaMalloc(&x, 4096 * sizeof(float)));
    CHECK(cudaMalloc(&y, 4096 * sizeof(float)));
    CHECK(cudaMemset(x, 0, 4096 * sizeof(float)));
    CHECK(sa_launch(strided_read<1>, 1, 32, 0, 0, x, y));
    CHECK(sa_launch(strided_read<8>, 1, 32, 0, 0, x, y));
    CHECK(sa_launch(strided_shared<1>, 1, 32, 0, 0, y));
    CHECK(sa_launch(strided_shared<2>, 1, 32, 0, 0, y));
    CHECK(sa_launch(strided_shared<32>, 1, 32, 0, 0, y));
    CHECK(sa_launch(whole_vectors, 1, 32, 0, 0, (const float4 *)x, (float4 *)y));
    CHECK(sa_launch(uneven_loops, 1, 32, 0, 0, x, y));
    CHECK(cudaDeviceSynchronize());
    return 0;
}
