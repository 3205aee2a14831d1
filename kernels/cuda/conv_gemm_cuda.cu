/* Convolution as Caffe does it on CUDA: the column matrix of one image, (Cin*Kh*Kw) x (H'*W'), and cuBLAS SGEMM. A 1x1 kernel needs
 * no column matrix.
 *
 * cuBLAS is column-major: our row-major (R, C) is its C x R with leading dimension C. Its workspace is planned, so it allocates
 * nothing. Its sums may depend on the shape of a product, so bits may depend on the range of output channels. */
#include "kernels/cuda/conv.cuh"
#include "kernels/cuda/cuda_libraries.cuh"
#include "kernels/cuda/eval_launch.cuh"

typedef sa_block<256> sa_column_block;

/* One thread an element of the column matrix (groups * depth, H'*W'). image: (Cin, H, W). */
SA_KERNEL(sa_im2col_kernel, sa_column_block, sa_conv_shape s, const float *__restrict__ image, float *__restrict__ column)
{
    const unsigned plane = (unsigned)s.out_height * (unsigned)s.out_width, taps = (unsigned)(s.kernel_h * s.kernel_w);
    const unsigned q = blockIdx.y; /* c, u, v */
    const int c = (int)(q / taps), u = (int)(q % taps) / s.kernel_w * s.dilation_h, v = (int)(q % taps) % s.kernel_w * s.dilation_w;
    const float *from = image + (size_t)c * (size_t)s.in_height * (size_t)s.in_width;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < plane; p += gridDim.x * blockDim.x) {
        int y = (int)(p / (unsigned)s.out_width) * s.stride_h + u - s.pad_h;
        int x = (int)(p % (unsigned)s.out_width) * s.stride_w + v - s.pad_w;
        bool inside = y >= 0 && y < s.in_height && x >= 0 && x < s.in_width;
        column[(size_t)q * plane + p] = inside ? from[(size_t)y * (size_t)s.in_width + (size_t)x] : 0.0f;
    }
}

/* One thread an element of dx (Cin, H, W): the sum, in order of (u, v), of the column entries that were copied from it. */
SA_KERNEL(sa_col2im_kernel, sa_column_block, sa_conv_shape s, const float *__restrict__ column, float *__restrict__ dx)
{
    const unsigned in_plane = (unsigned)s.in_height * (unsigned)s.in_width;
    const size_t out_plane = (size_t)s.out_height * (size_t)s.out_width;
    const float *from = column + (size_t)blockIdx.y * (size_t)(s.kernel_h * s.kernel_w) * out_plane;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < in_plane; p += gridDim.x * blockDim.x) {
        const int y = (int)(p / (unsigned)s.in_width), x = (int)(p % (unsigned)s.in_width);
        float sum = 0.0f;
        for (int u = 0; u < s.kernel_h; u++) {
            const int top = y + s.pad_h - u * s.dilation_h, i = top / s.stride_h;
            if (top < 0 || top % s.stride_h != 0 || i >= s.out_height) continue;
            for (int v = 0; v < s.kernel_w; v++) {
                const int left = x + s.pad_w - v * s.dilation_w, j = left / s.stride_w;
                if (left < 0 || left % s.stride_w != 0 || j >= s.out_width) continue;
                sum += from[(size_t)(u * s.kernel_w + v) * out_plane + (size_t)i * (size_t)s.out_width + (size_t)j];
            }
        }
        dx[(size_t)blockIdx.y * in_plane + p] = sum;
    }
}
SIMT_KERNEL(sa_im2col_kernel)
SIMT_KERNEL(sa_col2im_kernel)

/* Divides the workspace and gives cuBLAS its part. */
static sa_status prepare(sa_cuda_device *device, const sa_conv_request *request, const sa_ref *workspace, sa_conv_workspace *w)
{
    sa_conv_parts parts;
    SA_TRY(sa_cuda_plan_blas_parts(request, &parts));
    *w = sa_conv_divide(&parts, workspace, request->limit_bytes);
    const size_t blas = w->last_bytes / 256 * 256;
    SA_BLAS_TRY(cublasSetWorkspace(device->blas, w->last, blas < sa_cuda_blas_bytes ? blas : sa_cuda_blas_bytes));
    return SA_OK;
}

static sa_status make_column(sa_cuda_device *device, const sa_conv_shape *s, const float *image, float *column,
                             const float **result)
{
    *result = image;
    if (sa_conv_is_plain_1x1(s)) return SA_OK;
    const dim3 grid(sa_blocks_for(sa_conv_out_plane(s), sa_column_block::threads),
                    (unsigned)(sa_conv_depth(s) * (size_t)s->groups));
    SA_CUDA_TRY(sa_launch(sa_im2col_kernel, grid, 0, device->stream, *s, image, column));
    *result = column;
    return SA_OK;
}

/* The channels of a range that belong to a group: begin >= end if there are none. */
struct group_part {
    int begin, end;
};
static group_part part_of(const sa_conv_shape *s, const sa_range *range, int group)
{
    const int of_group = s->out_channels / s->groups, first = group * of_group;
    group_part part = {range->channel_begin > first ? range->channel_begin : first,
                       range->channel_end < first + of_group ? range->channel_end : first + of_group};
    return part;
}

/* y (channels, P) = weight (channels, depth) * column (depth, P), group by group */
static sa_status forward(sa_cuda_device *device, const sa_conv_forward_args *args, const sa_conv_request *request)
{
    const sa_conv_shape *s = &args->shape;
    const size_t depth = sa_conv_depth(s), plane = sa_conv_out_plane(s);
    const float one = 1.0f, zero = 0.0f, *weight = (const float *)args->weight.ptr;
    sa_conv_workspace w;
    SA_TRY(prepare(device, request, &args->workspace, &w));
    for (int n = args->range.image_begin; n < args->range.image_end; n++) {
        const float *image, *column;
        SA_TRY(sa_conv_image(device, &args->x, n, 0, s->in_channels, w.x, &image));
        SA_TRY(make_column(device, s, image, w.column, &column));
        for (int g = 0; g < s->groups; g++) {
            const group_part part = part_of(s, &args->range, g);
            if (part.begin >= part.end) continue;
            SA_BLAS_TRY(cublasSgemm(device->blas, CUBLAS_OP_N, CUBLAS_OP_N, (int)plane, part.end - part.begin, (int)depth, &one,
                                    column + (size_t)g * depth * plane, (int)plane, weight + (size_t)part.begin * depth, (int)depth,
                                    &zero, (float *)sa_slab_row(&args->y, n, part.begin, 0), (int)plane));
        }
        SA_TRY(sa_conv_add_bias(device, args, n));
    }
    return SA_OK;
}

/* dweight (channels, depth) += dy (channels, P) * column^T (P, depth), group by group */
static sa_status weight_gradient(sa_cuda_device *device, const sa_conv_backward_args *args, int n, const float *dy,
                                 const sa_conv_workspace *w)
{
    const sa_conv_shape *s = &args->shape;
    const size_t depth = sa_conv_depth(s), plane = sa_conv_out_plane(s);
    const float one = 1.0f, beta = args->accumulate || n > args->range.image_begin ? 1.0f : 0.0f;
    const float *image, *column;
    SA_TRY(sa_conv_image(device, &args->x, n, 0, s->in_channels, w->x, &image));
    SA_TRY(make_column(device, s, image, w->column, &column));
    for (int g = 0; g < s->groups; g++) {
        const group_part part = part_of(s, &args->range, g);
        if (part.begin >= part.end) continue;
        SA_BLAS_TRY(cublasSgemm(device->blas, CUBLAS_OP_T, CUBLAS_OP_N, (int)depth, part.end - part.begin, (int)plane, &one,
                                column + (size_t)g * depth * plane, (int)plane,
                                dy + (size_t)(part.begin - args->range.channel_begin) * plane, (int)plane, &beta,
                                (float *)args->dweight.ptr + (size_t)part.begin * depth, (int)depth));
    }
    return SA_OK;
}

/* column (depth, P) = weight^T (depth, Cout) * dy (Cout, P), group by group, then col2im */
static sa_status data_gradient(sa_cuda_device *device, const sa_conv_backward_args *args, int n, const float *dy,
                               const sa_conv_workspace *w)
{
    const sa_conv_shape *s = &args->shape;
    const size_t depth = sa_conv_depth(s), plane = sa_conv_out_plane(s), channels = (size_t)(s->out_channels / s->groups);
    const float one = 1.0f, zero = 0.0f;
    float *dx = sa_conv_dx_target(args, n, w->dx), *product = sa_conv_is_plain_1x1(s) ? dx : w->column;
    for (int g = 0; g < s->groups; g++)
        SA_BLAS_TRY(cublasSgemm(device->blas, CUBLAS_OP_N, CUBLAS_OP_T, (int)plane, (int)depth, (int)channels, &one,
                                dy + (size_t)g * channels * plane, (int)plane,
                                (const float *)args->weight.ptr + (size_t)g * channels * depth, (int)depth, &zero,
                                product + (size_t)g * depth * plane, (int)plane));
    if (product != dx) {
        const dim3 grid(sa_blocks_for(sa_conv_in_plane(s), sa_column_block::threads), (unsigned)s->in_channels);
        SA_CUDA_TRY(sa_launch(sa_col2im_kernel, grid, 0, device->stream, *s, (const float *)product, dx));
    }
    return sa_conv_finish_dx(device, args, n, w->dx);
}

static sa_status backward(sa_cuda_device *device, const sa_conv_backward_args *args, const sa_conv_request *request)
{
    const int begin = args->range.channel_begin, channels = args->range.channel_end - begin;
    sa_conv_workspace w;
    SA_TRY(prepare(device, request, &args->workspace, &w));
    for (int n = args->range.image_begin; n < args->range.image_end; n++) {
        const float *dy;
        SA_TRY(sa_conv_image(device, &args->dy, n, begin, channels, w.dy, &dy));
        if (args->dweight.ptr) SA_TRY(weight_gradient(device, args, n, dy, &w));
        if (args->dx.at.ptr) SA_TRY(data_gradient(device, args, n, dy, &w));
    }
    return SA_OK;
}

const sa_cuda_conv_method sa_cuda_conv_gemm = {forward, backward};
