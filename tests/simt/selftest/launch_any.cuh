/* Launches that the product's helper does not let through: for kernels with planted bugs. */
#ifndef SA_SIMT_SELFTEST_LAUNCH_ANY_CUH
#define SA_SIMT_SELFTEST_LAUNCH_ANY_CUH

#include "kernels/cuda/launch.cuh"

/* A launch of any plain kernel with any block: what the device's own sa_launch does not let through. */
template <class... P>
cudaError_t sa_launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                      typename sa_same<P>::type... arguments)
{
    void *pointers[] = {(void *)&arguments..., nullptr};
    return cudaLaunchKernel((const void *)kernel, grid, block, pointers, shared_bytes, stream);
}

#endif
