/* The gradients of the losses on CUDA: a thread takes SA_EVAL_LANES neighbouring pixels and walks over the channels. */
#include "kernels/cuda/pixels.cuh"
#include "kernels/loss_math.h"

/* Labels and their weights; weight 0 for pixels that are ignored or have a label outside the classes. */
static __device__ __forceinline__ void load_labels(const sa_loss_config &config, const float (&value)[SA_EVAL_LANES],
                                                   int (&label)[SA_EVAL_LANES], float (&weight)[SA_EVAL_LANES])
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        label[e] = (int)value[e];
        bool counts = label[e] >= 0 && label[e] < config.classes && !(config.has_ignore && label[e] == config.ignore_label);
        weight[e] = !counts ? 0.0f : config.weighted ? config.class_weight[label[e]] : 1.0f;
    }
}

template <class S, class L>
SA_KERNEL(sa_softmax_loss_grad_kernel, sa_eval_block, const __grid_constant__ sa_eval_program scores,
          const __grid_constant__ sa_eval_program labels, const __grid_constant__ sa_pieces pieces,
          const __grid_constant__ sa_loss_config config, bool is_prob, const float *__restrict__ divisor,
          const __grid_constant__ sa_slab out)
{
    SA_DYN_SHARED(float, slots);
    const float d = *divisor;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes pixels = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        float value[SA_EVAL_LANES], weight[SA_EVAL_LANES], sum[SA_EVAL_LANES] = {1.0f, 1.0f, 1.0f, 1.0f};
        int label[SA_EVAL_LANES];
        sa_channel<L>(labels, pixels, 0, slots, value);
        load_labels(config, value, label, weight);
        if (!is_prob) sa_store_exponentials<S>(scores, pixels, config.classes, out, slots, sum);
        for (int c = 0; c < config.classes; c++) {
            if (is_prob) sa_channel<S>(scores, pixels, c, slots, value);
            else sa_load_piece(out, pixels, c, value);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                float difference = value[e] / sum[e] - (label[e] == c ? 1.0f : 0.0f);
                float gradient = difference * weight[e] * config.loss_weight / d;
                value[e] = weight[e] != 0.0f ? gradient : 0.0f;
            }
            sa_store_piece(out, pixels, c, value);
        }
    }
}

/* What every gradient ends with. */
static __device__ __forceinline__ float scaled(float gradient, float weight, float loss_weight, float divisor)
{
    float result = gradient * weight * loss_weight / divisor;
    return weight != 0.0f ? result : 0.0f;
}

/* Of each lane's pixel, once: INFOGAIN sum = that of the exponentials, factor = that of the label's row of H; CONTRASTIVE factor =
 * what the differences are multiplied by. */
template <class S, class L>
static __device__ __forceinline__ void
before_channels(const sa_eval_program &scores, const sa_eval_program &labels, const sa_lanes &pixels, const sa_loss_config &config,
                bool is_prob, const float *table, const sa_slab &out, const int (&label)[SA_EVAL_LANES],
                const float (&weight)[SA_EVAL_LANES], float *slots, float (&sum)[SA_EVAL_LANES], float (&factor)[SA_EVAL_LANES])
{
    if (config.kind == SA_LOSS_INFOGAIN) {
        if (!is_prob) sa_store_exponentials<S>(scores, pixels, config.classes, out, slots, sum);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            factor[e] = 0.0f;
            for (int c = 0; weight[e] != 0.0f && c < config.classes; c++)
                factor[e] = factor[e] + table[(size_t)label[e] * config.classes + c];
        }
        return;
    }
    if (config.kind < SA_LOSS_CONTRASTIVE) return;
    for (int c = 0; c < config.classes; c++) {
        float a[SA_EVAL_LANES], b[SA_EVAL_LANES];
        sa_channel<S>(scores, pixels, c, slots, a);
        sa_channel<L>(labels, pixels, c, slots, b);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) factor[e] = factor[e] + (a[e] - b[e]) * (a[e] - b[e]);
    }
    const size_t row = ((size_t)pixels.n * out.height + pixels.y[0]) * out.width;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++)
        if (pixels.valid >> e & 1)
            factor[e] = sa_contrastive_factor(config.kind, factor[e], (int)table[row + pixels.x[e]] != 0, config.margin);
}

/* The gradient of one score before the weights; *weight is 0 where it is ignored. */
static __device__ __forceinline__ float gradient_of(const sa_loss_config &config, float value, float beside, bool is_label,
                                                    float sum, float factor, float gain, float *weight)
{
    switch (config.kind) {
    case SA_LOSS_INFOGAIN: return value / sum * factor - gain;
    case SA_LOSS_MULTINOMIAL: return is_label ? -1.0f / sa_loss_clamp(value, sa_loss_least(config.kind)) : 0.0f;
    case SA_LOSS_HINGE_L1:
    case SA_LOSS_HINGE_L2: return sa_hinge_gradient(value, is_label, config.kind == SA_LOSS_HINGE_L2);
    case SA_LOSS_EUCLIDEAN: return value - beside;
    case SA_LOSS_SIGMOID:
        if (config.has_ignore && (int)beside == config.ignore_label) *weight = 0.0f;
        return sa_sigmoid_gradient(value, beside);
    default: return (value - beside) * factor;
    }
}

/* Of all losses but SOFTMAX. table: H of INFOGAIN, or (N, H, W) similarities. */
template <class S, class L>
SA_KERNEL(sa_loss_grad_kernel, sa_eval_block, const __grid_constant__ sa_eval_program scores,
          const __grid_constant__ sa_eval_program labels, const __grid_constant__ sa_pieces pieces,
          const __grid_constant__ sa_loss_config config, bool is_prob, const float *__restrict__ table,
          const float *__restrict__ divisor, const __grid_constant__ sa_slab out)
{
    SA_DYN_SHARED(float, slots);
    const float d = *divisor;
    const bool labelled = sa_loss_has_labels(config.kind), stored = config.kind == SA_LOSS_INFOGAIN && !is_prob;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes pixels = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        float value[SA_EVAL_LANES], beside[SA_EVAL_LANES] = {}, factor[SA_EVAL_LANES] = {};
        float weight[SA_EVAL_LANES] = {1.0f, 1.0f, 1.0f, 1.0f}, sum[SA_EVAL_LANES] = {1.0f, 1.0f, 1.0f, 1.0f};
        int label[SA_EVAL_LANES] = {};
        if (labelled) {
            sa_channel<L>(labels, pixels, 0, slots, value);
            load_labels(config, value, label, weight);
        }
        before_channels<S, L>(scores, labels, pixels, config, is_prob, table, out, label, weight, slots, sum, factor);
        for (int c = 0; c < config.classes; c++) {
            if (stored) sa_load_piece(out, pixels, c, value);
            else sa_channel<S>(scores, pixels, c, slots, value);
            if (!labelled) sa_channel<L>(labels, pixels, c, slots, beside);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                float gain = 0.0f, w = weight[e];
                if (config.kind == SA_LOSS_INFOGAIN && w != 0.0f) gain = table[(size_t)label[e] * config.classes + c];
                float gradient = gradient_of(config, value[e], beside[e], label[e] == c, sum[e], factor[e], gain, &w);
                value[e] = scaled(gradient, w, config.loss_weight, d);
            }
            sa_store_piece(out, pixels, c, value);
        }
    }
}
SA_EVAL_REGISTER_PAIR(sa_softmax_loss_grad_kernel, SA_DENSE_PAIR_FORMS)
SA_EVAL_REGISTER_PAIR(sa_loss_grad_kernel, SA_DENSE_PAIR_FORMS)

sa_status sa_cuda_loss_grad(sa_device *device, const sa_loss_grad_args *args)
{
    sa_eval_program scores, labels;
    sa_pieces pieces;
    const sa_slab *out = &args->out;
    if (args->config.many_weights)
        SA_FAIL(SA_UNSUPPORTED, "loss_grad: %d class weights; CUDA takes up to %d, the CPU any number", args->config.classes,
                SA_CLASSES_MAX);
    SA_TRY(sa_compile_one(&args->scores, &scores));
    SA_TRY(sa_compile_one(&args->label, &labels));
    SA_TRY(sa_count_pixel_pieces(out->image_begin, out->image_begin + out->images, out->height, out->width, &pieces));
    if (pieces.count == 0) return SA_OK;
    const unsigned blocks = sa_blocks_for(pieces.count, SA_EVAL_THREADS);
    if (args->config.kind == SA_LOSS_SOFTMAX)
        SA_EVAL_LAUNCH_PAIR(sa_softmax_loss_grad_kernel, SA_DENSE_PAIR_FORMS, scores, labels, blocks, 0, sa_cuda(device)->stream,
                            scores, labels, pieces, args->config, args->is_prob, (const float *)args->divisor.ptr, *out);
    else
        SA_EVAL_LAUNCH_PAIR(sa_loss_grad_kernel, SA_DENSE_PAIR_FORMS, scores, labels, blocks, 0, sa_cuda(device)->stream, scores,
                            labels, pieces, args->config, args->is_prob, (const float *)args->table.ptr,
                            (const float *)args->divisor.ptr, *out);
    return SA_OK;
}
