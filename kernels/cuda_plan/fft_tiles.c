/* Sizes of the CUDA device's FFT-tile convolution. Nothing here changes a number but the tile size, which the shape alone decides.
 */
#include "kernels/cuda_plan/fft_tiles.h"

#include "core/checked.h"

#include <limits.h>

enum {
    ALIGNMENT = 256, /* of the workspace's parts */
    COMPLEX_BYTES = 8,
    GROUP_MIN = 8,          /* other channels at once, if memory is short */
    CHUNK_STEP = 8,         /* tiles at once are a multiple, or all, or all of a small image */
    CHUNK_GOOD = 16,        /* rather smaller groups than fewer tiles */
    CHUNK_ROWS = 32,        /* or of this, if so many fit: rows of a product's smaller block; */
    CHUNK_WIDE = 64,        /* the most are a multiple of those of the larger one */
    CHUNK_BYTES = 36 << 20, /* their spectra: about what stays in a large card's second level cache */
    APART_MOST = 4,         /* input channels of weight gradients by windows of x */
    SMALL_KERNEL = 12,      /* rows and columns that leave tiles of 16 x 16 some output */
};

static size_t divide_up(size_t value, size_t by)
{
    return (value + by - 1) / by;
}

static size_t round_up(size_t value, size_t by)
{
    return divide_up(value, by) * by;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int pad_channels(int channels)
{
    return (int)round_up((size_t)channels, SA_CUDA_FFT_CHANNELS);
}

bool sa_cuda_fft_weights_apart(const sa_conv_shape *shape)
{
    return shape->in_channels <= APART_MOST;
}

bool sa_cuda_fft_is_two_passes(const sa_conv_request *request)
{
    return request->pass == SA_CONV_PASS_BACKWARD_BOTH && sa_cuda_fft_weights_apart(&request->shape);
}

static sa_status check(const sa_conv_shape *s)
{
    const int least = s->kernel_h < s->kernel_w ? s->kernel_h : s->kernel_w, most = s->kernel_h + s->kernel_w - least;
    if (s->groups > 1 || s->dilation_h > 1 || s->dilation_w > 1)
        SA_FAIL(SA_UNSUPPORTED, "fft convolution: %d groups, dilation %dx%d, only 1 and 1x1 are possible", s->groups, s->dilation_h,
                s->dilation_w);
    if (s->stride_h != 1 || s->stride_w != 1)
        SA_FAIL(SA_UNSUPPORTED, "fft convolution: stride %dx%d, only 1x1 is possible", s->stride_h, s->stride_w);
    if (least < SA_CUDA_FFT_KERNEL_MIN || most > SA_CUDA_FFT_KERNEL_MAX)
        SA_FAIL(SA_UNSUPPORTED, "fft convolution: kernel %dx%d, only %dx%d to %dx%d are possible", s->kernel_h, s->kernel_w,
                SA_CUDA_FFT_KERNEL_MIN, SA_CUDA_FFT_KERNEL_MIN, SA_CUDA_FFT_KERNEL_MAX, SA_CUDA_FFT_KERNEL_MAX);
    return SA_OK;
}

/* ------------------------------------------------------------------ tiles ------------------------------------------- */

static int frequencies_of(int size)
{
    return size * size / 2 + 2;
}

static double output_tiles(const sa_conv_shape *s, int size)
{
    return (double)divide_up((size_t)s->out_height, (size_t)(size - s->kernel_h + 1)) *
           (double)divide_up((size_t)s->out_width, (size_t)(size - s->kernel_w + 1));
}

/* Complex numbers of the spectra of an image's x and y and of the filters. */
static double count_numbers(const sa_conv_shape *s, int size)
{
    const double in = pad_channels(s->in_channels), out = pad_channels(s->out_channels);
    return (output_tiles(s, size) * (in + out) + in * out) * frequencies_of(size);
}

/* Small tiles have small filters, large ones overlap less. */
static int choose_size(const sa_conv_shape *s)
{
    if (s->kernel_h > SMALL_KERNEL || s->kernel_w > SMALL_KERNEL) return 32;
    return count_numbers(s, 16) < count_numbers(s, 32) ? 16 : 32;
}

bool sa_cuda_fft_is_faster(const sa_conv_shape *s)
{
    /* In multiply-adds of the other method. A product of complex numbers is four. To transform, write and read a number takes
     * as long as about 100: 16 bytes of the second level cache at 5 flop a byte, and the transform. Kernels of few taps gain too
     * little for the workspace that spectra need. */
    enum { PRODUCT = 4, NUMBER = 100, TAPS_MIN = 16 };
    const bool possible = check(s) == SA_OK;
    sa_error_clear();
    if (!possible || s->kernel_h * s->kernel_w < TAPS_MIN) return false;
    const int size = choose_size(s);
    const double products = (double)s->in_channels * s->out_channels * frequencies_of(size) * output_tiles(s, size);
    const double taps = (double)s->in_channels * s->out_channels * s->kernel_h * s->kernel_w * s->out_height * s->out_width;
    return PRODUCT * products + NUMBER * count_numbers(s, size) < taps;
}

static void plan_tiles(const sa_conv_shape *s, bool of_y, sa_cuda_fft_plan *p)
{
    p->size = choose_size(s);
    p->frequencies = frequencies_of(p->size);
    p->step_y = p->size - s->kernel_h + 1;
    p->step_x = p->size - s->kernel_w + 1;
    p->height = of_y ? s->out_height : s->in_height;
    p->width = of_y ? s->out_width : s->in_width;
    p->tiles_x = (int)divide_up((size_t)p->width, (size_t)p->step_x);
    p->image_tiles = p->tiles_x * (int)divide_up((size_t)p->height, (size_t)p->step_y);
}

/* ------------------------------------------------------------------ workspace --------------------------------------- */

/* The largest useful number of tiles at once, and in *chunk how many of the `fit` that fit, in rounds of about equal length. */
static size_t choose_chunk(const sa_cuda_fft_plan *p, size_t tile_bytes, size_t fit, int *chunk)
{
    const size_t tiles = (size_t)p->tiles, blocks = CHUNK_BYTES / tile_bytes / CHUNK_WIDE;
    const size_t most = min_size(blocks ? blocks * CHUNK_WIDE : CHUNK_WIDE, tiles);
    fit = min_size(fit, most);
    if (fit == tiles) {
        *chunk = p->tiles;
        return most;
    }
    const size_t least = min_size(CHUNK_STEP, (size_t)p->image_tiles); /* the least does not depend on how many images there are */
    if (fit < CHUNK_STEP) {
        *chunk = (int)least;
        return most;
    }
    fit = fit / CHUNK_STEP * CHUNK_STEP;
    const size_t even = divide_up(tiles, divide_up(tiles, fit)), rows = round_up(even, CHUNK_ROWS);
    *chunk = (int)min_size(rows <= fit ? rows : round_up(even, CHUNK_STEP), tiles);
    return most;
}

/* A part of a * b * c complex numbers at the end of *total bytes. */
static bool add_part(size_t a, size_t b, size_t c, size_t *at, size_t *total)
{
    size_t bytes;
    *at = *total;
    return sa_size_mul(a, b, &bytes) && sa_size_mul(bytes, c, &bytes) && sa_size_mul(bytes, COMPLEX_BYTES, &bytes) &&
           sa_size_align(bytes, ALIGNMENT, &bytes) && sa_size_add(*total, bytes, total);
}

/* Bytes of the spectra of `tiles` tiles on one side, padded. */
static size_t chunk_bytes(size_t numbers, size_t tiles)
{
    return round_up(numbers * tiles * COMPLEX_BYTES, ALIGNMENT);
}

/* The workspace for `group` other channels at once. *good: smaller groups would not serve better. False on overflow. */
static bool plan_group(sa_cuda_fft_plan *p, const sa_conv_request *r, int group, bool *good)
{
    const bool filters = r->pass != SA_CONV_PASS_BACKWARD_WEIGHT;
    const bool gradients = r->pass == SA_CONV_PASS_BACKWARD_WEIGHT || r->pass == SA_CONV_PASS_BACKWARD_BOTH;
    p->group = group;
    p->pitch = pad_channels(group);
    const size_t f = (size_t)p->frequencies, in = (size_t)p->in_pitch, other = (size_t)p->pitch;
    const size_t tile_bytes = f * (in + other) * COMPLEX_BYTES;
    size_t total = 0;
    if (!add_part(filters ? f : 0, in, other, &p->filter_at, &total)) return false;
    if (!add_part(gradients ? f : 0, in, other, &p->gradient_at, &total)) return false;
    const size_t left = r->limit_bytes > total ? r->limit_bytes - total : 0;
    size_t fit = left / tile_bytes;
    if (fit > 0 && chunk_bytes(f * in, fit) + chunk_bytes(f * other, fit) > left) fit--; /* for the padding */
    const size_t most = choose_chunk(p, tile_bytes, fit, &p->chunk), chunk = (size_t)p->chunk;
    if (!add_part(f, in, chunk, &p->in_at, &total) || !add_part(f, other, chunk, &p->other_at, &total)) return false;
    p->bytes = total;
    *good = total <= r->limit_bytes && chunk >= min_size(most, CHUNK_GOOD);
    return true;
}

sa_status sa_cuda_fft_plan_make(const sa_conv_request *r, sa_cuda_fft_plan *plan)
{
    const sa_conv_shape *s = &r->shape;
    const bool forward = r->pass == SA_CONV_PASS_FORWARD;
    sa_cuda_fft_plan p = {.windows_of_x = r->pass == SA_CONV_PASS_BACKWARD_WEIGHT && sa_cuda_fft_weights_apart(s)};
    SA_TRY(check(s));
    plan_tiles(s, forward || p.windows_of_x, &p);
    const size_t most = INT_MAX, images = r->images > 0 ? (size_t)r->images : 1; /* kernels count tiles and spectra in ints */
    if (images > most / (size_t)p.image_tiles)
        SA_FAIL(SA_CAPACITY, "fft convolution: %zu images of %d tiles are too many", images, p.image_tiles);
    p.tiles = (int)(images * (size_t)p.image_tiles);
    p.in_channels = forward ? s->in_channels : r->out_channels_at_once;
    p.in_pitch = pad_channels(p.in_channels);
    p.others = forward ? r->out_channels_at_once : s->in_channels;
    bool good = false, fits;
    int group = p.others;
    for (;;) {
        fits = plan_group(&p, r, group, &good);
        if ((fits && good) || group <= GROUP_MIN) break;
        group = pad_channels((group + 1) / 2);
    }
    const size_t pitch = (size_t)(p.in_pitch > p.pitch ? p.in_pitch : p.pitch);
    if (!fits || (size_t)p.chunk * pitch > most || (size_t)p.in_pitch * (size_t)p.pitch > most)
        SA_FAIL(SA_CAPACITY, "the workspace of a %dx%d convolution on %dx%dx%d overflows", s->kernel_h, s->kernel_w, s->in_channels,
                s->in_height, s->in_width);
    *plan = p;
    return SA_OK;
}

sa_status sa_cuda_fft_bytes(const sa_conv_request *request, size_t *bytes)
{
    sa_cuda_fft_plan plan;
    if (!sa_cuda_fft_is_two_passes(request)) {
        SA_TRY(sa_cuda_fft_plan_make(request, &plan));
        *bytes = plan.bytes;
        return SA_OK;
    }
    sa_conv_request own = *request;
    own.pass = SA_CONV_PASS_BACKWARD_WEIGHT;
    SA_TRY(sa_cuda_fft_plan_make(&own, &plan));
    const size_t weight_bytes = plan.bytes;
    own.pass = SA_CONV_PASS_BACKWARD_DATA;
    SA_TRY(sa_cuda_fft_plan_make(&own, &plan));
    *bytes = plan.bytes > weight_bytes ? plan.bytes : weight_bytes;
    return SA_OK;
}

/* ------------------------------------------------------------------ estimates --------------------------------------- */

double sa_cuda_fft_transform_flop(int size)
{
    return 2.5 * size * size * (size == 32 ? 10 : 8);
}

/* Pieces of the tiles that are of one chunk and one image: products of a weight gradient. */
static double count_pieces(const sa_cuda_fft_plan *p)
{
    const int images = p->tiles / p->image_tiles;
    int pieces = (int)divide_up((size_t)p->tiles, (size_t)p->chunk);
    for (int n = 1; n < images; n++) pieces += (size_t)n * (size_t)p->image_tiles % (size_t)p->chunk != 0;
    return pieces;
}

static void count_pass(const sa_cuda_fft_plan *p, bool data, bool weight, sa_cuda_fft_work *work)
{
    const double tiles = p->tiles, in = p->in_channels, others = p->others, filters = in * others, number = 8.0 * p->frequencies;
    const double groups = (double)divide_up((size_t)p->others, (size_t)p->group);
    const double chunks = (double)divide_up((size_t)p->tiles, (size_t)p->chunk), images = p->tiles / p->image_tiles;
    const double sums = count_pieces(p);
    const double spectra = tiles * (groups * in + others * (data + weight)) + filters * (data + weight * images);
    work->product_flop += number * tiles * filters * (data + weight);
    work->transform_flop += spectra * sa_cuda_fft_transform_flop(p->size);
    work->spectra_bytes += number * (2 * spectra + filters * (data * (chunks - 1) + weight * 2 * sums));
    work->launches += groups * (data + chunks * (1 + weight + 2 * data) + weight * (sums + images));
}

sa_status sa_cuda_fft_count(const sa_conv_request *request, sa_cuda_fft_work *work)
{
    static const sa_conv_pass apart[] = {SA_CONV_PASS_BACKWARD_WEIGHT, SA_CONV_PASS_BACKWARD_DATA};
    const bool two = sa_cuda_fft_is_two_passes(request);
    sa_cuda_fft_work sum = {0, 0, 0, 0};
    for (int i = 0; i < 1 + two; i++) {
        sa_conv_request own = *request;
        sa_cuda_fft_plan plan;
        if (two) own.pass = apart[i];
        SA_TRY(sa_cuda_fft_plan_make(&own, &plan));
        const bool weight = own.pass == SA_CONV_PASS_BACKWARD_WEIGHT || own.pass == SA_CONV_PASS_BACKWARD_BOTH;
        count_pass(&plan, own.pass != SA_CONV_PASS_BACKWARD_WEIGHT, weight, &sum);
    }
    *work = sum;
    return SA_OK;
}
