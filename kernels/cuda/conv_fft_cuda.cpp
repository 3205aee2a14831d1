/* The FFT-tile convolution on CUDA (SA_CONV_FFT): forward, data gradient, weight gradient, chunk by chunk (conv_fft.cuh).
 *
 *      y[i + a]  = sum of w[u] * window[a + u]          window: x from i - pad on
 *      dx[i + a] = sum of w[K-1-u] * window[a + u]      window: dy from i + pad - (K-1) on
 *      dw[K-1-l] = sum of block[a] * window[a + l]      block: x from i on; window: the same dy
 *      dw[l]     = sum of block[a] * window[a + l]      block: dy from i on; window: x from i - pad on
 *
 * all of them correlations of at most T pixels. Blocks have step pixels, windows T. The last two are the weight gradient's two ways
 * (sa_cuda_fft_weights_apart), summed over the tiles of an image as spectra, in order of tiles; the sums of images are added as
 * taps, in order. A chunk takes tiles of several images where these are small. */
#include "kernels/conv_request.h"
#include "kernels/cuda/conv_fft.cuh"

namespace
{

/* One pass of an op. */
struct job {
    sa_cuda_device *device;
    const sa_conv_shape *shape;
    sa_cuda_fft_plan plan;
    char *workspace;
    int group_begin, group; /* other channels that are being done */

    float2 *part(size_t at) const
    {
        return (float2 *)(workspace + at);
    }
    /* Spectra of a chunk on the side of `in` or on the other, plain ones. */
    sa_fft_spectra in(int tiles) const
    {
        return {part(plan.in_at), (size_t)tiles * (size_t)plan.in_pitch, 1.0f, 1.0f};
    }
    sa_fft_spectra other(int tiles) const
    {
        return {part(plan.other_at), (size_t)tiles * (size_t)plan.pitch, 1.0f, 1.0f};
    }
    size_t filter_frequency() const
    {
        return (size_t)plan.in_pitch * (size_t)plan.pitch;
    }
};

} // namespace

static sa_status start(job *j, sa_cuda_device *device, const sa_conv_shape *shape, const sa_conv_request *request,
                       const sa_ref *workspace)
{
    SA_TRY(sa_cuda_fft_plan_make(request, &j->plan));
    j->device = device;
    j->shape = shape;
    j->workspace = (char *)workspace->ptr;
    return SA_OK;
}

/* Other channels [begin, +group). */
static void take_group(job *j, int begin)
{
    j->group_begin = begin;
    j->group = j->plan.others - begin < j->plan.group ? j->plan.others - begin : j->plan.group;
}

/* Windows (or blocks) that begin `pad` before the tiles, of channels [channel_begin, +channels) of the images from n on; of the
 * chunk from tile `begin` on. */
static sa_fft_cut cut_of(const job *j, bool windows, int pad_y, int pad_x, int height, int width, int n, int channel_begin,
                         int channels, int pitch, int begin)
{
    const sa_cuda_fft_plan *p = &j->plan;
    sa_fft_cut cut = {};
    cut.size = p->size;
    cut.y = -pad_y, cut.x = -pad_x;
    cut.step_y = p->step_y, cut.step_x = p->step_x;
    cut.extent_y = windows ? p->size : p->step_y, cut.extent_x = windows ? p->size : p->step_x;
    cut.height = height, cut.width = width;
    cut.tiles_x = p->tiles_x, cut.image_tiles = p->image_tiles;
    cut.tile_begin = begin, cut.tiles = p->tiles - begin < p->chunk ? p->tiles - begin : p->chunk;
    cut.n = n, cut.channel_begin = channel_begin, cut.channels = channels, cut.pitch = pitch;
    return cut;
}

/* Spectra of the other side = those of `in` times the filters. */
static sa_status apply_filters(const job *j, int tiles)
{
    const sa_cuda_fft_plan *p = &j->plan;
    const sa_fft_spectra in = j->in(tiles), other = j->other(tiles);
    sa_fft_product product = {};
    product.a = in.at, product.a_frequency = in.frequency_pitch, product.a_pitch = p->in_pitch;
    product.b = j->part(p->filter_at), product.b_frequency = j->filter_frequency(), product.b_pitch = p->pitch;
    product.c = other.at, product.c_frequency = other.frequency_pitch, product.c_pitch = p->pitch;
    product.rows = tiles, product.columns = p->pitch, product.depth = p->in_pitch;
    return sa_fft_apply(j->device, &product, p->frequencies);
}

/* The gradient's spectra are set to, or increased by, the sum over tiles [first, first + count) of a chunk of `tiles`. */
static sa_status add_gradient(const job *j, int tiles, int first, int count, bool add)
{
    const sa_cuda_fft_plan *p = &j->plan;
    const sa_fft_spectra in = j->in(tiles), other = j->other(tiles);
    sa_fft_product product = {};
    product.a = in.at + (size_t)first * (size_t)p->in_pitch;
    product.a_frequency = in.frequency_pitch, product.a_pitch = p->in_pitch;
    product.b = other.at + (size_t)first * (size_t)p->pitch;
    product.b_frequency = other.frequency_pitch, product.b_pitch = p->pitch;
    product.c = j->part(p->gradient_at), product.c_frequency = j->filter_frequency(), product.c_pitch = p->pitch;
    product.rows = p->in_pitch, product.columns = p->pitch, product.depth = count;
    product.add = add;
    return sa_fft_correlate(j->device, &product, p->frequencies);
}

/* ------------------------------------------------------------------ forward ----------------------------------------- */

static sa_status forward_group(const job *j, const sa_conv_forward_args *args)
{
    const sa_cuda_fft_plan *p = &j->plan;
    const sa_conv_shape *s = j->shape;
    const size_t taps = (size_t)s->kernel_h * (size_t)s->kernel_w;
    const int channel = args->range.channel_begin + j->group_begin;
    const float *weight = (const float *)args->weight.ptr + (size_t)channel * sa_conv_depth(s);
    const sa_fft_filters filters = {p->size,          s->kernel_h,    s->kernel_w, weight,   taps,
                                    sa_conv_depth(s), s->in_channels, j->group,    p->pitch, false};
    SA_TRY(sa_fft_transform_filters(j->device, &filters, j->part(p->filter_at)));
    for (int begin = 0; begin < p->tiles; begin += p->chunk) {
        const int n = args->range.image_begin;
        const sa_fft_cut x =
            cut_of(j, true, s->pad_h, s->pad_w, s->in_height, s->in_width, n, 0, s->in_channels, p->in_pitch, begin);
        const sa_fft_cut y = cut_of(j, false, 0, 0, s->out_height, s->out_width, n, channel, j->group, p->pitch, begin);
        const sa_fft_spectra in = j->in(x.tiles), other = j->other(x.tiles);
        SA_TRY(sa_fft_transform(j->device, &args->x, &x, &in));
        SA_TRY(apply_filters(j, x.tiles));
        SA_TRY(sa_fft_store(j->device, &other, &y, (const float *)args->bias.ptr, &args->y));
    }
    return SA_OK;
}

static sa_status forward(sa_cuda_device *device, const sa_conv_forward_args *args, const sa_conv_request *request)
{
    job j = {};
    SA_TRY(start(&j, device, &args->shape, request, &args->workspace));
    for (int begin = 0; begin < j.plan.others; begin += j.plan.group) {
        take_group(&j, begin);
        SA_TRY(forward_group(&j, args));
    }
    return SA_OK;
}

/* ------------------------------------------------------------------ backward ---------------------------------------- */

/* dy (which = in) of a chunk: windows, or blocks for the gradient by windows of x. */
static sa_status transform_dy(const job *j, const sa_conv_backward_args *args, int begin)
{
    const sa_cuda_fft_plan *p = &j->plan;
    const sa_conv_shape *s = j->shape;
    const bool blocks = p->windows_of_x;
    const sa_fft_cut dy =
        cut_of(j, !blocks, blocks ? 0 : s->kernel_h - 1 - s->pad_h, blocks ? 0 : s->kernel_w - 1 - s->pad_w, s->out_height,
               s->out_width, args->range.image_begin, args->range.channel_begin, p->in_channels, p->in_pitch, begin);
    sa_fft_spectra spectra = j->in(dy.tiles);
    spectra.im_scale = blocks ? -1.0f : 1.0f; /* the block's is conjugated */
    return sa_fft_transform(j->device, &args->dy, &dy, &spectra);
}

static sa_status transform_x(const job *j, const sa_conv_backward_args *args, int begin)
{
    const sa_cuda_fft_plan *p = &j->plan;
    const sa_conv_shape *s = j->shape;
    const bool windows = p->windows_of_x;
    const sa_fft_cut x = cut_of(j, windows, windows ? s->pad_h : 0, windows ? s->pad_w : 0, s->in_height, s->in_width,
                                args->range.image_begin, j->group_begin, j->group, p->pitch, begin);
    sa_fft_spectra spectra = j->other(x.tiles);
    spectra.im_scale = windows ? 1.0f : -1.0f;
    return sa_fft_transform(j->device, &args->x, &x, &spectra);
}

static sa_status store_dx(const job *j, const sa_conv_backward_args *args, int begin)
{
    const sa_conv_shape *s = j->shape;
    const sa_fft_cut dx =
        cut_of(j, false, 0, 0, s->in_height, s->in_width, args->range.image_begin, j->group_begin, j->group, j->plan.pitch, begin);
    const sa_fft_spectra spectra = j->other(dx.tiles);
    if (args->gather) return sa_fft_store_gathered(j->device, &spectra, &dx, &args->mask, &args->window, &args->dx);
    return sa_fft_store(j->device, &spectra, &dx, (const float *)args->dx_bias.ptr, &args->dx);
}

/* The first weight of the range's channels and the group's. */
static size_t first_weight(const job *j, const sa_conv_backward_args *args)
{
    const sa_conv_shape *s = j->shape;
    return (size_t)args->range.channel_begin * sa_conv_depth(s) +
           (size_t)j->group_begin * (size_t)s->kernel_h * (size_t)s->kernel_w;
}

/* What a chunk from tile `begin` on adds to the weight gradient, image by image: one that ends is added to the taps. */
static sa_status add_images(const job *j, const sa_conv_backward_args *args, const sa_fft_filters *filters, int begin, int tiles)
{
    const sa_cuda_fft_plan *p = &j->plan;
    float *dweight = (float *)args->dweight.ptr + first_weight(j, args);
    for (int t = begin; t < begin + tiles;) {
        const int image = t / p->image_tiles, end = (image + 1) * p->image_tiles;
        const int count = (end < begin + tiles ? end : begin + tiles) - t;
        SA_TRY(add_gradient(j, tiles, t - begin, count, t > image * p->image_tiles));
        t += count;
        if (t == end)
            SA_TRY(sa_fft_store_filters(j->device, j->part(p->gradient_at), filters, args->accumulate || image > 0, dweight));
    }
    return SA_OK;
}

/* A tile of x and of dx is the same piece of the plane, so dx may lie over x: a chunk is read before any of it is stored. */
static sa_status backward_group(const job *j, const sa_conv_backward_args *args, bool data, bool weight)
{
    const sa_cuda_fft_plan *p = &j->plan;
    const sa_conv_shape *s = j->shape;
    const size_t taps = (size_t)s->kernel_h * (size_t)s->kernel_w;
    const float *from = data ? (const float *)args->weight.ptr + first_weight(j, args) : nullptr;
    sa_fft_filters filters = {p->size, s->kernel_h,    s->kernel_w, from,     sa_conv_depth(s),
                              taps,    p->in_channels, j->group,    p->pitch, true};
    if (data) SA_TRY(sa_fft_transform_filters(j->device, &filters, j->part(p->filter_at)));
    filters.turned = !p->windows_of_x;
    for (int begin = 0; begin < p->tiles; begin += p->chunk) {
        const int tiles = p->tiles - begin < p->chunk ? p->tiles - begin : p->chunk;
        SA_TRY(transform_dy(j, args, begin));
        if (weight) {
            SA_TRY(transform_x(j, args, begin));
            SA_TRY(add_images(j, args, &filters, begin, tiles));
        }
        if (data) {
            SA_TRY(apply_filters(j, tiles));
            SA_TRY(store_dx(j, args, begin));
        }
    }
    return SA_OK;
}

static sa_status backward_pass(sa_cuda_device *device, const sa_conv_backward_args *args, const sa_conv_request *request,
                               sa_conv_pass pass)
{
    job j = {};
    sa_conv_request own = *request;
    own.pass = pass;
    SA_TRY(start(&j, device, &args->shape, &own, &args->workspace));
    for (int begin = 0; begin < j.plan.others; begin += j.plan.group) {
        take_group(&j, begin);
        SA_TRY(backward_group(&j, args, pass != SA_CONV_PASS_BACKWARD_WEIGHT, pass != SA_CONV_PASS_BACKWARD_DATA));
    }
    return SA_OK;
}

static sa_status backward(sa_cuda_device *device, const sa_conv_backward_args *args, const sa_conv_request *request)
{
    if (!sa_cuda_fft_is_two_passes(request)) return backward_pass(device, args, request, request->pass);
    SA_TRY(backward_pass(device, args, request, SA_CONV_PASS_BACKWARD_WEIGHT));
    return backward_pass(device, args, request, SA_CONV_PASS_BACKWARD_DATA);
}

const sa_cuda_conv_method sa_cuda_conv_fft = {forward, backward};
