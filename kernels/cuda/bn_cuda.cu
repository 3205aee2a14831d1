/* Batch normalisation's reductions on CUDA: statistics, the gradient's sums, and a convolution's bias gradient.
 *
 * Two kernels: the whole card sums rows, half a warp per row, into the workspace; then one block per channel adds its rows in order
 * of (n, y). The order does not depend on how rows are shared out. A bias gradient without room in its workspace takes both steps
 * in one block per channel: the same additions. */
#include "kernels/cuda/bn.cuh"

#include "kernels/cuda/eval_launch.cuh"
#include "kernels/cuda/row_reduce.cuh"

enum reduce_kind { REDUCE_STATISTICS, REDUCE_GRADIENT, REDUCE_SUM };

/* What becomes of a channel's sum and product; outputs are (C). */
struct sa_reduce_output {
    int kind;
    float eps;
    double count;
    float *mean, *inv_std, *var; /* STATISTICS; var may be NULL */
    float *dgamma, *dbeta;       /* GRADIENT: product, sum */
    float *sum;                  /* SUM */
    bool accumulate;             /* SUM: added to */
};

static __device__ void finish_channel(const sa_reduce_output &out, int c, double sum, double product)
{
    if (out.kind == REDUCE_STATISTICS) {
        double mean = sum / out.count, var = product / out.count - mean * mean;
        if (var < 0.0) var = 0.0; /* cancellation of a constant channel; NaN stays */
        out.mean[c] = (float)mean;
        out.inv_std[c] = (float)(1.0 / sqrt(var + (double)out.eps));
        if (out.var) out.var[c] = (float)var;
    } else if (out.kind == REDUCE_GRADIENT) {
        out.dgamma[c] = (float)product;
        out.dbeta[c] = (float)sum;
    } else {
        out.sum[c] = out.accumulate ? out.sum[c] + (float)sum : (float)sum;
    }
}

/* This thread's lane of one row: sums of a and of a * b over columns lane, lane + 16, ... */
template <class E>
static __device__ __forceinline__ void reduce_lane(const sa_eval_program &program, const sa_pieces &pieces, int n, int c, int y,
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

/* The row of this half warp, `row` = n * height + y of channel c; nothing from `rows` on. Lane 0 has the sums. */
template <class E>
static __device__ __forceinline__ sa_row_sums reduce_row(const sa_eval_program &program, const sa_pieces &pieces, int c, int row,
                                                         int rows, float *slots)
{
    sa_row_sums sums = {0.0, 0.0};
    if (row < rows)
        reduce_lane<E>(program, pieces, pieces.range.image_begin + row / pieces.height, c, row % pieces.height,
                       (int)(threadIdx.x % SA_ROW_LANES), slots, sums.sum, sums.product);
    sums.sum = sa_add_lanes(sums.sum);
    sums.product = sa_add_lanes(sums.product);
    return sums;
}

static __device__ __forceinline__ int rows_of(const sa_pieces &pieces)
{
    return (pieces.range.image_end - pieces.range.image_begin) * pieces.height;
}

/* Thread 0 adds up to `count` rows of shared memory, in order. */
static __device__ __forceinline__ void add_rows(const sa_row_sums *some, int count, sa_row_sums &total)
{
    for (int r = 0; r < count; r++) {
        total.sum = total.sum + some[r].sum;
        total.product = total.product + some[r].product;
    }
}

/* pieces.range: images and channels. sums: (channels, rows). Grid: groups of SA_ROWS_AT_ONCE rows; y: channels. */
template <class E>
SA_KERNEL(sa_row_sums_kernel, sa_eval_block, const __grid_constant__ sa_eval_program program,
          const __grid_constant__ sa_pieces pieces, sa_row_sums *__restrict__ sums)
{
    SA_DYN_SHARED(float, slots);
    const int rows = rows_of(pieces), row = (int)blockIdx.x * SA_ROWS_AT_ONCE + (int)(threadIdx.x / SA_ROW_LANES);
    const sa_row_sums own = reduce_row<E>(program, pieces, pieces.range.channel_begin + (int)blockIdx.y, row, rows, slots);
    if (threadIdx.x % SA_ROW_LANES == 0 && row < rows) sums[(size_t)blockIdx.y * (size_t)rows + (size_t)row] = own;
}
SA_EVAL_REGISTER(sa_row_sums_kernel, SA_ROW_SUM_FORMS)

/* One block a channel of the range: adds its rows in order. */
SA_KERNEL(sa_channel_finish_kernel, sa_eval_block, const sa_row_sums *__restrict__ sums, int rows, int channel_begin,
          const __grid_constant__ sa_reduce_output out)
{
    __shared__ sa_row_sums some[SA_EVAL_THREADS];
    const sa_row_sums *own = sums + (size_t)blockIdx.x * (size_t)rows;
    sa_row_sums total = {0.0, 0.0};
    for (int first = 0; first < rows; first += SA_EVAL_THREADS) {
        if (first + (int)threadIdx.x < rows) some[threadIdx.x] = own[first + (int)threadIdx.x];
        __syncthreads();
        if (threadIdx.x == 0) add_rows(some, min((int)SA_EVAL_THREADS, rows - first), total);
        __syncthreads();
    }
    if (threadIdx.x == 0) finish_channel(out, channel_begin + (int)blockIdx.x, total.sum, total.product);
}
SIMT_KERNEL(sa_channel_finish_kernel)

/* Both at once, without a workspace: one block a channel of the range. */
template <class E>
SA_KERNEL(sa_channel_reduce_kernel, sa_eval_block, const __grid_constant__ sa_eval_program program,
          const __grid_constant__ sa_pieces pieces, const __grid_constant__ sa_reduce_output out)
{
    SA_DYN_SHARED(float, slots);
    __shared__ sa_row_sums some[SA_ROWS_AT_ONCE];
    const int c = pieces.range.channel_begin + (int)blockIdx.x, rows = rows_of(pieces);
    sa_row_sums total = {0.0, 0.0};
    for (int first = 0; first < rows; first += SA_ROWS_AT_ONCE) {
        const int part = (int)(threadIdx.x / SA_ROW_LANES);
        const sa_row_sums own = reduce_row<E>(program, pieces, c, first + part, rows, slots);
        if (threadIdx.x % SA_ROW_LANES == 0) some[part] = own;
        __syncthreads();
        if (threadIdx.x == 0) add_rows(some, min((int)SA_ROWS_AT_ONCE, rows - first), total);
        __syncthreads();
    }
    if (threadIdx.x == 0) finish_channel(out, c, total.sum, total.product);
}
SA_EVAL_REGISTER(sa_channel_reduce_kernel, SA_DENSE_FORMS)

/* channels: those of the range; 0 or rows 0 are allowed. */
static sa_status sum_rows(sa_cuda_device *device, const sa_eval_program &program, const sa_pieces &pieces, int rows,
                          void *workspace, const sa_reduce_output &out)
{
    const int channels = pieces.range.channel_end - pieces.range.channel_begin;
    sa_row_sums *sums = (sa_row_sums *)workspace;
    const dim3 grid((unsigned)((rows + SA_ROWS_AT_ONCE - 1) / SA_ROWS_AT_ONCE), (unsigned)channels);
    if (channels > 65535) SA_FAIL(SA_UNSUPPORTED, "sums of %d channels are too many for one kernel", channels);
    if (channels == 0) return SA_OK;
    if (rows > 0) SA_EVAL_LAUNCH(sa_row_sums_kernel, SA_ROW_SUM_FORMS, program, grid, 0, device->stream, program, pieces, sums);
    SA_CUDA_TRY(sa_launch(sa_channel_finish_kernel, (unsigned)channels, 0, device->stream, (const sa_row_sums *)sums, rows,
                          pieces.range.channel_begin, out));
    return SA_OK;
}

static sa_status reduce_channels(sa_cuda_device *device, const sa_range *range, const sa_source *const *sources, int count,
                                 const sa_ref *workspace, size_t workspace_bytes, sa_reduce_output out)
{
    sa_eval_program program;
    const sa_node *root = sa_source_root(sources[0]);
    const int images = range->image_end - range->image_begin, channels = range->channel_end - range->channel_begin;
    const int rows = images * root->height;
    const size_t wanted = sa_cuda_reduce_workspace_bytes(&device->base, images, channels, root->height);
    SA_TRY(sa_eval_compile(sources, count, &program));
    const sa_pieces pieces = {*range, root->height, root->width, 0, 0};
    if (workspace_bytes < wanted)
        SA_FAIL(SA_CAPACITY, "batch norm: a workspace of %zu bytes for %d channels of %d rows, %zu wanted", workspace_bytes,
                channels, rows, wanted);
    out.count = (double)images * (double)root->height * (double)root->width;
    return sum_rows(device, program, pieces, rows, workspace->ptr, out);
}

sa_status sa_cuda_bn_statistics(sa_device *device, const sa_bn_statistics_args *args)
{
    const sa_source *sources[] = {&args->x};
    sa_reduce_output out = {};
    out.kind = REDUCE_STATISTICS;
    out.eps = args->eps;
    out.mean = (float *)args->mean.ptr, out.inv_std = (float *)args->inv_std.ptr, out.var = (float *)args->var.ptr;
    return reduce_channels(sa_cuda(device), &args->range, sources, 1, &args->workspace, args->workspace_bytes, out);
}

sa_status sa_cuda_bn_reduce(sa_device *device, const sa_bn_reduce_args *args)
{
    const sa_source *sources[] = {&args->dy, &args->xhat};
    sa_reduce_output out = {};
    out.kind = REDUCE_GRADIENT;
    out.dgamma = (float *)args->dgamma.ptr, out.dbeta = (float *)args->dbeta.ptr;
    return reduce_channels(sa_cuda(device), &args->range, sources, 2, &args->workspace, args->workspace_bytes, out);
}

sa_status sa_cuda_channel_sums(sa_cuda_device *device, const sa_range *range, const sa_source *source, float *sums, bool accumulate,
                               const sa_ref *workspace, size_t workspace_bytes)
{
    sa_reduce_output out = {};
    out.kind = REDUCE_SUM;
    out.sum = sums;
    out.accumulate = accumulate;
    const sa_node *root = sa_source_root(source);
    const int images = range->image_end - range->image_begin, channels = range->channel_end - range->channel_begin;
    const sa_pieces pieces = {*range, root->height, root->width, 0, 0};
    sa_eval_program program;
    SA_TRY(sa_compile_one(source, &program));
    if (channels == 0) return SA_OK;
    if (workspace->ptr && workspace_bytes >= sa_cuda_reduce_workspace_bytes(&device->base, images, channels, root->height))
        return sum_rows(device, program, pieces, images * root->height, workspace->ptr, out);
    SA_EVAL_LAUNCH(sa_channel_reduce_kernel, SA_DENSE_FORMS, program, (unsigned)channels, 0, device->stream, program, pieces, out);
    return SA_OK;
}
