/* The softmax loss on CUDA: row sums in the canonical order to the workspace, then one thread adds the rows in order of (n, y). */
#include "kernels/cuda/pixels.cuh"
#include "kernels/cuda/row_reduce.cuh"

#include <float.h>

/* One row's part of the loss. */
struct sa_row_loss {
    double loss;
    int kept;
    int bad_x; /* the first column with a kept label outside the classes, or INT_MAX */
};
static_assert(sizeof(sa_row_loss) == SA_CUDA_ROW_LOSS_BYTES, "workspaces are planned with this size");

enum { NO_COLUMN = 0x7fffffff };

/* The probability of each lane's label, from scores or from stored probabilities. */
template <class E>
static __device__ __forceinline__ void label_probability(const sa_eval_program &scores, const sa_lanes &pixels, int classes,
                                                         bool is_prob, const int (&label)[SA_EVAL_LANES], float *slots,
                                                         float (&prob)[SA_EVAL_LANES])
{
    float max[SA_EVAL_LANES], sum[SA_EVAL_LANES] = {};
    if (!is_prob) sa_channel_max<E>(scores, pixels, classes, slots, max);
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) prob[e] = 0.0f;
    for (int c = 0; c < classes; c++) {
        float value[SA_EVAL_LANES];
        sa_channel<E>(scores, pixels, c, slots, value);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            if (!is_prob) {
                value[e] = sa_expf(value[e] - max[e]);
                sum[e] = sum[e] + value[e];
            }
            if (label[e] == c) prob[e] = value[e];
        }
    }
    if (is_prob) return;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) prob[e] = prob[e] / sum[e];
}

/* Adds the lanes' pixels to a row's part. */
template <class S, class L>
static __device__ __forceinline__ void add_pixels(const sa_eval_program &scores, const sa_eval_program &labels,
                                                  const sa_lanes &pixels, const sa_loss_config &config, bool is_prob, float *slots,
                                                  sa_row_loss &row)
{
    float value[SA_EVAL_LANES], prob[SA_EVAL_LANES];
    int label[SA_EVAL_LANES];
    sa_channel<L>(labels, pixels, 0, slots, value);
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) label[e] = (int)value[e];
    label_probability<S>(scores, pixels, config.classes, is_prob, label, slots, prob);
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        bool kept = (pixels.valid >> e & 1) && !(config.has_ignore && label[e] == config.ignore_label);
        if (!kept) continue;
        row.kept++;
        if (label[e] < 0 || label[e] >= config.classes) {
            row.bad_x = pixels.x[e] < row.bad_x ? pixels.x[e] : row.bad_x;
            continue;
        }
        float weight = config.weighted ? config.class_weight[label[e]] : 1.0f;
        float clamped = prob[e] > FLT_MIN ? prob[e] : FLT_MIN;
        clamped = prob[e] == prob[e] ? clamped : prob[e]; /* a NaN must reach the loss */
        if (weight != 0.0f) row.loss = row.loss + (double)(-weight * sa_logf(clamped));
    }
}

/* pieces: images and rows; per_row and count are not used. rows: (N, H). */
template <class S, class L>
SA_KERNEL(sa_loss_rows_kernel, sa_eval_block, const __grid_constant__ sa_eval_program scores,
          const __grid_constant__ sa_eval_program labels, const __grid_constant__ sa_pieces pieces,
          const __grid_constant__ sa_loss_config config, bool is_prob, sa_row_loss *__restrict__ rows)
{
    SA_DYN_SHARED(float, slots);
    const int lane = (int)(threadIdx.x % SA_ROW_LANES), part = (int)(threadIdx.x / SA_ROW_LANES);
    const int count = (pieces.range.image_end - pieces.range.image_begin) * pieces.height;
    for (int first = (int)blockIdx.x * SA_ROWS_AT_ONCE; first < count; first += (int)gridDim.x * SA_ROWS_AT_ONCE) {
        const int number = first + part;
        sa_row_loss row = {0.0, 0, NO_COLUMN};
        if (number < count) {
            int n = pieces.range.image_begin + number / pieces.height, y = number % pieces.height;
            for (int x = lane; x < pieces.width; x += SA_ROW_LANES * SA_EVAL_LANES)
                add_pixels<S, L>(scores, labels, sa_row_lanes(n, 0, y, x, SA_ROW_LANES, pieces.width), config, is_prob, slots, row);
        }
        row.loss = sa_add_lanes(row.loss);
        for (int d = 1; d < SA_ROW_LANES; d *= 2) {
            int other = __shfl_xor_sync(0xffffffffu, row.bad_x, d);
            row.kept += __shfl_xor_sync(0xffffffffu, row.kept, d);
            row.bad_x = other < row.bad_x ? other : row.bad_x;
        }
        if (number < count && lane == 0) rows[number] = row;
    }
}

/* One block: adds the rows in order. Finds the first bad label, whose value is not known any more here. */
SA_KERNEL(sa_loss_finish_kernel, sa_eval_block, const sa_row_loss *__restrict__ rows, int count, int height, int first_image,
          float images, bool normalize, float *__restrict__ loss, float *__restrict__ divisor, sa_cuda_fault *fault)
{
    __shared__ sa_row_loss some[SA_EVAL_THREADS];
    double sum = 0.0;
    long long kept = 0;
    bool bad = false;
    for (int first = 0; first < count; first += SA_EVAL_THREADS) {
        if (first + (int)threadIdx.x < count) some[threadIdx.x] = rows[first + (int)threadIdx.x];
        __syncthreads();
        for (int r = 0; threadIdx.x == 0 && r < SA_EVAL_THREADS && first + r < count; r++) {
            sum = sum + some[r].loss;
            kept += some[r].kept;
            if (some[r].bad_x == NO_COLUMN || bad) continue;
            bad = true;
            fault->n = first_image + (first + r) / height, fault->c = 0;
            fault->y = (first + r) % height, fault->x = some[r].bad_x;
            fault->kind = SA_CUDA_FAULT_LABEL;
        }
        __syncthreads();
    }
    if (threadIdx.x != 0) return;
    float d = normalize ? (float)(kept > 0 ? kept : 1) : images;
    *divisor = d;
    *loss = (float)(sum / (double)d);
}
SA_EVAL_REGISTER_PAIR(sa_loss_rows_kernel, SA_DENSE_PAIR_FORMS)
SIMT_KERNEL(sa_loss_finish_kernel)

sa_status sa_cuda_softmax_loss(sa_device *device, const sa_softmax_loss_args *args)
{
    sa_cuda_device *cuda = sa_cuda(device);
    sa_eval_program scores, labels;
    const sa_node *label = sa_source_root(&args->label);
    int32_t first;
    const int32_t images = sa_source_images(&args->label, &first);
    const int rows = images * label->height;
    const size_t wanted = sa_cuda_loss_workspace_bytes(device, images, args->config.classes, label->height, label->width);
    if (args->config.many_weights)
        SA_FAIL(SA_UNSUPPORTED, "softmax_loss: %d class weights; CUDA takes up to %d, the CPU any number", args->config.classes,
                SA_CLASSES_MAX);
    if (args->workspace_bytes < wanted)
        SA_FAIL(SA_CAPACITY, "softmax_loss: a workspace of %zu bytes for %d rows, %zu wanted", args->workspace_bytes, rows, wanted);
    SA_TRY(sa_compile_one(&args->scores, &scores));
    SA_TRY(sa_compile_one(&args->label, &labels));
    sa_pieces pieces = {{first, first + images, 0, 1}, label->height, label->width, 0, 0};
    sa_row_loss *row_losses = (sa_row_loss *)args->workspace.ptr;
    SA_EVAL_LAUNCH_PAIR(sa_loss_rows_kernel, SA_DENSE_PAIR_FORMS, scores, labels, sa_blocks_for((uint64_t)rows, SA_ROWS_AT_ONCE), 0,
                        cuda->stream, scores, labels, pieces, args->config, args->is_prob, row_losses);
    SA_CUDA_TRY(sa_launch(sa_loss_finish_kernel, 1, 0, cuda->stream, row_losses, rows, label->height, first, (float)images,
                          args->config.normalize, (float *)args->loss.ptr, (float *)args->divisor.ptr, cuda->fault_device));
    return SA_OK;
}
