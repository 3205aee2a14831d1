/* Sums over the channels of a source, in the canonical order: used by convolutions for the gradient of their bias. */
#ifndef SA_CUDA_BN_CUH
#define SA_CUDA_BN_CUH

#include "kernels/cuda/cuda_device.cuh"

/* sums[c] = sum of source over the range's images and all pixels (accumulate: added), c in the range's channels. The sum of each
 * image is rounded to float32 before they are added. A workspace of sa_cuda_reduce_workspace_bytes lets all multiprocessors help;
 * one for fewer images takes more launches. The bits do not depend on it. */
sa_status sa_cuda_channel_sums(sa_cuda_device *device, const sa_range *range, const sa_source *source, float *sums, bool accumulate,
                               const sa_ref *workspace, size_t workspace_bytes);

#endif
