/* FFT-tile convolution (overlap-save): forward, data gradient and weight gradient.
 *
 * A tile of T x T input pixels gives (T - K + 1)^2 outputs. Its channels are transformed 16 at a time, then one complex
 * matrix product a frequency does the work of the convolution, and a transform back gives the outputs. The weights' spectra
 * are computed once a call. The weight gradient sums, over the tiles of an image in order, the products of dy's tiles with
 * zero-padded blocks of x, and is transformed back once an image; dy's tiles are those of the data gradient, so that both
 * share them. Numbers do not depend on how many tiles or channels are done at once. */
#include "kernels/cpu/conv_fft_plan.h"

#include <omp.h>
#include <string.h>

/* One op: its sizes, its parts of the workspace, and who does the hot loops. */
typedef struct job {
    const sa_device *device;
    const sa_fft_kernels *kernels;
    const sa_fft_size_kernels *size;
    sa_fft_plan plan; /* other.channels: those of this group */
    const sa_conv_shape *shape;
    float *workspace;
    int others, group_begin; /* channels of the other side in all; first of this group */
} job;

static const sa_fft_kernels *kernels(void)
{
    switch (sa_cpu_isa_best()) {
#if defined(__x86_64__)
    case SA_CPU_AVX512: return &sa_fft_kernels_avx512;
    case SA_CPU_AVX2: return &sa_fft_kernels_avx2;
#endif
    default: return &sa_fft_kernels_portable;
    }
}

static sa_status start_job(job *j, const sa_device *device, const sa_conv_request *request, const sa_conv_shape *shape,
                           const sa_ref *workspace)
{
    j->device = device;
    j->kernels = kernels();
    j->shape = shape;
    j->workspace = workspace->ptr;
    SA_TRY(sa_fft_plan_make(device, request, &j->plan));
    j->others = request->pass == SA_CONV_PASS_FORWARD ? request->out_channels_at_once : shape->in_channels;
    j->size = &j->kernels->size[j->plan.size_index];
    return SA_OK;
}

static sa_status workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes)
{
    sa_fft_plan plan = {0};
    SA_TRY(sa_fft_plan_make(device, request, &plan));
    *bytes = plan.end * sizeof(float);
    return SA_OK;
}

/* This thread's part of the workspace: room for a transform, then pixels. */
static float *thread_work(const job *j)
{
    return j->workspace + j->plan.thread_at + (size_t)omp_get_thread_num() * j->plan.thread_pitch;
}

/* ------------------------------------------------------------------ tiles in ---------------------------------------- */

/* A value that is cut into tiles: tile (ty, tx) starts at (ty * step - pad_h, tx * step - pad_w). */
typedef struct cut {
    const sa_source *source;
    int channel_begin, pad_h, pad_w;
    int extent; /* pixels that count: T, or step for zero-padded blocks */
    const sa_fft_side *side;
    float *spectra;
} cut;

/* `tiles` tiles of one tile row, from number t on (of image n). */
typedef struct run {
    int n, t, tiles, group; /* group: first channel of 16 */
} run;

/* Rows of a tile at y that may not be zero. */
static int live_rows(const cut *c, int y)
{
    return sa_max_int(0, sa_min_int(c->extent, sa_source_root(c->source)->height - y));
}

/* Stages pixels from (y, x) on, `rows` x `columns` of `channels` channels: (channels, size, stage_pitch). */
static void stage_pixels(const job *j, const cut *c, int n, int channel, int channels, int y, int x, int rows, int columns,
                         float *stage)
{
    _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
    const sa_fft_plan *p = &j->plan;
    for (int ch = 0; ch < channels; ch++)
        for (int i = 0; i < rows; i++) {
            float *target = stage + ((size_t)ch * (size_t)p->size + (size_t)i) * p->stage_pitch;
            sa_conv_load_row(c->source, n, c->channel_begin + channel + ch, y + i, x, columns, target, scratch);
        }
}

/* Whether a tile can be read straight from a dense slab. */
static bool is_direct(const job *j, const cut *c, int y, int x)
{
    const sa_node *root = sa_source_root(c->source);
    return sa_source_is_dense_f32(c->source) && y >= 0 && x >= 0 && y + c->extent <= root->height &&
           x + j->plan.size <= root->width;
}

static void tile_origin(const job *j, const cut *c, int t, int *y, int *x)
{
    *y = t / j->plan.tiles_x * j->plan.step - c->pad_h;
    *x = t % j->plan.tiles_x * j->plan.step - c->pad_w;
}

static bool is_direct_tile(const job *j, const cut *c, int t)
{
    int y, x;
    tile_origin(j, c, t, &y, &x);
    return is_direct(j, c, y, x);
}

/* Fills lanes [lane, lane + lanes) with the pixels at (y, x) of channels [channel, channel + channels), staged if need be, for
 * `tiles` tiles side by side. Lanes beyond the channels repeat the first: nothing reads their spectra. */
static void set_lanes(const job *j, const cut *c, sa_fft_pixels *pixels, int lane, int lanes, const run *r, int channels,
                      float *stage)
{
    const sa_fft_plan *p = &j->plan;
    const sa_slab *slab = &sa_source_root(c->source)->slab;
    int y, x;
    tile_origin(j, c, r->t, &y, &x);
    bool direct = is_direct(j, c, y, x);
    if (!direct) stage_pixels(j, c, r->n, r->group, channels, y, x, pixels->rows, p->step * (r->tiles - 1) + p->size, stage);
    for (int l = 0; l < lanes; l++) {
        int channel = l < channels ? l : 0;
        pixels->row_pitch[lane + l] = direct ? (size_t)slab->width : p->stage_pitch;
        pixels->at[lane + l] = direct ? (const float *)sa_slab_row(slab, r->n, c->channel_begin + r->group + channel, y) + x
                                      : stage + (size_t)channel * (size_t)p->size * p->stage_pitch;
    }
}

/* Spectra of a run of tiles that are all direct or all staged. */
static void transform_run(const job *j, const cut *c, const run *r, int chunk_begin)
{
    float *work = thread_work(j);
    int y, x;
    tile_origin(j, c, r->t, &y, &x);
    sa_fft_pixels pixels = {.rows = live_rows(c, y), .columns = c->extent};
    set_lanes(j, c, &pixels, 0, SA_FFT_GROUP, r, sa_min_int(SA_FFT_GROUP, c->side->channels - r->group), work + SA_FFT_WORK_FLOATS);
    for (int t = r->t; t < r->t + r->tiles; t++) {
        sa_fft_spectrum spectrum = {c->spectra + (size_t)(t - chunk_begin) * c->side->tile_pitch + r->group,
                                    c->side->frequency_pitch, c->side->imaginary, j->plan.stream};
        j->size->forward(&pixels, &spectrum, work);
        for (int l = 0; l < SA_FFT_GROUP; l++) pixels.at[l] += j->plan.step;
    }
}

/* Spectra of packed tiles [begin, end) of image n. Called by all threads of a parallel region. */
static void transform_packed(const job *j, const cut *c, int n, int begin, int end)
{
    const sa_fft_plan *p = &j->plan;
#pragma omp for schedule(dynamic)
    for (int at = begin; at < end; at += SA_FFT_PACK) {
        float *work = thread_work(j);
        sa_fft_pixels pixels = {.rows = c->extent, .columns = c->extent};
        for (int k = 0; k < SA_FFT_PACK; k++) {
            /* no tile beyond the last one: its lanes repeat that */
            run r = {.n = n, .t = sa_min_int(at + k, end - 1), .tiles = 1};
            int lane = k * SA_FFT_PACK_CHANNELS;
            float *stage = work + SA_FFT_WORK_FLOATS + (size_t)lane * (size_t)p->size * p->stage_pitch;
            set_lanes(j, c, &pixels, lane, SA_FFT_PACK_CHANNELS, &r, c->side->channels, stage);
        }
        sa_fft_spectrum spectrum = {c->spectra + (size_t)((at - begin) / SA_FFT_PACK) * c->side->tile_pitch,
                                    c->side->frequency_pitch, c->side->imaginary, p->stream};
        j->size->forward(&pixels, &spectrum, work);
    }
}

/* Spectra of tiles [begin, end) of image n. Called by all threads of a parallel region. */
static void transform_tiles(const job *j, const cut *c, int n, int begin, int end)
{
    const sa_fft_plan *p = &j->plan;
    if (c->side->pack > 1) {
        transform_packed(j, c, n, begin, end);
        return;
    }
#pragma omp for collapse(2) schedule(dynamic)
    for (int at = begin; at < end; at += SA_FFT_RUN)
        for (int group = 0; group < c->side->channels; group += SA_FFT_GROUP)
            for (int t = at; t < sa_min_int(at + SA_FFT_RUN, end);) {
                run r = {.n = n, .t = t, .tiles = 1, .group = group};
                int most = sa_min_int(sa_min_int(at + SA_FFT_RUN, end) - t, p->tiles_x - t % p->tiles_x);
                bool direct = is_direct_tile(j, c, t);
                while (r.tiles < most && is_direct_tile(j, c, t + r.tiles) == direct) r.tiles++;
                transform_run(j, c, &r, begin);
                t += r.tiles;
            }
}

/* ------------------------------------------------------------------ filters and products ---------------------------- */

/* Spectra (frequency, in, 2, out) of weight (others, in, K, K), or, turned, of (in, others, K, K) by 180 degrees; out: the
 * group's part of the others. */
static void transform_filters(const job *j, const float *weight, bool turned)
{
    const sa_fft_plan *p = &j->plan;
    int in = p->in.channels, out = p->other.channels;
    size_t taps = (size_t)j->shape->kernel_h * (size_t)j->shape->kernel_w;
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (int i = 0; i < in; i++)
        for (int o = 0; o < out; o += SA_FFT_GROUP) {
            size_t channel = (size_t)(j->group_begin + o);
            size_t first = turned ? (size_t)i * (size_t)j->others + channel : channel * (size_t)in + (size_t)i;
            sa_fft_filter filter = {.weight = weight + first * taps,
                                    .channel_pitch = turned ? taps : (size_t)in * taps,
                                    .channels = sa_min_int(SA_FFT_GROUP, out - o),
                                    .kernel_size = j->shape->kernel_h,
                                    .turned = turned};
            float *at = j->workspace + p->filter_at + (size_t)i * p->other.frequency_pitch + (size_t)o;
            sa_fft_spectrum spectrum = {at, p->filter_pitch, p->other.imaginary, false};
            j->size->filter(&filter, &spectrum, thread_work(j));
        }
}

/* The frequency after the one at `at` of some tiles. */
static sa_fft_ahead tiles_ahead(const float *at, const sa_fft_side *side, int tiles)
{
    return (sa_fft_ahead){at + side->frequency_pitch, side->tile_pitch, sa_fft_divide_up(tiles, side->pack),
                          (int)(side->frequency_pitch / 16)};
}

/* From the last tile of a group on to the first of the next, beyond a tile's own distance. */
static size_t pack_jump(const sa_fft_side *side)
{
    return side->pack > 1 ? side->tile_pitch - (size_t)(SA_FFT_PACK * SA_FFT_PACK_CHANNELS) : 0;
}

/* other = in * filters for `tiles` tiles. */
static void apply_filters(const job *j, int tiles)
{
    const sa_fft_plan *p = &j->plan;
#pragma omp for schedule(dynamic, 16)
    for (int f = 0; f < p->frequencies; f++) {
        sa_fft_product product = {
            .a = j->workspace + p->in_at + (size_t)f * p->in.frequency_pitch,
            .b = j->workspace + p->filter_at + (size_t)f * p->filter_pitch,
            .c = j->workspace + p->other_at + (size_t)f * p->other.frequency_pitch,
            .a_row = p->in.pack > 1 ? SA_FFT_PACK_CHANNELS : p->in.tile_pitch,
            .a_row_jump = pack_jump(&p->in),
            .a_step = 1,
            .a_imaginary = p->in.imaginary,
            .b_step = p->other.frequency_pitch,
            .b_imaginary = p->other.imaginary,
            .c_row = p->other.tile_pitch,
            .c_imaginary = p->other.imaginary,
            .rows = tiles,
            .depth = p->in.channels,
            .channels = sa_fft_divide_up(p->other.channels, SA_FFT_GROUP) * SA_FFT_GROUP,
        };
        const sa_fft_ahead ahead[SA_FFT_AHEAD] = {
            tiles_ahead(product.a, &p->in, tiles),
            {product.b + p->filter_pitch, 0, 1, (int)(p->filter_pitch / 16)},
            tiles_ahead(product.c, &p->other, tiles),
        };
        j->kernels->multiply(&product, ahead);
    }
}

/* Gradient spectra (frequency, Cin, 2, Cout) set to, or increased by, conj(x) * dy over `tiles` tiles. */
static void add_gradient(const job *j, int tiles, bool add)
{
    const sa_fft_plan *p = &j->plan;
#pragma omp for schedule(dynamic, 16)
    for (int f = 0; f < p->frequencies; f++) {
        sa_fft_product product = {
            .a = j->workspace + p->other_at + (size_t)f * p->other.frequency_pitch,
            .b = j->workspace + p->in_at + (size_t)f * p->in.frequency_pitch,
            .c = j->workspace + p->gradient_at + (size_t)f * p->gradient_pitch,
            .a_row = 1,
            .a_step = p->other.pack > 1 ? SA_FFT_PACK_CHANNELS : p->other.tile_pitch,
            .a_step_jump = pack_jump(&p->other),
            .a_imaginary = p->other.imaginary,
            .b_step = p->in.tile_pitch,
            .b_imaginary = p->in.imaginary,
            .c_row = p->in.frequency_pitch,
            .c_imaginary = p->in.imaginary,
            .rows = p->other.channels,
            .depth = tiles,
            .channels = (int)p->in.imaginary,
        };
        const sa_fft_ahead ahead[SA_FFT_AHEAD] = {
            tiles_ahead(product.a, &p->other, tiles),
            tiles_ahead(product.b, &p->in, tiles),
            {product.c + p->gradient_pitch, 0, 1, (int)(p->gradient_pitch / 16)},
        };
        j->kernels->multiply_conjugate(&product, ahead, add);
    }
}

/* ------------------------------------------------------------------ tiles out --------------------------------------- */

/* Where the tiles of a pass go: a slab from channel_begin on, or through a mask. */
typedef struct sink {
    const sa_slab *slab;
    int channel_begin;
    const float *bias;                   /* of all channels of the slab's value, or NULL */
    const sa_conv_backward_args *gather; /* or NULL */
} sink;

/* first: channel of the target's first one */
static void gather_tile(const sink *to, const sa_fft_target *target, int n, int first, int y, int x)
{
    for (int c = 0; c < target->channels; c++) {
        sa_conv_piece piece = {.n = n, .c = first + c, .y = y, .x = x, .rows = target->rows, .columns = target->columns};
        piece.value = target->at + (size_t)c * target->channel_pitch;
        piece.pitch = target->row_pitch;
        sa_conv_gather_piece(to->gather, &piece);
    }
}

/* Transforms tiles [begin, end) of image n back and stores them. */
static void store_tiles(const job *j, const sink *to, int n, int begin, int end)
{
    const sa_fft_plan *p = &j->plan;
#pragma omp for collapse(2) schedule(dynamic)
    for (int t = begin; t < end; t++)
        for (int group = 0; group < p->other.channels; group += SA_FFT_GROUP) {
            int y = t / p->tiles_x * p->step, x = t % p->tiles_x * p->step, c = to->channel_begin + group;
            float *work = thread_work(j);
            sa_fft_target target = {.rows = sa_min_int(p->step, p->height - y),
                                    .columns = sa_min_int(p->step, p->width - x),
                                    .channels = sa_min_int(SA_FFT_GROUP, p->other.channels - group),
                                    .bias = to->bias ? to->bias + c : NULL};
            if (to->gather) {
                target.at = work + SA_FFT_WORK_FLOATS;
                target.channel_pitch = (size_t)p->size * p->stage_pitch;
                target.row_pitch = p->stage_pitch;
            } else {
                target.at = (float *)sa_slab_row(to->slab, n, c, y) + x;
                target.channel_pitch = (size_t)p->height * (size_t)p->width;
                target.row_pitch = (size_t)p->width;
            }
            sa_fft_spectrum spectrum = {j->workspace + p->other_at + (size_t)(t - begin) * p->other.tile_pitch + group,
                                        p->other.frequency_pitch, p->other.imaginary, false};
            j->size->inverse(&spectrum, &target, work);
            if (to->gather) gather_tile(to, &target, n, c, y, x);
        }
}

/* Transforms the gradient spectra of an image back: dweight (Cout, others, K, K) from channel o0 on is set or increased. Lag
 * (i, k) of the correlation is tap (K - 1 - i, K - 1 - k). */
static void store_gradient(const job *j, float *dweight, bool add)
{
    const sa_fft_plan *p = &j->plan;
    int size = j->shape->kernel_h, in = p->other.channels, out = p->in.channels;
    const float scale = 1.0f / (float)(p->size * p->size);
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (int i = 0; i < in; i++)
        for (int o = 0; o < out; o += SA_FFT_GROUP) {
            float *work = thread_work(j), *stage = work + SA_FFT_WORK_FLOATS;
            sa_fft_target target = {.at = stage, .channel_pitch = (size_t)(size * size), .row_pitch = (size_t)size};
            target.rows = target.columns = size;
            target.channels = sa_min_int(SA_FFT_GROUP, out - o);
            sa_fft_spectrum spectrum = {j->workspace + p->gradient_at + (size_t)i * p->in.frequency_pitch + o, p->gradient_pitch,
                                        p->in.imaginary, false};
            j->size->inverse(&spectrum, &target, work);
            for (int c = 0; c < target.channels; c++) {
                float *to = dweight + ((size_t)(o + c) * (size_t)j->others + (size_t)(j->group_begin + i)) * (size_t)(size * size);
                const float *from = stage + (size_t)(c * size * size);
                for (int t = 0; t < size * size; t++) {
                    float value = from[size * size - 1 - t] * scale;
                    to[t] = add ? to[t] + value : value;
                }
            }
        }
}

/* ------------------------------------------------------------------ passes ------------------------------------------ */

/* Prepares for the group of channels from `begin` on; false if there is none. */
static bool start_group(job *j, int begin, int group)
{
    j->group_begin = begin;
    j->plan.other.channels = sa_min_int(group, j->others - begin);
    return begin < j->others;
}

static void run_forward(const job *j, const sa_conv_forward_args *args)
{
    const sa_fft_plan *p = &j->plan;
    size_t filter = (size_t)args->shape.in_channels * (size_t)args->shape.kernel_h * (size_t)args->shape.kernel_w;
    const float *weight = (const float *)args->weight.ptr + (size_t)args->range.channel_begin * filter;
    cut x = {&args->x, 0, args->shape.pad_h, args->shape.pad_w, p->size, &p->in, j->workspace + p->in_at};
    sink y = {&args->y, args->range.channel_begin + j->group_begin, args->bias.ptr, NULL};
#pragma omp parallel num_threads(j->device->threads)
    {
        transform_filters(j, weight, false);
        for (int n = args->range.image_begin; n < args->range.image_end; n++)
            for (int begin = 0; begin < p->tiles; begin += p->chunk) {
                int end = sa_min_int(begin + p->chunk, p->tiles);
                transform_tiles(j, &x, n, begin, end);
                apply_filters(j, end - begin);
                store_tiles(j, &y, n, begin, end);
            }
    }
}

static sa_status forward(const sa_device *device, const sa_conv_forward_args *args)
{
    sa_conv_request request = sa_conv_forward_request(args);
    job j;
    SA_TRY(start_job(&j, device, &request, &args->shape, &args->workspace));
    int group = j.plan.other.channels;
    for (int begin = 0; start_group(&j, begin, group); begin += group) run_forward(&j, args);
    return SA_OK;
}

/* dx, dweight or both, from one set of dy's spectra. */
static void run_backward(const job *j, const sa_conv_backward_args *args, bool data, bool weight)
{
    const sa_conv_shape *s = &args->shape;
    const sa_fft_plan *p = &j->plan;
    int size = s->kernel_h, o0 = args->range.channel_begin;
    cut dy = {&args->dy, o0, size - 1 - s->pad_h, size - 1 - s->pad_w, p->size, &p->in, j->workspace + p->in_at};
    cut x = {&args->x, j->group_begin, 0, 0, p->step, &p->other, j->workspace + p->other_at};
    sink dx = {&args->dx, j->group_begin, NULL, args->gather ? args : NULL};
    float *dweight = NULL;
    if (weight) dweight = (float *)args->dweight.ptr + (size_t)o0 * (size_t)s->in_channels * (size_t)(size * size);
#pragma omp parallel num_threads(j->device->threads)
    {
        if (data) transform_filters(j, args->weight.ptr, true);
        for (int n = args->range.image_begin; n < args->range.image_end; n++) {
            for (int begin = 0; begin < p->tiles; begin += p->chunk) {
                int end = sa_min_int(begin + p->chunk, p->tiles);
                transform_tiles(j, &dy, n, begin, end);
                if (weight) {
                    transform_tiles(j, &x, n, begin, end);
                    add_gradient(j, end - begin, begin > 0);
                }
                if (data) {
                    apply_filters(j, end - begin);
                    store_tiles(j, &dx, n, begin, end);
                }
            }
            if (weight) store_gradient(j, dweight, args->accumulate || n > args->range.image_begin);
        }
    }
}

static sa_status backward(const sa_device *device, const sa_conv_backward_args *args)
{
    sa_conv_request request = sa_conv_backward_request(args);
    bool data = args->dx.at.ptr != NULL, weight = args->dweight.ptr != NULL;
    job j;
    SA_TRY(start_job(&j, device, &request, &args->shape, &args->workspace));
    int group = j.plan.other.channels;
    for (int begin = 0; (data || weight) && start_group(&j, begin, group); begin += group) run_backward(&j, args, data, weight);
    if (args->dbias.ptr) sa_conv_bias_gradient(device, args);
    return SA_OK;
}

const sa_conv_method sa_conv_fft_method = {workspace_bytes, forward, backward};
