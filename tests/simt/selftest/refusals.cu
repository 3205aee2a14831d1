/* Launches that a card refuses, one per limit, beside launches just within it. This file's cubins are compressed by LZ4, those of
 * selftest.cu by Zstandard, the product's are not, so that all three forms are read. */
#include "refusals.h"

#include "check.h"
#include "launch_any.cuh"

#include <string.h>

enum { MANY = 96, STATIC_FLOATS = 10240 };

__global__ void __launch_bounds__(64, 4) bounded(float *y)
{
    y[threadIdx.x] = 1.0f;
}

/* MANY values live across a barrier: more registers than 1024 threads may have. */
__global__ void many_registers(const float *x, float *y)
{
    float value[MANY];
#pragma unroll
    for (int i = 0; i < MANY; i++) value[i] = x[i];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < MANY; i++) y[i] = value[i];
}

__global__ void static_shared(float *y)
{
    __shared__ float s[STATIC_FLOATS];
    SA_DYN_SHARED(float, more);
    for (int i = (int)threadIdx.x; i < STATIC_FLOATS; i += (int)blockDim.x) s[i] = (float)i;
    more[threadIdx.x] = 2.0f;
    __syncthreads();
    y[threadIdx.x] = s[STATIC_FLOATS - 1 - (int)threadIdx.x] + more[blockDim.x - 1 - threadIdx.x];
}

__global__ void dynamic_shared(float *y, int last)
{
    SA_DYN_SHARED(float, s);
    const unsigned t = threadIdx.x + threadIdx.z;
    if (t == 0) s[last] = 3.0f;
    __syncthreads();
    if (blockIdx.y == 0) y[t] = s[last];
}

/* Four floats at once from an address that `offset` floats may spoil. */
__global__ void vector_copy(const float *x, float *y, int offset)
{
    *(float4 *)(y + 4 * threadIdx.x) = *(const float4 *)(x + offset + 4 * threadIdx.x);
}

__global__ void vector_shared(float *y, int offset)
{
    SA_DYN_SHARED(float, s);
    *(float4 *)(s + offset + 4 * threadIdx.x) = make_float4(1, 2, 3, 4);
    __syncthreads();
    y[threadIdx.x] = s[offset + 4 * threadIdx.x];
}

#ifdef SA_SIMT /* what an old build of the CPU bodies looks like */
struct Changed {
    float a[8];
};
#else
struct Changed {
    float a[4];
};
#endif
__global__ void changed_parameters(float *y, Changed c)
{
    y[threadIdx.x] = c.a[0];
}

SIMT_KERNEL(bounded)
SIMT_KERNEL(many_registers)
SIMT_KERNEL(static_shared)
SIMT_KERNEL(dynamic_shared)
SIMT_KERNEL(vector_copy)
SIMT_KERNEL(vector_shared)
SIMT_KERNEL(changed_parameters)

static int prepare(float **x, float **y)
{
    CHECK(cudaMalloc(x, 4096 * sizeof(float)));
    CHECK(cudaMalloc(y, 4096 * sizeof(float)));
    CHECK(cudaMemset(*x, 0, 4096 * sizeof(float)));
    return 0;
}

int refusals(const char *name)
{
    float *x, *y;
    if (int bad = prepare(&x, &y)) return bad;
    if (!strcmp(name, "bound")) CHECK(sa_launch(bounded, 1, 65, 0, 0, y));
    else if (!strcmp(name, "registers")) CHECK(sa_launch(many_registers, 1, 1024, 0, 0, x, y));
    else if (!strcmp(name, "static_shared")) CHECK(sa_launch(static_shared, 1, 64, 8196, 0, y));
    else if (!strcmp(name, "not_opted_in")) CHECK(sa_launch(dynamic_shared, 1, 64, 49156, 0, y, 12288));
    else if (!strcmp(name, "opted_in_too_little")) {
        CHECK(cudaFuncSetAttribute((const void *)dynamic_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 50000));
        CHECK(sa_launch(dynamic_shared, 1, 64, 50004, 0, y, 12288));
    } else if (!strcmp(name, "opt_in_too_much"))
        CHECK(cudaFuncSetAttribute((const void *)dynamic_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 65540));
    else if (!strcmp(name, "static_opt_in_too_much"))
        CHECK(cudaFuncSetAttribute((const void *)static_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 24580));
    else if (!strcmp(name, "block_of_1025")) CHECK(sa_launch(dynamic_shared, 1, 1025, 4, 0, y, 0));
    else if (!strcmp(name, "block_z")) CHECK(sa_launch(dynamic_shared, 1, dim3(1, 1, 65), 4, 0, y, 0));
    else if (!strcmp(name, "grid_y")) CHECK(sa_launch(dynamic_shared, dim3(1, 65536), 1, 4, 0, y, 0));
    else if (!strcmp(name, "grid_z")) CHECK(sa_launch(dynamic_shared, dim3(1, 1, 65536), 1, 4, 0, y, 0));
    else if (!strcmp(name, "grid_of_none")) CHECK(sa_launch(dynamic_shared, 0, 1, 4, 0, y, 0));
    else if (!strcmp(name, "misaligned_load")) CHECK(sa_launch(vector_copy, 1, 32, 0, 0, x, y, 2));
    else if (!strcmp(name, "misaligned_shared")) CHECK(sa_launch(vector_shared, 1, 32, 1024, 0, y, 1));
    else if (!strcmp(name, "changed_parameters")) CHECK(sa_launch(changed_parameters, 1, 32, 0, 0, y, Changed{}));
    else return -1;
    CHECK(cudaDeviceSynchronize());
    printf("undetected\n");
    return 0;
}

int limits_kept(void)
{
    float *x, *y;
    cudaFuncAttributes a, b, c;
    if (int bad = prepare(&x, &y)) return bad;
    CHECK(cudaFuncGetAttributes(&a, (const void *)bounded));
    CHECK(cudaFuncGetAttributes(&b, (const void *)many_registers));
    CHECK(cudaFuncGetAttributes(&c, (const void *)static_shared));
    int bad = a.maxThreadsPerBlock != 64 || a.numRegs < 4 || a.sharedSizeBytes != 0 || a.maxDynamicSharedSizeBytes != 49152;
    bad |= b.numRegs < MANY || b.maxThreadsPerBlock >= 640 || b.maxThreadsPerBlock < 256 || b.maxThreadsPerBlock % 128 != 0;
    bad |= c.sharedSizeBytes != STATIC_FLOATS * 4 || c.maxDynamicSharedSizeBytes != 8192 || c.maxThreadsPerBlock != 1024;
    CHECK(sa_launch(bounded, 1, 64, 0, 0, y));
    CHECK(sa_launch(many_registers, 1, 1, 0, 0, x, y));
    CHECK(sa_launch(static_shared, 1, 64, 8192, 0, y));
    CHECK(sa_launch(dynamic_shared, 1, dim3(1, 1, 64), 49152, 0, y, 12287));
    CHECK(cudaFuncSetAttribute((const void *)dynamic_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 65536));
    CHECK(cudaFuncGetAttributes(&c, (const void *)dynamic_shared));
    bad |= c.maxDynamicSharedSizeBytes != 65536;
    CHECK(sa_launch(dynamic_shared, dim3(1, 65535), 1, 65536, 0, y, 16383));
    CHECK(sa_launch(vector_copy, 1, 32, 0, 0, x, y, 4));
    CHECK(sa_launch(vector_shared, 1, 32, 1024, 0, y, 0));
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaFree(x));
    CHECK(cudaFree(y));
    return bad;
}
