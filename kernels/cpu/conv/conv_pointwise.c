/* 1 x 1 convolutions as products of matrices, read from their sources without a column matrix.
 *
 * Forward and data gradient: the pixels of all images are counted through and go in panels of SA_WINO_PANEL through the product
 * with the weights; each thread takes panels of its own. Every number is one sum over the channels, in their order. Weight
 * gradient: x and dy are turned so that channels lie side by side. Each thread has channels of x of its own. Sums are cut every
 * SUM_PIXELS pixels of an image and added in order, so that one call over a batch equals one accumulating call an image. */
#include "kernels/cpu/conv/conv_pointwise.h"

#include "kernels/cpu/conv/conv_winograd_plan.h"
#include "kernels/cpu/rows/joined_rows.h"
#include "kernels/cpu/work_share.h"

#include <omp.h>
#include <string.h>

enum {
    PANEL = SA_WINO_PANEL,
    BLOCK = 12,               /* channels of packed weights of the data gradient: a register tile's rows */
    ROWS = 24,                /* output channels that go over the panels at once, while their weights are in the caches */
    PANELS_FLOATS = 64 << 10, /* about so many of the panels at once, */
    PANELS_LEAST = 2,         /* at least and */
    PANELS_MOST = 4,          /* at most so many panels */
    SUM_PIXELS = 128,
    LINE = 16,
};

bool sa_pointwise_can(const sa_conv_shape *s, sa_conv_pass pass)
{
    if (s->kernel_h != 1 || s->kernel_w != 1 || s->pad_h != 0 || s->pad_w != 0 || s->groups != 1) return false;
    if (s->in_channels < SA_WINO_GROUP || s->out_channels < SA_WINO_GROUP) return false;
    return pass != SA_CONV_PASS_BACKWARD_WEIGHT || s->in_channels % SA_WINO_GROUP == 0;
}

static size_t round_up(size_t value, size_t to)
{
    return (value + to - 1) / to * to;
}

/* ------------------------------------------------------------------ pixels ------------------------------------------ */

/* The pixels that outputs read, counted row by row: of images from `image` on, or of that one. */
typedef struct grid {
    int image, height, width, stride_h, stride_w;
} grid;

static grid grid_of(const sa_conv_shape *s, int image)
{
    return (grid){image, s->out_height, s->out_width, s->stride_h, s->stride_w};
}

/* A source whose planes are one row if they can be: the copy, or the source itself. */
static const sa_source *joined_source(const sa_source *source, grid *g, sa_source *copy)
{
    if (g->stride_h != 1 || g->stride_w != 1 || sa_source_has_dense_images(source) || !sa_rows_can_join(source)) return source;
    *copy = *source;
    sa_source_join_rows(copy, g->height);
    g->width *= g->height;
    g->height = 1;
    return copy;
}

/* A row's piece of the pixels from number `at` on, of which `left` are wanted. */
typedef struct piece {
    int n, y, x, count;
} piece;

static piece piece_at(const grid *g, int64_t at, int left)
{
    const int plane = g->height * g->width, in_plane = (int)(at % plane);
    piece p = {.n = g->image + (int)(at / plane), .y = in_plane / g->width, .x = in_plane % g->width};
    p.count = sa_min_int(sa_min_int(g->width - p.x, left), SA_CPU_SEGMENT);
    return p;
}

/* target[0 .. count): pixels from number `at` on of channel c. */
static void load_pixels(const sa_source *source, const grid *g, int c, int64_t at, int count, float *target, float *scratch)
{
    if (g->stride_h == 1 && g->stride_w == 1 && sa_source_has_dense_images(source)) { /* rows follow each other */
        const int64_t plane = (int64_t)g->height * g->width, in_plane = at % plane;
        if (in_plane + count <= plane) {
            const float *from = (const float *)sa_slab_row(&sa_source_root(source)->slab, g->image + (int)(at / plane), c, 0);
            memcpy(target, from + in_plane, (size_t)count * sizeof *target);
            return;
        }
    }
    piece p;
    for (int done = 0; done < count; done += p.count) {
        p = piece_at(g, at + done, count - done);
        if (g->stride_w == 1) {
            sa_conv_load_row(source, p.n, c, p.y * g->stride_h, p.x, p.count, target + done, scratch);
            continue;
        }
        float row[SA_CPU_SEGMENT];
        p.count = sa_min_int(p.count, (SA_CPU_SEGMENT - 1) / g->stride_w + 1);
        sa_conv_load_row(source, p.n, c, p.y * g->stride_h, p.x * g->stride_w, (p.count - 1) * g->stride_w + 1, row, scratch);
        for (int i = 0; i < p.count; i++) target[done + i] = row[i * g->stride_w];
    }
}

/* ------------------------------------------------------------------ forward and data -------------------------------- */

/* A pass: result (rows) from source (depth) with weights; room of each thread: panels of the source, then of the result. */
typedef struct pass {
    const sa_source *source;
    grid reads, pixels; /* as the source has them, and as the result has */
    int64_t count;
    int depth, rows, panels;
    const float *weight;
    size_t block_pitch, row_pitch, step; /* floats of the weights from BLOCK rows to the next, row to row, depth to depth */
    const sa_slab *out;
    int out_stride_h, out_stride_w; /* from result to result */
    int channel_begin;
    const float *bias;
    const sa_conv_backward_args *gather;
    float *rooms;
    size_t result_at, room_pitch;
} pass;

static void set_rooms(pass *p)
{
    const int fit = PANELS_FLOATS / (PANEL * p->depth);
    p->panels = sa_max_int(PANELS_LEAST, sa_min_int(fit, PANELS_MOST));
    p->result_at = (size_t)p->panels * PANEL * (size_t)p->depth;
    p->room_pitch = p->result_at + (size_t)p->panels * PANEL * (size_t)p->rows;
}

/* A panel of the source, and where its result goes: into the value itself, or to be copied there. */
typedef struct panel {
    int64_t at;
    int count;
    float *from, *to;
    size_t to_pitch; /* from row to row */
    bool in_place;
} panel;

/* Whether `count` pixels from number `at` on lie side by side in a channel of a slab of the grid's size. */
static bool is_one_piece(const grid *g, int64_t at, int count)
{
    const int64_t plane = (int64_t)g->height * g->width;
    return g->stride_h == 1 && g->stride_w == 1 && at % plane + count <= plane;
}

static panel make_panel(const pass *p, float *room, int number, int64_t at, int64_t end)
{
    panel result = {.at = at, .count = (int)(end - at < PANEL ? end - at : PANEL)};
    result.from = room + (size_t)number * PANEL * (size_t)p->depth;
    result.to = room + p->result_at + (size_t)number * PANEL * (size_t)p->rows;
    result.to_pitch = PANEL;
    const grid out = {.height = p->pixels.height, .width = p->pixels.width, .stride_h = 1, .stride_w = 1};
    const bool apart = p->out_stride_h != 1 || p->out_stride_w != 1;
    result.in_place = !p->gather && !apart && result.count == PANEL && is_one_piece(&out, at, PANEL);
    if (!result.in_place) return result;
    const int64_t plane = (int64_t)out.height * out.width;
    float *first = sa_slab_row(p->out, p->pixels.image + (int)(at / plane), p->channel_begin, 0);
    result.to = first + at % plane;
    result.to_pitch = (size_t)plane;
    return result;
}

static void fill_panel(const pass *p, const panel *to, float *scratch)
{
    const int64_t plane = (int64_t)p->pixels.height * p->pixels.width;
    if (to->count == PANEL && is_one_piece(&p->reads, to->at, PANEL) && sa_source_has_dense_images(p->source)) {
        enum { AHEAD = 16 }; /* channels */
        const sa_slab *slab = &sa_source_root(p->source)->slab;
        const float *from = (const float *)sa_slab_row(slab, p->pixels.image + (int)(to->at / plane), 0, 0) + to->at % plane;
        for (int c = 0; c < p->depth; c++, from += plane) {
            for (int i = 0; i < PANEL && c + AHEAD < p->depth; i += LINE) __builtin_prefetch(from + AHEAD * plane + i);
            memcpy(to->from + (size_t)c * PANEL, from, PANEL * sizeof *from);
        }
        return;
    }
    for (int c = 0; c < p->depth; c++) {
        float *target = to->from + (size_t)c * PANEL;
        load_pixels(p->source, &p->reads, c, to->at, to->count, target, scratch);
        if (to->count < PANEL) memset(target + to->count, 0, (size_t)(PANEL - to->count) * sizeof *target);
    }
}

/* The same of a source that is computed: all panels' pixels of a channel at a time. */
static void compute_panels(const pass *p, const panel *panels, int count, float *scratch)
{
    float line[PANELS_MOST * PANEL];
    const int last = panels[count - 1].count, total = (count - 1) * PANEL + last;
    memset(line + total, 0, (size_t)(PANEL - last) * sizeof *line);
    for (int c = 0; c < p->depth; c++) {
        load_pixels(p->source, &p->reads, c, panels[0].at, total, line, scratch);
        for (int k = 0; k < count; k++) memcpy(panels[k].from + (size_t)c * PANEL, line + k * PANEL, PANEL * sizeof *line);
    }
}

/* The results of some panels. */
static void multiply_panels(const pass *p, const panel *panels, int count)
{
    const sa_wino_kernels *kernels = sa_wino_kernels_best();
    for (int row = 0; row < p->rows; row += ROWS)
        for (int k = 0; k < count; k++)
            for (int r = row; r < sa_min_int(row + ROWS, p->rows); r += BLOCK) {
                const sa_wino_product product = {.a = p->weight + (size_t)(r / BLOCK) * p->block_pitch,
                                                 .a_row = p->row_pitch,
                                                 .a_step = p->step,
                                                 .b = panels[k].from,
                                                 .b_step = PANEL,
                                                 .c = panels[k].to + (size_t)r * panels[k].to_pitch,
                                                 .c_row = panels[k].to_pitch,
                                                 .rows = sa_min_int(BLOCK, p->rows - r),
                                                 .depth = p->depth,
                                                 .columns = PANEL,
                                                 .set = true,
                                                 .bias = p->bias ? p->bias + r : NULL};
                kernels->multiply(&product);
            }
}

/* Row y of channel c of image n: `columns` values, which go to columns x, x + out_stride_w, .... */
static void store_values(const pass *p, int n, int c, int y, int x, int columns, const float *value)
{
    if (p->gather) {
        const int apart = p->out_stride_w, pieces = apart == 1 ? 1 : columns;
        for (int i = 0; i < pieces; i++) {
            const sa_conv_piece of_dx = {.n = n,
                                         .c = c,
                                         .y = y,
                                         .x = x + i * apart,
                                         .rows = 1,
                                         .columns = apart == 1 ? columns : 1,
                                         .value = value + i,
                                         .pitch = PANEL};
            sa_conv_gather_piece(p->gather, &of_dx);
        }
        return;
    }
    float *to = (float *)sa_slab_row(p->out, n, c, y) + x;
    for (int i = 0; i < columns; i++) to[i * p->out_stride_w] = value[i];
}

/* The results of a panel that is not in place. */
static void store_panel(const pass *p, const panel *from)
{
    piece q;
    for (int done = 0; done < from->count; done += q.count) {
        q = piece_at(&p->pixels, from->at + done, from->count - done);
        for (int r = 0; r < p->rows; r++)
            store_values(p, q.n, p->channel_begin + r, q.y * p->out_stride_h, q.x * p->out_stride_w, q.count,
                         from->to + (size_t)r * PANEL + done);
    }
}

/* Called by all threads of a parallel region. */
static void run_panels(const pass *p, sa_work_share *share)
{
    _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
    float *room = p->rooms + (size_t)omp_get_thread_num() * p->room_pitch;
    const int64_t at_once = (int64_t)p->panels * PANEL;
    const bool stored = sa_source_has_dense_images(p->source);
    for (int item; sa_work_share_take(share, &item);) {
        panel panels[PANELS_MOST];
        int count = 0;
        for (int64_t at = item * at_once; at < p->count && count < p->panels; at += PANEL) {
            panels[count] = make_panel(p, room, count, at, p->count);
            if (stored) fill_panel(p, &panels[count], scratch);
            count++;
        }
        if (!stored) compute_panels(p, panels, count, scratch);
        multiply_panels(p, panels, count);
        for (int k = 0; k < count; k++)
            if (!panels[k].in_place) store_panel(p, &panels[k]);
    }
}

static int items_of(const pass *p)
{
    const int64_t at_once = (int64_t)p->panels * PANEL;
    return (int)((p->count + at_once - 1) / at_once);
}

static pass forward_pass(const sa_conv_shape *s, int channels)
{
    pass p = {.depth = s->in_channels, .rows = channels, .row_pitch = (size_t)s->in_channels, .step = 1};
    p.block_pitch = (size_t)s->in_channels * BLOCK;
    set_rooms(&p);
    return p;
}

void sa_pointwise_forward(const sa_device *device, const sa_conv_forward_args *args)
{
    const sa_conv_shape *s = &args->shape;
    pass p = forward_pass(s, sa_range_channels(&args->range));
    sa_source copy;
    p.reads = grid_of(s, args->range.image_begin);
    p.source = joined_source(&args->x, &p.reads, &copy);
    p.pixels = grid_of(s, args->range.image_begin);
    p.count = (int64_t)s->out_height * s->out_width * sa_range_images(&args->range);
    p.weight = (const float *)args->weight.ptr + (size_t)args->range.channel_begin * (size_t)s->in_channels;
    p.out = &args->y;
    p.out_stride_h = p.out_stride_w = 1;
    p.channel_begin = args->range.channel_begin;
    p.bias = args->bias.ptr ? (const float *)args->bias.ptr + p.channel_begin : NULL;
    p.rooms = args->workspace.ptr;
    const int threads = sa_conv_range_crew(device, s, &args->range);
    sa_work_share share;
    sa_work_share_start(&share, items_of(&p), threads);
#pragma omp parallel num_threads(threads)
    run_panels(&p, &share);
}

static pass data_pass(const sa_conv_shape *s)
{
    pass p = {.depth = s->out_channels, .rows = s->in_channels, .row_pitch = 1, .step = BLOCK};
    p.block_pitch = (size_t)s->out_channels * BLOCK;
    set_rooms(&p);
    return p;
}

static size_t packed_floats(const sa_conv_shape *s)
{
    return round_up((size_t)s->in_channels, BLOCK) * (size_t)s->out_channels;
}

/* Weights (out, in) as (in / BLOCK, out, BLOCK). Called by all threads of a parallel region. */
static void pack_weights(const sa_conv_shape *s, const float *weight, float *packed)
{
    const int in = s->in_channels, out = s->out_channels;
#pragma omp for schedule(static)
    for (int c = 0; c < in; c += BLOCK) {
        float *to = packed + (size_t)c * (size_t)out;
        const int count = sa_min_int(BLOCK, in - c);
        for (int o = 0; o < out; o++, to += BLOCK)
            for (int i = 0; i < count; i++) to[i] = weight[(size_t)o * (size_t)in + (size_t)(c + i)];
    }
}

/* What no output reads has the bias for its gradient. Called by all threads of a parallel region. */
static void fill_between(const pass *p, const sa_conv_shape *s, int images)
{
    pass whole = *p;
    whole.out_stride_w = 1;
#pragma omp for collapse(2) schedule(static)
    for (int n = p->pixels.image; n < p->pixels.image + images; n++)
        for (int c = 0; c < s->in_channels; c++) {
            const float value = p->bias ? p->bias[c] : 0;
            float values[PANEL];
            for (int i = 0; i < PANEL; i++) values[i] = value;
            for (int y = 0; y < s->in_height; y++)
                for (int x = 0; x < s->in_width; x += PANEL)
                    store_values(&whole, n, c, y, x, sa_min_int(PANEL, s->in_width - x), values);
        }
}

void sa_pointwise_data(const sa_device *device, const sa_conv_backward_args *args)
{
    const sa_conv_shape *s = &args->shape;
    float *workspace = args->workspace.ptr;
    pass p = data_pass(s);
    sa_source copy;
    p.pixels = (grid){args->range.image_begin, s->out_height, s->out_width, 1, 1};
    p.reads = p.pixels;
    p.source = joined_source(&args->dy, &p.reads, &copy);
    p.count = (int64_t)s->out_height * s->out_width * sa_range_images(&args->range);
    p.out_stride_h = s->stride_h;
    p.out_stride_w = s->stride_w;
    p.weight = workspace;
    p.out = &args->dx;
    p.bias = args->dx_bias.ptr;
    p.gather = args->gather ? args : NULL;
    p.rooms = workspace + round_up(packed_floats(s), LINE);
    const int threads = sa_conv_range_crew(device, s, &args->range);
    sa_work_share share;
    sa_work_share_start(&share, items_of(&p), threads);
#pragma omp parallel num_threads(threads)
    {
        pack_weights(s, args->weight.ptr, workspace);
        if (s->stride_h != 1 || s->stride_w != 1) fill_between(&p, s, sa_range_images(&args->range));
        run_panels(&p, &share);
    }
}

/* ------------------------------------------------------------------ weight gradient --------------------------------- */

/* Workspace: turned pixels of dy, then those of each part's channels of x, then each thread's pixels of SA_WINO_GROUP channels. */
typedef struct weight_plan {
    int parts, part_channels, dy_channels;
    size_t dy_pitch, x_pitch; /* from pixel to pixel */
    size_t x_at, part_pitch, stage_at, stage_pitch, end;
} weight_plan;

static weight_plan plan_weight(const sa_conv_shape *s, int channels, int threads)
{
    const int panels = (s->in_channels + PANEL - 1) / PANEL;
    weight_plan p = {.parts = sa_min_int(threads, panels), .dy_channels = channels};
    p.part_channels = (panels + p.parts - 1) / p.parts * PANEL;
    p.dy_pitch = round_up((size_t)channels, SA_WINO_GROUP) + LINE;
    p.x_pitch = (size_t)p.part_channels + LINE;
    p.x_at = p.dy_pitch * SUM_PIXELS;
    p.part_pitch = p.x_pitch * SUM_PIXELS;
    p.stage_at = p.x_at + (size_t)p.parts * p.part_pitch;
    p.stage_pitch = (size_t)SA_WINO_GROUP * SUM_PIXELS;
    p.end = p.stage_at + (size_t)threads * p.stage_pitch;
    return p;
}

/* Turns `count` pixels from number `at` on of channels [c0, c0 + channels). */
static void turn_pixels(const sa_source *source, const grid *g, int c0, int channels, int at, int count, float *to, size_t pitch,
                        float *stage, float *scratch)
{
    const bool dense = g->stride_h == 1 && g->stride_w == 1 && sa_source_has_dense_images(source);
    for (int c = 0; c < channels; c += SA_WINO_GROUP) {
        const float *lane[SA_WINO_GROUP];
        for (int l = 0; l < SA_WINO_GROUP; l++) {
            const int channel = c0 + sa_min_int(c + l, channels - 1);
            float *staged = stage + (size_t)l * SUM_PIXELS;
            if (dense) {
                const sa_slab *slab = &sa_source_root(source)->slab;
                const int ahead = c0 + sa_min_int(c + l + SA_WINO_GROUP, channels - 1);
                const float *next = (const float *)sa_slab_row(slab, g->image, ahead, 0) + at;
                for (int i = 0; i < count; i += LINE) __builtin_prefetch(next + i);
                lane[l] = (const float *)sa_slab_row(slab, g->image, channel, 0) + at;
            } else {
                load_pixels(source, g, channel, at, count, staged, scratch);
                lane[l] = staged;
            }
        }
        sa_wino_kernels_best()->turn(lane, count, to + c, pitch);
    }
}

/* Adds what `count` pixels give to the gradient of a part's channels. */
static void add_pixels(const weight_plan *w, const sa_conv_backward_args *args, int c0, int channels, const float *x, int count,
                       bool set)
{
    const size_t in = (size_t)args->shape.in_channels;
    float *dweight = (float *)args->dweight.ptr + (size_t)args->range.channel_begin * in + (size_t)c0;
    for (int c = 0; c < channels; c += PANEL) {
        const sa_wino_product product = {.a = args->workspace.ptr,
                                         .a_row = 1,
                                         .a_step = w->dy_pitch,
                                         .b = x + c,
                                         .b_step = w->x_pitch,
                                         .c = dweight + c,
                                         .c_row = in,
                                         .rows = w->dy_channels,
                                         .depth = count,
                                         .columns = sa_min_int(PANEL, channels - c),
                                         .set = set};
        sa_wino_kernels_best()->multiply(&product);
    }
}

/* Called by all threads of a parallel region. */
static void sum_images(const weight_plan *w, const sa_conv_backward_args *args)
{
    _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
    const sa_conv_shape *s = &args->shape;
    const int number = omp_get_thread_num(), count = omp_get_num_threads(), pixels = s->out_height * s->out_width;
    float *workspace = args->workspace.ptr, *stage = workspace + w->stage_at + (size_t)number * w->stage_pitch;
    const int groups = (w->dy_channels + SA_WINO_GROUP - 1) / SA_WINO_GROUP;
    const int first = sa_work_part_begin(groups, number, count) * SA_WINO_GROUP;
    const int last = sa_min_int(sa_work_part_begin(groups, number + 1, count) * SA_WINO_GROUP, w->dy_channels);
    for (int n = args->range.image_begin; n < args->range.image_end; n++) {
        sa_source copy_x, copy_dy;
        grid of_x = grid_of(s, n), of_dy = of_x;
        of_dy.stride_h = of_dy.stride_w = 1;
        const sa_source *x_source = joined_source(&args->x, &of_x, &copy_x), *dy = joined_source(&args->dy, &of_dy, &copy_dy);
        for (int at = 0; at < pixels; at += SUM_PIXELS) {
            const int some = sa_min_int(SUM_PIXELS, pixels - at);
            const bool set = !args->accumulate && at == 0 && n == args->range.image_begin;
            turn_pixels(dy, &of_dy, args->range.channel_begin + first, last - first, at, some, workspace + first, w->dy_pitch,
                        stage, scratch);
#pragma omp barrier
            for (int part = number; part < w->parts; part += count) {
                const int c0 = part * w->part_channels, channels = sa_min_int(w->part_channels, s->in_channels - c0);
                if (channels <= 0) continue;
                float *x = workspace + w->x_at + (size_t)part * w->part_pitch;
                turn_pixels(x_source, &of_x, c0, channels, at, some, x, w->x_pitch, stage, scratch);
                add_pixels(w, args, c0, channels, x, some, set);
            }
#pragma omp barrier
        }
    }
}

void sa_pointwise_weight(const sa_device *device, const sa_conv_backward_args *args)
{
    const sa_conv_shape *s = &args->shape;
    const weight_plan w = plan_weight(s, sa_range_channels(&args->range), device->threads);
    if (!args->accumulate && sa_range_images(&args->range) == 0)
        memset((float *)args->dweight.ptr + (size_t)args->range.channel_begin * (size_t)s->in_channels, 0,
               (size_t)w.dy_channels * (size_t)s->in_channels * sizeof(float));
#pragma omp parallel num_threads(sa_conv_range_crew(device, s, &args->range))
    sum_images(&w, args);
}

size_t sa_pointwise_floats(const sa_device *device, const sa_conv_request *r, sa_conv_pass which)
{
    if (which == SA_CONV_PASS_BACKWARD_WEIGHT) return plan_weight(&r->shape, r->out_channels_at_once, device->threads).end;
    if (which == SA_CONV_PASS_FORWARD) return (size_t)device->threads * forward_pass(&r->shape, r->out_channels_at_once).room_pitch;
    return round_up(packed_floats(&r->shape), LINE) + (size_t)device->threads * data_pass(&r->shape).room_pitch;
}
