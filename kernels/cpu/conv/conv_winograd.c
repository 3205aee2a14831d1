/* Winograd convolution F(4x4, 3x3): forward, data gradient and weight gradient of 3 x 3 convolutions with stride 1.
 *
 * Tiles of all images of the range are counted through. A thread transforms some of them, multiplies them with the filters'
 * spectra, one product a frequency, and transforms the results back. For the weight gradient, all transform dy together, and each
 * thread sums the products of its own channels of x. A number is summed in one order, whatever the threads, the workspace or the
 * range of channels. The sums of a weight gradient are cut every SA_WINO_SUM tiles, counted from the range's first image: a call
 * over two images is not two accumulating calls to the bit. */
#include "kernels/cpu/conv/conv_winograd_plan.h"
#include "kernels/cpu/work_share.h"

#include <omp.h>
#include <string.h>

const sa_wino_kernels *sa_wino_kernels_best(void)
{
    switch (sa_cpu_isa_best()) {
#if defined(__x86_64__)
    case SA_CPU_AVX512: return &sa_wino_kernels_avx512;
    case SA_CPU_AVX2: return &sa_wino_kernels_avx2;
#endif
    default: return &sa_wino_kernels_portable;
    }
}

static sa_status workspace_bytes(const sa_device *device, const sa_conv_request *r, size_t *bytes)
{
    size_t floats = 0;
    for (int pass = SA_CONV_PASS_FORWARD; pass <= SA_CONV_PASS_BACKWARD_WEIGHT; pass++) {
        const bool both = r->pass == SA_CONV_PASS_BACKWARD_BOTH && pass != SA_CONV_PASS_FORWARD;
        if (pass != (int)r->pass && !both) continue;
        sa_wino_plan p = {0};
        SA_TRY(sa_wino_plan_make(device, r, (sa_conv_pass)pass, &p));
        if (p.end > floats) floats = p.end;
    }
    *bytes = floats * sizeof(float);
    return SA_OK;
}

/* One pass of an op. */
typedef struct job {
    const sa_wino_kernels *kernels;
    sa_wino_plan plan;
    float *workspace;
    int first_image;
} job;

static sa_status start_job(job *j, const sa_device *device, const sa_conv_request *request, sa_conv_pass pass,
                           const sa_range *range, const sa_ref *workspace)
{
    SA_TRY(sa_wino_plan_make(device, request, pass, &j->plan));
    if (j->plan.end > request->limit_bytes / sizeof(float))
        SA_FAIL(SA_CAPACITY, "winograd convolution: a group of channels needs %zu bytes of workspace, %zu are there",
                j->plan.end * sizeof(float), request->limit_bytes);
    j->kernels = sa_wino_kernels_best();
    j->workspace = workspace->ptr;
    j->first_image = range->image_begin;
    return SA_OK;
}

static float *thread_work(const job *j)
{
    return j->workspace + j->plan.work_at + (size_t)omp_get_thread_num() * j->plan.work_pitch;
}

/* ------------------------------------------------------------------ tiles in ---------------------------------------- */

/* `tiles` tiles side by side: of image n, row ty, from column tx on. */
typedef struct run {
    int n, ty, tx, tiles;
} run;

/* The run that starts at tile `tile` of all, and ends before `end`. */
static run run_at(const job *j, int tile, int end, int longest)
{
    const sa_wino_plan *p = &j->plan;
    const int plane = p->tiles_y * p->tiles_x, at = tile % plane;
    run r = {.n = j->first_image + tile / plane, .ty = at / p->tiles_x, .tx = at % p->tiles_x};
    r.tiles = sa_min_int(sa_min_int(p->tiles_x - r.tx, end - tile), longest);
    return r;
}

/* A value that is cut into tiles of `size` pixels; the first starts at (-pad_h, -pad_w). */
typedef struct cut {
    const sa_source *source;
    int channel_begin, channels, pad_h, pad_w, size;
    float *scratch; /* SA_CPU_SCRATCH_FLOATS */
} cut;

/* Points the lanes at the pixels of channels from `channel` on, computed into `stage` unless they are in memory. */
static void set_lanes(const cut *c, const run *r, int channel, int y, int x, float *stage, sa_wino_pixels *pixels)
{
    const int channels = sa_min_int(SA_WINO_GROUP, c->channels - channel);
    const int rows = pixels->row_end - pixels->row_begin, columns = pixels->column_end - pixels->column_begin;
    const bool dense = sa_source_has_dense_images(c->source);
    const sa_slab *slab = &sa_source_root(c->source)->slab;
    y += pixels->row_begin;
    x += pixels->column_begin;
    pixels->row_pitch = dense ? (size_t)slab->width : SA_WINO_RUN_PIXELS;
    for (int l = 0; l < SA_WINO_GROUP; l++) {
        const int of = c->channel_begin + channel + (l < channels ? l : 0); /* lanes beyond the channels: nothing reads them */
        float *to = stage + (size_t)l * SA_WINO_TILE * SA_WINO_RUN_PIXELS;
        if (rows <= 0 || columns <= 0) pixels->at[l] = stage;
        else if (dense) pixels->at[l] = (const float *)sa_slab_row(slab, r->n, of, y) + x;
        else if (l >= channels) pixels->at[l] = pixels->at[0];
        else {
            pixels->at[l] = to;
            for (int i = 0; i < rows; i++, to += SA_WINO_RUN_PIXELS) {
                const float *row = sa_cpu_pull_into(c->source, r->n, of, y + i, x, columns, c->scratch, to);
                if (row != to) memcpy(to, row, (size_t)columns * sizeof *to);
            }
        }
    }
}

/* Spectra of tiles [begin, end), the first at `spectra`. */
static void transform_tiles(const job *j, const cut *c, const sa_wino_side *side, float *spectra, int begin, int end, float *work)
{
    const sa_node *root = sa_source_root(c->source);
    run r;
    for (int tile = begin; tile < end; tile += r.tiles) {
        r = run_at(j, tile, end, SA_WINO_RUN);
        const int y = r.ty * SA_WINO_STEP - c->pad_h, x = r.tx * SA_WINO_STEP - c->pad_w;
        const int columns = SA_WINO_STEP * (r.tiles - 1) + c->size;
        sa_wino_pixels pixels = {.tiles = r.tiles, .row_begin = sa_max_int(0, -y), .column_begin = sa_max_int(0, -x)};
        pixels.row_end = sa_min_int(c->size, root->height - y);
        pixels.column_end = sa_min_int(columns, root->width - x);
        for (int channel = 0; channel < c->channels; channel += SA_WINO_GROUP) {
            set_lanes(c, &r, channel, y, x, work + SA_WINO_WORK_FLOATS, &pixels);
            const sa_wino_spectra to = {spectra + (size_t)(tile - begin) * side->tile_pitch + channel, side->frequency_pitch,
                                        side->tile_pitch};
            (c->size == SA_WINO_TILE ? j->kernels->input : j->kernels->gradient)(&pixels, &to, work);
        }
    }
}

/* ------------------------------------------------------------------ forward and data -------------------------------- */

/* Where a pass puts its tiles, channels of a group from channel_begin on. */
typedef struct sink {
    const sa_slab *slab;
    int channel_begin, channels;
    const float *bias;                   /* of all channels, or NULL */
    const sa_conv_backward_args *gather; /* or NULL */
} sink;

static void gather_piece(const sink *to, const sa_wino_target *t, const run *r, int channel)
{
    for (int c = 0; c < t->channels; c++) {
        sa_conv_piece piece = {.n = r->n,
                               .c = channel + c,
                               .y = r->ty * SA_WINO_STEP,
                               .x = r->tx * SA_WINO_STEP,
                               .rows = t->rows,
                               .columns = t->columns,
                               .value = t->at + (size_t)c * t->channel_pitch,
                               .pitch = t->row_pitch};
        sa_conv_gather_piece(to->gather, &piece);
    }
}

static void store_tiles(const job *j, const sink *to, float *spectra, int begin, int end, float *work)
{
    const sa_wino_plan *p = &j->plan;
    const size_t plane = (size_t)p->height * (size_t)p->width;
    run r;
    for (int tile = begin; tile < end; tile += r.tiles) {
        r = run_at(j, tile, end, SA_WINO_STORE_RUN);
        const int y = r.ty * SA_WINO_STEP, x = r.tx * SA_WINO_STEP;
        for (int group = 0; group < to->channels; group += SA_WINO_GROUP) {
            const int channel = to->channel_begin + group;
            sa_wino_target t = {.rows = sa_min_int(SA_WINO_STEP, p->height - y),
                                .columns = sa_min_int(SA_WINO_STEP * r.tiles, p->width - x),
                                .channels = sa_min_int(SA_WINO_GROUP, to->channels - group),
                                .tiles = r.tiles,
                                .bias = to->bias ? to->bias + channel : NULL};
            if (to->gather) {
                t.at = work + SA_WINO_WORK_FLOATS;
                t.row_pitch = SA_WINO_STEP * SA_WINO_STORE_RUN;
                t.channel_pitch = t.row_pitch * SA_WINO_STEP;
            } else {
                t.at = (float *)sa_slab_row(to->slab, r.n, channel, y) + x;
                t.row_pitch = (size_t)p->width;
                t.channel_pitch = plane;
            }
            const sa_wino_spectra from = {spectra + (size_t)(tile - begin) * p->to.tile_pitch + group, p->to.frequency_pitch,
                                          p->to.tile_pitch};
            j->kernels->output(&from, &t, work);
            if (to->gather) gather_piece(to, &t, &r, channel);
        }
    }
}

/* A panel of columns of the filters' spectra. */
static float *panel_at(const job *j, int frequency, int column)
{
    const sa_wino_plan *p = &j->plan;
    return j->workspace + (size_t)frequency * p->filter_pitch + (size_t)column * (size_t)p->in;
}

static int panel_columns(const sa_wino_plan *p, int column)
{
    const int left = (int)(p->to.channels - column);
    return sa_min_int((left + SA_WINO_GROUP - 1) / SA_WINO_GROUP * SA_WINO_GROUP, SA_WINO_PANEL);
}

/* Spectra of the filters of output channels from `first` on, by all threads. weight: (out, in, 3, 3), or, turned, (in, out, 3, 3).
 */
static void transform_filters(const job *j, const float *weight, int first, bool turned)
{
    const sa_wino_plan *p = &j->plan;
    const size_t in = (size_t)p->in, out = (size_t)p->out;
#pragma omp for schedule(static)
    for (int column = 0; column < p->to.channels; column += SA_WINO_GROUP) {
        const int panel = column / SA_WINO_PANEL * SA_WINO_PANEL;
        const size_t pitch = (size_t)panel_columns(p, panel), o = (size_t)(first + column);
        float *at = panel_at(j, 0, panel) + (column - panel);
        for (size_t i = 0; i < in; i++, at += pitch) {
            const sa_wino_filter filter = {.weight = weight + (turned ? i * out + o : o * in + i) * SA_WINO_TAPS,
                                           .channel_pitch = turned ? SA_WINO_TAPS : in * SA_WINO_TAPS,
                                           .channels = sa_min_int(SA_WINO_GROUP, p->to.channels - column),
                                           .turned = turned};
            j->kernels->filter(&filter, at, p->filter_pitch);
        }
    }
}

static void multiply_tiles(const job *j, const float *from, float *to, int tiles)
{
    const sa_wino_plan *p = &j->plan;
    for (int f = 0; f < SA_WINO_FREQUENCIES; f++)
        for (int column = 0; column < p->to.channels; column += SA_WINO_PANEL) {
            const sa_wino_product product = {.a = from + (size_t)f * p->from.frequency_pitch,
                                             .b = panel_at(j, f, column),
                                             .c = to + (size_t)f * p->to.frequency_pitch + column,
                                             .a_row = p->from.tile_pitch,
                                             .a_step = 1,
                                             .b_step = (size_t)panel_columns(p, column),
                                             .c_row = p->to.tile_pitch,
                                             .rows = tiles,
                                             .depth = p->in,
                                             .columns = panel_columns(p, column),
                                             .set = true};
            j->kernels->multiply(&product);
        }
}

static void run_pass(job *j, int threads, const cut *from, const sink *to, const float *weight, bool turned)
{
    sa_wino_plan *p = &j->plan;
    for (int first = 0; first < p->out; first += p->group) {
        p->to.channels = sa_min_int(p->group, p->out - first);
        sink part = *to;
        part.channel_begin += first;
        part.channels = p->to.channels;
        sa_work_share share;
        sa_work_share_start(&share, (p->tiles + p->at_once - 1) / p->at_once, threads);
#pragma omp parallel num_threads(threads)
        {
            _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
            cut own = *from;
            own.scratch = scratch;
            float *work = thread_work(j), *room = j->workspace + p->room_at + (size_t)omp_get_thread_num() * p->room_pitch;
            transform_filters(j, weight, first, turned);
            for (int item; sa_work_share_take(&share, &item);) {
                const int begin = item * p->at_once, end = sa_min_int(begin + p->at_once, p->tiles);
                transform_tiles(j, &own, &p->from, room, begin, end, work);
                multiply_tiles(j, room, room + p->second_at, end - begin);
                store_tiles(j, &part, room + p->second_at, begin, end, work);
            }
        }
    }
}

static sa_status forward(const sa_device *device, const sa_conv_forward_args *args)
{
    const sa_conv_shape *s = &args->shape;
    const sa_conv_request request = sa_conv_forward_request(args);
    if (sa_range_images(&args->range) == 0) return SA_OK;
    job j;
    SA_TRY(start_job(&j, device, &request, SA_CONV_PASS_FORWARD, &args->range, &args->workspace));
    const cut x = {.source = &args->x, .channels = s->in_channels, .pad_h = s->pad_h, .pad_w = s->pad_w, .size = SA_WINO_TILE};
    const sink y = {.slab = &args->y, .channel_begin = args->range.channel_begin, .bias = args->bias.ptr};
    const float *weight =
        (const float *)args->weight.ptr + (size_t)args->range.channel_begin * (size_t)s->in_channels * SA_WINO_TAPS;
    run_pass(&j, sa_conv_range_crew(device, s, &args->range), &x, &y, weight, false);
    return SA_OK;
}

static sa_status run_data(const sa_device *device, const sa_conv_request *request, const sa_conv_backward_args *args)
{
    const sa_conv_shape *s = &args->shape;
    job j;
    SA_TRY(start_job(&j, device, request, SA_CONV_PASS_BACKWARD_DATA, &args->range, &args->workspace));
    const cut dy = {
        .source = &args->dy, .channels = s->out_channels, .pad_h = 2 - s->pad_h, .pad_w = 2 - s->pad_w, .size = SA_WINO_TILE};
    const sink dx = {.slab = &args->dx, .bias = args->dx_bias.ptr, .gather = args->gather ? args : NULL};
    run_pass(&j, sa_conv_range_crew(device, s, &args->range), &dy, &dx, args->weight.ptr, true);
    return SA_OK;
}

/* ------------------------------------------------------------------ weight gradient --------------------------------- */

/* Adds the products of `tiles` tiles to a part's sums. */
static void add_products(const job *j, const float *x, float *sums, int channels, int tiles, bool set)
{
    const sa_wino_plan *p = &j->plan;
    const size_t columns = (size_t)((p->to.channels + SA_WINO_GROUP - 1) / SA_WINO_GROUP * SA_WINO_GROUP);
    for (int f = 0; f < SA_WINO_FREQUENCIES; f++)
        for (int column = 0; column < p->to.channels; column += SA_WINO_PANEL) {
            const sa_wino_product product = {.a = x + (size_t)f * p->from.frequency_pitch,
                                             .b = j->workspace + (size_t)f * p->to.frequency_pitch + column,
                                             .c = sums + (size_t)f * p->filter_pitch + column,
                                             .a_row = 1,
                                             .a_step = p->from.tile_pitch,
                                             .b_step = p->to.tile_pitch,
                                             .c_row = columns,
                                             .rows = channels,
                                             .depth = tiles,
                                             .columns = panel_columns(p, column),
                                             .sum_block = SA_WINO_SUM,
                                             .set = set};
            j->kernels->multiply(&product);
        }
}

/* dweight of a part's channels of x, from c0 on, and the group's of dy from o0 on. */
static void store_gradient(const job *j, const sa_conv_backward_args *args, const float *sums, int c0, int channels, int o0)
{
    const sa_wino_plan *p = &j->plan;
    const size_t columns = (size_t)((p->to.channels + SA_WINO_GROUP - 1) / SA_WINO_GROUP * SA_WINO_GROUP);
    const size_t in = (size_t)args->shape.in_channels;
    for (int c = 0; c < channels; c++)
        for (int o = 0; o < p->to.channels; o += SA_WINO_GROUP) {
            float *weight = (float *)args->dweight.ptr + ((size_t)(o0 + o) * in + (size_t)(c0 + c)) * SA_WINO_TAPS;
            j->kernels->filter_gradient(sums + (size_t)c * columns + o, p->filter_pitch, weight, in * SA_WINO_TAPS,
                                        sa_min_int(SA_WINO_GROUP, p->to.channels - o), args->accumulate);
        }
}

/* One thread's share of a group of dy's channels, from o0 on. */
static void sum_group(const job *j, const sa_conv_backward_args *args, int o0)
{
    const sa_wino_plan *p = &j->plan;
    const sa_conv_shape *s = &args->shape;
    _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
    float *work = thread_work(j);
    const int number = omp_get_thread_num(), count = omp_get_num_threads();
    const cut dy = {.source = &args->dy, .channel_begin = o0, .channels = p->to.channels, .size = SA_WINO_STEP, .scratch = scratch};
    for (int begin = 0; begin < p->tiles; begin += p->at_once) {
        const int tiles = sa_min_int(p->at_once, p->tiles - begin);
        const int first = sa_work_part_begin(tiles, number, count), last = sa_work_part_begin(tiles, number + 1, count);
        transform_tiles(j, &dy, &p->to, j->workspace + (size_t)first * p->to.tile_pitch, begin + first, begin + last, work);
#pragma omp barrier
        for (int part = number; part < p->parts; part += count) {
            const int c0 = part * p->part_channels, channels = sa_min_int(p->part_channels, p->in - c0);
            if (channels <= 0) continue;
            float *room = j->workspace + p->room_at + (size_t)part * p->room_pitch;
            const cut x = {.source = &args->x,
                           .channel_begin = c0,
                           .channels = channels,
                           .pad_h = s->pad_h,
                           .pad_w = s->pad_w,
                           .size = SA_WINO_TILE,
                           .scratch = scratch};
            transform_tiles(j, &x, &p->from, room, begin, begin + tiles, work);
            add_products(j, room, room + p->second_at, channels, tiles, begin == 0);
            if (begin + tiles == p->tiles) store_gradient(j, args, room + p->second_at, c0, channels, o0);
        }
#pragma omp barrier
    }
}

static sa_status run_weight(const sa_device *device, const sa_conv_request *request, const sa_conv_backward_args *args)
{
    job j;
    SA_TRY(start_job(&j, device, request, SA_CONV_PASS_BACKWARD_WEIGHT, &args->range, &args->workspace));
    for (int first = 0; first < j.plan.out; first += j.plan.group) {
        j.plan.to.channels = sa_min_int(j.plan.group, j.plan.out - first);
#pragma omp parallel num_threads(sa_conv_range_crew(device, &args->shape, &args->range))
        sum_group(&j, args, args->range.channel_begin + first);
    }
    return SA_OK;
}

static sa_status backward(const sa_device *device, const sa_conv_backward_args *args)
{
    const sa_conv_request request = sa_conv_backward_request(args);
    const bool any = sa_range_images(&args->range) > 0;
    if (args->dweight.ptr && any) SA_TRY(run_weight(device, &request, args));
    if (args->dweight.ptr && !any && !args->accumulate) {
        const size_t filter = (size_t)args->shape.in_channels * SA_WINO_TAPS;
        memset((float *)args->dweight.ptr + (size_t)args->range.channel_begin * filter, 0,
               (size_t)sa_range_channels(&args->range) * filter * sizeof(float));
    }
    if (args->dx.at.ptr && any) SA_TRY(run_data(device, &request, args));
    sa_conv_bias_gradient(device, args);
    return SA_OK;
}

const sa_conv_method sa_conv_winograd_method = {workspace_bytes, forward, backward};
