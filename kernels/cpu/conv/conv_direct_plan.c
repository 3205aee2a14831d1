/* Sizes and tables of a direct convolution. Nothing here changes a number but the strips of the weight gradient, which the shape
 * alone decides. */
#include "kernels/cpu/conv/conv_direct_plan.h"

#include <string.h>

enum {
    STRIP_BYTES = 1 << 20,     /* strips that all threads share are about this large, */
    OWN_STRIP_BYTES = 1 << 19, /* those of one thread about this, between */
    STRIP_ROWS_MIN = 4,        /* and */
    STRIP_ROWS_MAX = 16,       /* rows, or more if so few channels are staged: */
    FEW_CHANNELS = 4,
    FEW_CHANNELS_ROWS = 64,
    PHASE_ROWS = 4, /* rows of each phase */
};

const sa_direct_kernels *sa_direct_kernels_best(void)
{
    switch (sa_cpu_isa_best()) {
#if defined(__x86_64__)
    case SA_CPU_AVX512: return &sa_direct_kernels_avx512;
    case SA_CPU_AVX2: return &sa_direct_kernels_avx2;
#endif
    default: return &sa_direct_kernels_portable;
    }
}

static int greatest_divisor(int a, int b)
{
    while (b) {
        int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* apart: positions that a dilation keeps apart may go into different strips. */
static sa_direct_axis forward_axis(int size, int kernel, int stride, int pad, int dilation, bool apart)
{
    const int common = apart ? greatest_divisor(stride, dilation) : 1;
    sa_direct_axis a = {
        .size = size, .kernel = kernel, .dilation = dilation, .mul = stride, .add = -pad, .div = 1, .stride = stride};
    a.spacing = apart ? dilation : 1;
    a.step = apart ? dilation / common : 1;
    a.advance = stride / common;
    a.phases = 1;
    return a;
}

static sa_direct_axis turned_axis(int size, int kernel, int stride, int pad, int dilation, bool apart)
{
    sa_direct_axis a = {
        .size = size, .kernel = kernel, .dilation = dilation, .mul = 1, .add = pad, .div = stride, .stride = stride};
    a.lowest = -((kernel - 1) * dilation + stride - 1) / stride;
    a.spacing = apart && stride == 1 ? dilation : 1;
    a.step = a.spacing;
    a.advance = 1;
    a.phases = stride;
    a.turned = true;
    return a;
}

static int staged_from(const sa_direct_axis *a, int i)
{
    return (i * a->mul + a->add) / a->div + a->lowest;
}

/* Which staged position tap `tap` reads for the first output of a phase; -1: the phase does not have it. */
static int place_of(const sa_direct_axis *a, int tap, int phase)
{
    const int at = tap * a->dilation;
    if (!a->turned) return at / a->spacing;
    if (at % a->stride != phase) return -1;
    return ((phase - at) / a->stride - a->lowest) / a->spacing;
}

/* Staged rows for `rows` output rows that lie step apart. */
static int staged_rows(const sa_direct_axis *a, int rows)
{
    if (a->phases > 1) return (rows - 1 + a->div - 1) / a->div + 1 - a->lowest;
    return (rows - 1) * a->advance + place_of(a, a->turned ? 0 : a->kernel - 1, 0) + 1;
}

/* Vectors that rows of the strip take as rows of their own, and as one long row. */
static bool is_better_flat(const sa_direct_pass *p, size_t pitch)
{
    const bool plain = p->split == 1 && p->y.advance == 1 && p->y.phases == 1 && p->x.phases == 1;
    const size_t rows = (size_t)sa_min_int(STRIP_ROWS_MAX, p->y.size), width = (size_t)p->x.size;
    size_t apart = rows * sa_direct_round_up(width, SA_DIRECT_PIXELS);
    size_t together = sa_direct_round_up((rows - 1) * pitch + width, SA_DIRECT_PIXELS);
    return plain && (pitch == width || together * 9 < apart * 8);
}

static void plan_rows(sa_direct_pass *p, size_t strip_bytes, int rows_most)
{
    const size_t row_bytes = p->row_pitch * (size_t)p->in * sizeof(float);
    const int of_class = (p->y.size + p->y.step - 1) / p->y.step, least = sa_min_int(STRIP_ROWS_MIN, of_class);
    int rows = sa_min_int(p->y.phases > 1 ? sa_max_int(rows_most, PHASE_ROWS * p->y.phases) : rows_most, of_class);
    while (rows > least && (size_t)staged_rows(&p->y, rows) * row_bytes > strip_bytes) rows--;
    int strips = (of_class + rows - 1) / rows;
    p->rows = (of_class + strips - 1) / strips; /* all about equal */
    p->strips = p->y.step * strips;
    p->strip_rows = staged_rows(&p->y, p->rows);
}

/* Fills in the strip's geometry. */
static void plan_strip(sa_direct_pass *p, size_t strip_bytes, int rows_most)
{
    const int columns = (p->x.size + p->x.phases - 1) / p->x.phases;
    size_t reach; /* columns of a part from a tap's first place on */
    if (p->x.phases > 1) reach = (size_t)(2 - p->x.lowest);
    else reach = (size_t)(place_of(&p->x, p->turned ? 0 : p->x.kernel - 1, 0) / p->split);
    p->taps = p->y.kernel * p->x.kernel;
    p->flat = is_better_flat(p, (size_t)columns + reach);
    p->part_pitch = sa_direct_round_up((size_t)columns, SA_DIRECT_PIXELS) + sa_direct_round_up(reach, SA_DIRECT_PIXELS);
    if (p->flat) p->part_pitch = (size_t)columns + reach;
    p->row_pitch = p->part_pitch * (size_t)p->split;
    plan_rows(p, strip_bytes, rows_most);
    p->channel_pitch = (size_t)p->strip_rows * p->row_pitch;
    p->out_row_pitch = p->flat ? p->row_pitch : sa_direct_round_up((size_t)p->x.size, SA_DIRECT_PIXELS);
    p->out_channel_pitch = sa_direct_round_up((size_t)p->rows * p->out_row_pitch, SA_DIRECT_PIXELS);
}

static size_t strip_floats(const sa_direct_pass *p)
{
    return sa_direct_round_up(p->channel_pitch * (size_t)p->in + SA_DIRECT_PIXELS, SA_DIRECT_PIXELS);
}

static size_t table_floats(const sa_direct_pass *p)
{
    return sa_direct_round_up(2 * (size_t)p->y.phases * (size_t)p->x.phases + 2 * (size_t)p->taps, SA_DIRECT_PIXELS);
}

static void plan_range(sa_direct_pass *p, int groups, int channels)
{
    p->groups_most = sa_min_int(groups, (channels + p->out - 2) / p->out + 1);
    p->out_most = sa_min_int(p->out, channels);
}

/* A pass in which each thread has strips of its own. */
static void plan_own(sa_direct_pass *p, int threads, bool staged)
{
    plan_strip(p, OWN_STRIP_BYTES, p->in <= FEW_CHANNELS ? FEW_CHANNELS_ROWS : STRIP_ROWS_MAX);
    p->waits = staged || (p->flat && (p->row_pitch != (size_t)p->x.size || p->y.step != 1));
    p->weight_at = table_floats(p);
    p->strip_at = p->weight_at + sa_direct_round_up((size_t)p->groups_most * sa_direct_group_weights(p), SA_DIRECT_PIXELS);
    p->out_at = p->strip_at + strip_floats(p);
    p->thread_pitch = p->out_at - p->strip_at + (p->waits ? (size_t)p->out_most * p->out_channel_pitch : 0);
    p->end = p->strip_at + (size_t)threads * p->thread_pitch;
}

static sa_direct_pass pass_over_x(const sa_conv_shape *s, int channels, const sa_source *x)
{
    sa_direct_pass p = {.source = x, .in = sa_conv_group_in(s), .out = sa_conv_group_out(s), .split = s->stride_w};
    p.y = forward_axis(s->out_height, s->kernel_h, s->stride_h, s->pad_h, s->dilation_h, true);
    p.x = forward_axis(s->out_width, s->kernel_w, s->stride_w, s->pad_w, s->dilation_w, false);
    plan_range(&p, s->groups, channels);
    return p;
}

sa_direct_pass sa_direct_forward_pass(const sa_conv_shape *s, int channels, int threads, const sa_source *x)
{
    sa_direct_pass p = pass_over_x(s, channels, x);
    plan_own(&p, threads, false);
    return p;
}

sa_direct_pass sa_direct_data_pass(const sa_conv_shape *s, int threads, const sa_source *dy, bool staged)
{
    sa_direct_pass p = {.source = dy, .in = sa_conv_group_out(s), .out = sa_conv_group_in(s), .split = 1, .turned = true};
    p.y = turned_axis(s->in_height, s->kernel_h, s->stride_h, s->pad_h, s->dilation_h, true);
    p.x = turned_axis(s->in_width, s->kernel_w, s->stride_w, s->pad_w, s->dilation_w, false);
    p.channel_end = s->in_channels;
    plan_range(&p, s->groups, s->in_channels);
    plan_own(&p, threads, staged);
    return p;
}

sa_direct_pass sa_direct_weight_pass(const sa_conv_shape *s, int channels, int threads, const sa_source *x)
{
    sa_direct_pass p = pass_over_x(s, channels, x);
    plan_strip(&p, STRIP_BYTES, STRIP_ROWS_MAX);
    p.strip_at = table_floats(&p);
    p.out_at = p.strip_at + strip_floats(&p);
    p.thread_pitch = p.out_at - p.strip_at + (size_t)p.out_most * p.out_channel_pitch;
    p.end = p.strip_at + (size_t)(sa_direct_groups_apart(&p, threads) ? threads : 1) * p.thread_pitch;
    return p;
}

/* ------------------------------------------------------------------ strips ------------------------------------------ */

int sa_direct_strip_rows(const sa_direct_pass *p, int strip, int *i0)
{
    const int of_class = p->strips / p->y.step, step = p->y.step;
    *i0 = strip / of_class + strip % of_class * p->rows * step;
    return *i0 < p->y.size ? sa_min_int(p->rows, (p->y.size - *i0 + step - 1) / step) : 0;
}

/* Columns x, x + split, ... of one row of the source. */
static void load_part(const sa_direct_pass *p, int n, int c, int y, int x, float *target, float *scratch)
{
    const int count = (int)p->part_pitch;
    if (p->split == 1) {
        sa_conv_load_row(p->source, n, c, y, x, count, target, scratch);
        return;
    }
    float piece[SA_CPU_SEGMENT];
    const int step = SA_CPU_SEGMENT / p->split;
    for (int k = 0; k < count; k += step) {
        int length = sa_min_int(count - k, step);
        sa_conv_load_row(p->source, n, c, y, x + k * p->split, (length - 1) * p->split + 1, piece, scratch);
        for (int i = 0; i < length; i++) target[k + i] = piece[i * p->split];
    }
}

void sa_direct_load_channel(const sa_direct_pass *p, int n, int c, int i0, float *strip, float *scratch)
{
    const int y = staged_from(&p->y, i0), x = staged_from(&p->x, 0);
    for (int r = 0; r < p->strip_rows; r++, strip += p->row_pitch)
        for (int part = 0; part < p->split; part++)
            load_part(p, n, c, y + r * p->y.spacing, x + part, strip + (size_t)part * p->part_pitch, scratch);
}

void sa_direct_fill_table(const sa_direct_pass *p, float *workspace)
{
    sa_direct_phase *phase = (sa_direct_phase *)(void *)(workspace + p->table_at);
    int32_t *offset = (int32_t *)(phase + p->y.phases * p->x.phases), *taps = offset + p->taps, count = 0;
    for (int a = 0; a < p->y.phases; a++)
        for (int b = 0; b < p->x.phases; b++, phase++) {
            phase->first = count;
            for (int u = 0; u < p->y.kernel; u++)
                for (int v = 0; v < p->x.kernel; v++) {
                    const int row = place_of(&p->y, u, a), column = place_of(&p->x, v, b);
                    if (row < 0 || column < 0) continue;
                    offset[count] = (int32_t)((size_t)row * p->row_pitch + (size_t)(column % p->split) * p->part_pitch +
                                              (size_t)(column / p->split));
                    taps[count++] = u * p->x.kernel + v;
                }
            phase->count = count - phase->first;
        }
}
