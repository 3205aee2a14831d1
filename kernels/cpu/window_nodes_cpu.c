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

/* The column pairs (2k, 2k + 1) that cover a piece, k from `pair` on; `out` is the piece, whose first column may be odd. */
typedef struct pair_row {
    int pair, pairs, phase, count;
    float *out;
    _Alignas(64) float even[PAIRS], odd[PAIRS]; /* sums between the window rows that reach this row */
} pair_row;

/* Pairs k .. k + 15 of the piece. */
SA_INLINE void store_pairs(const pair_row *p, int k, sa_f32x16 even, sa_f32x16 odd)
{
    int at = 2 * k - p->phase;
    if (at >= 0 && at + 2 * SA_LANES <= p->count) {
        sa_f32x16_interleave(p->out + at, even, odd);
        return;
    }
    float both[2 * SA_LANES];
    sa_f32x16_interleave(both, even, odd);
    int from = sa_max_int(0, -at), to = sa_min_int(2 * SA_LANES, p->count - at);
    for (int i = from; i < to; i++) p->out[at + i] = both[i];
}

/* The windows of row py whose values are at hand: `count` from number `first` on. */
typedef struct window_row {
    int py, first, count;
    const float *value;
    const void *mask;
    bool begins, ends; /* the first, the last of the window rows that reach this row of the plane */
} window_row;

/* Adds one window row to the pairs. */
SA_INLINE void spread_row(const sa_node *node, bool add, bool three, int y, const window_row *w, pair_row *p)
{
    const sa_f32x16 zero = {0};
    sa_f32x16 before = zero; /* lane 15: the value of the window before the block, and whether it points at its third column */
    sa_i32x16 before_hit = {0};
    if (three && p->pair > w->first) {
        before[SA_LANES - 1] = w->value[p->pair - 1 - w->first];
        before_hit[SA_LANES - 1] = window_columns(node, w->mask, w->py, y, p->pair - 1)[0] == 2 ? -1 : 0;
    }
    for (int k = 0; k < p->pairs; k += SA_LANES) {
        int offset = p->pair + k - w->first;
        sa_f32x16 v = sa_f32x16_load_part(w->value + offset, sa_max_int(0, w->count - offset), 0.0f);
        sa_i32x16 column = window_columns(node, w->mask, w->py, y, p->pair + k);
        sa_f32x16 e = w->begins ? zero : sa_f32x16_load(p->even + k), o = w->begins ? zero : sa_f32x16_load(p->odd + k);
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
        if (w->ends) {
            store_pairs(p, k, e, o);
        } else {
            sa_f32x16_store(p->even + k, e);
            sa_f32x16_store(p->odd + k, o);
        }
    }
}

/* stride_w 2, kernel_w 2 or 3, pad_w 0 */
SA_INLINE void spread_pairs(const sa_cpu_piece *piece, const sa_node *node, bool add, bool three, float *out)
{
    pair_row p;
    p.pair = piece->x / 2;
    p.pairs = (piece->x + piece->count + 1) / 2 - p.pair;
    p.phase = piece->x % 2;
    p.count = piece->count;
    p.out = out;
    window_row w;
    w.first = three ? sa_max_int(0, p.pair - 1) : p.pair;
    w.count = sa_min_int(node->slab.width, p.pair + p.pairs) - w.first;
    int begin, end;
    window_rows(node, piece->y, &begin, &end);
    if (begin >= end || w.count <= 0) memset(out, 0, (size_t)piece->count * sizeof *out);
    for (w.py = begin; w.py < end && w.count > 0; w.py++) {
        w.value = sa_cpu_pull(piece->source, node->child[0], piece->n, piece->c, w.py, w.first, w.count, piece->scratch);
        w.mask = sa_slab_row(&node->slab, piece->n, piece->c, w.py);
        w.begins = w.py == begin;
        w.ends = w.py == end - 1;
        if (w.begins && w.ends) /* apart, so that its loop has no branches */
            spread_row(node, add, three, piece->y, &(window_row){w.py, w.first, w.count, w.value, w.mask, true, true}, &p);
        else spread_row(node, add, three, piece->y, &w, &p);
    }
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

SA_INLINE void spread(const sa_cpu_piece *piece, const sa_node *node, bool add, float *out)
{
    const sa_window *w = &node->window;
    bool pairs = w->stride_w == 2 && w->pad_w == 0;
    if (pairs && w->kernel_w == 2) spread_pairs(piece, node, add, false, out);
    else if (pairs && w->kernel_w == 3) spread_pairs(piece, node, add, true, out);
    else spread_general(piece, node, add, out);
}

void sa_cpu_node_unpool(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    spread(piece, node, false, out);
}

void sa_cpu_node_pool_grad(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    spread(piece, node, true, out);
}
