/* Batch normalisation's reductions on CUDA: statistics, the gradient's sums, and a convolution's bias gradient.
 *
 * Two kernels: the whole card sums rows, half a warp per row, into the workspace; then one block per channel adds its rows in order
 * of (n, y). The order does not depend on how rows are shared out. A bias gradient without room in its workspace takes both steps
 * in one block per channel: the same additions. */
#include "kernels/cuda/bn.cuh"

#include "kernels/cuda/eval_launch.cuh"
#include "kernels/cuda/row_reduce.cuh"
#include "kernels/row_groups.h"

enum reduce_kind { REDUCE_STATISTICS, REDUCE_GRADIENT, REDUCE_SUM };

/* What becomes of the sum and product of a group of rows, a channel mostly. Each output may be NULL. */
struct sa_reduce_output {
    int kind;
    float eps;
    bool eps_outside;
    double count;
    float *mean, *inv_std, *var; /* STATISTICS */
    float *dgamma, *dbeta;       /* GRADIENT: product, sum */
    float *sum;                  /* SUM */
    bool accumulate;             /* SUM: added to */
    int part_rows;               /* SUM: so many rows, an image's, are rounded to float32 before the next are added; 0: all */
};

static __device__ void finish_group(const sa_reduce_output &out, size_t index, double sum, double product, bool accumulate)
{
    if (out.kind == REDUCE_STATISTICS) {
        const double mean = sum / out.count, eps = (double)out.eps;
        double var = product / out.count - mean * mean;
        if (var < 0.0) var = 0.0; /* cancellation of a constant channel; NaN stays */
        if (out.mean) out.mean[index] = (float)mean;
        if (out.inv_std) out.inv_std[index] = (float)(1.0 / (out.eps_outside ? sqrt(var) + eps : sqrt(var + eps)));
        if (out.var) out.var[index] = (float)var;
    } else if (out.kind == REDUCE_GRADIENT) {
        if (out.dgamma) out.dgamma[index] = (float)product;
        if (out.dbeta) out.dbeta[index] = (float)sum;
    } else {
        out.sum[index] = accumulate ? out.sum[index] + (float)sum : (float)sum;
    }
}

/* This thread's lane of one row: sums of a and of a * b over columns lane, lane + 16, ... */
template <class E>
static __device__ __forceinline__ void reduce_lane(const sa_program<E> &program, const sa_pieces &pieces, int n, int c, int y,
                                                   int lane, float *slots, double &sum, double &product)
{
    for (int x = lane; x < pieces.width; x += SA_ROW_LANES * SA_EVAL_LANES) {
        sa_lanes at = sa_row_lanes(n, c, y, x, SA_ROW_LANES, pieces.width);
        float a[SA_EVAL_LANES], b[SA_EVAL_LANES];
        sa_eval_pair<E>(program, at, slots, a, b);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            if (!(at.valid >> e & 1)) continue;
            sum = sum + (double)a[e];
            product = product + (double)a[e] * (double)b[e];
        }
    }
}

/* The sums of one row. */
struct sa_row_sums {
    double sum, product;
};
static_assert(sizeof(sa_row_sums) == SA_CUDA_ROW_SUMS_BYTES, "workspaces are planned with this size");

/* The row of this half warp, `row` of a group; nothing behind the last. Lane 0 has the sums. */
template <class E>
static __device__ __forceinline__ sa_row_sums reduce_row(const sa_program<E> &program, const sa_pieces &pieces,
                                                         const sa_row_groups &groups, int group, int row, float *slots)
{
    sa_row_sums sums = {0.0, 0.0};
    if (row < groups.each) {
        int n, c, y;
        sa_row_groups_find(&groups, group, row, &n, &c, &y);
        reduce_lane<E>(program, pieces, n, c, y, (int)(threadIdx.x % SA_ROW_LANES), slots, sums.sum, sums.product);
    }
    sums.sum = sa_add_lanes(sums.sum);
    sums.product = sa_add_lanes(sums.product);
    return sums;
}

/* Thread 0 adds up to `count` rows of shared memory, in order; the first is row `first` of the group, whose output is `index`.
 * Parts that end there are finished. */
static __device__ __forceinline__ void add_rows(const sa_row_sums *some, int first, int count, const sa_reduce_output &out,
                                                size_t index, sa_row_sums &total)
{
    for (int r = 0; r < count; r++) {
        const int end = first + r + 1;
        total.sum = total.sum + some[r].sum;
        total.product = total.product + some[r].product;
        if (out.part_rows == 0 || end % out.part_rows != 0) continue;
        finish_group(out, index, total.sum, total.product, out.accumulate || end > out.part_rows);
        total.sum = total.product = 0.0;
    }
}

enum { GROUPS_ACROSS = 32768 }; /* of a grid's y */

/* sums: (groups, rows). Grid: pieces of SA_ROWS_AT_ONCE rows; y and z: groups. */
template <class E>
SA_KERNEL(sa_row_sums_kernel, sa_eval_block, const __grid_constant__ sa_program<E> program,
          const __grid_constant__ sa_pieces pieces, const __grid_constant__ sa_row_groups groups, sa_row_sums *__restrict__ sums)
{
    SA_DYN_SHARED(float, slots);
    const int row = (int)blockIdx.x * SA_ROWS_AT_ONCE + (int)(threadIdx.x / SA_ROW_LANES);
    const int group = (int)(blockIdx.z * GROUPS_ACROSS + blockIdx.y);
    if (group >= groups.count) return;
    const sa_row_sums own = reduce_row<E>(program, pieces, groups, group, row, slots);
    if (threadIdx.x % SA_ROW_LANES == 0 && row < groups.each) sums[(size_t)group * (size_t)groups.each + (size_t)row] = own;
}
SA_EVAL_REGISTER(sa_row_sums_kernel, SA_ROW_SUM_FORMS)

/* One block a group: adds its rows in order. */
SA_KERNEL(sa_channel_finish_kernel, sa_eval_block, const sa_row_sums *__restrict__ sums,
          const __grid_constant__ sa_row_groups groups, const __grid_constant__ sa_spread spread,
          const __grid_constant__ sa_reduce_output out)
{
    __shared__ sa_row_sums some[SA_EVAL_THREADS];
    const int rows = groups.each;
    const size_t index = sa_row_groups_index(&groups, (int)blockIdx.x, &spread);
    const sa_row_sums *own = sums + (size_t)blockIdx.x * (size_t)rows;
    sa_row_sums total = {0.0, 0.0};
    for (int first = 0; first < rows; first += SA_EVAL_THREADS) {
        if (first + (int)threadIdx.x < rows) some[threadIdx.x] = own[first + (int)threadIdx.x];
        __syncthreads();
        if (threadIdx.x == 0) add_rows(some, first, min((int)SA_EVAL_THREADS, rows - first), out, index, total);
        __syncthreads();
    }
    if (threadIdx.x == 0 && out.part_rows == 0) finish_group(out, index, total.sum, total.product, out.accumulate);
}
SIMT_KERNEL(sa_channel_finish_kernel)

/* A sum per column: one thread adds the rows of its group at SA_EVAL_LANES columns, in order. */
template <class E>
SA_KERNEL(sa_column_sums_kernel, sa_eval_block, const __grid_constant__ sa_program<E> program,
          const __grid_constant__ sa_pieces pieces, const __grid_constant__ sa_row_groups groups,
          const __grid_constant__ sa_spread spread, const __grid_constant__ sa_reduce_output out)
{
    SA_DYN_SHARED(float, slots);
    const int across = (pieces.width + SA_EVAL_LANES - 1) / SA_EVAL_LANES;
    const int item = (int)(blockIdx.x * blockDim.x + threadIdx.x), group = item / across;
    if (group >= groups.count) return;
    double sum[SA_EVAL_LANES] = {}, product[SA_EVAL_LANES] = {};
    const int x = item % across * SA_EVAL_LANES;
    for (int row = 0; row < groups.each; row++) {
        int n, c, y;
        float a[SA_EVAL_LANES], b[SA_EVAL_LANES];
        sa_row_groups_find(&groups, group, row, &n, &c, &y);
        sa_eval_pair<E>(program, sa_row_lanes(n, c, y, x, 1, pieces.width), slots, a, b);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            sum[e] = sum[e] + (double)a[e];
            product[e] = product[e] + (double)a[e] * (double)b[e];
        }
    }
    const size_t first = sa_row_groups_index(&groups, group, &spread);
    for (int e = 0; e < SA_EVAL_LANES && x + e < pieces.width; e++)
        finish_group(out, first + (size_t)(x + e) * (size_t)spread.column, sum[e], product[e], out.accumulate);
}
SA_EVAL_REGISTER(sa_column_sums_kernel, SA_NO_FORMS)

/* Both at once, without a workspace: one block a channel of the range, whose groups are channels. */
template <class E>
SA_KERNEL(sa_channel_reduce_kernel, sa_eval_block, const __grid_constant__ sa_program<E> program,
          const __grid_constant__ sa_pieces pieces, const __grid_constant__ sa_row_groups groups,
          const __grid_constant__ sa_reduce_output out)
{
    SA_DYN_SHARED(float, slots);
    __shared__ sa_row_sums some[SA_ROWS_AT_ONCE];
    const int rows = groups.each;
    const size_t index = (size_t)pieces.range.channel_begin + blockIdx.x;
    sa_row_sums total = {0.0, 0.0};
    for (int first = 0; first < rows; first += SA_ROWS_AT_ONCE) {
        const int part = (int)(threadIdx.x / SA_ROW_LANES);
        const sa_row_sums own = reduce_row<E>(program, pieces, groups, (int)blockIdx.x, first + part, slots);
        if (threadIdx.x % SA_ROW_LANES == 0) some[part] = own;
        __syncthreads();
        if (threadIdx.x == 0) add_rows(some, first, min((int)SA_ROWS_AT_ONCE, rows - first), out, index, total);
        __syncthreads();
    }
    if (threadIdx.x == 0 && out.part_rows == 0) finish_group(out, index, total.sum, total.product, out.accumulate);
}
SA_EVAL_REGISTER(sa_channel_reduce_kernel, SA_DENSE_FORMS)

/* The rows of each group; no groups, or groups without rows, are allowed. */
static sa_status sum_rows(sa_cuda_device *device, const sa_eval_program &program, const sa_pieces &pieces,
                          const sa_row_groups &groups, const sa_spread &spread, void *workspace, const sa_reduce_output &out)
{
    sa_row_sums *sums = (sa_row_sums *)workspace;
    const int across = groups.count < (int)GROUPS_ACROSS ? groups.count : (int)GROUPS_ACROSS;
    if (groups.count == 0) return SA_OK;
    const dim3 grid((unsigned)((groups.each + SA_ROWS_AT_ONCE - 1) / SA_ROWS_AT_ONCE), (unsigned)across,
                    (unsigned)((groups.count + across - 1) / across));
    if (groups.each > 0)
        SA_EVAL_LAUNCH(sa_row_sums_kernel, SA_ROW_SUM_FORMS, program, grid, 0, device->stream, program, pieces, groups, sums);
    SA_CUDA_TRY(sa_launch(sa_channel_finish_kernel, (unsigned)groups.count, 0, device->stream, (const sa_row_sums *)sums, groups,
                          spread, out));
    return SA_OK;
}

/* What both reductions are called with. */
struct sa_reduce_request {
    const sa_range *range;
    const sa_source *sources[SA_EVAL_ROOTS];
    int count;
    const sa_spread *spread;
    const sa_ref *workspace;
    size_t workspace_bytes;
};

static sa_status reduce_groups(sa_cuda_device *device, const sa_reduce_request &r, sa_reduce_output out)
{
    sa_eval_program program;
    const sa_node *root = sa_source_root(r.sources[0]);
    const int images = r.range->image_end - r.range->image_begin, channels = r.range->channel_end - r.range->channel_begin;
    const size_t wanted = sa_cuda_reduce_workspace_bytes(&device->base, images, channels, root->height);
    SA_TRY(sa_eval_compile(r.sources, r.count, &program));
    const sa_pieces pieces = {*r.range, root->height, root->width, 0, 0};
    const sa_row_groups groups = sa_row_groups_of(r.range, root->height, r.spread);
    if (r.workspace_bytes < wanted)
        SA_FAIL(SA_CAPACITY, "batch norm: a workspace of %zu bytes for %d channels of %d rows, %zu wanted", r.workspace_bytes,
                channels, images * root->height, wanted);
    out.count = (double)groups.each * (double)root->width;
    if (!r.spread->column) return sum_rows(device, program, pieces, groups, *r.spread, r.workspace->ptr, out);
    const size_t items = (size_t)groups.count * (size_t)((root->width + SA_EVAL_LANES - 1) / SA_EVAL_LANES);
    if (items == 0) return SA_OK;
    SA_EVAL_LAUNCH(sa_column_sums_kernel, SA_NO_FORMS, program, (unsigned)((items + SA_EVAL_THREADS - 1) / SA_EVAL_THREADS), 0,
                   device->stream, program, pieces, groups, *r.spread, out);
    return SA_OK;
}

sa_status sa_cuda_bn_statistics(sa_device *device, const sa_bn_statistics_args *args)
{
    const sa_reduce_request request = {&args->range, {&args->x}, 1, &args->spread, &args->workspace, args->workspace_bytes};
    sa_reduce_output out = {};
    out.kind = REDUCE_STATISTICS;
    out.eps = args->eps, out.eps_outside = args->eps_outside;
    out.mean = (float *)args->mean.ptr, out.inv_std = (float *)args->inv_std.ptr, out.var = (float *)args->var.ptr;
    return reduce_groups(sa_cuda(device), request, out);
}

sa_status sa_cuda_bn_reduce(sa_device *device, const sa_bn_reduce_args *args)
{
    const sa_reduce_request request = {&args->range,  {&args->dy, &args->xhat}, 2,
                                       &args->spread, &args->workspace,         args->workspace_bytes};
    sa_reduce_output out = {};
    out.kind = REDUCE_GRADIENT;
    out.dgamma = (float *)args->dgamma.ptr, out.dbeta = (float *)args->dbeta.ptr;
    return reduce_groups(sa_cuda(device), request, out);
}

/* Blocks of sa_eval_block threads over channels [begin, end). */
SA_KERNEL(sa_bn_running_kernel, sa_eval_block, const __grid_constant__ sa_bn_running_args args)
{
    const int c = args.begin + (int)(blockIdx.x * blockDim.x + threadIdx.x);
    float *sum_mean = (float *)args.sum_mean.ptr, *sum_var = (float *)args.sum_var.ptr, *weight = (float *)args.weight.ptr;
    if (c >= args.end) return;
    sum_mean[c] = ((const float *)args.mean.ptr)[c] + args.fraction * sum_mean[c];
    sum_var[c] = args.correction * ((const float *)args.var.ptr)[c] + args.fraction * sum_var[c];
    if (c == 0) *weight = 1.0f + args.fraction * *weight;
}
SIMT_KERNEL(sa_bn_running_kernel)

SA_KERNEL(sa_bn_stored_kernel, sa_eval_block, const __grid_constant__ sa_bn_stored_args args)
{
    const int c = args.begin + (int)(blockIdx.x * blockDim.x + threadIdx.x);
    const float weight = *(const float *)args.weight.ptr, share = weight == 0.0f ? 0.0f : 1.0f / weight;
    if (c >= args.end) return;
    ((float *)args.mean.ptr)[c] = share * ((const float *)args.sum_mean.ptr)[c];
    const double var = (double)(share * ((const float *)args.sum_var.ptr)[c]);
    ((float *)args.inv_std.ptr)[c] = (float)(1.0 / sqrt(var + (double)args.eps));
}
SIMT_KERNEL(sa_bn_stored_kernel)

static unsigned blocks_of_channels(int begin, int end)
{
    return (unsigned)((end - begin + SA_EVAL_THREADS - 1) / SA_EVAL_THREADS);
}

sa_status sa_cuda_bn_running(sa_device *device, const sa_bn_running_args *args)
{
    if (args->end <= args->begin) return SA_OK;
    if (args->ranks > 1) SA_FAIL(SA_UNSUPPORTED, "bn_running: cards do not exchange with other ranks");
    SA_CUDA_TRY(sa_launch(sa_bn_running_kernel, blocks_of_channels(args->begin, args->end), 0, sa_cuda(device)->stream, *args));
    return SA_OK;
}

sa_status sa_cuda_bn_stored(sa_device *device, const sa_bn_stored_args *args)
{
    if (args->end <= args->begin) return SA_OK;
    SA_CUDA_TRY(sa_launch(sa_bn_stored_kernel, blocks_of_channels(args->begin, args->end), 0, sa_cuda(device)->stream, *args));
    return SA_OK;
}

/* Of one range of images, all at once. */
static sa_status channel_sums(sa_cuda_device *device, const sa_range *range, const sa_source *source, float *sums, bool accumulate,
                              const sa_ref *workspace, size_t workspace_bytes)
{
    const sa_node *root = sa_source_root(source);
    sa_reduce_output out = {};
    out.kind = REDUCE_SUM;
    out.sum = sums;
    out.accumulate = accumulate;
    out.part_rows = root->height;
    const sa_spread per_channel = {0, 1, 0, 0};
    const int images = range->image_end - range->image_begin, channels = range->channel_end - range->channel_begin;
    const sa_pieces pieces = {*range, root->height, root->width, 0, 0};
    const sa_row_groups groups = sa_row_groups_of(range, root->height, &per_channel);
    sa_eval_program program;
    SA_TRY(sa_compile_one(source, &program));
    if (channels == 0) return SA_OK;
    if (workspace->ptr && workspace_bytes >= sa_cuda_reduce_workspace_bytes(&device->base, images, channels, root->height))
        return sum_rows(device, program, pieces, groups, per_channel, workspace->ptr, out);
    SA_EVAL_LAUNCH(sa_channel_reduce_kernel, SA_DENSE_FORMS, program, (unsigned)channels, 0, device->stream, program, pieces,
                   groups, out);
    return SA_OK;
}

sa_status sa_cuda_channel_sums(sa_cuda_device *device, const sa_range *range, const sa_source *source, float *sums, bool accumulate,
                               const sa_ref *workspace, size_t workspace_bytes)
{
    const size_t image_bytes =
        sa_cuda_reduce_workspace_bytes(&device->base, 1, range->channel_end - range->channel_begin, sa_source_root(source)->height);
    const int images = range->image_end - range->image_begin;
    const size_t fit = workspace->ptr && image_bytes > 0 ? workspace_bytes / image_bytes : 0;
    const int step = fit == 0 || fit > (size_t)images ? images : (int)fit;
    for (int n = 0; n < images; n += step) {
        const int count = images - n < step ? images - n : step, first = range->image_begin + n;
        const sa_range part = {first, first + count, range->channel_begin, range->channel_end};
        SA_TRY(channel_sums(device, &part, source, sums, accumulate || n > 0, workspace, workspace_bytes));
    }
    return SA_OK;
}
