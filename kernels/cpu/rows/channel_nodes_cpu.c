/* The source nodes that read several channels of a child: LRN across channels and the 1x1 convolution's gradient.
 *
 * Children are pulled once per channel, into the same scratch; sums are kept in the node's own output. */
#include "kernels/cpu/rows/source_cpu.h"

#include "core/checked.h"
#include "kernels/vector_math.h"

#include <string.h>

static void negative_power(const float *b, float beta, int count, float *out)
{
    if (beta == 0.75f) {
#pragma omp simd
        for (int i = 0; i < count; i++) out[i] = sa_negative_powerf(b[i], 0.75f);
    } else {
#pragma omp simd
        for (int i = 0; i < count; i++) out[i] = sa_expf(-beta * sa_logf(b[i]));
    }
}

/* Channels [first, last) of the LRN window around c. */
static void lrn_window(int c, int local_size, int channels, int *first, int *last)
{
    int half = (local_size - 1) / 2;
    *first = sa_max_int(0, c - half);
    *last = sa_min_int(channels, c + half + 1);
}

void sa_cpu_node_lrn_scale(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    int first, last, count = piece->count;
    lrn_window(piece->c, node->channels_read, node->channels, &first, &last);
    memset(out, 0, (size_t)count * sizeof *out);
    for (int c = first; c < last; c++) {
        const float *a = sa_cpu_pull_child(piece, node, 0, c);
#pragma omp simd
        for (int i = 0; i < count; i++) out[i] = out[i] + a[i] * a[i];
    }
    const float factor = node->number.lrn.alpha / (float)node->channels_read, k = node->number.lrn.k;
#pragma omp simd
    for (int i = 0; i < count; i++) out[i] = k + factor * out[i];
}

void sa_cpu_node_lrn(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    _Alignas(64) float power[SA_CPU_SEGMENT];
    /* The scale first: its pulls of other channels may go through the node that a names. */
    negative_power(sa_cpu_pull_child(piece, node, 1, piece->c), node->number.lrn.beta, piece->count, power);
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
#pragma omp simd
    for (int i = 0; i < piece->count; i++) out[i] = a[i] * power[i];
}

void sa_cpu_node_lrn_grad(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    _Alignas(64) float power[SA_CPU_SEGMENT], sum[SA_CPU_SEGMENT], scale[SA_CPU_SEGMENT], gradient[SA_CPU_SEGMENT];
    int first, last, count = piece->count;
    lrn_window(piece->c, node->channels_read, node->channels, &first, &last);
    for (int i = 0; i < count; i++) sum[i] = 0.0f;
    const float factor = 2.0f * node->number.lrn.alpha * node->number.lrn.beta / (float)node->channels_read,
                beta = node->number.lrn.beta;
    for (int c = first; c < last; c++) {
        /* copies, since a child's pull may go through another child's node in another channel */
        memcpy(scale, sa_cpu_pull_child(piece, node, 1, c), (size_t)count * sizeof(float));
        memcpy(gradient, sa_cpu_pull_child(piece, node, 2, c), (size_t)count * sizeof(float));
        const float *a = sa_cpu_pull_child(piece, node, 0, c);
        negative_power(scale, beta, count, power);
#pragma omp simd
        for (int i = 0; i < count; i++) sum[i] = sum[i] + gradient[i] * a[i] * power[i] / scale[i];
    }
    negative_power(sa_cpu_pull_child(piece, node, 1, piece->c), beta, count, power);
    memcpy(gradient, sa_cpu_pull_child(piece, node, 2, piece->c), (size_t)count * sizeof(float));
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
#pragma omp simd
    for (int i = 0; i < count; i++) out[i] = gradient[i] * power[i] - factor * a[i] * sum[i];
}

void sa_cpu_node_channel_mix(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *weight = node->vector[0].ptr; /* (channels_read, C) */
    int count = piece->count;
    memset(out, 0, (size_t)count * sizeof *out);
    for (int k = 0; k < node->channels_read; k++) {
        const float *a = sa_cpu_pull_child(piece, node, 0, k);
        const float factor = weight[(size_t)k * (size_t)node->channels + (size_t)piece->c];
#pragma omp simd
        for (int i = 0; i < count; i++) out[i] = out[i] + factor * a[i];
    }
}
