/* The source nodes that spread a pooled value over its windows by a mask: UNPOOL and POOL_GRAD.
 *
 * Both visit the windows that reach row y in row-major order; UNPOOL keeps the last value that points at a place, POOL_GRAD adds.
 * Windows of 2 or 3 columns at stride 2 without padding, all that SegNet has, go 16 at a time: the even and the odd columns that
 * they cover are two vectors. Others go one by one. */
#include "kernels/cpu/source_cpu.h"

#include "core/checked.h"
#include "kernels/cpu/mask_cpu.h"

#include <string.h>

enum { PAIR_ROWS = 2 }; /* most window rows that reach a row, for windows that go 16 at a time */

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

/* One of the window rows that reach row y. */
typedef struct window_row {
    const float *value; /* of window `first` on */
    const void *mask;
    int first;
    int32_t target; /* the mask's code if it points at row y and its window's first column; a float mask: y * width */
} window_row;

/* The windows of a vector that point at row y and their first, second, third column. */
typedef struct column_hits {
    sa_bool16 column[3];
} column_hits;

/* Windows px .. px + 15 of a row, of which `left` are there, at least one; px a multiple of 16. */
SA_INLINE column_hits find_hits(const window_row *w, sa_encoding encoding, int columns, int px, int left)
{
    sa_i32x16 token, target = sa_i32x16_splat(w->target);
    if (encoding == SA_F32) {
        token = __builtin_convertvector(sa_f32x16_load_part((const float *)w->mask + px, left, -1.0f), sa_i32x16);
        target += 2 * px + 2 * sa_i32x16_lanes();
    } else {
        token = sa_mask_codes(w->mask, encoding, px + left, px);
    }
    column_hits hits = {{0}};
    for (int k = 0; k < columns; k++) {
        hits.column[k] = sa_i32x16_equal(token, target + k);
        if (left < SA_LANES) hits.column[k] &= sa_bool16_first(left);
    }
    return hits;
}

/* Columns `at` .. `at` + 31 of the piece, of which some may lie outside of it. */
SA_INLINE void store_pairs(float *out, int count, int at, sa_f32x16 even, sa_f32x16 odd)
{
    if (at >= 0 && at + 2 * SA_LANES <= count) {
        sa_f32x16_interleave(out + at, even, odd);
        return;
    }
    float both[2 * SA_LANES];
    sa_f32x16_interleave(both, even, odd);
    int from = sa_max_int(0, -at), to = sa_min_int(2 * SA_LANES, count - at);
    for (int i = from; i < to; i++) out[at + i] = both[i];
}

SA_INLINE sa_f32x16 put(bool add, sa_bool16 hit, sa_f32x16 value, sa_f32x16 target)
{
    return add ? sa_f32x16_add_where(hit, target, value) : sa_f32x16_where(hit, value, target);
}

/* In lane 15: the value of the window before a vector, and whether it points at its third column. */
typedef struct carried {
    sa_f32x16 value;
    sa_bool16 hit;
} carried;

SA_INLINE carried carried_to(const window_row *w, sa_encoding encoding, int columns, int px)
{
    if (columns < 3 || px == 0) return (carried){0};
    return (carried){sa_f32x16_splat(w->value[px - 1 - w->first]),
                     find_hits(w, encoding, columns, px - SA_LANES, SA_LANES).column[2]};
}

/* Puts windows px .. px + 15 of a row, of which `left` are there, into the even and odd columns that they cover. */
SA_INLINE void spread_vector(const window_row *w, sa_encoding encoding, bool add, int columns, int px, int left, carried *before,
                             sa_f32x16 *even, sa_f32x16 *odd)
{
    sa_f32x16 value = sa_f32x16_splat(0.0f);
    column_hits hits = {{0}};
    if (left > 0) {
        value = sa_f32x16_load_part(w->value + (px - w->first), left, 0.0f);
        hits = find_hits(w, encoding, columns, px, left);
    }
    if (columns == 3) {
        *even = put(add, sa_bool16_shift_in(before->hit, hits.column[2]), sa_f32x16_shift_in(before->value, value), *even);
        before->value = value;
        before->hit = hits.column[2];
    }
    *even = put(add, hits.column[0], value, *even);
    *odd = put(add, hits.column[1], value, *odd);
}

/* The window rows that reach a piece of `count` columns from column x on; lower NULL: only one. width: windows of a row. */
SA_INLINE void spread_rows(const window_row *upper, const window_row *lower, sa_encoding encoding, bool add, int columns, int width,
                           int x, int count, float *out)
{
    int px = x / 2 / SA_LANES * SA_LANES;
    const window_row one = *upper, two = lower ? *lower : (window_row){0};
    carried before_one = carried_to(&one, encoding, columns, px), before_two = {0};
    if (lower) before_two = carried_to(&two, encoding, columns, px);
    for (; 2 * px < x + count; px += SA_LANES) {
        sa_f32x16 even = sa_f32x16_splat(0.0f), odd = even;
        if (px + SA_LANES <= width) { /* apart, so that the loop has no branches */
            spread_vector(&one, encoding, add, columns, px, SA_LANES, &before_one, &even, &odd);
            if (lower) spread_vector(&two, encoding, add, columns, px, SA_LANES, &before_two, &even, &odd);
        } else {
            spread_vector(&one, encoding, add, columns, px, width - px, &before_one, &even, &odd);
            if (lower) spread_vector(&two, encoding, add, columns, px, width - px, &before_two, &even, &odd);
        }
        store_pairs(out, count, 2 * px - x, even, odd);
    }
}

/* stride_w 2, pad_w 0, kernel_w 2 or 3 (`columns`), at most PAIR_ROWS window rows reach a row */
SA_INLINE void spread_pairs(const sa_cpu_piece *piece, const sa_node *node, bool add, int columns, float *out)
{
    const sa_window *w = &node->window;
    const sa_encoding encoding = node->slab.encoding;
    const int begin = piece->x / 2 / SA_LANES * SA_LANES, first = columns == 3 ? sa_max_int(0, begin - 1) : begin;
    const int count = sa_min_int(node->slab.width, (piece->x + piece->count + 1) / 2) - first;
    int py, last;
    window_rows(node, piece->y, &py, &last);
    if (py >= last || count <= 0) {
        memset(out, 0, (size_t)piece->count * sizeof *out);
        return;
    }
    window_row row[PAIR_ROWS];
    _Alignas(64) float held[SA_CPU_SEGMENT]; /* the first row, which the pull of the second may overwrite */
    const int rows = last - py;
    for (int r = 0; r < rows; r++, py++) {
        row[r].value = sa_cpu_pull(piece->source, node->child[0], piece->n, piece->c, py, first, count, piece->scratch);
        if (r + 1 < rows && piece->source->node[node->child[0]].kind != SA_NODE_DENSE)
            row[r].value = memcpy(held, row[r].value, (size_t)count * sizeof *held);
        row[r].mask = sa_slab_row(&node->slab, piece->n, piece->c, py);
        row[r].first = first;
        row[r].target = encoding == SA_F32 ? piece->y * node->width : (piece->y - (py * w->stride_h - w->pad_h)) * w->kernel_w;
    }
#define SPREAD_ROWS(encoding)                                                                                     \
    if (rows == 1) spread_rows(row, NULL, encoding, add, columns, node->slab.width, piece->x, piece->count, out); \
    else spread_rows(row, row + 1, encoding, add, columns, node->slab.width, piece->x, piece->count, out)
    switch (encoding) {
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
    bool pairs = w->stride_w == 2 && w->pad_w == 0 && divide_up(w->kernel_h, w->stride_h) <= PAIR_ROWS;
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
