/* The weight gradient of the direct convolution, between conv_direct.c and conv_direct_weight.c. */
#ifndef SA_KERNELS_CPU_CONV_DIRECT_WEIGHT_H
#define SA_KERNELS_CPU_CONV_DIRECT_WEIGHT_H

#include "kernels/cpu/conv/conv_common.h"

/* dweight of the range's channels over its images; the workspace is that of a sa_direct_weight_pass. */
void sa_direct_weight_gradient(const sa_device *device, const sa_conv_backward_args *args);

#endif
