/* Launching kernels without <<<>>>: the same source is read by nvcc and, for the SIMT stand-in (tests/simt), by g++. */
#ifndef SA_CUDA_LAUNCH_CUH
#define SA_CUDA_LAUNCH_CUH

#include <cuda_runtime.h>

#include <stddef.h>

#ifndef SA_SIMT
/* Registers a kernel's CPU body with the stand-in; nothing on a real device. */
#define SIMT_KERNEL(...)
/* Dynamic shared memory of the launch. */
#define SA_DYN_SHARED(type, name)                                      \
    extern __shared__ __align__(16) unsigned char sa_dynamic_shared[]; \
    type *name = (type *)sa_dynamic_shared
#endif

template <class T> struct sa_same {
    typedef T type;
};

/* Arguments are converted to the kernel's parameter types first, as <<<>>> does. */
template <class... P>
cudaError_t sa_launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                      typename sa_same<P>::type... arguments)
{
    void *pointers[] = {(void *)&arguments..., nullptr};
    return cudaLaunchKernel((const void *)kernel, grid, block, pointers, shared_bytes, stream);
}

#endif
