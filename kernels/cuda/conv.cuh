/* Convolution on CUDA: what its three methods share. Each processes one image after the other, so that sums over images have one
 * order and workspaces do not grow with the batch. */
#ifndef SA_CUDA_CONV_CUH
#define SA_CUDA_CONV_CUH

#include "kernels/cuda/cuda_device.cuh"

/* One algorithm of sa_conv_algorithm. Requests and arguments were checked. */
struct sa_cuda_conv_method {
    sa_status (*workspace_bytes)(const sa_cuda_device *device, const sa_conv_request *request, size_t *bytes);
    sa_status (*forward)(sa_cuda_device *device, const sa_conv_forward_args *args, const sa_conv_request *request);
    sa_status (*backward)(sa_cuda_device *device, const sa_conv_backward_args *args, const sa_conv_request *request);
};
extern const sa_cuda_conv_method sa_cuda_conv_gemm, sa_cuda_conv_direct, sa_cuda_conv_dnn;

/* How a workspace is divided; sizes in bytes, multiples of 256, 0 for parts that are not needed. The library's part (cuBLAS, cuDNN)
 * is what is left at the end, less what its alignment may cost. */
enum { SA_CONV_ALIGNMENT = 64 /* of a workspace */, SA_CONV_LIBRARY_ALIGNMENT = 256 };
struct sa_conv_parts {
    size_t x, dy, dx, column, total; /* one image each; total without the library's part */
};

/* The parts that methods with library calls need. SA_CAPACITY on overflow. */
sa_status sa_conv_plan_parts(const sa_conv_request *request, bool column, sa_conv_parts *parts);

/* Addresses of the parts in a workspace; NULL for those of size 0. */
struct sa_conv_workspace {
    float *x, *dy, *dx, *column;
    void *library;
    size_t library_bytes;
};
sa_conv_workspace sa_conv_divide(const sa_conv_parts *parts, const sa_ref *workspace, size_t workspace_bytes);

/* Does the convolution multiply pixels by a matrix and nothing else: 1x1, stride 1, no pad? */
static inline bool sa_conv_is_plain_1x1(const sa_conv_shape *s)
{
    return s->kernel_h == 1 && s->kernel_w == 1 && s->stride_h == 1 && s->stride_w == 1 && s->pad_h == 0 && s->pad_w == 0;
}
static inline size_t sa_conv_in_plane(const sa_conv_shape *s)
{
    return (size_t)s->in_height * (size_t)s->in_width;
}
static inline size_t sa_conv_out_plane(const sa_conv_shape *s)
{
    return (size_t)s->out_height * (size_t)s->out_width;
}
/* Weights of one output channel: Cin*Kh*Kw. */
static inline size_t sa_conv_depth(const sa_conv_shape *s)
{
    return (size_t)s->in_channels * (size_t)s->kernel_h * (size_t)s->kernel_w;
}

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
