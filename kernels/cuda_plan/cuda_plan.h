/* What the CUDA device decides and needs before it runs anything: workspaces and algorithms, from shapes alone.
 *
 * Plain C in every build, called by the device and by `plan --device cuda` on a machine without a card: so a predicted arena is the
 * one that a run gets, and the same on every card. Only cuDNN's workspace is cuDNN's own to say. */
#ifndef SA_CUDA_PLAN_H
#define SA_CUDA_PLAN_H

#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ sums ------------------------------------------- */

/* Bytes of one row's partial result (bn_cuda.cu, loss_cuda.cu), and of one counter (accuracy_cuda.cu). */
enum { SA_CUDA_ROW_SUMS_BYTES = 16, SA_CUDA_ROW_LOSS_BYTES = 16, SA_CUDA_COUNT_BYTES = 8 };

/* Counters of an accuracy: correct and kept, in all and per class. */
SA_HOST_DEVICE static inline int sa_cuda_count_of(int classes)
{
    return 2 + 2 * classes;
}

/* Members of sa_kernels. */
size_t sa_cuda_reduce_workspace_bytes(const sa_device *device, int32_t images, int32_t channels, int32_t height);
size_t sa_cuda_loss_workspace_bytes(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width);
size_t sa_cuda_accuracy_workspace_bytes(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width);

/* ------------------------------------------------------------------ convolutions ----------------------------------- */

/* A member of sa_kernels: what `auto` takes. */
sa_conv_algorithm sa_cuda_conv_choose(const sa_device *device, const sa_conv_shape *shape, int images);
/* Bytes of an op of any algorithm but SA_CONV_CUDNN, exact. */
SA_CHECKED sa_status sa_cuda_plan_conv_bytes(const sa_conv_request *request, size_t *bytes);
/* What a bias gradient adds to `needed` bytes of its op: room for row sums, if the request's limit has it. */
size_t sa_cuda_plan_conv_with_sums(const sa_conv_request *request, size_t needed);
/* SA_INVALID, SA_UNSUPPORTED: a shape that no kernel takes. */
SA_CHECKED sa_status sa_cuda_plan_check_shape(const sa_conv_shape *shape);

/* How a workspace is divided; sizes in bytes, multiples of 256, 0 for parts that are not needed. The last part (a library's
 * workspace, partial sums) is what is left at the end, less what its alignment may cost. */
enum { SA_CONV_ALIGNMENT = 64 /* of a workspace */, SA_CONV_LAST_ALIGNMENT = 256 };
typedef struct sa_conv_parts {
    size_t x, dy, dx, column, total; /* one image each; total without the last part */
} sa_conv_parts;

/* The parts of methods that read stored inputs; column: a column matrix too. SA_CAPACITY on overflow. */
SA_CHECKED sa_status sa_cuda_plan_parts(const sa_conv_request *request, bool column, sa_conv_parts *parts);
/* Those of cuBLAS (SA_CONV_IM2COL), whose workspace is the last part. */
SA_CHECKED sa_status sa_cuda_plan_blas_parts(const sa_conv_request *request, sa_conv_parts *parts);

/* cuBLAS's workspace, at most: what it advises before Hopper, on all cards, so that the arena is the same. */
static const size_t sa_cuda_blas_bytes = 4 << 20;

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
/* Weights of one output channel: Cin/groups*Kh*Kw. */
static inline size_t sa_conv_depth(const sa_conv_shape *s)
{
    return (size_t)(s->in_channels / s->groups) * (size_t)s->kernel_h * (size_t)s->kernel_w;
}

#ifdef __cplusplus
}
#endif
#endif
