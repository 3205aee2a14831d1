/* The losses on the CPU: what each row of pixels adds, and their sum. Gradients are in loss_grad_cpu.c.
 *
 * A pixel's or an element's part is float32 (the probability of a label has the bits that sa_cpu_softmax would store); sums are
 * float64 in the canonical order: row sums go to the workspace and are added in order of (n, y). */
#include "kernels/cpu/rows/loss_cpu.h"
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/row_sum.h"

#include "core/checked.h"

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

/* prob[i] = the probability of the pixel's label */
static void label_probability(const sa_loss_args *args, const sa_pixels *at, const int32_t *label, float *prob)
{
    _Alignas(64) float max[SA_CPU_SEGMENT], sum[SA_CPU_SEGMENT], exponential[SA_CPU_SEGMENT];
    const int classes = args->config.classes, count = at->count;
    memset(prob, 0, (size_t)count * sizeof *prob);
    memset(sum, 0, (size_t)count * sizeof *sum);
    if (!args->is_prob) sa_softmax_max(&args->scores, classes, at->n, at->y, at->x, count, at->scratch, max);
    for (int c = 0; c < classes; c++) {
        const float *value = sa_pull_scores(&args->scores, at, c);
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

/* SOFTMAX and MULTINOMIAL */
static void add_log_loss(const sa_loss_args *args, const sa_pixels *at, const int32_t *label, const float *weight,
                         sa_row_lanes *sum)
{
    _Alignas(64) float prob[SA_CPU_SEGMENT];
    const float least = sa_loss_least(args->config.kind);
    const int count = at->count;
    label_probability(args, at, label, prob);
    for (int i = 0; i < count; i++) prob[i] = sa_loss_clamp(prob[i], least);
    for (int i = 0; i < count; i++) prob[i] = -weight[i] * sa_logf(prob[i]);
    for (int i = 0; i < count; i++) prob[i] = weight[i] != 0.0f ? prob[i] : 0.0f;
    sa_row_add(sum, prob, count);
}

/* A pixel's parts are added channel after channel: total[i] += term[i]. */
static void add_part(const float *term, int count, double *total)
{
    for (int i = 0; i < count; i++) total[i] += (double)term[i];
}

static void add_infogain(const sa_loss_args *args, const sa_pixels *at, const int32_t *label, const float *weight, double *total)
{
    _Alignas(64) float max[SA_CPU_SEGMENT], sum[SA_CPU_SEGMENT], term[SA_CPU_SEGMENT];
    const int classes = args->config.classes, count = at->count;
    const float *gain = args->table.ptr; /* (classes, classes) */
    if (!args->is_prob) sa_softmax_max(&args->scores, classes, at->n, at->y, at->x, count, at->scratch, max);
    for (int i = 0; i < count; i++) sum[i] = args->is_prob ? 1.0f : 0.0f;
    for (int c = 0; c < classes && !args->is_prob; c++) {
        sa_softmax_exponential(sa_pull_scores(&args->scores, at, c), max, count, term);
        sa_softmax_add(term, count, sum);
    }
    for (int c = 0; c < classes; c++) {
        const float *score = sa_pull_scores(&args->scores, at, c);
        if (!args->is_prob) sa_softmax_exponential(score, max, count, term);
        else memcpy(term, score, (size_t)count * sizeof *term);
        for (int i = 0; i < count; i++) {
            const float h = weight[i] != 0.0f ? gain[(size_t)label[i] * (size_t)classes + (size_t)c] : 0.0f;
            const float part = -h * sa_logf(sa_loss_clamp(term[i] / sum[i], sa_loss_least(SA_LOSS_INFOGAIN)));
            term[i] = weight[i] != 0.0f ? part : 0.0f;
        }
        add_part(term, count, total);
    }
}

static void add_hinge(const sa_loss_args *args, const sa_pixels *at, const int32_t *label, const float *weight, double *total)
{
    _Alignas(64) float term[SA_CPU_SEGMENT];
    const bool squared = args->config.kind == SA_LOSS_HINGE_L2;
    for (int c = 0; c < args->config.classes; c++) {
        const float *score = sa_pull_scores(&args->scores, at, c);
        for (int i = 0; i < at->count; i++) term[i] = sa_hinge_margin(score[i], label[i] == c);
        for (int i = 0; squared && i < at->count; i++) term[i] = term[i] * term[i];
        for (int i = 0; i < at->count; i++) term[i] = weight[i] != 0.0f ? term[i] : 0.0f;
        add_part(term, at->count, total);
    }
}

/* EUCLIDEAN and SIGMOID; returns how many of SIGMOID's elements count. */
static int add_elements(const sa_loss_args *args, const sa_pixels *at, double *total)
{
    _Alignas(64) float term[SA_CPU_SEGMENT];
    const sa_loss_config *config = &args->config;
    const bool has_ignore = config->has_ignore && config->kind == SA_LOSS_SIGMOID;
    int kept = config->kind == SA_LOSS_SIGMOID ? at->count * config->classes : 0;
    for (int c = 0; c < config->classes; c++) {
        const float *a = sa_pull_scores(&args->scores, at, c), *b = sa_pull_beside(&args->label, at, c);
        if (config->kind == SA_LOSS_EUCLIDEAN)
            for (int i = 0; i < at->count; i++) term[i] = sa_euclidean_term(a[i], b[i]);
        else
            for (int i = 0; i < at->count; i++) term[i] = sa_sigmoid_term(a[i], b[i]);
        for (int i = 0; has_ignore && i < at->count; i++) {
            const bool ignored = (int32_t)b[i] == config->ignore_label;
            term[i] = ignored ? 0.0f : term[i];
            kept -= ignored;
        }
        add_part(term, at->count, total);
    }
    return kept;
}

static void add_contrastive(const sa_loss_args *args, const sa_pixels *at, double *total)
{
    _Alignas(64) float square[SA_CPU_SEGMENT];
    const float *similar = sa_similarity(&args->table, &args->scores, at);
    sa_square_distance(&args->scores, &args->label, args->config.classes, at, square);
    for (int i = 0; i < at->count; i++)
        square[i] = sa_contrastive_term(args->config.kind, square[i], (int32_t)similar[i] != 0, args->config.margin);
    add_part(square, at->count, total);
}

/* Counts the kept pixels; *bad_x as in row_loss. */
static int count_labels(const sa_loss_config *config, const sa_pixels *at, const int32_t *label, int32_t *bad_x)
{
    int kept = 0, outside = 0;
    for (int i = 0; i < at->count; i++) {
        int counts = !(config->has_ignore && label[i] == config->ignore_label);
        kept += counts;
        outside += counts & ((uint32_t)label[i] >= (uint32_t)config->classes);
    }
    for (int i = 0; outside && *bad_x < 0 && i < at->count; i++) {
        bool ignored = config->has_ignore && label[i] == config->ignore_label;
        if (!ignored && (label[i] < 0 || label[i] >= config->classes)) *bad_x = at->x + i;
    }
    return kept;
}

static row_loss loss_of_row(const sa_loss_args *args, int n, int y, float *scratch)
{
    _Alignas(64) float weight[SA_CPU_SEGMENT];
    _Alignas(64) int32_t label[SA_CPU_SEGMENT];
    double total[SA_CPU_SEGMENT]; /* of each pixel, where channels add parts */
    const sa_loss_config *config = &args->config;
    const int width = sa_source_root(&args->scores)->width;
    sa_row_lanes sum = {{0}, {0}};
    row_loss row = {0.0, 0, -1};
    for (int x = 0; x < width; x += SA_CPU_SEGMENT) {
        const sa_pixels at = {n, y, x, sa_min_int(SA_CPU_SEGMENT, width - x), scratch};
        if (sa_loss_has_labels(config->kind)) {
            sa_load_labels(config, &args->label, &at, label, weight);
            row.kept += count_labels(config, &at, label, &row.bad_x);
        }
        if (config->kind == SA_LOSS_SOFTMAX || config->kind == SA_LOSS_MULTINOMIAL) {
            add_log_loss(args, &at, label, weight, &sum);
            continue;
        }
        memset(total, 0, (size_t)at.count * sizeof *total);
        if (config->kind == SA_LOSS_INFOGAIN) add_infogain(args, &at, label, weight, total);
        else if (sa_loss_has_labels(config->kind)) add_hinge(args, &at, label, weight, total);
        else if (config->kind == SA_LOSS_EUCLIDEAN || config->kind == SA_LOSS_SIGMOID) row.kept += add_elements(args, &at, total);
        else add_contrastive(args, &at, total);
        sa_row_add_f64(&sum, total, at.count);
    }
    row.loss = sa_row_total(&sum);
    return row;
}

static sa_status bad_label(const sa_loss_args *args, int n, int y, int x)
{
    _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
    const float *label = sa_cpu_pull(&args->label, args->label.count - 1, n, 0, y, x, 1, scratch);
    SA_FAIL(SA_NUMERIC, "loss: label %g of pixel (n %d, y %d, x %d) is outside the %d classes", (double)*label, n, y, x,
            args->config.classes);
}

sa_status sa_cpu_loss(sa_device *device, const sa_loss_args *args)
{
    const sa_node *pixel = sa_source_root(&args->scores);
    int32_t first;
    const int32_t images = sa_source_images(&args->scores, &first);
    const int64_t rows = (int64_t)images * pixel->height;
    if (args->workspace_bytes < (size_t)rows * sizeof(row_loss))
        SA_FAIL(SA_CAPACITY, "loss: a workspace of %zu bytes for %lld rows", args->workspace_bytes, (long long)rows);
    row_loss *row_losses = args->workspace.ptr; /* (N, H) */
    const double scores = (double)rows * pixel->width * args->config.classes;
#pragma omp parallel num_threads(sa_cpu_crew(device, 4 * scores))
    {
        _Alignas(64) float scratch[2 * SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++)
            row_losses[row] = loss_of_row(args, first + (int)(row / pixel->height), (int)(row % pixel->height), scratch);
    }
    double sum = 0.0;
    int64_t kept = 0;
    for (int64_t row = 0; row < rows; row++) {
        if (row_losses[row].bad_x >= 0)
            return bad_label(args, first + (int)(row / pixel->height), (int)(row % pixel->height), row_losses[row].bad_x);
        sum += row_losses[row].loss;
        kept += row_losses[row].kept;
    }
    /* Without a kept pixel the loss is 0 and so is every gradient. */
    const float divisor = args->config.divisor > 0.0f ? args->config.divisor : (float)(kept > 0 ? kept : 1);
    *(float *)args->divisor.ptr = divisor;
    *(float *)args->loss.ptr = (float)(sum / (double)divisor);
    return SA_OK;
}
