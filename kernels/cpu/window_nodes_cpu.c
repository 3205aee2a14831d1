/* The source nodes that spread a pooled value over its windows by a mask: UNPOOL and POOL_GRAD.
 *
 * Both visit the windows that reach row y in row-major order; UNPOOL keeps the last value that points at a place, POOL_GRAD adds.
 * Windows of 2 or 3 columns at stride 2 without padding, all that SegNet has, go 16 at a time; others one by one. */
#include "kernels/cpu/source_cpu.h"

#include "core/checked.h"
#include "kernels/cpu/mask_cpu.h"

#include <string.h>

enum { PAIRS = SA_CPU_SEGMENT / 2 + 2 * SA_LANES };

static int divide_up(int a, int b)
{
    return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

/* Window rows [*first, *last) that reach row y. */
static void window_rows(const sa_node *node, int y, int *first, int *last)
{
    const sa_window *w = &node->window;
    *first = sa_max_int(0, divide_up(y + w->pad_h - w->kernel_h + 1, w->stride_h));
    *last = sa_min_int(node->slab.height, (y + w->pad_h) / w->stride_h + 1);
}

/* For windows px .. px + 15 of window row py: the column within the window where the mask points if that is in row y; otherwise,
 * and for windows beyond the last, something outside [0, kernel_w). */
SA_INLINE sa_i32x16 window_columns(const sa_node *node, const void *row, int py, int y, int px)
{
    const sa_window *w = &node->window;
    int left = node->slab.width - px;
    if (left <= 0) return sa_i32x16_splat(-1);
    sa_i32x16 lanes = sa_i32x16_lanes(), column;
    if (node->slab.encoding == SA_F32) {
        sa_f32x16 index = sa_f32x16_load_part((const float *)row + px, left, -1.0f);
        /* A window's indices in another row differ from this row's columns by more than kernel_w, or name columns beyond the plane.
         */
        column = __builtin_convertvector(index, sa_i32x16) - (y * node->width + px * w->stride_w) - lanes * w->stride_w;
    } else {
        int window_row = y - (py * w->stride_h - w->pad_h);
        column = sa_mask_codes(row, node->slab.encoding, node->slab.width, px) - window_row * w->kernel_w;
    }
    return left >= SA_LANES ? column : sa_i32x16_select(lanes < left, column, sa_i32x16_splat(-1));
}

/* One window row's contribution to the column pairs (2k, 2k + 1), k from `pair` on; value: the child's windows from `first` on. */
SA_INLINE void spread_row(const sa_node *node, bool add, const void *row, int py, int y, int pair, int pairs, const float *value,
                          int first, int windows, float *even, float *odd)
{
    const bool three = node->window.kernel_w == 3;
    sa_f32x16 before = {0}; /* lane 15: the value of the window before the block, and whether it points at its third column */
    sa_i32x16 before_hit = {0};
    if (three && pair > first) {
        before[SA_LANES - 1] = value[pair - 1 - first];
        before_hit[SA_LANES - 1] = window_columns(node, row, py, y, pair - 1)[0] == 2 ? -1 : 0;
    }
    for (int k = 0; k < pairs; k += SA_LANES) {
        int offset = pair + k - first;
        sa_f32x16 v = sa_f32x16_load_part(value + offset, sa_max_int(0, windows - offset), 0.0f);
        sa_i32x16 column = window_columns(node, row, py, y, pair + k);
        sa_f32x16 zero = {0}, e = sa_f32x16_load(even + k), o = sa_f32x16_load(odd + k);
        if (three) {
            sa_i32x16 hit = column == 2;
            sa_i32x16 shifted_hit =
                __builtin_shufflevector(before_hit, hit, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
            sa_f32x16 shifted = __builtin_shufflevector(before, v, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
            e = add ? e + sa_f32x16_select(shifted_hit, shifted, zero) : sa_f32x16_select(shifted_hit, shifted, e);
            before = v;
            before_hit = hit;
        }
        e = add ? e + sa_f32x16_select(column == 0, v, zero) : sa_f32x16_select(column == 0, v, e);
        o = add ? o + sa_f32x16_select(column == 1, v, zero) : sa_f32x16_select(column == 1, v, o);
        sa_f32x16_store(even + k, e);
        sa_f32x16_store(odd + k, o);
    }
}

/* stride_w 2, kernel_w 2 or 3, pad_w 0 */
SA_INLINE void spread_pairs(const sa_cpu_piece *piece, const sa_node *node, bool add, float *out)
{
    _Alignas(64) float even[PAIRS], odd[PAIRS], both[2 * PAIRS];
    int pair = piece->x / 2, pairs = (piece->x + piece->count + 1) / 2 - pair;
    for (int k = 0; k < pairs; k += SA_LANES) {
        sa_f32x16_store(even + k, (sa_f32x16){0});
        sa_f32x16_store(odd + k, (sa_f32x16){0});
    }
    int first = node->window.kernel_w == 3 ? sa_max_int(0, pair - 1) : pair;
    int windows = sa_min_int(node->slab.width, pair + pairs) - first, py, last;
    window_rows(node, piece->y, &py, &last);
    for (; py < last && windows > 0; py++) {
        const float *value = sa_cpu_pull(piece->source, node->child[0], piece->n, piece->c, py, first, windows, piece->scratch);
        const void *row = sa_slab_row(&node->slab, piece->n, piece->c, py);
        spread_row(node, add, row, py, piece->y, pair, pairs, value, first, windows, even, odd);
    }
    for (int k = 0; k < pairs; k += SA_LANES) sa_f32x16_interleave(both + 2 * k, sa_f32x16_load(even + k), sa_f32x16_load(odd + k));
    memcpy(out, both + piece->x % 2, (size_t)piece->count * sizeof *out);
}

/* any window */
static void spread_general(const sa_cpu_piece *piece, const sa_node *node, bool add, float *out)
{
    const sa_window *w = &node->window;
    memset(out, 0, (size_t)piece->count * sizeof *out);
    int first = sa_max_int(0, divide_up(piece->x + w->pad_w - w->kernel_w + 1, w->stride_w));
    int last = sa_min_int(node->slab.width, (piece->x + piece->count - 1 + w->pad_w) / w->stride_w + 1), py, last_row;
    window_rows(node, piece->y, &py, &last_row);
    for (; py < last_row; py++) {
        const void *row = sa_slab_row(&node->slab, piece->n, piece->c, py);
        for (int begin = first; begin < last; begin += SA_CPU_SEGMENT) {
            int count = sa_min_int(SA_CPU_SEGMENT, last - begin);
            const float *value = sa_cpu_pull(piece->source, node->child[0], piece->n, piece->c, py, begin, count, piece->scratch);
            for (int i = 0; i < count; i++) {
                int y, x;
                if (!sa_mask_target(row, node->slab.encoding, w, py, begin + i, node->height, node->width, &y, &x)) continue;
                if (y != piece->y || x < piece->x || x >= piece->x + piece->count) continue;
                float *place = out + (x - piece->x);
                *place = add ? *place + value[i] : value[i];
            }
        }
    }
}

static bool goes_in_pairs(const sa_window *w)
{
    return w->stride_w == 2 && (w->kernel_w == 2 || w->kernel_w == 3) && w->pad_w == 0;
}

void sa_cpu_node_unpool(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    if (goes_in_pairs(&node->window)) spread_pairs(piece, node, false, out);
    else spread_general(piece, node, false, out);
}

void sa_cpu_node_pool_grad(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    if (goes_in_pairs(&node->window)) spread_pairs(piece, node, true, out);
    else spread_general(piece, node, true, out);
}
