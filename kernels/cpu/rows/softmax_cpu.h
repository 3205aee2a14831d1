/* What the softmax kernels share: maximum and sum of exponentials over channels, for a segment of pixels. */
#ifndef SA_KERNELS_CPU_ROWS_SOFTMAX_CPU_H
#define SA_KERNELS_CPU_ROWS_SOFTMAX_CPU_H

#include "kernels/cpu/rows/source_cpu.h"
#include "kernels/vector_math.h"

/* max[i] over channels 0 .. classes - 1 of pixel (n, y, x + i). max: SA_CPU_SEGMENT floats. */
static inline void sa_softmax_max(const sa_source *scores, int classes, int n, int y, int x, int count, float *scratch, float *max)
{
    for (int c = 0; c < classes; c++) {
        const float *score = sa_cpu_pull(scores, scores->count - 1, n, c, y, x, count, scratch);
        if (c == 0) memcpy(max, score, (size_t)count * sizeof *max);
#pragma omp simd
        for (int i = 0; i < count; i++) max[i] = score[i] > max[i] ? score[i] : max[i];
    }
}

/* exponential[i] = e^(score - max); exponential may be score. */
static inline void sa_softmax_exponential(const float *score, const float *max, int count, float *exponential)
{
#pragma omp simd
    for (int i = 0; i < count; i++) exponential[i] = sa_expf(score[i] - max[i]);
}

static inline void sa_softmax_add(const float *exponential, int count, float *sum)
{
#pragma omp simd
    for (int i = 0; i < count; i++) sum[i] = sum[i] + exponential[i];
}

#endif
