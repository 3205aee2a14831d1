/* sa_device_open_cuda of a build without CUDA; the Makefile links either this or kernels/cuda/. */
#include "core/device.h"

sa_status sa_device_open_cuda(int index, sa_device **device)
{
    (void)device;
    SA_FAIL(SA_NO_DEVICE, "cuda device %d: this build has no CUDA (see make CUDA=1)", index);
}
