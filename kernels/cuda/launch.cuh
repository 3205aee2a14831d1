/* Launching kernels: the one place where it happens. The same source is read by nvcc and, for the SIMT stand-in (tests/simt), by
 * g++.
 *
 * How many threads a block has is part of a kernel's type: SA_KERNEL makes the launch bound, which ptxas gives registers by, and
 * the kernel's first parameter from one sa_block; sa_launch reads the block size from that parameter. So a launch with other
 * threads than the kernel was compiled for, which a card refuses, does not compile. */
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

/* Dynamic shared memory of a block, at most: what every card has without being asked, less what kernels declare themselves. */
enum { SA_DYN_SHARED_MAX = 47 * 1024 };

/* THREADS a block; ptxas keeps to as many registers as let MIN_BLOCKS blocks share a multiprocessor. */
template <unsigned THREADS, unsigned MIN_BLOCKS = 1> struct sa_block {
    static_assert(THREADS % 32 == 0 && THREADS >= 32 && THREADS <= 1024, "a block is 1 to 32 whole warps");
    static constexpr unsigned threads = THREADS, min_blocks = MIN_BLOCKS;
};

/* Declares a kernel for blocks of type `block`: SA_KERNEL(name, block, parameters...) { body }. */
#define SA_KERNEL(name, block, ...) __global__ void __launch_bounds__(block::threads, block::min_blocks) name(block, __VA_ARGS__)

template <class T> struct sa_same {
    typedef T type;
};
/* The block of a kernel's type. */
template <class K> struct sa_block_of;
template <class B, class... P> struct sa_block_of<void (*)(B, P...)> {
    typedef B type;
};
template <class K> struct sa_block_of<const K> : sa_block_of<K> {
};

/* Arguments are converted to the kernel's parameter types first. Kernels that SA_KERNEL did not declare are not accepted. */
template <unsigned THREADS, unsigned MIN_BLOCKS, class... P>
cudaError_t sa_launch(void (*kernel)(sa_block<THREADS, MIN_BLOCKS>, P...), dim3 grid, size_t shared_bytes, cudaStream_t stream,
                      typename sa_same<P>::type... arguments)
{
    sa_block<THREADS, MIN_BLOCKS> block;
    void *pointers[] = {&block, (void *)&arguments...};
    if (shared_bytes > SA_DYN_SHARED_MAX) return cudaErrorInvalidConfiguration;
    return cudaLaunchKernel((const void *)kernel, grid, dim3(THREADS), pointers, shared_bytes, stream);
}

#endif
