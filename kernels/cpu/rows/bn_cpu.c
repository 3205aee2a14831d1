/* Batch normalisation's reductions on the CPU: statistics, and the sums that its gradient needs.
 *
 * Both are a sum over the rows of a channel of two canonical row sums. The threads share the rows, of a few channels at a time, and
 * the row sums are added in order afterwards. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/operand_cpu.h"
#include "kernels/cpu/rows/row_sum.h"
#include "kernels/cpu/work_share.h"

#include "core/checked.h"

#include <math.h>

enum { ROW_SUMS = 8192, CHANNELS_AT_ONCE = 16, BAND_ROWS = 16 };

typedef struct reduction {
    sa_range range;
    int height, width;
    const sa_source *sum;    /* sum of these */
    const sa_source *factor; /* and of their product with these; NULL: with themselves */
    void (*finish)(const struct reduction *reduction, int c, double sum, double product);
    const void *args;
} reduction;

/* Adds dy to `sum` and dy * xhat to `product`. */
SA_INLINE void add_gradient(const sa_gradient *dy, sa_steps gate_steps, const sa_operand *xhat, sa_steps steps, int count,
                            sa_row_lanes *sum, sa_row_lanes *product)
{
    sa_row_lanes s = *sum, p = *product; /* copies, which the compiler keeps in registers */
    for (int i = 0; i < count; i += SA_LANES) {
        sa_f32x16 factor = sa_operand_load(xhat, steps, i, count - i);
        sa_row_add_products(&s, &p, sa_gradient_load(dy, gate_steps, i, count - i, factor), factor);
    }
    *sum = s;
    *product = p;
}

SA_INLINE void add_gradient_of_gate(const sa_operand *xhat, sa_steps steps, const sa_gradient *dy, int count, sa_row_lanes *sum,
                                    sa_row_lanes *product)
{
    SA_FOR_GATE(add_gradient, dy, xhat, steps, count, sum, product)
}

static void reduce_row(const reduction *r, int n, int c, int y, float *scratch, double result[2])
{
    sa_row_lanes sum = {{0}, {0}}, product = {{0}, {0}};
    const int length = sa_cpu_piece_length(r->width, SA_CPU_SEGMENT);
    for (int x = 0; x < r->width; x += length) {
        const int count = sa_min_int(length, r->width - x);
        if (!r->factor) {
            sa_row_add_square(&sum, &product, sa_cpu_pull(r->sum, r->sum->count - 1, n, c, y, x, count, scratch), count);
            continue;
        }
        const sa_cpu_piece dy_piece = {r->sum, n, c, y, x, count, scratch};
        const sa_cpu_piece factor_piece = {r->factor, n, c, y, x, count, scratch + SA_CPU_SCRATCH_FLOATS};
        sa_gradient dy = sa_cpu_pull_gradient(&dy_piece, r->sum->count - 1);
        const sa_operand factor = sa_cpu_pull_operand(&factor_piece, r->factor->count - 1);
        sa_gradient_share(&dy, &factor);
        SA_FOR_STEPS(add_gradient_of_gate, &factor, &dy, count, &sum, &product)
    }
    result[0] = sa_row_total(&sum);
    result[1] = sa_row_total(&product);
}

/* Row sums of channels from c on over rows [begin, end) of the range, all images', shared by the threads as bands. */
static void reduce_rows(const sa_device *device, const reduction *r, int c, int channels, int64_t begin, int64_t end,
                        double (*row_sums)[2])
{
    const int rows = (int)(end - begin);
    sa_work_share share;
    const int nodes = r->sum->count + (r->factor ? r->factor->count : 0);
    const int threads = sa_cpu_crew(device, 0.5 * nodes * channels * rows * r->width);
    const int band_rows = sa_max_int(BAND_ROWS, rows / (4 * threads));
    sa_work_share_start(&share, (rows + band_rows - 1) / band_rows, threads);
#pragma omp parallel num_threads(threads)
    {
        _Alignas(64) float scratch[2 * SA_CPU_SCRATCH_FLOATS];
        for (int item; sa_work_share_take(&share, &item);)
            for (int k = 0; k < channels; k++)
                for (int i = item * band_rows; i < sa_min_int((item + 1) * band_rows, rows); i++) {
                    const int n = r->range.image_begin + (int)((begin + i) / r->height), y = (int)((begin + i) % r->height);
                    reduce_row(r, n, c + k, y, scratch, row_sums[(size_t)k * (size_t)rows + (size_t)i]);
                }
    }
}

static void reduce(const sa_device *device, const reduction *r)
{
    double row_sums[ROW_SUMS][2]; /* (channels, rows) */
    const int64_t rows = (int64_t)(r->range.image_end - r->range.image_begin) * r->height;
    const int at_once = rows * CHANNELS_AT_ONCE <= ROW_SUMS ? CHANNELS_AT_ONCE : rows < ROW_SUMS ? (int)(ROW_SUMS / rows) : 1;
    for (int c = r->range.channel_begin; c < r->range.channel_end; c += at_once) {
        const int channels = sa_min_int(at_once, r->range.channel_end - c);
        double total[CHANNELS_AT_ONCE][2] = {{0.0}};
        for (int64_t begin = 0; begin < rows; begin += ROW_SUMS) {
            const int64_t end = begin + ROW_SUMS < rows ? begin + ROW_SUMS : rows;
            reduce_rows(device, r, c, channels, begin, end, row_sums);
            for (int64_t i = 0; i < channels * (end - begin); i++) {
                total[i / (end - begin)][0] += row_sums[i][0];
                total[i / (end - begin)][1] += row_sums[i][1];
            }
        }
        for (int k = 0; k < channels; k++) r->finish(r, c + k, total[k][0], total[k][1]);
    }
}

static void finish_statistics(const reduction *r, int c, double sum, double product)
{
    const sa_bn_statistics_args *args = r->args;
    double count = (double)(r->range.image_end - r->range.image_begin) * (double)r->height * (double)r->width;
    double mean = sum / count, var = product / count - mean * mean;
    if (var < 0.0) var = 0.0; /* cancellation of a constant channel; NaN stays */
    ((float *)args->mean.ptr)[c] = (float)mean;
    ((float *)args->inv_std.ptr)[c] = (float)(1.0 / sqrt(var + (double)args->eps));
    if (args->var.ptr) ((float *)args->var.ptr)[c] = (float)var;
}

sa_status sa_cpu_bn_statistics(sa_device *device, const sa_bn_statistics_args *args)
{
    const sa_node *x = sa_source_root(&args->x);
    reduction r = {args->range, x->height, x->width, &args->x, NULL, finish_statistics, args};
    reduce(device, &r);
    return SA_OK;
}

static void finish_gradient(const reduction *r, int c, double sum, double product)
{
    const sa_bn_reduce_args *args = r->args;
    ((float *)args->dgamma.ptr)[c] = (float)product;
    ((float *)args->dbeta.ptr)[c] = (float)sum;
}

sa_status sa_cpu_bn_reduce(sa_device *device, const sa_bn_reduce_args *args)
{
    const sa_node *dy = sa_source_root(&args->dy);
    reduction r = {args->range, dy->height, dy->width, &args->dy, &args->xhat, finish_gradient, args};
    reduce(device, &r);
    return SA_OK;
}

/* Row sums lie on threads' stacks. */
size_t sa_cpu_reduce_workspace_bytes(const sa_device *device, int32_t images, int32_t channels, int32_t height)
{
    (void)device, (void)images, (void)channels, (void)height;
    return 0;
}
