/* Batch normalisation's reductions on CUDA: statistics, the gradient's sums, and a convolution's bias gradient.
 *
 * One block a channel: its half warps sum rows, one thread adds the row sums in order of (n, y). No partial sums leave the block,
 * so no workspace, no atomics, one order. The price: as many blocks as channels. */
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
template <bool NESTED>
static __device__ __forceinline__ void reduce_lane(const sa_eval_program &program, const sa_pieces &pieces, int n, int c, int y,
                                                   int lane, bool pair, float *slots, double &sum, double &product)
{
    for (int x = lane; x < pieces.width; x += SA_ROW_LANES * SA_EVAL_LANES) {
        sa_lanes at = sa_row_lanes(n, c, y, x, SA_ROW_LANES, pieces.width);
        float a[SA_EVAL_LANES], b[SA_EVAL_LANES];
        if (pair) {
            sa_eval_pair<NESTED>(program, at, slots, a, b);
        } else {
            sa_eval<NESTED>(program, at, slots, a);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) b[e] = a[e];
        }
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            if (!(at.valid >> e & 1)) continue;
            sum = sum + (double)a[e];
            product = product + (double)a[e] * (double)b[e];
        }
    }
}

/* pieces.range: images, and the channels that blocks stand for. */
template <bool NESTED>
SA_KERNEL(sa_channel_reduce_kernel, sa_eval_block, const __grid_constant__ sa_eval_program program,
          const __grid_constant__ sa_pieces pieces, const __grid_constant__ sa_reduce_output out)
{
    SA_DYN_SHARED(float, slots);
    __shared__ double row_sum[SA_ROWS_AT_ONCE], row_product[SA_ROWS_AT_ONCE];
    const int c = pieces.range.channel_begin + (int)blockIdx.x;
    const int lane = (int)(threadIdx.x % SA_ROW_LANES), part = (int)(threadIdx.x / SA_ROW_LANES);
    const int rows = (pieces.range.image_end - pieces.range.image_begin) * pieces.height;
    double total_sum = 0.0, total_product = 0.0; /* thread 0's */
    for (int first = 0; first < rows; first += SA_ROWS_AT_ONCE) {
        double sum = 0.0, product = 0.0;
        int row = first + part;
        if (row < rows)
            reduce_lane<NESTED>(program, pieces, pieces.range.image_begin + row / pieces.height, c, row % pieces.height, lane,
                                out.kind == REDUCE_GRADIENT, slots, sum, product);
        sum = sa_add_lanes(sum);
        product = sa_add_lanes(product);
        if (lane == 0) {
            row_sum[part] = sum;
            row_product[part] = product;
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            for (int r = 0; r < SA_ROWS_AT_ONCE && first + r < rows; r++) {
                total_sum = total_sum + row_sum[r];
                total_product = total_product + row_product[r];
            }
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) finish_channel(out, c, total_sum, total_product);
}
SA_EVAL_REGISTER(sa_channel_reduce_kernel)

static sa_status reduce_channels(sa_cuda_device *device, const sa_range *range, const sa_source *const *sources, int count,
                                 sa_reduce_output out)
{
    sa_eval_program program;
    const sa_node *root = sa_source_root(sources[0]);
    const int channels = range->channel_end - range->channel_begin;
    SA_TRY(sa_eval_compile(sources, count, &program));
    sa_pieces pieces = {*range, root->height, root->width, 0, 0};
    if (channels == 0) return SA_OK;
    out.count = (double)(range->image_end - range->image_begin) * (double)root->height * (double)root->width;
    SA_EVAL_LAUNCH(sa_channel_reduce_kernel, {&program}, (unsigned)channels, 0, device->stream, program, pieces, out);
    return SA_OK;
}

sa_status sa_cuda_bn_statistics(sa_device *device, const sa_bn_statistics_args *args)
{
    const sa_source *sources[] = {&args->x};
    sa_reduce_output out = {};
    out.kind = REDUCE_STATISTICS;
    out.eps = args->eps;
    out.mean = (float *)args->mean.ptr, out.inv_std = (float *)args->inv_std.ptr, out.var = (float *)args->var.ptr;
    return reduce_channels(sa_cuda(device), &args->range, sources, 1, out);
}

sa_status sa_cuda_bn_reduce(sa_device *device, const sa_bn_reduce_args *args)
{
    const sa_source *sources[] = {&args->dy, &args->xhat};
    sa_reduce_output out = {};
    out.kind = REDUCE_GRADIENT;
    out.dgamma = (float *)args->dgamma.ptr, out.dbeta = (float *)args->dbeta.ptr;
    return reduce_channels(sa_cuda(device), &args->range, sources, 2, out);
}

sa_status sa_cuda_channel_sums(sa_cuda_device *device, const sa_range *range, const sa_source *source, float *sums, bool accumulate)
{
    sa_reduce_output out = {};
    out.kind = REDUCE_SUM;
    out.sum = sums;
    out.accumulate = accumulate;
    return reduce_channels(device, range, &source, 1, out);
}
