/* Storing a source's value: the op materialize, and what convolutions do with inputs that a library has to read. */
#ifndef SA_CUDA_MATERIALIZE_CUH
#define SA_CUDA_MATERIALIZE_CUH

#include "kernels/cuda/cuda_device.cuh"

/* out (float32 or bf16, covers the range) = source over the range, on the device's stream. */
sa_status sa_cuda_materialize_range(sa_cuda_device *device, const sa_range *range, const sa_source *source, const sa_slab *out);

#endif
