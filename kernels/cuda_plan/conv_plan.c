/* Which convolution the CUDA device takes for a shape, and the workspace of each. */
#include "core/checked.h"
#include "kernels/conv_request.h"
#include "kernels/cuda_plan/conv_tile_plan.h"
#include "kernels/cuda_plan/fft_tiles.h"

static const size_t blas_least_bytes = 16 << 10; /* keep every routine of cuBLAS working */

sa_status sa_cuda_plan_check_shape(const sa_conv_shape *s)
{
    SA_TRY(sa_conv_check_shape(s));
    const size_t most = 0x7fffffff; /* cuBLAS and cuDNN count in ints */
    if (sa_conv_in_plane(s) > most || sa_conv_out_plane(s) > most || sa_conv_depth(s) > most)
        SA_FAIL(SA_UNSUPPORTED, "convolution: planes of %dx%d and %dx%d are too large", s->in_height, s->in_width, s->out_height,
                s->out_width);
    if (s->out_channels > 65535) SA_FAIL(SA_UNSUPPORTED, "convolution: %d output channels are too many", s->out_channels);
    return SA_OK;
}

/* ------------------------------------------------------------------ parts ------------------------------------------- */

static bool add_part(size_t channels, size_t plane, size_t *part, size_t *total)
{
    return sa_size_mul(channels, plane, part) && sa_size_mul(*part, sizeof(float), part) && sa_size_align(*part, 256, part) &&
           sa_size_add(*total, *part, total);
}

sa_status sa_cuda_plan_parts(const sa_conv_request *r, bool column, sa_conv_parts *parts)
{
    const sa_conv_shape *s = &r->shape;
    const bool data = r->pass == SA_CONV_PASS_BACKWARD_DATA || r->pass == SA_CONV_PASS_BACKWARD_BOTH;
    const bool reads_x = r->pass != SA_CONV_PASS_BACKWARD_DATA, reads_dy = r->pass != SA_CONV_PASS_FORWARD;
    sa_conv_parts p = {0, 0, 0, 0, 0};
    bool ok = !(reads_x && r->virtual_x) || add_part((size_t)s->in_channels, sa_conv_in_plane(s), &p.x, &p.total);
    ok = ok && (!(reads_dy && r->virtual_dy) || add_part((size_t)r->out_channels_at_once, sa_conv_out_plane(s), &p.dy, &p.total));
    ok = ok && (!(data && r->gather_dx) || add_part((size_t)s->in_channels, sa_conv_in_plane(s), &p.dx, &p.total));
    ok = ok && (!column || add_part(sa_conv_depth(s) * (size_t)s->groups, sa_conv_out_plane(s), &p.column, &p.total));
    if (!ok)
        SA_FAIL(SA_CAPACITY, "the workspace of a %dx%d convolution on %dx%dx%d overflows", s->kernel_h, s->kernel_w, s->in_channels,
                s->in_height, s->in_width);
    *parts = p;
    return SA_OK;
}

sa_status sa_cuda_plan_blas_parts(const sa_conv_request *request, sa_conv_parts *parts)
{
    const size_t rows = sa_conv_depth(&request->shape) * (size_t)request->shape.groups;
    if (rows > 65535) SA_FAIL(SA_UNSUPPORTED, "im2col: %zu rows of the column matrix are too many for one launch", rows);
    return sa_cuda_plan_parts(request, !sa_conv_is_plain_1x1(&request->shape), parts);
}

/* What the last part may have of the limit. */
static size_t left_of(size_t limit_bytes, size_t total)
{
    const size_t others = total + SA_CONV_LAST_ALIGNMENT;
    return limit_bytes > others ? limit_bytes - others : 0;
}

static sa_status blas_bytes(const sa_conv_request *request, size_t *bytes)
{
    sa_conv_parts parts;
    SA_TRY(sa_cuda_plan_blas_parts(request, &parts));
    size_t blas = left_of(request->limit_bytes, parts.total) / 256 * 256;
    blas = blas < blas_least_bytes ? blas_least_bytes : blas > sa_cuda_blas_bytes ? sa_cuda_blas_bytes : blas;
    *bytes = parts.total + SA_CONV_LAST_ALIGNMENT + blas;
    return SA_OK;
}

/* ------------------------------------------------------------------ direct ------------------------------------------ */

/* Room for the partial sums of as many images as the limit lets in, of those that the request has. */
static size_t partial_bytes(const sa_tile *tile, int channels, const sa_conv_request *r)
{
    const size_t one = sa_tile_partial_bytes(tile, channels), images = r->images > 0 ? (size_t)r->images : 1;
    if (one == 0) return 0;
    return (images < r->limit_bytes / one ? images : r->limit_bytes / one) * one;
}

/* The largest of its products' partial sums: they follow each other. */
static void direct_bytes(const sa_conv_request *r, size_t *bytes)
{
    const sa_conv_shape *s = &r->shape;
    size_t most = 0;
    if (r->pass == SA_CONV_PASS_FORWARD) {
        const sa_tile tile = sa_cuda_plan_forward_tile(s);
        most = partial_bytes(&tile, r->out_channels_at_once, r);
    }
    if (r->pass == SA_CONV_PASS_BACKWARD_WEIGHT || r->pass == SA_CONV_PASS_BACKWARD_BOTH) {
        const sa_weight_tile tile = sa_cuda_plan_weight_tile(s);
        most = sa_cuda_plan_weight_slots(s, &tile, r->out_channels_at_once, r->images, r->limit_bytes);
    }
    const bool data = r->pass == SA_CONV_PASS_BACKWARD_DATA || r->pass == SA_CONV_PASS_BACKWARD_BOTH;
    for (int phase = 0; data && phase < s->stride_h * s->stride_w; phase++) {
        const sa_tile tile = sa_cuda_plan_data_tile(s, phase / s->stride_w, phase % s->stride_w);
        const size_t partial = partial_bytes(&tile, s->in_channels, r);
        most = partial > most ? partial : most;
    }
    *bytes = most;
}

/* ------------------------------------------------------------------ all of them ------------------------------------- */

sa_conv_algorithm sa_cuda_conv_choose(const sa_device *device, const sa_conv_shape *shape, int images)
{
    (void)device;
    (void)images;
    return sa_cuda_fft_is_faster(shape) ? SA_CONV_FFT : SA_CONV_DIRECT;
}

/* Row sums are made one image at a time, before the method's own work. */
size_t sa_cuda_plan_conv_with_sums(const sa_conv_request *request, size_t needed)
{
    if (!request->bias_gradient) return needed;
    const size_t sums = sa_cuda_reduce_workspace_bytes(NULL, 1, request->out_channels_at_once, request->shape.out_height);
    return sums > needed && sums <= request->limit_bytes ? sums : needed;
}

sa_status sa_cuda_plan_conv_bytes(const sa_conv_request *request, size_t *bytes)
{
    size_t needed = 0;
    SA_TRY(sa_cuda_plan_check_shape(&request->shape));
    SA_TRY(sa_conv_check_request(request));
    switch (request->algorithm) {
    case SA_CONV_IM2COL: SA_TRY(blas_bytes(request, &needed)); break;
    case SA_CONV_DIRECT: direct_bytes(request, &needed); break;
    case SA_CONV_FFT: SA_TRY(sa_cuda_fft_bytes(request, &needed)); break;
    case SA_CONV_WINOGRAD: SA_FAIL(SA_UNSUPPORTED, "Winograd convolutions are for the cpu device, not for cuda");
    case SA_CONV_CUDNN:
    case SA_CONV_ALGORITHMS: SA_FAIL(SA_NO_DEVICE, "cuDNN's workspace is known only where there is a card");
    }
    *bytes = sa_cuda_plan_conv_with_sums(request, needed);
    return SA_OK;
}
