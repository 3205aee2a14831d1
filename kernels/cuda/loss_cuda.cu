/* The losses on CUDA: row sums in the canonical order to the workspace, then one thread adds the rows in order of (n, y). */
#include "kernels/cuda/pixels.cuh"
#include "kernels/cuda/row_reduce.cuh"
#include "kernels/loss_math.h"

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
        float clamped = sa_loss_clamp(prob[e], sa_loss_least(config.kind));
        if (weight != 0.0f) row.loss = row.loss + (double)(-weight * sa_logf(clamped));
    }
}

/* The 16 lanes' parts of a row become one; all 32 lanes must call. */
static __device__ __forceinline__ void join_lanes(sa_row_loss &row)
{
    row.loss = sa_add_lanes(row.loss);
    for (int d = 1; d < SA_ROW_LANES; d *= 2) {
        int other = __shfl_xor_sync(0xffffffffu, row.bad_x, d);
        row.kept += __shfl_xor_sync(0xffffffffu, row.kept, d);
        row.bad_x = other < row.bad_x ? other : row.bad_x;
    }
}

/* Of the other losses: what channel c adds to each lane's pixel. */
struct sa_loss_pixels {
    float before[SA_EVAL_LANES], sum[SA_EVAL_LANES]; /* INFOGAIN: maximum and sum of exponentials */
    int label[SA_EVAL_LANES];
    unsigned counts; /* a bit per lane: it is valid, kept, and its label a class */
};

template <class S, class L>
static __device__ __forceinline__ void add_channel(const sa_eval_program &scores, const sa_eval_program &labels,
                                                   const sa_lanes &pixels, const sa_loss_config &config, bool is_prob,
                                                   const float *table, int c, const sa_loss_pixels &p, float *slots,
                                                   double (&total)[SA_EVAL_LANES], int &kept)
{
    float score[SA_EVAL_LANES], beside[SA_EVAL_LANES] = {};
    sa_channel<S>(scores, pixels, c, slots, score);
    if (!sa_loss_has_labels(config.kind)) sa_channel<L>(labels, pixels, c, slots, beside);
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        if (!(p.counts >> e & 1)) continue;
        float part = 0.0f;
        if (config.kind == SA_LOSS_INFOGAIN) {
            float value = is_prob ? score[e] : sa_expf(score[e] - p.before[e]);
            part = -table[(size_t)p.label[e] * config.classes + c] * sa_logf(sa_loss_clamp(value / p.sum[e], 1e-20f));
        } else if (config.kind == SA_LOSS_HINGE_L1 || config.kind == SA_LOSS_HINGE_L2) {
            float m = sa_hinge_margin(score[e], p.label[e] == c);
            part = config.kind == SA_LOSS_HINGE_L2 ? m * m : m;
        } else if (config.kind == SA_LOSS_EUCLIDEAN) {
            part = sa_euclidean_term(score[e], beside[e]);
        } else {
            bool ignored = config.has_ignore && (int)beside[e] == config.ignore_label;
            part = ignored ? 0.0f : sa_sigmoid_term(score[e], beside[e]);
            kept += !ignored;
        }
        total[e] = total[e] + (double)part;
    }
}

/* d^2 of each lane's pixel */
template <class S, class L>
static __device__ __forceinline__ void square_distance(const sa_eval_program &scores, const sa_eval_program &labels,
                                                       const sa_lanes &pixels, int channels, float *slots,
                                                       float (&square)[SA_EVAL_LANES])
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) square[e] = 0.0f;
    for (int c = 0; c < channels; c++) {
        float a[SA_EVAL_LANES], b[SA_EVAL_LANES];
        sa_channel<S>(scores, pixels, c, slots, a);
        sa_channel<L>(labels, pixels, c, slots, b);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) square[e] = square[e] + (a[e] - b[e]) * (a[e] - b[e]);
    }
}

/* Labels of the lanes' pixels, what counts, and what the row notes of them. */
template <class L>
static __device__ __forceinline__ void load_pixels(const sa_eval_program &labels, const sa_lanes &pixels,
                                                   const sa_loss_config &config, float *slots, sa_loss_pixels &p, sa_row_loss &row)
{
    float value[SA_EVAL_LANES];
    p.counts = pixels.valid;
    if (!sa_loss_has_labels(config.kind)) return;
    sa_channel<L>(labels, pixels, 0, slots, value);
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        p.label[e] = (int)value[e];
        bool kept = (pixels.valid >> e & 1) && !(config.has_ignore && p.label[e] == config.ignore_label);
        bool inside = p.label[e] >= 0 && p.label[e] < config.classes;
        row.kept += kept;
        if (kept && !inside) row.bad_x = pixels.x[e] < row.bad_x ? pixels.x[e] : row.bad_x;
        if (!kept || !inside) p.counts &= ~(1u << e);
    }
}

/* pieces: images and rows; per_row and count are not used. rows: (N, H). table: H of INFOGAIN, or (N, H, W) similarities. */
template <class S, class L>
SA_KERNEL(sa_loss_parts_kernel, sa_eval_block, const __grid_constant__ sa_eval_program scores,
          const __grid_constant__ sa_eval_program labels, const __grid_constant__ sa_pieces pieces,
          const __grid_constant__ sa_loss_config config, bool is_prob, const float *__restrict__ table,
          sa_row_loss *__restrict__ rows)
{
    SA_DYN_SHARED(float, slots);
    const int lane = (int)(threadIdx.x % SA_ROW_LANES), part = (int)(threadIdx.x / SA_ROW_LANES);
    const int count = (pieces.range.image_end - pieces.range.image_begin) * pieces.height;
    const bool contrastive = config.kind >= SA_LOSS_CONTRASTIVE;
    for (int first = (int)blockIdx.x * SA_ROWS_AT_ONCE; first < count; first += (int)gridDim.x * SA_ROWS_AT_ONCE) {
        const int number = first + part;
        sa_row_loss row = {0.0, 0, NO_COLUMN};
        for (int x = lane; number < count && x < pieces.width; x += SA_ROW_LANES * SA_EVAL_LANES) {
            const int n = pieces.range.image_begin + number / pieces.height, y = number % pieces.height;
            const sa_lanes pixels = sa_row_lanes(n, 0, y, x, SA_ROW_LANES, pieces.width);
            double total[SA_EVAL_LANES] = {};
            sa_loss_pixels p = {};
            load_pixels<L>(labels, pixels, config, slots, p, row);
            if (contrastive) {
                float square[SA_EVAL_LANES];
                square_distance<S, L>(scores, labels, pixels, config.classes, slots, square);
#pragma unroll
                for (int e = 0; e < SA_EVAL_LANES; e++)
                    if (p.counts >> e & 1)
                        total[e] = (double)sa_contrastive_term(
                            config.kind, square[e], (int)table[((size_t)n * pieces.height + y) * pieces.width + pixels.x[e]] != 0,
                            config.margin);
            } else {
                for (int e = 0; e < SA_EVAL_LANES; e++) p.sum[e] = is_prob ? 1.0f : 0.0f;
                if (config.kind == SA_LOSS_INFOGAIN && !is_prob) {
                    sa_channel_max<S>(scores, pixels, config.classes, slots, p.before);
                    for (int c = 0; c < config.classes; c++) {
                        float value[SA_EVAL_LANES];
                        sa_channel<S>(scores, pixels, c, slots, value);
#pragma unroll
                        for (int e = 0; e < SA_EVAL_LANES; e++) p.sum[e] = p.sum[e] + sa_expf(value[e] - p.before[e]);
                    }
                }
                for (int c = 0; c < config.classes; c++)
                    add_channel<S, L>(scores, labels, pixels, config, is_prob, table, c, p, slots, total, row.kept);
            }
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) row.loss = row.loss + total[e];
        }
        join_lanes(row);
        if (number < count && lane == 0) rows[number] = row;
    }
}

/* The same for SOFTMAX and MULTINOMIAL, where a pixel adds one value. */
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
        join_lanes(row);
        if (number < count && lane == 0) rows[number] = row;
    }
}

/* One block: adds the rows in order. Finds the first bad label, whose value is not known any more here. */
SA_KERNEL(sa_loss_finish_kernel, sa_eval_block, const sa_row_loss *__restrict__ rows, int count, int height, int first_image,
          float constant, float *__restrict__ loss, float *__restrict__ divisor, sa_cuda_fault *fault)
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
    float d = constant > 0.0f ? constant : (float)(kept > 0 ? kept : 1);
    *divisor = d;
    *loss = (float)(sum / (double)d);
}
SA_EVAL_REGISTER_PAIR(sa_loss_rows_kernel, SA_DENSE_PAIR_FORMS)
SA_EVAL_REGISTER_PAIR(sa_loss_parts_kernel, SA_DENSE_PAIR_FORMS)
SIMT_KERNEL(sa_loss_finish_kernel)

sa_status sa_cuda_loss(sa_device *device, const sa_loss_args *args)
{
    sa_cuda_device *cuda = sa_cuda(device);
    sa_eval_program scores, labels;
    const sa_node *pixel = sa_source_root(&args->scores);
    int32_t first;
    const int32_t images = sa_source_images(&args->scores, &first);
    const int rows = images * pixel->height;
    const size_t wanted = sa_cuda_loss_workspace_bytes(device, images, args->config.classes, pixel->height, pixel->width);
    if (args->config.many_weights)
        SA_FAIL(SA_UNSUPPORTED, "loss: %d class weights; CUDA takes up to %d, the CPU any number", args->config.classes,
                SA_CLASSES_MAX);
    if (args->workspace_bytes < wanted)
        SA_FAIL(SA_CAPACITY, "loss: a workspace of %zu bytes for %d rows, %zu wanted", args->workspace_bytes, rows, wanted);
    SA_TRY(sa_compile_one(&args->scores, &scores));
    SA_TRY(sa_compile_one(&args->label, &labels));
    const sa_pieces pieces = {{first, first + images, 0, 1}, pixel->height, pixel->width, 0, 0};
    const unsigned blocks = sa_blocks_for((uint64_t)rows, SA_ROWS_AT_ONCE);
    sa_row_loss *row_losses = (sa_row_loss *)args->workspace.ptr;
    if (args->config.kind == SA_LOSS_SOFTMAX || args->config.kind == SA_LOSS_MULTINOMIAL)
        SA_EVAL_LAUNCH_PAIR(sa_loss_rows_kernel, SA_DENSE_PAIR_FORMS, scores, labels, blocks, 0, cuda->stream, scores, labels,
                            pieces, args->config, args->is_prob, row_losses);
    else
        SA_EVAL_LAUNCH_PAIR(sa_loss_parts_kernel, SA_DENSE_PAIR_FORMS, scores, labels, blocks, 0, cuda->stream, scores, labels,
                            pieces, args->config, args->is_prob, (const float *)args->table.ptr, row_losses);
    SA_CUDA_TRY(sa_launch(sa_loss_finish_kernel, 1, 0, cuda->stream, row_losses, rows, pixel->height, first, args->config.divisor,
                          (float *)args->loss.ptr, (float *)args->divisor.ptr, cuda->fault_device));
    return SA_OK;
}
