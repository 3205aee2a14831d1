/* The softmax loss and its gradient on the CPU.
 *
 * The loss of a pixel is float32 (the probability of its label has the bits that sa_cpu_softmax would store); sums are float64 in
 * the canonical order: row sums go to the workspace and are added in order of (n, y). */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/row_sum.h"
#include "kernels/cpu/rows/softmax_cpu.h"

#include "core/checked.h"

#include <float.h>

/* One row's part of the loss. */
typedef struct row_loss {
    double loss;
    int32_t kept;
    int32_t bad_x; /* the first column with a kept label outside [0, classes), or -1 */
} row_loss;

size_t sa_cpu_loss_workspace_bytes(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width)
{
    (void)device, (void)classes, (void)width;
    return (size_t)images * (size_t)height * sizeof(row_loss);
}

/* label[i] = the label, truncated; weight[i] = its weight, 0 if ignored or outside [0, classes). */
static void load_labels(const sa_loss_config *config, const sa_source *source, int n, int y, int x, int count, float *scratch,
                        int32_t *label, float *weight)
{
    const float *value = sa_cpu_pull(source, source->count - 1, n, 0, y, x, count, scratch);
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

/* prob[i] = the probability of the pixel's label */
static void label_probability(const sa_softmax_loss_args *args, int n, int y, int x, int count, const int32_t *label,
                              float *scratch, float *prob)
{
    _Alignas(64) float max[SA_CPU_SEGMENT], sum[SA_CPU_SEGMENT], exponential[SA_CPU_SEGMENT];
    const sa_source *scores = &args->scores;
    const int classes = args->config.classes;
    memset(prob, 0, (size_t)count * sizeof *prob);
    memset(sum, 0, (size_t)count * sizeof *sum);
    if (!args->is_prob) sa_softmax_max(scores, classes, n, y, x, count, scratch, max);
    for (int c = 0; c < classes; c++) {
        const float *value = sa_cpu_pull(scores, scores->count - 1, n, c, y, x, count, scratch);
        if (!args->is_prob) {
            sa_softmax_exponential(value, max, count, exponential);
            sa_softmax_add(exponential, count, sum);
            value = exponential;
        }
        for (int i = 0; i < count; i++) prob[i] = label[i] == c ? value[i] : prob[i];
    }
    if (args->is_prob) return;
    for (int i = 0; i < count; i++) prob[i] = prob[i] / sum[i];
}

static row_loss loss_of_row(const sa_softmax_loss_args *args, int n, int y, float *scratch)
{
    _Alignas(64) float prob[SA_CPU_SEGMENT], weight[SA_CPU_SEGMENT];
    _Alignas(64) int32_t label[SA_CPU_SEGMENT];
    const sa_loss_config *config = &args->config;
    const int width = sa_source_root(&args->label)->width;
    sa_row_lanes sum = {{0}, {0}};
    row_loss row = {0.0, 0, -1};
    for (int x = 0; x < width; x += SA_CPU_SEGMENT) {
        int count = sa_min_int(SA_CPU_SEGMENT, width - x), outside = 0, kept = 0;
        load_labels(config, &args->label, n, y, x, count, scratch, label, weight);
        for (int i = 0; i < count; i++) {
            int counts = !(config->has_ignore && label[i] == config->ignore_label);
            kept += counts;
            outside += counts & ((uint32_t)label[i] >= (uint32_t)config->classes);
        }
        for (int i = 0; outside && row.bad_x < 0 && i < count; i++) {
            bool ignored = config->has_ignore && label[i] == config->ignore_label;
            if (!ignored && (label[i] < 0 || label[i] >= config->classes)) row.bad_x = x + i;
        }
        label_probability(args, n, y, x, count, label, scratch, prob);
        for (int i = 0; i < count; i++) prob[i] = prob[i] < FLT_MIN ? FLT_MIN : prob[i]; /* a NaN must reach the loss */
        for (int i = 0; i < count; i++) prob[i] = -weight[i] * sa_logf(prob[i]);
        for (int i = 0; i < count; i++) prob[i] = weight[i] != 0.0f ? prob[i] : 0.0f;
        sa_row_add(&sum, prob, count);
        row.kept += kept;
    }
    row.loss = sa_row_total(&sum);
    return row;
}

sa_status sa_cpu_softmax_loss(sa_device *device, const sa_softmax_loss_args *args)
{
    const int height = sa_source_root(&args->label)->height;
    int32_t first;
    const int32_t images = sa_source_images(&args->label, &first);
    const int64_t rows = (int64_t)images * height;
    if (args->workspace_bytes < (size_t)rows * sizeof(row_loss))
        SA_FAIL(SA_CAPACITY, "softmax_loss: a workspace of %zu bytes for %lld rows", args->workspace_bytes, (long long)rows);
    row_loss *row_losses = args->workspace.ptr; /* (N, H) */
    const double scores = (double)rows * sa_source_root(&args->label)->width * args->config.classes;
#pragma omp parallel num_threads(sa_cpu_crew(device, 4 * scores))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++)
            row_losses[row] = loss_of_row(args, first + (int)(row / height), (int)(row % height), scratch);
    }
    double sum = 0.0;
    int64_t kept = 0;
    for (int64_t row = 0; row < rows; row++) {
        if (row_losses[row].bad_x >= 0) {
            _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
            int n = first + (int)(row / height), y = (int)(row % height), x = row_losses[row].bad_x;
            const float *label = sa_cpu_pull(&args->label, args->label.count - 1, n, 0, y, x, 1, scratch);
            SA_FAIL(SA_NUMERIC, "softmax_loss: label %g of pixel (n %d, y %d, x %d) is outside the %d classes", (double)*label, n,
                    y, x, args->config.classes);
        }
        sum += row_losses[row].loss;
        kept += row_losses[row].kept;
    }
    /* Without a kept pixel the loss is 0 and so is every gradient. */
    const float divisor = args->config.normalize ? (float)(kept > 0 ? kept : 1) : (float)images;
    *(float *)args->divisor.ptr = divisor;
    *(float *)args->loss.ptr = (float)(sum / (double)divisor);
    return SA_OK;
}

/* out = ((p - [c = l]) * a_l * loss_weight) / D. The exponentials go to the output first, as in sa_cpu_softmax. */
static void gradient_segment(const sa_softmax_loss_grad_args *args, int n, int y, int x, int count, float *scratch)
{
    _Alignas(64) float max[SA_CPU_SEGMENT], sum[SA_CPU_SEGMENT], weight[SA_CPU_SEGMENT];
    _Alignas(64) int32_t label[SA_CPU_SEGMENT];
    const sa_source *scores = &args->scores;
    const int classes = args->config.classes;
    const float divisor = *(const float *)args->divisor.ptr, loss_weight = args->config.loss_weight;
    load_labels(&args->config, &args->label, n, y, x, count, scratch, label, weight);
    for (int i = 0; i < count; i++) sum[i] = args->is_prob ? 1.0f : 0.0f;
    if (!args->is_prob) {
        sa_softmax_max(scores, classes, n, y, x, count, scratch, max);
        for (int c = 0; c < classes; c++) {
            float *out = (float *)sa_slab_row(&args->out, n, c, y) + x;
            sa_softmax_exponential(sa_cpu_pull(scores, scores->count - 1, n, c, y, x, count, scratch), max, count, out);
            sa_softmax_add(out, count, sum);
        }
    }
    for (int c = 0; c < classes; c++) {
        float *out = (float *)sa_slab_row(&args->out, n, c, y) + x;
        const float *value = args->is_prob ? sa_cpu_pull(scores, scores->count - 1, n, c, y, x, count, scratch) : out;
#pragma omp simd
        for (int i = 0; i < count; i++) {
            float difference = value[i] / sum[i] - (label[i] == c ? 1.0f : 0.0f);
            float gradient = difference * weight[i] * loss_weight / divisor;
            out[i] = weight[i] != 0.0f ? gradient : 0.0f;
        }
    }
}

sa_status sa_cpu_softmax_loss_grad(sa_device *device, const sa_softmax_loss_grad_args *args)
{
    const int height = args->out.height, width = args->out.width;
    const int64_t rows = (int64_t)args->out.images * height;
#pragma omp parallel num_threads(sa_cpu_crew(device, 5.0 * (double)rows * width * args->config.classes))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) {
            int n = args->out.image_begin + (int)(row / height), y = (int)(row % height);
            for (int x = 0; x < width; x += SA_CPU_SEGMENT)
                gradient_segment(args, n, y, x, sa_min_int(SA_CPU_SEGMENT, width - x), scratch);
        }
    }
    return SA_OK;
}
