/* The solver's update and the fill on CUDA: flat passes over memory, four floats a thread where the addresses allow. */
#include "kernels/cuda/eval_launch.cuh"
#include "kernels/cuda/row_reduce.cuh"
#include "kernels/update_math.h"

typedef sa_block<256> sa_update_block;

SA_KERNEL(sa_fill_kernel, sa_update_block, float *__restrict__ target, size_t count, float value)
{
    size_t step = (size_t)gridDim.x * blockDim.x;
    size_t first = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    size_t quads = ((size_t)target & 15) == 0 ? count / 4 : 0;
    for (size_t i = first; i < quads; i += step) ((float4 *)target)[i] = make_float4(value, value, value, value);
    for (size_t i = quads * 4 + first; i < count; i += step) target[i] = value;
}

/* Updates of one launch. Each has blocks of its own, UPDATE_FLOATS elements a block. */
template <int MOST> struct sa_update_batch {
    static constexpr int most = MOST;
    int count;
    sa_cuda_update_one one[MOST];
};
struct sa_two_updates : sa_update_batch<2> { /* a weight and a bias, mostly */
};
struct sa_many_updates : sa_update_batch<SA_CUDA_UPDATES> {
};
enum { UPDATE_FLOATS = 4096 };

static __device__ __forceinline__ void update_block(const sa_cuda_update_one &at, size_t begin, const sa_update_rule &rule,
                                                    const sa_update_factors &f)
{
    const bool clear = rule.passes > 1, both = at.k != NULL;
    const size_t end = begin + UPDATE_FLOATS < at.count ? begin + UPDATE_FLOATS : at.count;
    const bool aligned = (((size_t)at.param | (size_t)at.grad | (size_t)at.h | (size_t)at.k) & 15) == 0;
    const size_t quads = aligned ? end / 4 : begin / 4; /* up to there; begin is a multiple of four */
    for (size_t i = begin / 4 + threadIdx.x; i < quads; i += sa_update_block::threads) {
        float4 p = ((const float4 *)at.param)[i], g = ((const float4 *)at.grad)[i], h = ((const float4 *)at.h)[i], k = {};
        if (both) k = ((const float4 *)at.k)[i];
        sa_update_one(rule.kind, rule.l1, clear, &f, &p.x, &g.x, &h.x, &k.x);
        sa_update_one(rule.kind, rule.l1, clear, &f, &p.y, &g.y, &h.y, &k.y);
        sa_update_one(rule.kind, rule.l1, clear, &f, &p.z, &g.z, &h.z, &k.z);
        sa_update_one(rule.kind, rule.l1, clear, &f, &p.w, &g.w, &h.w, &k.w);
        ((float4 *)at.param)[i] = p;
        ((float4 *)at.grad)[i] = g;
        ((float4 *)at.h)[i] = h;
        if (both) ((float4 *)at.k)[i] = k;
    }
    for (size_t i = quads * 4 + threadIdx.x; i < end; i += sa_update_block::threads) {
        float p = at.param[i], g = at.grad[i], h = at.h[i], k = both ? at.k[i] : 0.0f;
        sa_update_one(rule.kind, rule.l1, clear, &f, &p, &g, &h, &k);
        at.param[i] = p, at.grad[i] = g, at.h[i] = h;
        if (both) at.k[i] = k;
    }
}

/* A step in which a kernel found something wrong leaves parameters and histories as they were. */
template <class B>
SA_KERNEL(sa_update_kernel, sa_update_block, const __grid_constant__ B batch, const sa_step_state *__restrict__ state,
          const double *__restrict__ squares, sa_update_rule rule, const volatile sa_cuda_fault *fault)
{
    __shared__ int stop; /* one look a block: the word is in host memory */
    if (threadIdx.x == 0) stop = fault->kind != SA_CUDA_FAULT_NONE;
    __syncthreads();
    if (stop) return;
    int i = 0; /* the last one whose blocks begin at or before this */
    for (int step = B::most / 2; step > 0; step /= 2)
        if (i + step < batch.count && batch.one[i + step].first_block <= blockIdx.x) i += step;
    const sa_cuda_update_one &at = batch.one[i];
    const sa_update_factors f = sa_update_factors_of(&rule, state, at.lr_mult, at.decay, squares ? *squares : 0.0);
    update_block(at, (size_t)(blockIdx.x - at.first_block) * UPDATE_FLOATS, rule, f);
}

/* Half a warp per row, as in row_reduce.cuh. */
SA_KERNEL(sa_square_rows_kernel, sa_eval_block, const float *__restrict__ values, size_t count, unsigned rows,
          double *__restrict__ row_sums)
{
    const unsigned lane = threadIdx.x % SA_ROW_LANES, part = threadIdx.x / SA_ROW_LANES;
    for (unsigned first = blockIdx.x * SA_ROWS_AT_ONCE; first < rows; first += gridDim.x * SA_ROWS_AT_ONCE) {
        const size_t begin = (size_t)(first + part) * SA_SQUARE_ROW;
        const size_t end = begin + SA_SQUARE_ROW < count ? begin + SA_SQUARE_ROW : count;
        double sum = 0.0;
        for (size_t i = begin + lane; i < end; i += SA_ROW_LANES) sum = sum + (double)values[i] * (double)values[i];
        sum = sa_add_lanes(sum);
        if (first + part < rows && lane == 0) row_sums[first + part] = sum;
    }
}

SA_KERNEL(sa_square_finish_kernel, sa_update_block, const double *__restrict__ row_sums, unsigned rows, bool add,
          double *__restrict__ result)
{
    if (threadIdx.x != 0 || blockIdx.x != 0) return;
    double sum = add ? *result : 0.0;
    for (unsigned row = 0; row < rows; row++) sum = sum + row_sums[row];
    *result = sum;
}

/* In the order of ranks, element by element. */
SA_KERNEL(sa_shard_sum_kernel, sa_update_block, sa_shard_sum_args args, const sa_step_state *__restrict__ state)
{
    const float *own = (const float *)args.own.ptr, *parts = (const float *)args.parts.ptr;
    float *total = (float *)args.total.ptr;
    const size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < args.count; i += step) {
        float sum = args.fresh ? 0.0f : total[i];
        for (int rank = 0; rank < state->shards; rank++) {
            const int part = rank < args.rank ? rank : rank - 1;
            sum = sum + (rank == args.rank ? own[i] : parts[args.count * (size_t)part + i]);
        }
        total[i] = sum;
    }
}
SIMT_KERNEL(sa_shard_sum_kernel)
SIMT_KERNEL(sa_square_rows_kernel)
SIMT_KERNEL(sa_square_finish_kernel)
SIMT_KERNEL(sa_fill_kernel)
SIMT_KERNEL(sa_update_kernel<sa_two_updates>)
SIMT_KERNEL(sa_update_kernel<sa_many_updates>)

/* All kernels are compiled for the same cards: one stands for all. */
cudaError_t sa_cuda_find_code(void)
{
    cudaFuncAttributes attributes;
    return cudaFuncGetAttributes(&attributes, (const void *)sa_fill_kernel);
}

sa_status sa_cuda_fill(sa_device *device, const sa_fill_args *args)
{
    if (args->count == 0) return SA_OK;
    SA_CUDA_TRY(sa_launch(sa_fill_kernel, sa_blocks_for(args->count / 4, sa_update_block::threads), 0, sa_cuda(device)->stream,
                          (float *)args->target.ptr, args->count, args->value));
    return SA_OK;
}

static unsigned blocks_of(const sa_cuda_update_one *one)
{
    return (unsigned)((one->count + UPDATE_FLOATS - 1) / UPDATE_FLOATS);
}

template <class B> static sa_status launch_batch(sa_cuda_device *device)
{
    B batch = {};
    const sa_update_args &common = device->update_common;
    unsigned blocks = 0;
    batch.count = device->update_count;
    for (int i = 0; i < batch.count; i++) {
        batch.one[i] = device->update[i];
        batch.one[i].first_block = blocks;
        blocks += blocks_of(&batch.one[i]);
    }
    device->update_count = 0;
    SA_CUDA_TRY(sa_launch(sa_update_kernel<B>, blocks, 0, device->stream, batch, (const sa_step_state *)common.step_state.ptr,
                          (const double *)common.squares.ptr, common.rule, device->fault_device));
    return SA_OK;
}

sa_status sa_cuda_launch_updates(sa_cuda_device *device)
{
    if (device->update_count == 0) return SA_OK;
    if (device->update_count <= sa_two_updates::most) return launch_batch<sa_two_updates>(device);
    return launch_batch<sa_many_updates>(device);
}

static bool is_same_rule(const sa_update_rule *a, const sa_update_rule *b)
{
    return a->kind == b->kind && a->l1 == b->l1 && a->momentum == b->momentum && a->momentum2 == b->momentum2 &&
           a->rms_decay == b->rms_decay && a->delta == b->delta && a->clip == b->clip && a->passes == b->passes;
}

/* Blocks of one launch run in any order, so a parameter is in it once. */
static bool waits(const sa_cuda_device *device, const void *param)
{
    for (int i = 0; i < device->update_count; i++)
        if (device->update[i].param == param) return true;
    return false;
}

/* Waits for the updates that follow. */
sa_status sa_cuda_update(sa_device *device, const sa_update_args *args)
{
    sa_cuda_device *cuda = sa_cuda(device);
    const sa_update_args &common = cuda->update_common;
    const sa_cuda_update_one one = {(float *)args->param.ptr,
                                    (float *)args->grad.ptr,
                                    (float *)args->history.ptr,
                                    sa_update_histories(args->rule.kind) > 1 ? (float *)args->history2.ptr : NULL,
                                    args->count,
                                    args->lr_mult,
                                    args->decay,
                                    0};
    if (args->count == 0) return SA_OK;
    if (args->count > (size_t)UPDATE_FLOATS << 24) SA_FAIL(SA_UNSUPPORTED, "update: a parameter of %zu values", args->count);
    const bool joins = cuda->update_count > 0 && cuda->update_count < SA_CUDA_UPDATES && is_same_rule(&args->rule, &common.rule) &&
                       args->step_state.ptr == common.step_state.ptr && args->squares.ptr == common.squares.ptr &&
                       !waits(cuda, args->param.ptr);
    if (!joins) SA_TRY(sa_cuda_launch_updates(cuda));
    cuda->update_common = *args;
    cuda->update[cuda->update_count++] = one;
    return SA_OK;
}

sa_status sa_cuda_square_sum(sa_device *device, const sa_square_sum_args *args)
{
    const size_t rows = (args->count + SA_SQUARE_ROW - 1) / SA_SQUARE_ROW;
    double *row_sums = (double *)args->workspace.ptr;
    if (args->workspace_bytes < rows * sizeof *row_sums)
        SA_FAIL(SA_CAPACITY, "square_sum: a workspace of %zu bytes for %zu rows", args->workspace_bytes, rows);
    if (rows > 0)
        SA_CUDA_TRY(sa_launch(sa_square_rows_kernel, sa_blocks_for(rows, SA_ROWS_AT_ONCE), 0, sa_cuda(device)->stream,
                              (const float *)args->values.ptr, args->count, (unsigned)rows, row_sums));
    SA_CUDA_TRY(sa_launch(sa_square_finish_kernel, 1, 0, sa_cuda(device)->stream, row_sums, (unsigned)rows, args->add,
                          (double *)args->sum.ptr));
    return SA_OK;
}

sa_status sa_cuda_shard_sum(sa_device *device, const sa_shard_sum_args *args)
{
    if (args->count == 0) return SA_OK;
    SA_CUDA_TRY(sa_launch(sa_shard_sum_kernel, sa_blocks_for(args->count, sa_update_block::threads), 0, sa_cuda(device)->stream,
                          *args, (const sa_step_state *)args->step_state.ptr));
    return SA_OK;
}

/* Training refuses several ranks on cards before the first step. */
sa_status sa_cuda_exchange(sa_device *device, const sa_exchange_args *args)
{
    (void)device;
    SA_FAIL(SA_UNSUPPORTED, "exchange %d: cards do not exchange with other ranks", (int)args->number);
}
