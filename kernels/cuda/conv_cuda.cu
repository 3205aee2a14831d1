/* Convolution on CUDA: the entry points, checks, and what the methods share. The methods are in conv_gemm_cuda.cu (SA_CONV_IM2COL),
 * conv_tile_cuda.cu (SA_CONV_DIRECT), conv_fft_cuda.cpp (SA_CONV_FFT) and conv_dnn_cuda.cpp (SA_CONV_CUDNN). */
#include "kernels/cuda/conv.cuh"

#include "kernels/conv_request.h"
#include "kernels/cuda/bn.cuh"
#include "kernels/cuda/eval_launch.cuh"
#include "kernels/cuda/materialize.cuh"
#include "kernels/cuda/unpool.cuh"

/* In order of sa_conv_algorithm. */
static const sa_cuda_conv_method *const methods[SA_CONV_ALGORITHMS] = {&sa_cuda_conv_gemm, &sa_cuda_conv_direct, &sa_cuda_conv_fft,
                                                                       &sa_cuda_conv_dnn};

/* ------------------------------------------------------------------ workspaces -------------------------------------- */

static float *next_part(char **at, size_t bytes)
{
    char *part = *at;
    *at += bytes;
    return bytes ? (float *)part : nullptr;
}

sa_conv_workspace sa_conv_divide(const sa_conv_parts *parts, const sa_ref *workspace, size_t workspace_bytes)
{
    sa_conv_workspace w;
    char *at = (char *)workspace->ptr;
    w.x = next_part(&at, parts->x);
    w.dy = next_part(&at, parts->dy);
    w.dx = next_part(&at, parts->dx);
    w.column = next_part(&at, parts->column);
    const size_t left = workspace_bytes - parts->total, last = SA_CONV_LAST_ALIGNMENT;
    w.last_bytes = left > last ? left - last : 0;
    w.last = w.last_bytes ? (void *)(((size_t)at + last - 1) / last * last) : nullptr;
    return w;
}

/* ------------------------------------------------------------------ images ------------------------------------------ */

sa_slab sa_conv_image_slab(float *data, int n, int channel_begin, int channels, int height, int width)
{
    sa_slab slab = {};
    slab.at.ptr = data;
    slab.encoding = SA_F32;
    slab.images = 1, slab.channels = channels, slab.height = height, slab.width = width;
    slab.image_begin = n, slab.channel_begin = channel_begin;
    return slab;
}

sa_status sa_conv_image(sa_cuda_device *device, const sa_source *source, int n, int channel_begin, int channels, float *copy,
                        const float **image)
{
    const sa_node *root = sa_source_root(source);
    if (sa_source_has_dense_images(source)) {
        *image = (const float *)sa_slab_row(&root->slab, n, channel_begin, 0);
        return SA_OK;
    }
    if (!copy) SA_FAIL(SA_INVALID, "convolution: a computed input, but the workspace was planned for a stored one");
    const sa_range range = {n, n + 1, channel_begin, channel_begin + channels};
    const sa_slab out = sa_conv_image_slab(copy, n, channel_begin, channels, root->height, root->width);
    *image = copy;
    return sa_cuda_materialize_range(device, &range, source, &out);
}

float *sa_conv_dx_target(const sa_conv_backward_args *args, int n, float *copy)
{
    return args->gather ? copy : (float *)sa_slab_row(&args->dx, n, 0, 0);
}

/* ------------------------------------------------------------------ bias -------------------------------------------- */

typedef sa_block<256> sa_bias_block;

/* One row of blocks a channel: gridDim.y. y: (channels, plane) of one image; bias: (channels). */
SA_KERNEL(sa_add_bias_kernel, sa_bias_block, float *__restrict__ y, const float *__restrict__ bias, unsigned plane)
{
    const float b = bias[blockIdx.y];
    y += (size_t)blockIdx.y * plane;
    const unsigned quads = ((size_t)y & 15) == 0 ? plane / 4 : 0, first = blockIdx.x * blockDim.x + threadIdx.x;
    for (unsigned i = first; i < quads; i += gridDim.x * blockDim.x) {
        float4 v = ((const float4 *)y)[i];
        ((float4 *)y)[i] = make_float4(v.x + b, v.y + b, v.z + b, v.w + b);
    }
    for (unsigned i = quads * 4 + first; i < plane; i += gridDim.x * blockDim.x) y[i] += b;
}
SIMT_KERNEL(sa_add_bias_kernel)

/* planes: (channels, plane) of one image; bias: (channels). */
static sa_status add_bias(sa_cuda_device *device, float *planes, const float *bias, int channels, size_t plane)
{
    const dim3 grid(sa_blocks_for(plane / 4, sa_bias_block::threads), (unsigned)channels);
    SA_CUDA_TRY(sa_launch(sa_add_bias_kernel, grid, 0, device->stream, planes, bias, (unsigned)plane));
    return SA_OK;
}

sa_status sa_conv_add_bias(sa_cuda_device *device, const sa_conv_forward_args *args, int n)
{
    const int begin = args->range.channel_begin;
    if (!args->bias.ptr) return SA_OK;
    return add_bias(device, (float *)sa_slab_row(&args->y, n, begin, 0), (const float *)args->bias.ptr + begin,
                    args->range.channel_end - begin, sa_conv_out_plane(&args->shape));
}

sa_status sa_conv_finish_dx(sa_cuda_device *device, const sa_conv_backward_args *args, int n, float *copy)
{
    const sa_conv_shape *s = &args->shape;
    if (!args->gather && args->dx_bias.ptr)
        return add_bias(device, (float *)sa_slab_row(&args->dx, n, 0, 0), (const float *)args->dx_bias.ptr, s->in_channels,
                        sa_conv_in_plane(s));
    if (!args->gather) return SA_OK;
    const sa_range range = {n, n + 1, 0, s->in_channels};
    const sa_slab dx = sa_conv_image_slab(copy, n, 0, s->in_channels, s->in_height, s->in_width);
    return sa_cuda_gather(device, &range, &dx, &args->mask, &args->window, &args->dx);
}

static sa_status bias_sums(sa_cuda_device *device, const sa_conv_backward_args *args, const sa_source *source, int begin, int end,
                           const sa_ref *sums)
{
    const sa_range range = {args->range.image_begin, args->range.image_end, begin, end};
    if (!sums->ptr) return SA_OK;
    return sa_cuda_channel_sums(device, &range, source, (float *)sums->ptr, args->accumulate, &args->workspace,
                                args->workspace_bytes);
}

sa_status sa_conv_bias_gradient(sa_cuda_device *device, const sa_conv_backward_args *args)
{
    SA_TRY(bias_sums(device, args, &args->dy, args->range.channel_begin, args->range.channel_end, &args->dbias));
    return bias_sums(device, args, &args->x, 0, args->shape.in_channels, &args->dx_dbias);
}

/* ------------------------------------------------------------------ entry points ------------------------------------ */

sa_status sa_cuda_conv_workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes)
{
    size_t needed;
    if (request->algorithm != SA_CONV_CUDNN) return sa_cuda_plan_conv_bytes(request, bytes);
    SA_TRY(sa_cuda_plan_check_shape(&request->shape));
    SA_TRY(sa_conv_check_request(request));
    SA_TRY(sa_cuda_conv_dnn_bytes((const sa_cuda_device *)device, request, &needed));
    *bytes = sa_cuda_plan_conv_with_sums(request, needed);
    return SA_OK;
}

static sa_status check_workspace(const sa_device *device, const sa_conv_request *request, const sa_ref *workspace)
{
    size_t needed;
    SA_TRY(sa_cuda_conv_workspace_bytes(device, request, &needed));
    return sa_conv_check_workspace(request, workspace, needed, SA_CONV_ALIGNMENT);
}

sa_status sa_cuda_conv_forward(sa_device *device, const sa_conv_forward_args *args)
{
    sa_conv_request request = sa_conv_forward_request(args);
    SA_TRY(sa_cuda_plan_check_shape(&args->shape));
    SA_TRY(sa_conv_check_range(&args->shape, &args->range, false));
    SA_TRY(check_workspace(device, &request, &args->workspace));
    return methods[args->algorithm]->forward(sa_cuda(device), args, &request);
}

sa_status sa_cuda_conv_backward(sa_device *device, const sa_conv_backward_args *args)
{
    sa_conv_request request = sa_conv_backward_request(args);
    const bool data = args->dx.at.ptr != nullptr, weight = args->dweight.ptr != nullptr;
    SA_TRY(sa_cuda_plan_check_shape(&args->shape));
    SA_TRY(sa_conv_check_range(&args->shape, &args->range, data));
    if (data || weight) SA_TRY(check_workspace(device, &request, &args->workspace));
    SA_TRY(sa_conv_bias_gradient(sa_cuda(device), args));
    if (!data && !weight) return SA_OK;
    return methods[args->algorithm]->backward(sa_cuda(device), args, &request);
}
