/* sa_device_open_cuda of a build without a CUDA toolkit; kernels/cuda/ has the real one. */
#ifndef SA_HAVE_CUDA

#include "core/device.h"

sa_status sa_device_open_cuda(int index, sa_device **device)
{
    (void)device;
    SA_FAIL(SA_NO_DEVICE, "cuda device %d: this build has no CUDA (built without a toolkit; see make CUDA=1)", index);
}

#else
typedef int sa_device_no_cuda_is_empty; /* ISO C forbids an empty file */
#endif
