/* The source nodes that add up what lies around a place in its plane: AVE_POOL, AVE_GRAD, PLANE_LRN_SCALE, PLANE_LRN_GRAD.
 *
 * Rows of a child come in segments from left to right, so whatever pieces a value is pulled in, each sum is in row-major order. */
#include "kernels/cpu/rows/source_cpu.h"

#include "core/checked.h"
#include "kernels/vector_math.h"

#include <string.h>

/* The places that a piece reads in its child's plane: rows [top, bottom), columns [left, right). */
typedef struct area {
    int top, bottom, left, right;
} area;

static area area_of(const sa_cpu_piece *piece, const sa_node *node)
{
    const sa_window *w = &node->window;
    const sa_node *child = &piece->source->node[node->child[0]];
    const int y = piece->y * w->stride_h - w->pad_h, x = piece->x * w->stride_w - w->pad_w;
    return (area){sa_max_int(0, y), sa_min_int(child->height, y + w->kernel_h), sa_max_int(0, x),
                  sa_min_int(child->width, x + (piece->count - 1) * w->stride_w + w->kernel_w)};
}

/* Adds columns [at, at + length) of a row to the sums of the piece's windows. */
static void add_to_windows(const sa_cpu_piece *piece, const sa_window *w, const float *row, int at, int length, float *sum)
{
    const int first = piece->x * w->stride_w - w->pad_w;
    if (w->stride_w == 1) {
        for (int v = 0; v < w->kernel_w; v++) {
            const int shift = first + v - at, begin = sa_max_int(0, -shift), end = sa_min_int(piece->count, length - shift);
#pragma omp simd
            for (int i = begin; i < end; i++) sum[i] = sum[i] + row[i + shift];
        }
        return;
    }
    for (int i = 0; i < piece->count; i++) {
        const int left = first + i * w->stride_w - at;
        const int begin = sa_max_int(0, left), end = sa_min_int(left + w->kernel_w, length);
        for (int k = begin; k < end; k++) sum[i] = sum[i] + row[k];
    }
}

void sa_cpu_node_ave_pool(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const sa_node *child = &piece->source->node[node->child[0]];
    const area a = area_of(piece, node);
    memset(out, 0, (size_t)piece->count * sizeof *out);
    for (int y = a.top; y < a.bottom; y++)
        for (int x = a.left; x < a.right; x += SA_CPU_SEGMENT) {
            const int length = sa_min_int(SA_CPU_SEGMENT, a.right - x);
            const float *row = sa_cpu_pull(piece->source, node->child[0], piece->n, piece->c, y, x, length, piece->scratch);
            add_to_windows(piece, &node->window, row, x, length, out);
        }
    for (int i = 0; i < piece->count; i++)
        out[i] = out[i] / sa_window_pixels(&node->window, child->height, child->width, piece->y, piece->x + i);
}

static int divide_up(int a, int b)
{
    return a <= 0 ? 0 : (a + b - 1) / b;
}

void sa_cpu_node_ave_grad(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const sa_window *w = &node->window;
    const sa_node *child = &piece->source->node[node->child[0]];
    const int last = piece->x + piece->count - 1;
    const int row_end = sa_min_int(child->height, (piece->y + w->pad_h) / w->stride_h + 1);
    const int begin = divide_up(piece->x + w->pad_w - w->kernel_w + 1, w->stride_w);
    const int end = sa_min_int(child->width, (last + w->pad_w) / w->stride_w + 1);
    memset(out, 0, (size_t)piece->count * sizeof *out);
    for (int py = divide_up(piece->y + w->pad_h - w->kernel_h + 1, w->stride_h); py < row_end; py++)
        for (int at = begin; at < end; at += SA_CPU_SEGMENT) {
            const int length = sa_min_int(SA_CPU_SEGMENT, end - at);
            const float *dy = sa_cpu_pull(piece->source, node->child[0], piece->n, piece->c, py, at, length, piece->scratch);
            for (int i = 0; i < length; i++) {
                const float share = dy[i] / sa_window_pixels(w, node->height, node->width, py, at + i);
                const int left = (at + i) * w->stride_w - w->pad_w - piece->x;
                const int to = sa_min_int(left + w->kernel_w, piece->count);
                for (int k = sa_max_int(0, left); k < to; k++) out[k] = out[k] + share;
            }
        }
}

static void negative_power(const float *b, float beta, int count, float *out)
{
    for (int i = 0; i < count; i++) out[i] = sa_negative_powerf(b[i], beta);
}

void sa_cpu_node_plane_lrn_scale(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const area a = area_of(piece, node);
    float square[SA_CPU_SEGMENT];
    memset(out, 0, (size_t)piece->count * sizeof *out);
    for (int y = a.top; y < a.bottom; y++)
        for (int x = a.left; x < a.right; x += SA_CPU_SEGMENT) {
            const int length = sa_min_int(SA_CPU_SEGMENT, a.right - x);
            const float *row = sa_cpu_pull(piece->source, node->child[0], piece->n, piece->c, y, x, length, piece->scratch);
            for (int i = 0; i < length; i++) square[i] = row[i] * row[i];
            add_to_windows(piece, &node->window, square, x, length, out);
        }
    const float k = node->number.lrn.k, factor = node->number.lrn.alpha / (float)(node->window.kernel_h * node->window.kernel_w);
    for (int i = 0; i < piece->count; i++) out[i] = k + factor * out[i];
}

/* c * a * b^-beta / b of part of a row. Copies, since a child's pull may go through another child's node in another row. */
static void pull_terms(const sa_cpu_piece *piece, const sa_node *node, int y, int x, int length, float *term)
{
    float scale[SA_CPU_SEGMENT], gradient[SA_CPU_SEGMENT];
    const size_t bytes = (size_t)length * sizeof(float);
    memcpy(scale, sa_cpu_pull(piece->source, node->child[1], piece->n, piece->c, y, x, length, piece->scratch), bytes);
    memcpy(gradient, sa_cpu_pull(piece->source, node->child[2], piece->n, piece->c, y, x, length, piece->scratch), bytes);
    const float *a = sa_cpu_pull(piece->source, node->child[0], piece->n, piece->c, y, x, length, piece->scratch);
    negative_power(scale, node->number.lrn.beta, length, term);
    for (int i = 0; i < length; i++) term[i] = gradient[i] * a[i] * term[i] / scale[i];
}

void sa_cpu_node_plane_lrn_grad(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const area around = area_of(piece, node);
    float sum[SA_CPU_SEGMENT] = {0}, term[SA_CPU_SEGMENT], gradient[SA_CPU_SEGMENT];
    const int count = piece->count;
    for (int y = around.top; y < around.bottom; y++)
        for (int x = around.left; x < around.right; x += SA_CPU_SEGMENT) {
            const int length = sa_min_int(SA_CPU_SEGMENT, around.right - x);
            pull_terms(piece, node, y, x, length, term);
            add_to_windows(piece, &node->window, term, x, length, sum);
        }
    const float beta = node->number.lrn.beta;
    const float factor = 2.0f * node->number.lrn.alpha * beta / (float)(node->window.kernel_h * node->window.kernel_w);
    negative_power(sa_cpu_pull_child(piece, node, 1, piece->c), beta, count, term);
    memcpy(gradient, sa_cpu_pull_child(piece, node, 2, piece->c), (size_t)count * sizeof(float));
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
    for (int i = 0; i < count; i++) out[i] = gradient[i] * term[i] - factor * a[i] * sum[i];
}
