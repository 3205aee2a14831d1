/* The source nodes that spread a pooled value over its windows by a mask: UNPOOL and POOL_GRAD.
 *
 * Both visit the windows that reach row y in row-major order; UNPOOL keeps the last value that points at a place, POOL_GRAD adds.
 * Windows of 2 or 3 columns at stride 2 without padding, all that SegNet has, go 16 at a time: the even and the odd columns that
 * they cover are two vectors. Others go one by one. */
#include "kernels/cpu/rows/source_cpu.h"

#include "core/checked.h"
#include "kernels/cpu/rows/mask_cpu.h"

#include <string.h>

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

/* One of the window rows that reach row y, from a window on whose number is a multiple of 16. */
typedef struct window_row {
    const float *value;
    const void *mask;
    int32_t target;   /* what the mask holds if it points at row y and its window's first column; a float mask's first window */
    bool before_hits; /* whether the window before points at row y and its third column; its value is value[-1] then */
} window_row;

/* What the masks of 16 windows hold, those of a float mask less 2 a window; -1 (or less): there is no window. */
SA_INLINE sa_i32x16 load_tokens(const window_row *w, sa_encoding encoding, int i, int left)
{
    if (left <= 0) return sa_i32x16_splat(-1);
    if (encoding == SA_F32) {
        sa_f32x16 index = sa_f32x16_load_part((const float *)w->mask + i, left, -1.0f);
        return __builtin_convertvector(index, sa_i32x16) - 2 * i - 2 * sa_i32x16_lanes();
    }
    sa_i32x16 code = sa_mask_codes(w->mask, encoding, i + left, i);
    return left >= SA_LANES ? code : sa_i32x16_where(sa_bool16_first(left), code, sa_i32x16_splat(-1));
}

/* Columns `at` .. `at` + 31 of a piece, of which some may lie outside of it. */
SA_INLINE void store_pairs(float *out, int count, int at, sa_f32x16 even, sa_f32x16 odd)
{
    if (at >= 0) {
        sa_f32x16_interleave(out + at, count - at, even, odd);
        return;
    }
    float both[2 * SA_LANES];
    sa_f32x16_interleave(both, 2 * SA_LANES, even, odd);
    for (int i = -at; i < sa_min_int(2 * SA_LANES, count - at); i++) out[at + i] = both[i];
}

SA_INLINE sa_f32x16 put(bool add, sa_bool16 hit, sa_f32x16 value, sa_f32x16 target)
{
    return add ? sa_f32x16_add_where(hit, target, value) : sa_f32x16_where(hit, value, target);
}

/* Windows of a row as far as they reach the next vector: lane 15 only. */
typedef struct carried {
    sa_f32x16 value;
    sa_i32x16 token;
} carried;

SA_INLINE carried carried_in(const window_row *w)
{
    if (!w->before_hits) return (carried){sa_f32x16_splat(0.0f), sa_i32x16_splat(-1)};
    return (carried){sa_f32x16_splat(w->value[-1]), sa_i32x16_splat(w->target + 2)};
}

/* Puts windows i .. i + 15 of a row, of which `left` are there, into the even and odd columns that they cover. */
SA_INLINE void spread_vector(const window_row *w, sa_encoding encoding, bool add, int columns, int i, int left, carried *before,
                             sa_f32x16 *even, sa_f32x16 *odd)
{
    const sa_f32x16 value = sa_f32x16_load_part(w->value + i, left, 0.0f);
    const sa_i32x16 token = load_tokens(w, encoding, i, left);
    if (columns == 3) {
        sa_bool16 hit = sa_i32x16_equal(sa_i32x16_shift_in(before->token, token), sa_i32x16_splat(w->target + 2));
        *even = put(add, hit, sa_f32x16_shift_in(before->value, value), *even);
        *before = (carried){value, token};
    }
    *even = put(add, sa_i32x16_equal(token, sa_i32x16_splat(w->target)), value, *even);
    *odd = put(add, sa_i32x16_equal(token, sa_i32x16_splat(w->target + 1)), value, *odd);
}

/* Spreads one or two window rows (lower NULL: one) of `windows` each over `count` columns; the first is column `phase` of those
 * that the windows cover. */
SA_INLINE void spread_rows(const window_row *upper, const window_row *lower, sa_encoding encoding, bool add, int columns,
                           int windows, int phase, int count, float *out)
{
    const window_row one = *upper, two = lower ? *lower : (window_row){0};
    carried before_one = carried_in(&one), before_two = carried_in(&two);
    for (int i = 0; 2 * i < phase + count; i += SA_LANES) {
        sa_f32x16 even = sa_f32x16_splat(0.0f), odd = even;
        if (i + SA_LANES <= windows) { /* apart, so that the loop has no branches */
            spread_vector(&one, encoding, add, columns, i, SA_LANES, &before_one, &even, &odd);
            if (lower) spread_vector(&two, encoding, add, columns, i, SA_LANES, &before_two, &even, &odd);
        } else {
            spread_vector(&one, encoding, add, columns, i, windows - i, &before_one, &even, &odd);
            if (lower) spread_vector(&two, encoding, add, columns, i, windows - i, &before_two, &even, &odd);
        }
        store_pairs(out, count, 2 * i - phase, even, odd);
    }
}

/* Windows from `begin` on, a multiple of 16, of window row py. held: NULL, or where to copy what the next pull may overwrite. */
SA_INLINE window_row pull_window_row(const sa_cpu_piece *piece, const sa_node *node, int columns, int py, int begin, int windows,
                                     float *held)
{
    const sa_encoding encoding = node->slab.encoding;
    const int before = columns == 3 && begin > 0 ? 1 : 0; /* the window before is pulled too */
    const void *mask = sa_slab_row(&node->slab, piece->n, piece->c, py);
    const int window_y = piece->y - (py * node->window.stride_h - node->window.pad_h);
    window_row row = {.target = window_y * columns, .mask = (const char *)mask + sa_encoding_row_bytes(encoding, begin)};
    if (encoding == SA_F32) row.target = piece->y * node->width + 2 * begin;
    if (before && encoding == SA_F32) row.before_hits = ((const float *)mask)[begin - 1] == (float)row.target;
    else if (before) row.before_hits = sa_mask_code(mask, encoding, begin - 1) == row.target + 2;
    row.value =
        sa_cpu_pull(piece->source, node->child[0], piece->n, piece->c, py, begin - before, windows + before, piece->scratch);
    if (held) row.value = memcpy(held, row.value, (size_t)(windows + before) * sizeof *held);
    row.value += before;
    return row;
}

/* stride_w 2, pad_w 0, kernel_w 2 or 3 (`columns`), at most two window rows reach a row */
SA_INLINE void spread_pairs(const sa_cpu_piece *piece, const sa_node *node, bool add, int columns, float *out)
{
    const int begin = piece->x / 2 / SA_LANES * SA_LANES, count = piece->count, phase = piece->x - 2 * begin;
    const int windows = sa_min_int(node->slab.width - begin, (phase + count + 1) / 2);
    int py, py_end;
    window_rows(node, piece->y, &py, &py_end);
    if (py >= py_end || windows + (columns == 3 && begin > 0) <= 0) {
        memset(out, 0, (size_t)count * sizeof *out);
        return;
    }
    _Alignas(64) float held[SA_CPU_SEGMENT];
    const bool two = py_end - py == 2, stored = sa_node_is_dense_f32(&piece->source->node[node->child[0]]);
    window_row upper = pull_window_row(piece, node, columns, py, begin, windows, two && !stored ? held : NULL), lower;
    if (two) lower = pull_window_row(piece, node, columns, py + 1, begin, windows, NULL);
#define SPREAD_ROWS(encoding)                                                                 \
    if (two) spread_rows(&upper, &lower, encoding, add, columns, windows, phase, count, out); \
    else spread_rows(&upper, NULL, encoding, add, columns, windows, phase, count, out)
    switch (node->slab.encoding) {
    case SA_MASK2: SPREAD_ROWS(SA_MASK2); break;
    case SA_MASK4: SPREAD_ROWS(SA_MASK4); break;
    default: SPREAD_ROWS(SA_F32); break;
    }
#undef SPREAD_ROWS
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
    bool pairs = w->stride_w == 2 && w->pad_w == 0 && w->kernel_h <= 2 * w->stride_h;
    if (pairs && w->kernel_w == 2) spread_pairs(piece, node, add, 2, out);
    else if (pairs && w->kernel_w == 3) spread_pairs(piece, node, add, 3, out);
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
