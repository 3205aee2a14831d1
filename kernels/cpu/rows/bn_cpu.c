/* Batch normalisation's reductions on the CPU: statistics, and the sums that its gradient needs.
 *
 * Both are a sum over the rows of a channel (or another group of rows) of two canonical row sums. The threads share the rows, of a
 * few groups at a time, and the row sums are added in order afterwards. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/operand_cpu.h"
#include "kernels/cpu/rows/row_sum.h"
#include "kernels/cpu/work_share.h"
#include "kernels/row_groups.h"

#include "core/checked.h"

#include <math.h>

enum { ROW_SUMS = 8192, GROUPS_AT_ONCE = 16, BAND_ROWS = 16 };

typedef struct reduction {
    sa_row_groups groups;
    const sa_spread *spread; /* of what is made */
    int width;
    const sa_source *sum;    /* sum of these */
    const sa_source *factor; /* and of their product with these; NULL: with themselves */
    void (*finish)(const struct reduction *reduction, size_t index, double sum, double product);
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

/* Sums of rows [begin, end) of groups from `first` on, shared by the threads as bands. */
static void reduce_rows(const sa_device *device, const reduction *r, int first, int groups, int64_t begin, int64_t end,
                        double (*row_sums)[2])
{
    const int rows = (int)(end - begin);
    sa_work_share share;
    const int nodes = r->sum->count + (r->factor ? r->factor->count : 0);
    const int threads = sa_cpu_crew(device, 0.5 * nodes * groups * rows * r->width);
    const int band_rows = sa_max_int(BAND_ROWS, rows / (4 * threads));
    sa_work_share_start(&share, (rows + band_rows - 1) / band_rows, threads);
#pragma omp parallel num_threads(threads)
    {
        _Alignas(64) float scratch[2 * SA_CPU_SCRATCH_FLOATS];
        for (int item; sa_work_share_take(&share, &item);)
            for (int k = 0; k < groups; k++)
                for (int i = item * band_rows; i < sa_min_int((item + 1) * band_rows, rows); i++) {
                    int n, c, y;
                    sa_row_groups_find(&r->groups, first + k, (int)begin + i, &n, &c, &y);
                    reduce_row(r, n, c, y, scratch, row_sums[(size_t)k * (size_t)rows + (size_t)i]);
                }
    }
}

static void reduce(const sa_device *device, const reduction *r)
{
    double row_sums[ROW_SUMS][2]; /* (groups, rows) */
    const int64_t rows = r->groups.each;
    const int at_once = rows * GROUPS_AT_ONCE <= ROW_SUMS ? GROUPS_AT_ONCE : rows < ROW_SUMS ? (int)(ROW_SUMS / rows) : 1;
    for (int first = 0; first < r->groups.count; first += at_once) {
        const int groups = sa_min_int(at_once, r->groups.count - first);
        double total[GROUPS_AT_ONCE][2] = {{0.0}};
        for (int64_t begin = 0; begin < rows; begin += ROW_SUMS) {
            const int64_t end = begin + ROW_SUMS < rows ? begin + ROW_SUMS : rows;
            reduce_rows(device, r, first, groups, begin, end, row_sums);
            for (int64_t i = 0; i < groups * (end - begin); i++) {
                total[i / (end - begin)][0] += row_sums[i][0];
                total[i / (end - begin)][1] += row_sums[i][1];
            }
        }
        for (int k = 0; k < groups; k++)
            r->finish(r, sa_row_groups_index(&r->groups, first + k, r->spread), total[k][0], total[k][1]);
    }
}

static void finish_statistics(const reduction *r, size_t index, double sum, double product)
{
    const sa_bn_statistics_args *args = r->args;
    double count = (double)r->groups.each * (double)r->width;
    double mean = sum / count, var = product / count - mean * mean, eps = (double)args->eps;
    if (var < 0.0) var = 0.0; /* cancellation of a constant channel; NaN stays */
    if (args->mean.ptr) ((float *)args->mean.ptr)[index] = (float)mean;
    if (args->inv_std.ptr)
        ((float *)args->inv_std.ptr)[index] = (float)(1.0 / (args->eps_outside ? sqrt(var) + eps : sqrt(var + eps)));
    if (args->var.ptr) ((float *)args->var.ptr)[index] = (float)var;
}

sa_status sa_cpu_bn_statistics(sa_device *device, const sa_bn_statistics_args *args)
{
    const sa_node *x = sa_source_root(&args->x);
    const reduction r = {.groups = sa_row_groups_of(&args->range, x->height, &args->spread),
                         .spread = &args->spread,
                         .width = x->width,
                         .sum = &args->x,
                         .finish = finish_statistics,
                         .args = args};
    reduce(device, &r);
    return SA_OK;
}

/* By one shard's statistics. */
static void add_to_running(const sa_bn_running_args *args, const float *mean, const float *var)
{
    float *sum_mean = args->sum_mean.ptr, *sum_var = args->sum_var.ptr, *weight = args->weight.ptr;
    for (int c = args->begin; c < args->end; c++) {
        sum_mean[c] = mean[c] + args->fraction * sum_mean[c];
        sum_var[c] = args->correction * var[c] + args->fraction * sum_var[c];
    }
    if (args->begin == 0) *weight = 1.0f + args->fraction * *weight;
}

sa_status sa_cpu_bn_running(sa_device *device, const sa_bn_running_args *args)
{
    const float *mean = args->mean.ptr, *var = args->var.ptr, *means = args->means.ptr, *vars = args->vars.ptr;
    const int32_t shards = args->ranks > 1 ? ((const sa_step_state *)args->step_state.ptr)->shards : 1;
    (void)device;
    for (int32_t rank = 0; rank < shards; rank++) {
        const bool own = args->ranks <= 1 || rank == args->rank;
        const size_t part = own ? 0 : (size_t)args->end * (size_t)(rank < args->rank ? rank : rank - 1);
        add_to_running(args, own ? mean : means + part, own ? var : vars + part);
    }
    return SA_OK;
}

sa_status sa_cpu_bn_stored(sa_device *device, const sa_bn_stored_args *args)
{
    const float *sum_mean = args->sum_mean.ptr, *sum_var = args->sum_var.ptr, weight = *(const float *)args->weight.ptr;
    const float share = weight == 0.0f ? 0.0f : 1.0f / weight;
    (void)device;
    for (int c = args->begin; c < args->end; c++) {
        ((float *)args->mean.ptr)[c] = share * sum_mean[c];
        ((float *)args->inv_std.ptr)[c] = (float)(1.0 / sqrt((double)(share * sum_var[c]) + (double)args->eps));
    }
    return SA_OK;
}

static void finish_gradient(const reduction *r, size_t index, double sum, double product)
{
    const sa_bn_reduce_args *args = r->args;
    if (args->dgamma.ptr) ((float *)args->dgamma.ptr)[index] = (float)product;
    if (args->dbeta.ptr) ((float *)args->dbeta.ptr)[index] = (float)sum;
}

/* Columns [x, x + count) of one group, one sum per column. */
static void reduce_columns(const reduction *r, int group, int x, int count, float *scratch)
{
    const sa_bn_reduce_args *args = r->args;
    double sum[SA_CPU_SEGMENT] = {0.0}, product[SA_CPU_SEGMENT] = {0.0};
    for (int i = 0; i < r->groups.each; i++) {
        int n, c, y;
        sa_row_groups_find(&r->groups, group, i, &n, &c, &y);
        const float *dy = sa_cpu_pull(r->sum, r->sum->count - 1, n, c, y, x, count, scratch);
        const float *factor = sa_cpu_pull(r->factor, r->factor->count - 1, n, c, y, x, count, scratch + SA_CPU_SCRATCH_FLOATS);
#pragma omp simd
        for (int k = 0; k < count; k++) {
            sum[k] = sum[k] + (double)dy[k];
            product[k] = product[k] + (double)dy[k] * (double)factor[k];
        }
    }
    const size_t first = sa_row_groups_index(&r->groups, group, &args->spread), step = (size_t)args->spread.column;
    for (int k = 0; k < count; k++) finish_gradient(r, first + (size_t)(x + k) * step, sum[k], product[k]);
}

static void reduce_by_column(const sa_device *device, const reduction *r)
{
    const int pieces = (r->width + SA_CPU_SEGMENT - 1) / SA_CPU_SEGMENT;
    const int nodes = r->sum->count + r->factor->count;
    const int threads = sa_cpu_crew(device, 0.5 * nodes * r->groups.count * r->groups.each * r->width);
#pragma omp parallel num_threads(threads)
    {
        _Alignas(64) float scratch[2 * SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int item = 0; item < r->groups.count * pieces; item++) {
            const int x = item % pieces * SA_CPU_SEGMENT;
            reduce_columns(r, item / pieces, x, sa_min_int(SA_CPU_SEGMENT, r->width - x), scratch);
        }
    }
}

sa_status sa_cpu_bn_reduce(sa_device *device, const sa_bn_reduce_args *args)
{
    const sa_node *dy = sa_source_root(&args->dy);
    const reduction r = {.groups = sa_row_groups_of(&args->range, dy->height, &args->spread),
                         .spread = &args->spread,
                         .width = dy->width,
                         .sum = &args->dy,
                         .factor = &args->xhat,
                         .finish = finish_gradient,
                         .args = args};
    if (args->spread.column) reduce_by_column(device, &r);
    else reduce(device, &r);
    return SA_OK;
}

/* Row sums lie on threads' stacks. */
size_t sa_cpu_reduce_workspace_bytes(const sa_device *device, int32_t images, int32_t channels, int32_t height)
{
    (void)device, (void)images, (void)channels, (void)height;
    return 0;
}
