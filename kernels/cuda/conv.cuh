/* Convolution on CUDA: what its three methods share. Each processes one image after the other, so that sums over images have one
 * order and workspaces do not grow with the batch. */
#ifndef SA_CUDA_CONV_CUH
#define SA_CUDA_CONV_CUH

#include "kernels/cuda/cuda_device.cuh"

/* One algorithm of sa_conv_algorithm. Requests and arguments were checked; workspaces are planned by kernels/cuda_plan. */
struct sa_cuda_conv_method {
    sa_status (*forward)(sa_cuda_device *device, const sa_conv_forward_args *args, const sa_conv_request *request);
    sa_status (*backward)(sa_cuda_device *device, const sa_conv_backward_args *args, const sa_conv_request *request);
};
extern const sa_cuda_conv_method sa_cuda_conv_gemm, sa_cuda_conv_direct, sa_cuda_conv_fft, sa_cuda_conv_dnn;
/* Of SA_CONV_CUDNN, which cuDNN is asked for. */
sa_status sa_cuda_conv_dnn_bytes(const sa_cuda_device *device, const sa_conv_request *request, size_t *bytes);

/* Addresses of the parts in a workspace; NULL for those of size 0. */
struct sa_conv_workspace {
    float *x, *dy, *dx, *column;
    void *last;
    size_t last_bytes;
};
sa_conv_workspace sa_conv_divide(const sa_conv_parts *parts, const sa_ref *workspace, size_t workspace_bytes);

/* A dense float32 slab of one image: channels [channel_begin, +channels). */
sa_slab sa_conv_image_slab(float *data, int n, int channel_begin, int channels, int height, int width);
/* *image = image n of the source as a dense (channels, H, W): the slab itself, or a copy made in `copy`. */
sa_status sa_conv_image(sa_cuda_device *device, const sa_source *source, int n, int channel_begin, int channels, float *copy,
                        const float **image);
/* y[n] += bias, over the range's channels */
sa_status sa_conv_add_bias(sa_cuda_device *device, const sa_conv_forward_args *args, int n);
/* Where the data gradient of image n goes: dx itself, or `copy` if it is gathered afterwards by sa_conv_finish_dx. */
float *sa_conv_dx_target(const sa_conv_backward_args *args, int n, float *copy);
sa_status sa_conv_finish_dx(sa_cuda_device *device, const sa_conv_backward_args *args, int n, float *copy);
sa_status sa_conv_bias_gradient(sa_cuda_device *device, const sa_conv_backward_args *args);

#endif
