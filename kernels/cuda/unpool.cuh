/* Gathering a gradient through a pooling mask: the op unpool_gather, and the last step of convolutions that gather. */
#ifndef SA_CUDA_UNPOOL_CUH
#define SA_CUDA_UNPOOL_CUH

#include "kernels/cuda/cuda_device.cuh"

/* dx[i] = dy[mask[i]] over the range; dy: dense float32, its slab may hold a part of the images. */
sa_status sa_cuda_gather(sa_cuda_device *device, const sa_range *range, const sa_slab *dy, const sa_slab *mask,
                         const sa_window *window, const sa_slab *dx);

#endif
