/* Sizes of an FFT-tile convolution. Nothing here changes a number but the tile size, which the shape alone decides. */
#include "kernels/cpu/conv/conv_fft_plan.h"

#include "kernels/cpu/conv/conv_direct_kernels.h"

#include <limits.h>

enum {
    LINE = 16,                /* floats in a cache line */
    TILE_SKEW = 80,           /* floats between tiles, and */
    FREQUENCY_SKEW = 48,      /* between frequencies of filters, so that equal places do not fall into the same cache set */
    CHUNK_MIN = SA_FFT_BLOCK, /* tiles at once; a multiple of SA_FFT_BLOCK */
    CHUNK_MAX = 64,
    CHUNK_GOOD = 16,         /* rather smaller groups of channels than fewer tiles */
    CACHED_FLOATS = 9 << 16, /* spectra of a chunk that two cores' caches hold */
    STREAM_FLOATS = 1 << 20, /* spectra of a chunk beyond which they are stored past the caches */
    LARGE_PLANE = 64 * 80,   /* output pixels from which on T = 32 is faster */
    WORKERS_MIN = 2,         /* threads that sum strips, however small the workspace */
};

static sa_status check(const sa_conv_shape *s)
{
    if (s->stride_h != 1 || s->stride_w != 1)
        SA_FAIL(SA_UNSUPPORTED, "fft convolution: stride %dx%d, only 1x1 is possible", s->stride_h, s->stride_w);
    if (s->dilation_h != 1 || s->dilation_w != 1)
        SA_FAIL(SA_UNSUPPORTED, "fft convolution: dilation %dx%d, only 1x1 is possible", s->dilation_h, s->dilation_w);
    if (s->kernel_h != s->kernel_w || s->kernel_h % 2 == 0 || s->kernel_h < 3 || s->kernel_h > SA_FFT_KERNEL_MAX)
        SA_FAIL(SA_UNSUPPORTED, "fft convolution: kernel %dx%d, only odd squares from 3x3 to %dx%d are possible", s->kernel_h,
                s->kernel_w, SA_FFT_KERNEL_MAX, SA_FFT_KERNEL_MAX);
    if (s->pad_h >= s->kernel_h || s->pad_w >= s->kernel_w)
        SA_FAIL(SA_UNSUPPORTED, "fft convolution: pad %dx%d is not smaller than the kernel %dx%d", s->pad_h, s->pad_w, s->kernel_h,
                s->kernel_w);
    return SA_OK;
}

/* The products of packed tiles want register tiles of SA_FFT_PACK rows. */
static bool packs_tiles(void)
{
    return sa_cpu_isa_best() == SA_CPU_AVX512;
}

static sa_fft_side make_side(const sa_fft_plan *p, int channels, bool may_pack)
{
    sa_fft_side side = {.channels = channels, .pack = may_pack && channels <= SA_FFT_PACK_CHANNELS ? SA_FFT_PACK : 1};
    side.imaginary = (size_t)sa_fft_divide_up(channels, SA_FFT_GROUP) * SA_FFT_GROUP;
    side.frequency_pitch = 2 * side.imaginary;
    side.tile_pitch = side.frequency_pitch * (size_t)p->frequencies + TILE_SKEW;
    return side;
}

/* of_y: tiles cover y's plane, not x's */
static void plan_tiles(const sa_conv_shape *s, bool of_y, sa_fft_plan *p)
{
    p->height = of_y ? s->out_height : s->in_height;
    p->width = of_y ? s->out_width : s->in_width;
    p->size_index = (int64_t)s->out_height * s->out_width >= LARGE_PLANE ? 1 : 0;
    p->size = 16 << p->size_index;
    p->step = p->size - s->kernel_h + 1;
    p->frequencies = p->size * p->size / 2 + 2;
    p->tiles_y = sa_fft_divide_up(p->height, p->step);
    p->tiles_x = sa_fft_divide_up(p->width, p->step);
    p->tiles = p->tiles_y * p->tiles_x;
}

/* The largest useful chunk, and in *chunk the largest of which `fit` tiles fit, but at least CHUNK_MIN; multiples of SA_FFT_BLOCK.
 * Every chunk passes over the weights' spectra once, filters for reading and gradients for reading and writing, and is larger for
 * it; otherwise the fewer tiles, the better they stay in the caches. */
static int choose_chunk(const sa_fft_plan *p, size_t filter, size_t gradient, size_t tile, size_t fit, int *chunk)
{
    size_t useful = (filter * 5 + gradient * 6) / 8 / tile / SA_FFT_BLOCK * SA_FFT_BLOCK;
    size_t cached = CACHED_FLOATS / tile / SA_FFT_BLOCK * SA_FFT_BLOCK; /* no fewer than stay in the caches anyway */
    if (useful < cached) useful = cached;
    int most = useful > CHUNK_MAX ? CHUNK_MAX : sa_max_int((int)useful, CHUNK_MIN);
    int blocks = fit >= (size_t)most ? most / SA_FFT_BLOCK : sa_max_int((int)fit / SA_FFT_BLOCK, 1);
    int rounds = sa_fft_divide_up(p->tiles, blocks * SA_FFT_BLOCK); /* all about equal */
    *chunk = sa_fft_divide_up(sa_fft_divide_up(p->tiles, rounds), SA_FFT_BLOCK) * SA_FFT_BLOCK;
    *chunk = sa_min_int(*chunk, p->tiles);
    return sa_min_int(most, p->tiles);
}

/* Tiles of each thread at once, of about p->chunk in all, such that the threads' turns are about equal and equally many: rather
 * fewer and longer ones, since every turn passes over all filters, if so many tiles fit. */
static int choose_own(const sa_fft_plan *p, int threads, size_t fit)
{
    int turns = sa_fft_divide_up(p->tiles, sa_max_int(p->chunk / threads, 1));
    int longer = sa_fft_divide_up(p->tiles, sa_max_int(turns / threads, 1) * threads);
    if ((size_t)longer * (size_t)threads <= fit) return longer;
    return sa_fft_divide_up(p->tiles, sa_fft_divide_up(turns, threads) * threads);
}

/* Parts of a group such that the threads, as crews of equal size, have equal ones. */
static int choose_parts(int group, int threads)
{
    int groups = sa_fft_divide_up(group, SA_FFT_GROUP), parts = sa_min_int(threads, groups);
    while (threads % parts != 0 || groups % parts != 0) parts--;
    return parts;
}

/* The workspace for `group` channels of y, or of x and dx. False if smaller groups would serve better. */
static bool plan_group(sa_fft_plan *p, const sa_conv_request *r, int group, int threads)
{
    bool filters = r->pass != SA_CONV_PASS_BACKWARD_WEIGHT;
    bool gradients = r->pass == SA_CONV_PASS_BACKWARD_WEIGHT || r->pass == SA_CONV_PASS_BACKWARD_BOTH;
    p->parts = gradients ? choose_parts(group, threads) : 1;
    p->part_channels = p->parts == 1 ? group : sa_fft_divide_up(group, SA_FFT_GROUP) / p->parts * SA_FFT_GROUP;
    p->other = make_side(p, p->part_channels, false);
    p->filter_pitch = (size_t)p->in.channels * p->other.frequency_pitch + FREQUENCY_SKEW;
    p->gradient_pitch = (size_t)p->part_channels * p->in.frequency_pitch + FREQUENCY_SKEW;
    size_t parts = (size_t)p->parts, filter = filters ? p->filter_pitch * (size_t)p->frequencies : 0;
    size_t gradient = gradients ? p->gradient_pitch * (size_t)p->frequencies : 0;
    size_t thread = (size_t)threads * p->thread_pitch, fixed = parts * (filter + gradient) + thread;
    size_t limit = r->limit_bytes / sizeof(float), tile = p->in.tile_pitch + parts * p->other.tile_pitch;
    size_t fit = limit > fixed ? (limit - fixed) / tile : 0;
    int most = choose_chunk(p, parts * filter, parts * gradient, tile, fit, &p->chunk);
    p->own = choose_own(p, threads, fit);
    const int held = gradients ? p->chunk : p->own * threads;
    size_t in_floats = sa_fft_side_floats(&p->in, held), other_floats = sa_fft_side_floats(&p->other, held);
    if (p->by_packs) in_floats = other_floats = 0;
    p->stream = in_floats + parts * other_floats > STREAM_FLOATS;
    p->filter_at = 0;
    p->gradient_at = filter;
    p->other_at = p->gradient_at + gradient;
    p->part_pitch = p->other_at + other_floats;
    p->in_at = parts * p->part_pitch;
    p->thread_at = p->in_at + in_floats;
    p->end = p->thread_at + thread;
    return p->end <= limit && (p->by_packs || p->chunk >= sa_min_int(most, CHUNK_GOOD));
}

static void plan_packs(sa_fft_plan *p)
{
    p->pack_in_at = p->thread_pitch;
    p->pack_out_at = p->pack_in_at + p->in.tile_pitch;
    p->pack_out_pitch = (size_t)(2 * SA_FFT_GROUP) * (size_t)p->frequencies + TILE_SKEW;
    p->thread_pitch = p->pack_out_at + SA_FFT_PACK * p->pack_out_pitch;
}

/* The workspace for strips: the image's sums, and the workers' rooms, as many as there is room for. */
static void plan_strips(sa_fft_plan *p, const sa_conv_request *r, int threads)
{
    int groups = sa_fft_divide_up(p->in.channels, SA_FFT_GROUP);
    p->other = make_side(p, r->shape.in_channels, packs_tiles());
    p->strip_dy = make_side(p, SA_FFT_GROUP, false);
    p->strip_sum_pitch = (size_t)SA_FFT_STRIP_SUM * (size_t)p->frequencies + LINE;
    p->strip_x_at = p->thread_pitch;
    p->strip_dy_at = p->strip_x_at + sa_fft_side_floats(&p->other, SA_FFT_BLOCK);
    p->strip_sum_at = p->strip_dy_at + sa_fft_side_floats(&p->strip_dy, SA_FFT_BLOCK);
    p->thread_pitch = p->strip_sum_at + (size_t)groups * p->strip_sum_pitch;
    p->parts = 1;
    p->part_channels = p->other.channels;
    p->thread_at = (size_t)groups * p->strip_sum_pitch;
    size_t limit = r->limit_bytes / sizeof(float), fit = limit > p->thread_at ? (limit - p->thread_at) / p->thread_pitch : 0;
    p->workers = sa_min_int(threads, fit > WORKERS_MIN ? (int)(fit < INT_MAX ? fit : INT_MAX) : WORKERS_MIN);
    p->end = p->thread_at + (size_t)p->workers * p->thread_pitch;
}

sa_conv_shape sa_fft_group_shape(const sa_conv_shape *shape)
{
    sa_conv_shape group = *shape;
    group.in_channels = sa_conv_group_in(shape);
    group.out_channels = sa_conv_group_out(shape);
    group.groups = 1;
    return group;
}

sa_status sa_fft_plan_make(const sa_device *device, const sa_conv_request *r, sa_fft_plan *plan)
{
    const sa_conv_shape *s = &r->shape;
    SA_TRY(check(s));
    bool forward = r->pass == SA_CONV_PASS_FORWARD;
    sa_fft_plan p = {0};
    p.windows_of_x = r->pass == SA_CONV_PASS_BACKWARD_WEIGHT && sa_fft_weights_apart(s);
    plan_tiles(s, forward || p.windows_of_x, &p);
    p.in = make_side(&p, forward ? s->in_channels : r->out_channels_at_once, forward && packs_tiles());
    p.stage_pitch = (size_t)sa_fft_divide_up(p.step * (SA_FFT_RUN - 1) + p.size, LINE) * LINE;
    p.thread_pitch = SA_FFT_WORK_FLOATS + (size_t)SA_FFT_GROUP * (size_t)p.size * p.stage_pitch;
    p.by_packs = p.in.pack > 1;
    if (p.by_packs) plan_packs(&p);
    if (p.windows_of_x) {
        plan_strips(&p, r, device->threads);
        *plan = p;
        return SA_OK;
    }
    int group = forward ? r->out_channels_at_once : s->in_channels;
    while (!plan_group(&p, r, group, device->threads) && group > SA_FFT_GROUP)
        group = sa_fft_divide_up(sa_fft_divide_up(group, 2), SA_FFT_GROUP) * SA_FFT_GROUP;
    *plan = p;
    return SA_OK;
}

/* Costs in multiply-adds of the direct convolution, for one output pixel; the factors are measured (bench/NOTES.md). */
bool sa_conv_fft_is_faster(const sa_conv_shape *shape)
{
    const sa_conv_shape of_group = sa_fft_group_shape(shape), *s = &of_group;
    enum { TRANSFORM = 60, PRODUCT = 2, FILTER = 36 };
    sa_fft_plan p = {0};
    if (check(s) != SA_OK) return false;
    plan_tiles(s, true, &p);
    double in = sa_fft_divide_up(s->in_channels, SA_FFT_GROUP) * SA_FFT_GROUP;
    double out = sa_fft_divide_up(s->out_channels, SA_FFT_GROUP) * SA_FFT_GROUP;
    double direct_out = sa_fft_divide_up(s->out_channels, SA_DIRECT_GROUP) * SA_DIRECT_GROUP;
    double tile_pixels = (double)p.size * p.size, pixels = (double)s->out_height * s->out_width;
    double transformed = tile_pixels * p.tiles / pixels; /* tiles overlap, and stick out of the plane */
    double fft = transformed * (TRANSFORM * (in + out) + PRODUCT * s->in_channels * out);
    fft += FILTER * tile_pixels * s->in_channels * out / pixels;
    return fft < direct_out * s->in_channels * s->kernel_h * s->kernel_w;
}
