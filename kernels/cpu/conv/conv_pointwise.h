/* 1 x 1 convolutions as products of matrices, between conv_direct.c and conv_pointwise.c.
 *
 * Each pass says by the shape alone whether it does it, so that a pass has the same bits however it is divided. */
#ifndef SA_KERNELS_CPU_CONV_CONV_POINTWISE_H
#define SA_KERNELS_CPU_CONV_CONV_POINTWISE_H

#include "kernels/cpu/conv/conv_common.h"

/* pass: not BOTH */
bool sa_pointwise_can(const sa_conv_shape *shape, sa_conv_pass pass);
/* Of one pass that it can. */
size_t sa_pointwise_floats(const sa_device *device, const sa_conv_request *request, sa_conv_pass pass);

void sa_pointwise_forward(const sa_device *device, const sa_conv_forward_args *args);
void sa_pointwise_data(const sa_device *device, const sa_conv_backward_args *args);
void sa_pointwise_weight(const sa_device *device, const sa_conv_backward_args *args);

#endif
