/* The losses on CUDA: row sums in the canonical order to the workspace, then one thread adds the rows in order of (n, y). Here are
 * those with a label per pixel; the others' row sums are in loss_pair_cuda.cu. */
#include "kernels/cuda/loss.cuh"

/* Of each lane's pixel. */
struct sa_loss_pixels {
    float max[SA_EVAL_LANES], sum[SA_EVAL_LANES]; /* of the scores, and of their exponentials; 1 if they are probabilities */
    float own[SA_EVAL_LANES];                     /* the label's exponential or probability */
    double total[SA_EVAL_LANES];                  /* INFOGAIN, HINGE: what the channels add */
    int label[SA_EVAL_LANES];
    unsigned counts; /* a bit per lane: it is valid, kept, and its label a class */
};

/* The lanes' labels, what counts, and what the row notes of them. */
static __device__ __forceinline__ void take_labels(const float (&value)[SA_EVAL_LANES], const sa_lanes &pixels,
                                                   const sa_loss_config &config, sa_loss_pixels &p, sa_row_loss &row)
{
    p.counts = pixels.valid;
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

/* What channel c adds to each lane's pixel. */
static __device__ __forceinline__ void take_value(const sa_loss_config &config, bool softmax, const float *table, int c,
                                                  const float (&value)[SA_EVAL_LANES], sa_loss_pixels &p)
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        if (!(p.counts >> e & 1)) continue;
        float part = 0.0f;
        if (config.kind == SA_LOSS_INFOGAIN) {
            float exponential = softmax ? sa_expf(value[e] - p.max[e]) : value[e];
            part = -table[(size_t)p.label[e] * config.classes + c] * sa_logf(sa_loss_clamp(exponential / p.sum[e], 1e-20f));
        } else if (config.kind == SA_LOSS_HINGE_L1 || config.kind == SA_LOSS_HINGE_L2) {
            float m = sa_hinge_margin(value[e], p.label[e] == c);
            part = config.kind == SA_LOSS_HINGE_L2 ? m * m : m;
        } else if (p.label[e] == c) {
            p.own[e] = value[e];
        }
        p.total[e] = p.total[e] + (double)part;
    }
}

/* SOFTMAX, MULTINOMIAL: -a_l * log(p_l) */
static __device__ __forceinline__ void take_logarithms(const sa_loss_config &config, sa_loss_pixels &p)
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        if (!(p.counts >> e & 1)) continue;
        float weight = config.weighted ? config.class_weight[p.label[e]] : 1.0f;
        float clamped = sa_loss_clamp(p.own[e] / p.sum[e], sa_loss_least(config.kind));
        if (weight != 0.0f) p.total[e] = (double)(-weight * sa_logf(clamped));
    }
}

/* The lanes' pixels, into row. */
template <class S, class L>
static __device__ __forceinline__ void add_pixels(const sa_program<S> &scores, const sa_program<L> &labels, const sa_lanes &pixels,
                                                  const sa_loss_config &config, bool is_prob, const float *table, float *slots,
                                                  sa_row_loss &row)
{
    const bool softmax = sa_loss_needs_softmax(config, is_prob), one = config.kind <= SA_LOSS_MULTINOMIAL;
    const int last = softmax && one ? SA_PASS_EXPONENTIALS : SA_PASS_VALUES;
    sa_loss_pixels p = {};
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) p.sum[e] = softmax ? 0.0f : 1.0f;
#pragma unroll 1
    for (int pass = SA_PASS_LABEL; pass <= last; pass++) {
        if (!softmax && (pass == SA_PASS_MAX || pass == SA_PASS_EXPONENTIALS)) continue;
        const int channels = pass == SA_PASS_LABEL ? 1 : config.classes;
#pragma unroll 1
        for (int c = 0; c < channels; c++) {
            float value[SA_EVAL_LANES];
            sa_either_channel<S, L>(scores, labels, pass == SA_PASS_LABEL, pixels, c, slots, value);
            if (pass == SA_PASS_LABEL) {
                take_labels(value, pixels, config, p, row);
            } else if (pass == SA_PASS_MAX) {
                sa_take_max(c, value, p.max);
            } else if (pass == SA_PASS_EXPONENTIALS) {
                sa_take_exponential(p.max, value, p.sum);
#pragma unroll
                for (int e = 0; e < SA_EVAL_LANES; e++) p.own[e] = p.label[e] == c ? value[e] : p.own[e];
            } else {
                take_value(config, softmax, table, c, value, p);
            }
        }
    }
    if (one) take_logarithms(config, p);
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) row.loss = row.loss + p.total[e];
}

/* rows: (N, H). table: H of INFOGAIN. */
template <class S, class L>
SA_KERNEL(sa_loss_rows_kernel, sa_eval_block, const __grid_constant__ sa_program<S> scores,
          const __grid_constant__ sa_program<L> labels, const __grid_constant__ sa_pieces pieces,
          const __grid_constant__ sa_loss_config config, bool is_prob, const float *__restrict__ table,
          sa_row_loss *__restrict__ rows)
{
    SA_DYN_SHARED(float, slots);
    const int lane = (int)(threadIdx.x % SA_ROW_LANES), part = (int)(threadIdx.x / SA_ROW_LANES);
    const int count = (pieces.range.image_end - pieces.range.image_begin) * pieces.height;
    for (int first = (int)blockIdx.x * SA_ROWS_AT_ONCE; first < count; first += (int)gridDim.x * SA_ROWS_AT_ONCE) {
        const int number = first + part;
        sa_row_loss row = {0.0, 0, SA_NO_COLUMN};
        for (int x = lane; number < count && x < pieces.width; x += SA_ROW_LANES * SA_EVAL_LANES) {
            const int n = pieces.range.image_begin + number / pieces.height, y = number % pieces.height;
            add_pixels<S, L>(scores, labels, sa_row_lanes(n, 0, y, x, SA_ROW_LANES, pieces.width), config, is_prob, table, slots,
                             row);
        }
        sa_join_lanes(row);
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
            if (some[r].bad_x == SA_NO_COLUMN || bad) continue;
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
SIMT_KERNEL(sa_loss_finish_kernel)

sa_status sa_cuda_loss(sa_device *device, const sa_loss_args *args)
{
    sa_cuda_device *cuda = sa_cuda(device);
    sa_eval_program scores, labels;
    const sa_loss_rows at = sa_loss_rows_of(&args->scores);
    const sa_range *range = &at.pieces.range;
    const int images = range->image_end - range->image_begin, rows = images * at.pieces.height;
    const size_t wanted = sa_cuda_loss_workspace_bytes(device, images, args->config.classes, at.pieces.height, at.pieces.width);
    if (args->config.many_weights)
        SA_FAIL(SA_UNSUPPORTED, "loss: %d class weights; CUDA takes up to %d, the CPU any number", args->config.classes,
                SA_CLASSES_MAX);
    if (args->workspace_bytes < wanted)
        SA_FAIL(SA_CAPACITY, "loss: a workspace of %zu bytes for %d rows, %zu wanted", args->workspace_bytes, rows, wanted);
    SA_TRY(sa_compile_one(&args->scores, &scores));
    SA_TRY(sa_compile_one(&args->label, &labels));
    sa_row_loss *row_losses = (sa_row_loss *)args->workspace.ptr;
    if (sa_loss_has_labels(args->config.kind))
        SA_EVAL_LAUNCH_PAIR(sa_loss_rows_kernel, SA_DENSE_PAIR_FORMS, scores, labels, at.blocks, 0, cuda->stream, scores, labels,
                            at.pieces, args->config, args->is_prob, (const float *)args->table.ptr, row_losses);
    else SA_TRY(sa_cuda_loss_pairs(cuda, args, scores, labels, row_losses));
    SA_CUDA_TRY(sa_launch(sa_loss_finish_kernel, 1, 0, cuda->stream, row_losses, rows, at.pieces.height, range->image_begin,
                          args->config.divisor, (float *)args->loss.ptr, (float *)args->divisor.ptr, cuda->fault_device));
    return SA_OK;
}
