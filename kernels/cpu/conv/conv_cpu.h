/* The CPU convolutions: entry points of the op table. The algorithms are in conv_im2col.c, conv_direct.c, conv_fft.c and
 * conv_winograd.c.
 *
 * All give the same bits for any number of threads, any workspace size, and however (without dx) the output channels are split over
 * calls, y and dx also however the images are. All but Winograd form the gradients of the parameters image by image in float32, as
 * Caffe does, so that one call over a batch equals one accumulating call an image; Winograd sums over the images of a call. */
#ifndef SA_KERNELS_CPU_CONV_CONV_CPU_H
#define SA_KERNELS_CPU_CONV_CONV_CPU_H

#include "kernels/ops.h"

SA_CHECKED sa_status sa_cpu_conv_forward(sa_device *device, const sa_conv_forward_args *args);
SA_CHECKED sa_status sa_cpu_conv_backward(sa_device *device, const sa_conv_backward_args *args);
/* Exact: the ops refuse a smaller workspace. SA_UNSUPPORTED if the algorithm cannot do the shape. */
SA_CHECKED sa_status sa_cpu_conv_workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes);
/* The fastest algorithm for a batch of so many images, by a model that bench/bench_kernels.c was fitted to. */
sa_conv_algorithm sa_cpu_conv_choose(const sa_device *device, const sa_conv_shape *shape, int images);

#endif
