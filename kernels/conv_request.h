/* What an op of a convolution asks of a device, and the checks of it that all devices make. Inline, since the CUDA device is a
 * library of its own in the tests. */
#ifndef SA_KERNELS_CONV_REQUEST_H
#define SA_KERNELS_CONV_REQUEST_H

#include "kernels/ops.h"

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline int sa_range_images(const sa_range *range)
{
    return range->image_end - range->image_begin;
}

static inline int sa_range_channels(const sa_range *range)
{
    return range->channel_end - range->channel_begin;
}

/* The request that an op's arguments amount to; the limit is the workspace they bring. */
static inline sa_conv_request sa_conv_forward_request(const sa_conv_forward_args *args)
{
    sa_conv_request request;
    memset(&request, 0, sizeof request);
    request.shape = args->shape;
    request.algorithm = args->algorithm;
    request.pass = SA_CONV_PASS_FORWARD;
    request.virtual_x = !sa_source_has_dense_images(&args->x);
    request.out_channels_at_once = sa_range_channels(&args->range);
    request.images = sa_range_images(&args->range);
    request.limit_bytes = args->workspace_bytes;
    return request;
}

static inline sa_conv_request sa_conv_backward_request(const sa_conv_backward_args *args)
{
    const bool data = args->dx.at.ptr != NULL, weight = args->dweight.ptr != NULL;
    sa_conv_request request;
    memset(&request, 0, sizeof request);
    request.shape = args->shape;
    request.algorithm = args->algorithm;
    request.pass = data && weight ? SA_CONV_PASS_BACKWARD_BOTH : data ? SA_CONV_PASS_BACKWARD_DATA : SA_CONV_PASS_BACKWARD_WEIGHT;
    request.virtual_x = weight && !sa_source_has_dense_images(&args->x);
    request.virtual_dy = !sa_source_has_dense_images(&args->dy);
    request.gather_dx = data && args->gather;
    request.bias_gradient = args->dbias.ptr != NULL;
    request.out_channels_at_once = sa_range_channels(&args->range);
    request.images = sa_range_images(&args->range);
    request.limit_bytes = args->workspace_bytes;
    return request;
}

/* Pixels from the first tap to the last. */
static inline int64_t sa_conv_extent(int32_t kernel, int32_t dilation)
{
    return (int64_t)dilation * (kernel - 1) + 1;
}

/* Channels of one group. */
static inline int sa_conv_group_in(const sa_conv_shape *shape)
{
    return shape->in_channels / shape->groups;
}

static inline int sa_conv_group_out(const sa_conv_shape *shape)
{
    return shape->out_channels / shape->groups;
}

/* Every size is positive and the output has the size that follows from the others. */
static inline sa_status sa_conv_check_shape(const sa_conv_shape *s)
{
    if (s->in_channels < 1 || s->in_height < 1 || s->in_width < 1 || s->out_channels < 1 || s->kernel_h < 1 || s->kernel_w < 1 ||
        s->stride_h < 1 || s->stride_w < 1 || s->pad_h < 0 || s->pad_w < 0 || s->dilation_h < 1 || s->dilation_w < 1)
        SA_FAIL(SA_INVALID, "convolution %dx%d stride %dx%d pad %dx%d dilation %dx%d on %dx%dx%d: sizes must be positive",
                s->kernel_h, s->kernel_w, s->stride_h, s->stride_w, s->pad_h, s->pad_w, s->dilation_h, s->dilation_w,
                s->in_channels, s->in_height, s->in_width);
    if (s->groups < 1 || s->in_channels % s->groups || s->out_channels % s->groups)
        SA_FAIL(SA_INVALID, "convolution of %d to %d channels in %d groups", s->in_channels, s->out_channels, s->groups);
    int64_t height = (int64_t)s->in_height + 2 * (int64_t)s->pad_h - sa_conv_extent(s->kernel_h, s->dilation_h);
    int64_t width = (int64_t)s->in_width + 2 * (int64_t)s->pad_w - sa_conv_extent(s->kernel_w, s->dilation_w);
    if (height < 0 || width < 0 || height / s->stride_h + 1 != s->out_height || width / s->stride_w + 1 != s->out_width)
        SA_FAIL(SA_INVALID, "convolution %dx%d stride %dx%d pad %dx%d dilation %dx%d on %dx%d does not give %dx%d", s->kernel_h,
                s->kernel_w, s->stride_h, s->stride_w, s->pad_h, s->pad_w, s->dilation_h, s->dilation_w, s->in_height, s->in_width,
                s->out_height, s->out_width);
    return SA_OK;
}

/* The algorithm exists, and so do the channels; the shape has been checked. */
static inline sa_status sa_conv_check_request(const sa_conv_request *request)
{
    if (request->algorithm < 0 || request->algorithm >= SA_CONV_ALGORITHMS)
        SA_FAIL(SA_INVALID, "convolution algorithm %d does not exist", (int)request->algorithm);
    if (request->out_channels_at_once < 1 || request->out_channels_at_once > request->shape.out_channels)
        SA_FAIL(SA_INVALID, "%d output channels at once of %d", request->out_channels_at_once, request->shape.out_channels);
    return SA_OK;
}

/* all_channels: the data gradient needs them. */
static inline sa_status sa_conv_check_range(const sa_conv_shape *s, const sa_range *r, bool all_channels)
{
    if (r->image_begin < 0 || r->image_end < r->image_begin || r->channel_begin < 0 || r->channel_end <= r->channel_begin ||
        r->channel_end > s->out_channels)
        SA_FAIL(SA_INVALID, "convolution range: images %d..%d, channels %d..%d of %d", r->image_begin, r->image_end,
                r->channel_begin, r->channel_end, s->out_channels);
    if (all_channels && sa_range_channels(r) != s->out_channels)
        SA_FAIL(SA_INVALID, "the data gradient of a convolution needs all %d output channels, not %d..%d", s->out_channels,
                r->channel_begin, r->channel_end);
    return SA_OK;
}

/* needed: the bytes that the request takes. */
static inline sa_status sa_conv_check_workspace(const sa_conv_request *request, const sa_ref *workspace, size_t needed,
                                                size_t alignment)
{
    if (needed > request->limit_bytes)
        SA_FAIL(SA_CAPACITY, "convolution workspace of %zu bytes, %zu needed", request->limit_bytes, needed);
    if (needed > 0 && (!workspace->ptr || (size_t)workspace->ptr % alignment != 0))
        SA_FAIL(SA_INVALID, "convolution workspace at %p is not aligned to %zu bytes", workspace->ptr, alignment);
    return SA_OK;
}

#ifdef __cplusplus
}
#endif
#endif
