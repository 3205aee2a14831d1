/* The CPU device's convolution entry points: members of sa_kernels (kernels/ops.h), nothing more. */
#ifndef SA_KERNELS_CPU_CONV_CPU_H
#define SA_KERNELS_CPU_CONV_CPU_H

#include "kernels/ops.h"

sa_status sa_cpu_conv_forward(sa_device *device, const sa_conv_forward_args *args);
sa_status sa_cpu_conv_backward(sa_device *device, const sa_conv_backward_args *args);
sa_status sa_cpu_conv_workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes);
sa_conv_algorithm sa_cpu_conv_choose(const sa_device *device, const sa_conv_shape *shape);

#endif
