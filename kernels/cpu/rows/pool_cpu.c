/* Max pooling with its mask on the CPU.
 *
 * A strip of up to STRIP windows goes down several rows of windows. The first of equal values in row-major order of a window wins.
 * SegNet's windows (2 or 3 columns, stride 2, no padding) go 16 at a time in two steps: the greatest of a window's columns for each
 * row of the plane below, once for all the window rows that share it, then the greatest of these. Other windows are scanned. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/mask_cpu.h"
#include "kernels/cpu/rows/operand_cpu.h"
#include "kernels/cpu/rows/rows_cpu.h"

#include "core/checked.h"

#include <float.h>

enum {
    STRIP = SA_CPU_SEGMENT / 2 / SA_CPU_PIECE_UNIT * SA_CPU_PIECE_UNIT, /* its mask starts with a whole word */
    PAIR_ROWS = 3,                                                      /* most rows of a window that is not scanned */
};
_Static_assert(2 * STRIP + 1 <= SA_CPU_SEGMENT, "a strip's columns are one piece of a row");

/* For each window of a strip, the greatest of its columns in row y of the plane below, the first of equals; -FLT_MAX: none. */
typedef struct row_maxima {
    int y; /* -1: not yet of any row */
    _Alignas(64) float best[STRIP];
    sa_bool16 second[STRIP / SA_LANES], third[STRIP / SA_LANES]; /* is it the second, the third column? third goes first */
} row_maxima;

/* Windows [first, first + count) of row py of plane (n, c), and their best values. A token is what the mask stores: an index
 * for a float mask, else a position in the window. */
typedef struct strip {
    int n, c, py, first, count;
    bool stream; /* whether the output is too large for the caches */
    float *best; /* (count), the output's row itself unless that is streamed */
    _Alignas(64) float held[STRIP];
    _Alignas(64) int32_t token[STRIP];
    row_maxima maxima[PAIR_ROWS]; /* row y in y % PAIR_ROWS */
} strip;

static int32_t no_token(sa_encoding encoding)
{
    return encoding == SA_F32 ? -1 : encoding == SA_MASK4 ? SA_MASK4_NONE : 0;
}

/* The first and the second columns of 16 windows. */
typedef struct column_pair {
    sa_f32x16 first, second;
} column_pair;

/* Columns i .. i + 31 of a piece, of which `left` are there; the others never win. */
SA_INLINE column_pair load_pairs(const sa_operand *a, sa_steps steps, int i, int left)
{
    sa_f32x16 low = sa_operand_load(a, steps, i, left), high = sa_operand_load(a, steps, i + SA_LANES, left - SA_LANES);
    if (left < 2 * SA_LANES) {
        const sa_f32x16 least = sa_f32x16_splat(-FLT_MAX);
        low = sa_f32x16_where(sa_bool16_first(left), low, least);
        high = sa_f32x16_where(sa_bool16_first(left - SA_LANES), high, least);
    }
    return (column_pair){sa_f32x16_even(low, high), sa_f32x16_odd(low, high)};
}

/* least: what every value is raised to. A third column is the first of the next window. */
SA_INLINE void maxima_loop(const sa_operand *a, sa_steps steps, float least, int columns, int windows, bool three, row_maxima *m)
{
    column_pair next = load_pairs(a, steps, 0, columns);
    for (int i = 0; i < windows; i += SA_LANES) {
        const column_pair pair = next;
        if (three || i + SA_LANES < windows) next = load_pairs(a, steps, 2 * (i + SA_LANES), columns - 2 * (i + SA_LANES));
        sa_f32x16 best = sa_f32x16_max(pair.first, sa_f32x16_splat(least));
        m->second[i / SA_LANES] = sa_f32x16_greater(pair.second, best);
        best = sa_f32x16_max(pair.second, best);
        if (three) {
            const sa_f32x16 third = sa_f32x16_shift_out(pair.first, next.first);
            m->third[i / SA_LANES] = sa_f32x16_greater(third, best);
            best = sa_f32x16_max(third, best);
        }
        sa_f32x16_store(m->best + i, best);
    }
}

/* The maxima of row y. A ReLU on top of the source needs no step of its own: what it raises to 0 would not win against 0. */
SA_INLINE void find_maxima(const sa_pool_forward_args *args, const strip *s, int y, bool three, float *scratch, row_maxima *m)
{
    const sa_node *root = sa_source_root(&args->x);
    const bool relu = root->kind == SA_NODE_RELU;
    const int x = 2 * s->first, columns = sa_min_int(2 * s->count + 1, root->width - x);
    const sa_cpu_piece piece = {&args->x, s->n, s->c, y, x, columns, scratch};
    const sa_operand a = sa_cpu_pull_operand(&piece, relu ? root->child[0] : args->x.count - 1);
    SA_FOR_STEPS(maxima_loop, &a, relu ? 0.0f : -FLT_MAX, columns, s->count, three, m)
    m->y = y;
}

/* Windows of 2 or 3 columns at stride 2 without padding, of at most PAIR_ROWS rows [y, y_end) within the plane. */
SA_INLINE void pool_pairs(const sa_pool_forward_args *args, strip *s, int y, int y_end, bool three, float *scratch)
{
    const bool indexed = args->mask.encoding == SA_F32;
    const int rows = y_end - y, width = sa_source_root(&args->x)->width, top = s->py * args->window.stride_h - args->window.pad_h;
    const row_maxima *maxima[PAIR_ROWS];
    int32_t token_base[PAIR_ROWS];
    for (int r = 0; r < rows; r++) {
        row_maxima *m = &s->maxima[(y + r) % PAIR_ROWS];
        if (m->y != y + r) find_maxima(args, s, y + r, three, scratch, m);
        maxima[r] = m;
        token_base[r] = indexed ? (y + r) * width + 2 * s->first : (y + r - top) * args->window.kernel_w;
    }
    for (int i = 0; i < s->count; i += SA_LANES) {
        sa_f32x16 best = sa_f32x16_splat(-FLT_MAX);
        sa_i32x16 token = sa_i32x16_splat(no_token(args->mask.encoding)), base = {0};
        if (indexed) base = 2 * i + 2 * sa_i32x16_lanes();
        for (int r = 0; r < rows; r++) {
            sa_f32x16 value = sa_f32x16_load(maxima[r]->best + i);
            sa_i32x16 column = sa_i32x16_where(maxima[r]->second[i / SA_LANES], sa_i32x16_splat(1), sa_i32x16_splat(0));
            if (three) column = sa_i32x16_where(maxima[r]->third[i / SA_LANES], sa_i32x16_splat(2), column);
            token = sa_i32x16_where(sa_f32x16_greater(value, best), base + token_base[r] + column, token);
            best = sa_f32x16_max(value, best);
        }
        sa_f32x16_store_part(s->best + i, s->count - i, best);
        memcpy(s->token + i, &token, sizeof token);
    }
}

/* One row (y) of the plane below, for any window: the row comes in segments. */
static void scan_row(const sa_pool_forward_args *args, strip *s, int y, float *scratch)
{
    const sa_window *w = &args->window;
    const int width = sa_source_root(&args->x)->width;
    const int window_row = y - (s->py * w->stride_h - w->pad_h);
    const int begin = sa_max_int(0, s->first * w->stride_w - w->pad_w);
    const int end = sa_min_int(width, (s->first + s->count - 1) * w->stride_w - w->pad_w + w->kernel_w);
    for (int x = begin; x < end; x += SA_CPU_SEGMENT) {
        int columns = sa_min_int(SA_CPU_SEGMENT, end - x);
        const float *row = sa_cpu_pull(&args->x, args->x.count - 1, s->n, s->c, y, x, columns, scratch);
        for (int i = 0; i < s->count; i++) {
            int left = (s->first + i) * w->stride_w - w->pad_w;
            int from = sa_max_int(left, x), to = sa_min_int(left + w->kernel_w, x + columns);
            for (int column = from; column < to; column++) {
                if (!(row[column - x] > s->best[i])) continue;
                s->best[i] = row[column - x];
                s->token[i] = args->mask.encoding == SA_F32 ? y * width + column : window_row * w->kernel_w + column - left;
            }
        }
    }
}

static void scan_window_rows(const sa_pool_forward_args *args, strip *s, int y, int y_end, float *scratch)
{
    for (int i = 0; i < s->count; i++) {
        s->best[i] = -FLT_MAX;
        s->token[i] = no_token(args->mask.encoding);
    }
    for (; y < y_end; y++) scan_row(args, s, y, scratch);
}

static void pool_strip(const sa_pool_forward_args *args, strip *s, float *scratch)
{
    const sa_window *w = &args->window;
    const bool pairs = w->stride_w == 2 && w->pad_w == 0 && w->kernel_h <= PAIR_ROWS;
    const int top = s->py * w->stride_h - w->pad_h;
    const int y = sa_max_int(0, top), y_end = sa_min_int(top + w->kernel_h, sa_source_root(&args->x)->height);
    float *out = (float *)sa_slab_row(&args->out, s->n, s->c, s->py) + s->first;
    s->best = s->stream ? s->held : out;
    if (pairs && w->kernel_w == 2) pool_pairs(args, s, y, y_end, false, scratch);
    else if (pairs && w->kernel_w == 3) pool_pairs(args, s, y, y_end, true, scratch);
    else scan_window_rows(args, s, y, y_end, scratch);
    if (s->stream) sa_stream(out, s->best, s->count);
    if (!args->mask.at.ptr) return;
    sa_mask_write(sa_slab_row(&args->mask, s->n, s->c, s->py), args->mask.encoding, s->first, s->count, s->token);
}

/* Window rows [begin, end) of plane (n, c). */
static void pool_rows(const sa_pool_forward_args *args, strip *s, int begin, int end, float *scratch)
{
    const int length = sa_cpu_piece_length(args->out.width, STRIP);
    for (s->first = 0; s->first < args->out.width; s->first += length) {
        s->count = sa_min_int(length, args->out.width - s->first);
        for (int i = 0; i < PAIR_ROWS; i++) s->maxima[i].y = -1;
        for (s->py = begin; s->py < end; s->py++) pool_strip(args, s, scratch);
    }
}

static sa_status check_mask(const sa_pool_forward_args *args)
{
    if (!args->mask.at.ptr || args->mask.encoding == SA_F32) return SA_OK;
    int positions = args->window.kernel_h * args->window.kernel_w;
    int most = args->mask.encoding == SA_MASK2 ? 4 : args->mask.encoding == SA_MASK4 ? SA_MASK4_NONE : 0;
    if (positions <= most) return SA_OK;
    SA_FAIL(SA_UNSUPPORTED, "pool_forward: a window of %d x %d has %d positions, the mask's encoding %d holds %d",
            args->window.kernel_h, args->window.kernel_w, positions, (int)args->mask.encoding, most);
}

sa_status sa_cpu_pool_forward(sa_device *device, const sa_pool_forward_args *args)
{
    SA_TRY(check_mask(args));
    const int height = args->out.height;
    sa_bands bands;
    const double windows = sa_range_elements(&args->range, height, args->out.width);
    const double read = windows * args->window.stride_h * args->window.stride_w;
    const int threads = sa_cpu_crew(device, windows + sa_cpu_source_ns(&args->x, read));
    sa_bands_start(&bands, &args->range, height, threads);
#pragma omp parallel num_threads(threads)
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
        strip s;
        s.stream = sa_should_stream(sa_encoding_row_bytes(SA_F32, args->out.width) * (size_t)sa_range_rows(&args->range, height));
        for (sa_band band; sa_bands_take(&bands, &band);)
            for (s.n = band.n, s.c = args->range.channel_begin; s.c < args->range.channel_end; s.c++)
                pool_rows(args, &s, band.y_begin, band.y_end, scratch);
        sa_stream_end();
    }
    return SA_OK;
}
