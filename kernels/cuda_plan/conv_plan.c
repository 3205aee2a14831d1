/* Which convolution the CUDA device takes for a shape, and the workspace of each. */
#include "core/checked.h"
#include "kernels/conv_request.h"
#include "kernels/cuda_plan/cuda_plan.h"
#include "kernels/cuda_plan/fft_tiles.h"

enum { CHUNKS = 16 /* runs of a weight gradient's tiles, at most */ };

static const size_t blas_least_bytes = 16 << 10; /* keep every routine of cuBLAS working */

sa_status sa_cuda_plan_check_shape(const sa_conv_shape *s)
{
    SA_TRY(sa_conv_check_shape(s));
    if (s->groups > 1 || s->dilation_h > 1 || s->dilation_w > 1)
        SA_FAIL(SA_UNSUPPORTED, "cuda convolution: %d groups, dilation %dx%d", s->groups, s->dilation_h, s->dilation_w);
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
    ok = ok && (!column || add_part(sa_conv_depth(s), sa_conv_out_plane(s), &p.column, &p.total));
    if (!ok)
        SA_FAIL(SA_CAPACITY, "the workspace of a %dx%d convolution on %dx%dx%d overflows", s->kernel_h, s->kernel_w, s->in_channels,
                s->in_height, s->in_width);
    *parts = p;
    return SA_OK;
}

sa_status sa_cuda_plan_own_parts(const sa_conv_request *request, sa_conv_parts *parts)
{
    sa_conv_request stored = *request;
    stored.virtual_x = stored.virtual_dy = false; /* read straight from the source */
    return sa_cuda_plan_parts(&stored, false, parts);
}

sa_status sa_cuda_plan_blas_parts(const sa_conv_request *request, sa_conv_parts *parts)
{
    if (request->shape.in_channels > 65535 || sa_conv_depth(&request->shape) > 65535)
        SA_FAIL(SA_UNSUPPORTED, "im2col: %zu rows of the column matrix are too many for one launch",
                sa_conv_depth(&request->shape));
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

sa_weight_cut sa_cuda_plan_weight_cut(const sa_conv_shape *s)
{
    sa_weight_cut cut;
    cut.across = (s->out_width + SA_DIRECT_COLUMNS - 1) / SA_DIRECT_COLUMNS;
    cut.tiles = cut.across * ((s->out_height + SA_DIRECT_ROWS - 1) / SA_DIRECT_ROWS);
    cut.per_chunk = (cut.tiles + CHUNKS - 1) / CHUNKS;
    cut.chunks = (cut.tiles + cut.per_chunk - 1) / cut.per_chunk;
    return cut;
}

size_t sa_cuda_plan_weight_bytes(const sa_conv_shape *s, int channels, size_t limit_bytes)
{
    const int chunks = sa_cuda_plan_weight_cut(s).chunks;
    const size_t bytes = (size_t)chunks * (size_t)channels * sa_conv_depth(s) * sizeof(float);
    return chunks > 1 && bytes <= limit_bytes ? bytes : 0;
}

/* One image's dx if it is gathered, then the weight gradient's partial sums. */
static sa_status direct_bytes(const sa_conv_request *request, size_t *bytes)
{
    sa_conv_parts parts;
    size_t sums = 0;
    SA_TRY(sa_cuda_plan_own_parts(request, &parts));
    if (request->pass == SA_CONV_PASS_BACKWARD_WEIGHT || request->pass == SA_CONV_PASS_BACKWARD_BOTH)
        sums =
            sa_cuda_plan_weight_bytes(&request->shape, request->out_channels_at_once, left_of(request->limit_bytes, parts.total));
    *bytes = sums ? parts.total + SA_CONV_LAST_ALIGNMENT + sums : parts.total;
    return SA_OK;
}

/* ------------------------------------------------------------------ all of them ------------------------------------- */

sa_conv_algorithm sa_cuda_conv_choose(const sa_device *device, const sa_conv_shape *shape)
{
    (void)device;
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
    case SA_CONV_DIRECT: SA_TRY(direct_bytes(request, &needed)); break;
    case SA_CONV_FFT: SA_TRY(sa_cuda_fft_bytes(request, &needed)); break;
    case SA_CONV_CUDNN:
    case SA_CONV_ALGORITHMS: SA_FAIL(SA_NO_DEVICE, "cuDNN's workspace is known only where there is a card");
    }
    *bytes = sa_cuda_plan_conv_with_sums(request, needed);
    return SA_OK;
}
