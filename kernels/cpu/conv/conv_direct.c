/* Convolution without a column matrix: any kernel, stride and padding.
 *
 * A strip is a few input rows of all channels with their padding, staged in the workspace. Each thread has strips of its own and
 * computes the output rows that they feed; for dweight all threads stage one together, each some channels, and share the weights
 * that it feeds likewise. The strips of dweight depend on the shape alone and every number is summed by one thread in one order.
 * Strides: a strip row is stored as stride_w phases, phase f holding the columns x with (x + pad) % stride_w == f, so that
 * tap v reads phase v % stride_w from v / stride_w on, contiguously.
 * The data gradient is a stride-1 convolution of dy, spread out by the stride with zeros between, with the turned kernel. */
#include "kernels/cpu/conv/conv_common.h"
#include "kernels/cpu/conv/conv_direct_kernels.h"
#include "kernels/cpu/work_share.h"

#include <omp.h>
#include <string.h>

enum {
    STRIP_BYTES = 1 << 20,     /* strips are about this large, */
    OWN_STRIP_BYTES = 1 << 19, /* those of one thread about this, between */
    STRIP_ROWS_MIN = 4,        /* and */
    STRIP_ROWS_MAX = 16,
    STRIDE_MAX = 256,
};

/* One pass as a convolution of `source` (channels, height, width), its pixels spread `spread` apart. */
typedef struct pass {
    const sa_source *source;
    int in_channels, out_channels, out_height, out_width;
    int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, spread_h, spread_w;
    int rows;                                     /* output rows of a strip */
    int strip_rows, taps;                         /* staged rows; Kh*Kw */
    size_t phase_pitch, row_pitch, channel_pitch; /* of the strip, in floats */
    size_t dy_pitch;                              /* of a staged row of dy, or of a row of dx waiting for the gather */
    /* Parts of the workspace, floats from its begin; the strip and what follows it, of every thread, thread_pitch apart. */
    size_t tap_at, weight_at, strip_at, dy_at, dx_at, thread_pitch, end;
} pass;

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static const sa_direct_kernels *kernels(void)
{
    switch (sa_cpu_isa_best()) {
#if defined(__x86_64__)
    case SA_CPU_AVX512: return &sa_direct_kernels_avx512;
    case SA_CPU_AVX2: return &sa_direct_kernels_avx2;
#endif
    default: return &sa_direct_kernels_portable;
    }
}

/* Fills in the strip's geometry. */
static void plan_strip(pass *p, size_t strip_bytes)
{
    size_t width = round_up((size_t)p->out_width, SA_DIRECT_PIXELS);
    p->taps = p->kernel_h * p->kernel_w;
    p->phase_pitch = width + round_up((size_t)(p->kernel_w - 1) / (size_t)p->stride_w, SA_DIRECT_PIXELS);
    p->row_pitch = p->phase_pitch * (size_t)p->stride_w;
    p->dy_pitch = width;
    size_t row_bytes = p->row_pitch * (size_t)p->in_channels * sizeof(float);
    size_t fit = strip_bytes / row_bytes, halo = (size_t)(p->kernel_h - 1);
    size_t rows = fit > halo ? (fit - halo) / (size_t)p->stride_h : 0;
    rows = rows < STRIP_ROWS_MIN ? STRIP_ROWS_MIN : rows > STRIP_ROWS_MAX ? STRIP_ROWS_MAX : rows;
    p->rows = sa_min_int((int)rows, p->out_height);
    p->strip_rows = (p->rows - 1) * p->stride_h + p->kernel_h;
    p->channel_pitch = (size_t)p->strip_rows * p->row_pitch;
}

/* A pass in which each thread has strips of its own. */
static void plan_pass(pass *p, int threads, bool staged_dx)
{
    plan_strip(p, OWN_STRIP_BYTES);
    size_t groups = round_up((size_t)p->out_channels, SA_DIRECT_GROUP);
    size_t weights = groups * (size_t)p->in_channels * (size_t)p->taps;
    p->weight_at = round_up((size_t)p->taps, SA_DIRECT_PIXELS);
    p->strip_at = p->weight_at + round_up(weights, SA_DIRECT_PIXELS);
    p->dx_at = p->strip_at + p->channel_pitch * (size_t)p->in_channels;
    p->thread_pitch = p->dx_at + (staged_dx ? (size_t)p->out_channels * (size_t)p->rows * p->dy_pitch : 0) - p->strip_at;
    p->end = p->strip_at + (size_t)threads * p->thread_pitch;
}

static pass pass_over_x(const sa_conv_shape *s, int out_channels, const sa_source *x)
{
    return (pass){.source = x,
                  .in_channels = s->in_channels,
                  .out_channels = out_channels,
                  .out_height = s->out_height,
                  .out_width = s->out_width,
                  .kernel_h = s->kernel_h,
                  .kernel_w = s->kernel_w,
                  .stride_h = s->stride_h,
                  .stride_w = s->stride_w,
                  .pad_h = s->pad_h,
                  .pad_w = s->pad_w,
                  .spread_h = 1,
                  .spread_w = 1};
}

static pass forward_pass(const sa_conv_shape *s, int out_channels, int threads, const sa_source *x)
{
    pass p = pass_over_x(s, out_channels, x);
    plan_pass(&p, threads, false);
    return p;
}

static pass data_pass(const sa_conv_shape *s, int threads, const sa_source *dy, bool gather)
{
    pass p = {.source = dy,
              .in_channels = s->out_channels,
              .out_channels = s->in_channels,
              .out_height = s->in_height,
              .out_width = s->in_width,
              .kernel_h = s->kernel_h,
              .kernel_w = s->kernel_w,
              .stride_h = 1,
              .stride_w = 1,
              .pad_h = s->kernel_h - 1 - s->pad_h,
              .pad_w = s->kernel_w - 1 - s->pad_w,
              .spread_h = s->stride_h,
              .spread_w = s->stride_w};
    plan_pass(&p, threads, gather);
    return p;
}

static pass weight_pass(const sa_conv_shape *s, int out_channels, const sa_source *x)
{
    pass p = pass_over_x(s, out_channels, x);
    plan_strip(&p, STRIP_BYTES);
    p.strip_at = round_up((size_t)p.taps, SA_DIRECT_PIXELS);
    p.dy_at = p.strip_at + p.channel_pitch * (size_t)p.in_channels;
    p.end = p.dy_at + (size_t)out_channels * (size_t)p.rows * p.dy_pitch;
    return p;
}

static sa_status workspace_bytes(const sa_device *device, const sa_conv_request *r, size_t *bytes)
{
    const sa_conv_shape *s = &r->shape;
    if (s->stride_h > STRIDE_MAX || s->stride_w > STRIDE_MAX)
        SA_FAIL(SA_UNSUPPORTED, "direct convolution: stride %dx%d is larger than %d", s->stride_h, s->stride_w, STRIDE_MAX);
    size_t floats = 0;
    if (r->pass == SA_CONV_PASS_FORWARD) floats = forward_pass(s, r->out_channels_at_once, device->threads, NULL).end;
    if (r->pass == SA_CONV_PASS_BACKWARD_DATA || r->pass == SA_CONV_PASS_BACKWARD_BOTH)
        floats = data_pass(s, device->threads, NULL, r->gather_dx).end;
    if (r->pass == SA_CONV_PASS_BACKWARD_WEIGHT || r->pass == SA_CONV_PASS_BACKWARD_BOTH) {
        size_t weight = weight_pass(s, r->out_channels_at_once, NULL).end;
        if (weight > floats) floats = weight;
    }
    *bytes = floats * sizeof(float);
    return SA_OK;
}

/* Strip columns [0, count) of one phase of one row of the source; x: the column that the first one stands for. */
static void load_phase(const pass *p, int n, int c, int y, int phase, float *target, float *scratch)
{
    int count = (int)p->phase_pitch, x = phase - p->pad_w;
    if (p->spread_h > 1) {
        if (y < 0 || y % p->spread_h != 0) y = -1; /* a row of zeros */
        else y /= p->spread_h;
    }
    if (p->stride_w == 1 && p->spread_w == 1) {
        sa_conv_load_row(p->source, n, c, y, x, count, target, scratch);
        return;
    }
    float piece[SA_CPU_SEGMENT];
    if (p->spread_w > 1) {
        memset(target, 0, (size_t)count * sizeof *target);
        int first = x >= 0 ? (x + p->spread_w - 1) / p->spread_w : -(-x / p->spread_w); /* first pixel at or after x */
        int end = first + (count - (first * p->spread_w - x) + p->spread_w - 1) / p->spread_w;
        for (int at = first; at < end; at += SA_CPU_SEGMENT) {
            int length = sa_min_int(end - at, SA_CPU_SEGMENT);
            sa_conv_load_row(p->source, n, c, y, at, length, piece, scratch);
            for (int i = 0; i < length; i++) target[(at + i) * p->spread_w - x] = piece[i];
        }
        return;
    }
    int step = SA_CPU_SEGMENT / p->stride_w;
    for (int k = 0; k < count; k += step) {
        int length = sa_min_int(count - k, step);
        sa_conv_load_row(p->source, n, c, y, x + k * p->stride_w, (length - 1) * p->stride_w + 1, piece, scratch);
        for (int i = 0; i < length; i++) target[k + i] = piece[i * p->stride_w];
    }
}

/* Stages channel c of the strip for output rows from i0 on. */
static void load_strip_channel(const pass *p, int n, int c, int i0, float *strip, float *scratch)
{
    for (int r = 0; r < p->strip_rows; r++) {
        float *target = strip + (size_t)c * p->channel_pitch + (size_t)r * p->row_pitch;
        for (int phase = 0; phase < p->stride_w; phase++)
            load_phase(p, n, c, i0 * p->stride_h + r - p->pad_h, phase, target + (size_t)phase * p->phase_pitch, scratch);
    }
}

static void fill_tap_offsets(const pass *p, int32_t *offset)
{
    for (int u = 0; u < p->kernel_h; u++)
        for (int v = 0; v < p->kernel_w; v++)
            offset[u * p->kernel_w + v] =
                (int32_t)((size_t)u * p->row_pitch + (size_t)(v % p->stride_w) * p->phase_pitch + (size_t)(v / p->stride_w));
}

/* weight (out, in, taps), or, turned, (in, out, taps) with the taps reversed -> (out / 4, in, taps, 4). */
static void pack_weight(const pass *p, const float *weight, bool turned, float *packed)
{
    size_t in = (size_t)p->in_channels, out = (size_t)p->out_channels, taps = (size_t)p->taps;
    for (size_t o = 0; o < round_up(out, SA_DIRECT_GROUP); o++)
        for (size_t c = 0; c < in; c++)
            for (size_t t = 0; t < taps; t++) {
                float *target = packed + ((o / SA_DIRECT_GROUP * in + c) * taps + t) * SA_DIRECT_GROUP + o % SA_DIRECT_GROUP;
                if (o >= out) *target = 0;
                else *target = turned ? weight[(c * out + o) * taps + taps - 1 - t] : weight[(o * in + c) * taps + t];
            }
}

/* Where a pass puts its rows: the slab `out` from channel o0 on, or, for a gather, the workspace. */
typedef struct target {
    const sa_slab *out;
    const sa_conv_backward_args *gather; /* NULL: none */
    const float *bias;                   /* (out_channels) */
    int o0;
} target;

static void gather_strip(const pass *p, const target *t, int n, int i0, int rows, const float *dx)
{
    for (int c = 0; c < p->out_channels; c++) {
        sa_conv_piece piece = {.n = n, .c = c, .y = i0, .rows = rows, .columns = p->out_width, .pitch = p->dy_pitch};
        piece.value = dx + (size_t)c * (size_t)p->rows * p->dy_pitch;
        sa_conv_gather_piece(t->gather, &piece);
    }
}

/* Output rows [i0, i0 + rows) of image n from a staged strip, if they are gathered through the room `dx`. */
static void run_strip(const pass *p, const target *t, int n, int i0, int rows, const float *workspace, const float *strip,
                      float *dx)
{
    const sa_direct_kernels *k = kernels();
    for (int r = 0; r < rows; r++) {
        sa_direct_row row = {
            .strip = strip + (size_t)(r * p->stride_h) * p->row_pitch,
            .tap_offset = (const int32_t *)(const void *)(workspace + p->tap_at),
            .weight = workspace + p->weight_at,
            .bias = t->bias,
            .channel_pitch = p->channel_pitch,
            .taps = p->taps,
            .in_channels = p->in_channels,
            .channels = p->out_channels,
            .width = p->out_width,
        };
        if (t->gather) {
            row.out_pitch = (size_t)p->rows * p->dy_pitch;
            row.out = dx + (size_t)r * p->dy_pitch;
        } else {
            row.out_pitch = (size_t)p->out_height * (size_t)p->out_width;
            row.out = sa_slab_row(t->out, n, t->o0, i0 + r);
        }
        k->row(&row);
    }
    if (t->gather) gather_strip(p, t, n, i0, rows, dx);
}

static void run_pass(int threads, const pass *p, const target *t, const sa_range *range, const float *weight, bool turned,
                     float *workspace)
{
    const int strips = (p->out_height + p->rows - 1) / p->rows;
    sa_work_share share;
    sa_work_share_start(&share, sa_range_images(range) * strips, threads);
    fill_tap_offsets(p, (int32_t *)(void *)(workspace + p->tap_at));
    pack_weight(p, weight, turned, workspace + p->weight_at);
#pragma omp parallel num_threads(threads)
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
        float *room = workspace + (size_t)omp_get_thread_num() * p->thread_pitch, *strip = room + p->strip_at;
        for (int item; sa_work_share_take(&share, &item);) {
            int n = range->image_begin + item / strips, i0 = item % strips * p->rows;
            for (int c = 0; c < p->in_channels; c++) load_strip_channel(p, n, c, i0, strip, scratch);
            run_strip(p, t, n, i0, sa_min_int(p->rows, p->out_height - i0), workspace, strip, room + p->dx_at);
        }
    }
}

static sa_status forward(const sa_device *device, const sa_conv_forward_args *args)
{
    int o0 = args->range.channel_begin;
    pass p = forward_pass(&args->shape, sa_range_channels(&args->range), device->threads, &args->x);
    const float *weight = (const float *)args->weight.ptr + (size_t)o0 * (size_t)p.in_channels * (size_t)p.taps;
    target t = {.out = &args->y, .o0 = o0};
    if (args->bias.ptr) t.bias = (const float *)args->bias.ptr + o0;
    run_pass(sa_conv_range_crew(device, &args->shape, &args->range), &p, &t, &args->range, weight, false, args->workspace.ptr);
    return SA_OK;
}

/* Stages rows [i0, i0 + rows) of the range's channels of dy. Called by all threads of a parallel region. */
static void load_dy(const pass *p, const sa_conv_backward_args *args, int n, int i0, int rows, float *workspace, float *scratch)
{
    int o0 = args->range.channel_begin;
#pragma omp for collapse(2) schedule(static)
    for (int o = 0; o < p->out_channels; o++)
        for (int r = 0; r < rows; r++)
            sa_conv_load_row(&args->dy, n, o0 + o, i0 + r, 0, (int)p->dy_pitch,
                             workspace + p->dy_at + ((size_t)o * (size_t)p->rows + (size_t)r) * p->dy_pitch, scratch);
}

/* Adds what the staged rows give to SA_DIRECT_GROUP output channels from o on and SA_DIRECT_COLUMNS columns from q on. */
static void add_weight_block(const pass *p, float *dweight, int o, int q, int rows, const float *workspace)
{
    int depth = p->in_channels * p->taps;
    size_t q_offset[SA_DIRECT_COLUMNS];
    sa_direct_weight block = {
        .strip = workspace + p->strip_at,
        .q_offset = q_offset,
        .strip_row_pitch = (size_t)p->stride_h * p->row_pitch,
        .dy_row_pitch = p->dy_pitch,
        .rows = rows,
        .width = p->out_width,
        .channels = sa_min_int(SA_DIRECT_GROUP, p->out_channels - o),
        .q_count = sa_min_int(SA_DIRECT_COLUMNS, depth - q),
    };
    const int32_t *tap_offset = (const int32_t *)(const void *)(workspace + p->tap_at);
    for (int i = 0; i < block.q_count; i++)
        q_offset[i] = (size_t)((q + i) / p->taps) * p->channel_pitch + (size_t)tap_offset[(q + i) % p->taps];
    for (int i = 0; i < SA_DIRECT_GROUP; i++) {
        int channel = sa_min_int(o + i, p->out_channels - 1);
        block.dy[i] = workspace + p->dy_at + (size_t)channel * (size_t)p->rows * p->dy_pitch;
        block.dweight[i] = dweight + (size_t)channel * (size_t)depth + q;
    }
    kernels()->weight(&block);
}

static void weight_gradient(const sa_device *device, const sa_conv_backward_args *args, float *workspace)
{
    pass p = weight_pass(&args->shape, sa_range_channels(&args->range), &args->x);
    int depth = p.in_channels * p.taps;
    float *dweight = (float *)args->dweight.ptr + (size_t)args->range.channel_begin * (size_t)depth;
    fill_tap_offsets(&p, (int32_t *)(void *)(workspace + p.tap_at));
    if (!args->accumulate) memset(dweight, 0, (size_t)p.out_channels * (size_t)depth * sizeof *dweight);
#pragma omp parallel num_threads(sa_conv_range_crew(device, &args->shape, &args->range))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
        for (int n = args->range.image_begin; n < args->range.image_end; n++)
            for (int i0 = 0; i0 < p.out_height; i0 += p.rows) {
                int rows = sa_min_int(p.rows, p.out_height - i0);
#pragma omp for schedule(static)
                for (int c = 0; c < p.in_channels; c++) load_strip_channel(&p, n, c, i0, workspace + p.strip_at, scratch);
                load_dy(&p, args, n, i0, rows, workspace, scratch);
#pragma omp for collapse(2) schedule(static) /* each thread mostly those of the channels that it has staged */
                for (int q = 0; q < depth; q += SA_DIRECT_COLUMNS)
                    for (int o = 0; o < p.out_channels; o += SA_DIRECT_GROUP) add_weight_block(&p, dweight, o, q, rows, workspace);
            }
    }
}

static sa_status backward(const sa_device *device, const sa_conv_backward_args *args)
{
    if (args->dweight.ptr) weight_gradient(device, args, args->workspace.ptr);
    if (args->dx.at.ptr) {
        pass p = data_pass(&args->shape, device->threads, &args->dy, args->gather);
        target t = {.out = &args->dx, .gather = args->gather ? args : NULL};
        run_pass(sa_conv_range_crew(device, &args->shape, &args->range), &p, &t, &args->range, args->weight.ptr, true,
                 args->workspace.ptr);
    }
    if (args->dbias.ptr) sa_conv_bias_gradient(device, args);
    return SA_OK;
}

const sa_conv_method sa_conv_direct_method = {workspace_bytes, forward, backward};
