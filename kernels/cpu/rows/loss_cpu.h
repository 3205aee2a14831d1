/* What the losses and their gradients share on the CPU. */
#ifndef SA_KERNELS_CPU_LOSS_CPU_H
#define SA_KERNELS_CPU_LOSS_CPU_H

#include "kernels/cpu/rows/softmax_cpu.h"
#include "kernels/loss_math.h"

/* A segment of pixels of one row: columns [x, x + count) of row y of image n. scratch: 2 * SA_CPU_SCRATCH_FLOATS, so that a score
 * and the value beside it can be read at once. */
typedef struct sa_pixels {
    int n, y, x, count;
    float *scratch;
} sa_pixels;

static inline const float *sa_pull_scores(const sa_source *scores, const sa_pixels *at, int c)
{
    return sa_cpu_pull(scores, scores->count - 1, at->n, c, at->y, at->x, at->count, at->scratch);
}

static inline const float *sa_pull_beside(const sa_source *label, const sa_pixels *at, int c)
{
    return sa_cpu_pull(label, label->count - 1, at->n, c, at->y, at->x, at->count, at->scratch + SA_CPU_SCRATCH_FLOATS);
}

/* label[i] = the label, truncated; weight[i] = its weight, 0 if ignored or outside [0, classes). */
static inline void sa_load_labels(const sa_loss_config *config, const sa_source *source, const sa_pixels *at, int32_t *label,
                                  float *weight)
{
    const float *value = sa_pull_beside(source, at, 0);
    const int count = at->count;
    for (int i = 0; i < count; i++) {
        label[i] = (int32_t)value[i];
        weight[i] = 0.0f;
    }
    for (int c = 0; c < config->classes; c++) {
        const float *weights = config->many_weights ? config->many_weights : config->class_weight;
        const float class_weight = config->weighted ? weights[c] : 1.0f;
        if (config->has_ignore && c == config->ignore_label) continue;
        for (int i = 0; i < count; i++) weight[i] = label[i] == c ? class_weight : weight[i];
    }
}

/* square[i] = sum over c of (s_c - b_c)^2 */
static inline void sa_square_distance(const sa_source *scores, const sa_source *label, int channels, const sa_pixels *at,
                                      float *square)
{
    memset(square, 0, (size_t)at->count * sizeof *square);
    for (int c = 0; c < channels; c++) {
        const float *a = sa_pull_scores(scores, at, c), *b = sa_pull_beside(label, at, c);
        for (int i = 0; i < at->count; i++) square[i] = square[i] + (a[i] - b[i]) * (a[i] - b[i]);
    }
}

/* The similarities of a segment, from the table (N, H, W) of a contrastive loss. */
static inline const float *sa_similarity(const sa_ref *table, const sa_source *scores, const sa_pixels *at)
{
    const sa_node *root = sa_source_root(scores);
    return (const float *)table->ptr + ((size_t)at->n * (size_t)root->height + (size_t)at->y) * (size_t)root->width + at->x;
}

#endif
