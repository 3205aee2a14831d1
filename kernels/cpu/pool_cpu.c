/* Max pooling with its mask on the CPU.
 *
 * A strip of up to STRIP windows of one row is scanned row by row of the plane below, column by column of the window, so that the
 * first of equal values wins. SegNet's windows (2 or 3 columns, stride 2, no padding) go 16 at a time. */
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/mask_cpu.h"
#include "kernels/cpu/rows_cpu.h"
#include "kernels/cpu/source_cpu.h"

#include "core/checked.h"

#include <float.h>

enum { STRIP = 256 }; /* a multiple of 16, so that a strip's mask starts with a whole word; 2 * STRIP + 1 columns fit a segment */

/* Windows [first, first + count) of row py of plane (n, c), and their best values so far. A token is what the mask stores: an index
 * for a float mask, else a position in the window. */
typedef struct strip {
    int n, c, py, first, count;
    _Alignas(64) float best[STRIP];
    _Alignas(64) int32_t token[STRIP];
} strip;

static int32_t no_token(sa_encoding encoding)
{
    return encoding == SA_F32 ? -1 : encoding == SA_MASK4 ? SA_MASK4_NONE : 0;
}

/* 33 columns from `column` on as the first, second and third columns of 16 windows; those beyond the row never win. */
SA_INLINE void load_windows(const float *column, int available, sa_f32x16 *first, sa_f32x16 *second, sa_f32x16 *third)
{
    sa_f32x16 low = sa_f32x16_load_part(column, available, -FLT_MAX);
    sa_f32x16 high = sa_f32x16_load_part(column + SA_LANES, sa_max_int(0, available - SA_LANES), -FLT_MAX);
    sa_f32x16 next = sa_f32x16_splat(available > 2 * SA_LANES ? column[2 * SA_LANES] : -FLT_MAX);
    *first = sa_f32x16_even(low, high);
    *second = sa_f32x16_odd(low, high);
    *third = __builtin_shufflevector(*first, next, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
}

SA_INLINE void take_greater(sa_f32x16 value, sa_i32x16 token, sa_f32x16 *best, sa_i32x16 *best_token)
{
    sa_i32x16 greater = value > *best;
    *best = sa_f32x16_select(greater, value, *best);
    *best_token = sa_i32x16_select(greater, token, *best_token);
}

/* One row (y) of the plane below, for windows of 2 or 3 columns at stride 2 without padding. */
SA_INLINE void scan_pairs(const sa_pool_forward_args *args, strip *s, int y, bool three, float *scratch)
{
    const int width = sa_source_root(&args->x)->width, x = 2 * s->first;
    const int columns = sa_min_int(2 * s->count + 1, width - x);
    const float *row = sa_cpu_pull(&args->x, args->x.count - 1, s->n, s->c, y, x, columns, scratch);
    const bool indexed = args->mask.encoding == SA_F32;
    const int window_row = y - (s->py * args->window.stride_h - args->window.pad_h);
    for (int i = 0; i < s->count; i += SA_LANES) {
        sa_f32x16 first, second, third, best = sa_f32x16_load(s->best + i);
        load_windows(row + 2 * i, columns - 2 * i, &first, &second, &third);
        sa_i32x16 token =
            indexed ? y * width + x + 2 * i + 2 * sa_i32x16_lanes() : sa_i32x16_splat(window_row * args->window.kernel_w);
        sa_i32x16 best_token;
        memcpy(&best_token, s->token + i, sizeof best_token);
        take_greater(first, token, &best, &best_token);
        take_greater(second, token + 1, &best, &best_token);
        if (three) take_greater(third, token + 2, &best, &best_token);
        sa_f32x16_store(s->best + i, best);
        memcpy(s->token + i, &best_token, sizeof best_token);
    }
}

/* The same for any window: the row comes in segments. */
static void scan_general(const sa_pool_forward_args *args, strip *s, int y, float *scratch)
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

static void pool_strip(const sa_pool_forward_args *args, strip *s, float *scratch)
{
    const sa_window *w = &args->window;
    const bool pairs = w->stride_w == 2 && w->pad_w == 0 && (w->kernel_w == 2 || w->kernel_w == 3);
    const int top = s->py * w->stride_h - w->pad_h;
    const int y_end = sa_min_int(top + w->kernel_h, sa_source_root(&args->x)->height);
    for (int i = 0; i < STRIP; i++) {
        s->best[i] = -FLT_MAX;
        s->token[i] = no_token(args->mask.encoding);
    }
    for (int y = sa_max_int(0, top); y < y_end; y++) {
        if (pairs && w->kernel_w == 2) scan_pairs(args, s, y, false, scratch);
        else if (pairs) scan_pairs(args, s, y, true, scratch);
        else scan_general(args, s, y, scratch);
    }
    float *out = (float *)sa_slab_row(&args->out, s->n, s->c, s->py) + s->first;
    memcpy(out, s->best, (size_t)s->count * sizeof *out);
    if (!args->mask.at.ptr) return;
    sa_mask_write(sa_slab_row(&args->mask, s->n, s->c, s->py), args->mask.encoding, s->first, s->count, s->token);
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
    const int64_t rows = sa_range_rows(&args->range, args->out.height);
#pragma omp parallel num_threads(device->threads)
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) {
            strip s;
            sa_range_row(&args->range, args->out.height, row, &s.n, &s.c, &s.py);
            for (s.first = 0; s.first < args->out.width; s.first += STRIP) {
                s.count = sa_min_int(STRIP, args->out.width - s.first);
                pool_strip(args, &s, scratch);
            }
        }
    }
    return SA_OK;
}
