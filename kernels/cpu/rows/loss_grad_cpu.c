/* The gradients of the losses by their scores on the CPU. An output may be the slab of the scores: what several channels of a pixel
 * depend on is computed before the first of them is written. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/loss_cpu.h"

#include "core/checked.h"

/* out = g * loss_weight / D, in the order of every loss. */
static inline float scaled(float gradient, float weight, float loss_weight, float divisor)
{
    float result = gradient * weight * loss_weight / divisor;
    return weight != 0.0f ? result : 0.0f;
}

static float *out_row(const sa_loss_grad_args *args, const sa_pixels *at, int c)
{
    return (float *)sa_slab_row(&args->out, at->n, c, at->y) + at->x;
}

/* The exponentials go to the output first, as in sa_cpu_softmax; sum[i] = their sum. */
static void store_exponentials(const sa_loss_grad_args *args, const sa_pixels *at, float *sum)
{
    _Alignas(64) float max[SA_CPU_SEGMENT];
    memset(sum, 0, (size_t)at->count * sizeof *sum);
    sa_softmax_max(&args->scores, args->config.classes, at->n, at->y, at->x, at->count, at->scratch, max);
    for (int c = 0; c < args->config.classes; c++) {
        float *out = out_row(args, at, c);
        sa_softmax_exponential(sa_pull_scores(&args->scores, at, c), max, at->count, out);
        sa_softmax_add(out, at->count, sum);
    }
}

static void softmax_gradient(const sa_loss_grad_args *args, const sa_pixels *at, const int32_t *label, const float *weight,
                             float divisor)
{
    _Alignas(64) float sum[SA_CPU_SEGMENT];
    const float loss_weight = args->config.loss_weight;
    for (int i = 0; i < at->count; i++) sum[i] = 1.0f;
    if (!args->is_prob) store_exponentials(args, at, sum);
    for (int c = 0; c < args->config.classes; c++) {
        float *out = out_row(args, at, c);
        const float *value = args->is_prob ? sa_pull_scores(&args->scores, at, c) : out;
#pragma omp simd
        for (int i = 0; i < at->count; i++)
            out[i] = scaled(value[i] / sum[i] - (label[i] == c ? 1.0f : 0.0f), weight[i], loss_weight, divisor);
    }
}

static void infogain_gradient(const sa_loss_grad_args *args, const sa_pixels *at, const int32_t *label, const float *weight,
                              float divisor)
{
    _Alignas(64) float sum[SA_CPU_SEGMENT], gain_sum[SA_CPU_SEGMENT];
    const int classes = args->config.classes;
    const float *gain = args->table.ptr; /* (classes, classes) */
    for (int i = 0; i < at->count; i++) sum[i] = 1.0f;
    if (!args->is_prob) store_exponentials(args, at, sum);
    for (int i = 0; i < at->count; i++) {
        float row = 0.0f;
        for (int c = 0; weight[i] != 0.0f && c < classes; c++) row = row + gain[(size_t)label[i] * (size_t)classes + (size_t)c];
        gain_sum[i] = row;
    }
    for (int c = 0; c < classes; c++) {
        float *out = out_row(args, at, c);
        const float *value = args->is_prob ? sa_pull_scores(&args->scores, at, c) : out;
        for (int i = 0; i < at->count; i++) {
            const float h = weight[i] != 0.0f ? gain[(size_t)label[i] * (size_t)classes + (size_t)c] : 0.0f;
            // cppcheck-suppress uninitvar ; set above for every i
            out[i] = scaled(value[i] / sum[i] * gain_sum[i] - h, weight[i], args->config.loss_weight, divisor);
        }
    }
}

/* MULTINOMIAL and HINGE: each score's gradient depends on it and on the label alone. */
static void label_gradient(const sa_loss_grad_args *args, const sa_pixels *at, const int32_t *label, const float *weight,
                           float divisor)
{
    const sa_loss_config *config = &args->config;
    const float least = sa_loss_least(config->kind);
    for (int c = 0; c < config->classes; c++) {
        float *out = out_row(args, at, c);
        const float *score = sa_pull_scores(&args->scores, at, c);
        if (config->kind == SA_LOSS_MULTINOMIAL)
            for (int i = 0; i < at->count; i++)
                out[i] =
                    scaled(label[i] == c ? -1.0f / sa_loss_clamp(score[i], least) : 0.0f, weight[i], config->loss_weight, divisor);
        else
            for (int i = 0; i < at->count; i++)
                out[i] = scaled(sa_hinge_gradient(score[i], label[i] == c, config->kind == SA_LOSS_HINGE_L2), weight[i],
                                config->loss_weight, divisor);
    }
}

/* EUCLIDEAN and SIGMOID */
static void element_gradient(const sa_loss_grad_args *args, const sa_pixels *at, float divisor)
{
    const sa_loss_config *config = &args->config;
    for (int c = 0; c < config->classes; c++) {
        float *out = out_row(args, at, c);
        const float *a = sa_pull_scores(&args->scores, at, c), *b = sa_pull_beside(&args->label, at, c);
        if (config->kind == SA_LOSS_EUCLIDEAN) {
            for (int i = 0; i < at->count; i++) out[i] = scaled(a[i] - b[i], 1.0f, config->loss_weight, divisor);
            continue;
        }
        for (int i = 0; i < at->count; i++) {
            const bool ignored = config->has_ignore && (int32_t)b[i] == config->ignore_label;
            out[i] = scaled(sa_sigmoid_gradient(a[i], b[i]), ignored ? 0.0f : 1.0f, config->loss_weight, divisor);
        }
    }
}

static void contrastive_gradient(const sa_loss_grad_args *args, const sa_pixels *at, float divisor)
{
    _Alignas(64) float factor[SA_CPU_SEGMENT];
    const sa_loss_config *config = &args->config;
    const float *similar = sa_similarity(&args->table, &args->scores, at);
    sa_square_distance(&args->scores, &args->label, config->classes, at, factor);
    for (int i = 0; i < at->count; i++)
        factor[i] = sa_contrastive_factor(config->kind, factor[i], (int32_t)similar[i] != 0, config->margin);
    for (int c = 0; c < config->classes; c++) {
        float *out = out_row(args, at, c);
        const float *a = sa_pull_scores(&args->scores, at, c), *b = sa_pull_beside(&args->label, at, c);
        for (int i = 0; i < at->count; i++) out[i] = scaled((a[i] - b[i]) * factor[i], 1.0f, config->loss_weight, divisor);
    }
}

static void gradient_segment(const sa_loss_grad_args *args, const sa_pixels *at)
{
    _Alignas(64) float weight[SA_CPU_SEGMENT];
    _Alignas(64) int32_t label[SA_CPU_SEGMENT];
    const float divisor = *(const float *)args->divisor.ptr;
    if (sa_loss_has_labels(args->config.kind)) sa_load_labels(&args->config, &args->label, at, label, weight);
    switch (args->config.kind) {
    case SA_LOSS_SOFTMAX: softmax_gradient(args, at, label, weight, divisor); break;
    case SA_LOSS_INFOGAIN: infogain_gradient(args, at, label, weight, divisor); break;
    case SA_LOSS_MULTINOMIAL:
    case SA_LOSS_HINGE_L1:
    case SA_LOSS_HINGE_L2: label_gradient(args, at, label, weight, divisor); break;
    case SA_LOSS_EUCLIDEAN:
    case SA_LOSS_SIGMOID: element_gradient(args, at, divisor); break;
    case SA_LOSS_CONTRASTIVE:
    case SA_LOSS_CONTRASTIVE_LEGACY: contrastive_gradient(args, at, divisor); break;
    }
}

sa_status sa_cpu_loss_grad(sa_device *device, const sa_loss_grad_args *args)
{
    const int height = args->out.height, width = args->out.width;
    const int64_t rows = (int64_t)args->out.images * height;
#pragma omp parallel num_threads(sa_cpu_crew(device, 5.0 * (double)rows * width * args->config.classes))
    {
        _Alignas(64) float scratch[2 * SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++)
            for (int x = 0; x < width; x += SA_CPU_SEGMENT) {
                const sa_pixels at = {args->out.image_begin + (int)(row / height), (int)(row % height), x,
                                      sa_min_int(SA_CPU_SEGMENT, width - x), scratch};
                gradient_segment(args, &at);
            }
    }
    return SA_OK;
}
