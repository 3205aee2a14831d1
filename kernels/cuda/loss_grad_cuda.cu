/* The gradients of the losses on CUDA: a thread takes SA_EVAL_LANES neighbouring pixels and walks over the channels. */
#include "kernels/cuda/loss.cuh"

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

/* What every gradient ends with. */
static __device__ __forceinline__ float scaled(float gradient, float weight, float loss_weight, float divisor)
{
    float result = gradient * weight * loss_weight / divisor;
    return weight != 0.0f ? result : 0.0f;
}

/* INFOGAIN: the sum of the label's row of H. */
static __device__ __forceinline__ void add_gains(const float *table, int classes, const int (&label)[SA_EVAL_LANES],
                                                 const float (&weight)[SA_EVAL_LANES], float (&factor)[SA_EVAL_LANES])
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++)
        for (int c = 0; weight[e] != 0.0f && c < classes; c++) factor[e] = factor[e] + table[(size_t)label[e] * classes + c];
}

/* The gradient of one score before the weights. */
static __device__ __forceinline__ float label_gradient(const sa_loss_config &config, float value, bool is_label, float sum,
                                                       float factor, float gain)
{
    switch (config.kind) {
    case SA_LOSS_SOFTMAX: return value / sum - (is_label ? 1.0f : 0.0f);
    case SA_LOSS_INFOGAIN: return value / sum * factor - gain;
    case SA_LOSS_MULTINOMIAL: return is_label ? -1.0f / sa_loss_clamp(value, sa_loss_least(config.kind)) : 0.0f;
    default: return sa_hinge_gradient(value, is_label, config.kind == SA_LOSS_HINGE_L2);
    }
}

/* The same of a score with a value beside it; *weight is 0 where it is ignored. */
static __device__ __forceinline__ float pair_gradient(const sa_loss_config &config, float value, float beside, float factor,
                                                      float *weight)
{
    if (config.kind == SA_LOSS_EUCLIDEAN) return value - beside;
    if (config.kind != SA_LOSS_SIGMOID) return (value - beside) * factor;
    if (config.has_ignore && (int)beside == config.ignore_label) *weight = 0.0f;
    return sa_sigmoid_gradient(value, beside);
}

/* Losses with a label per pixel. Exponentials go to the output first, as on the CPU: it may be the slab of the scores, whose other
 * pixels this thread does not read. table: H of INFOGAIN. */
template <class S, class L>
SA_KERNEL(sa_loss_grad_kernel, sa_eval_block, const __grid_constant__ sa_program<S> scores,
          const __grid_constant__ sa_program<L> labels, const __grid_constant__ sa_pieces pieces,
          const __grid_constant__ sa_loss_config config, bool is_prob, const float *__restrict__ table,
          const float *__restrict__ divisor, const __grid_constant__ sa_slab out)
{
    SA_DYN_SHARED(float, slots);
    const float d = *divisor;
    const bool softmax = sa_loss_needs_softmax(config, is_prob) && config.kind != SA_LOSS_MULTINOMIAL;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        const sa_piece piece = sa_piece_at(pieces, i);
        const sa_lanes pixels = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        float max[SA_EVAL_LANES] = {}, sum[SA_EVAL_LANES], weight[SA_EVAL_LANES] = {}, factor[SA_EVAL_LANES] = {};
        int label[SA_EVAL_LANES] = {};
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) sum[e] = softmax ? 0.0f : 1.0f;
#pragma unroll 1
        for (int pass = SA_PASS_LABEL; pass <= SA_PASS_VALUES; pass++) {
            if (!softmax && (pass == SA_PASS_MAX || pass == SA_PASS_EXPONENTIALS)) continue;
            const int channels = pass == SA_PASS_LABEL ? 1 : config.classes;
#pragma unroll 1
            for (int c = 0; c < channels; c++) {
                float value[SA_EVAL_LANES];
                if (softmax && pass == SA_PASS_VALUES) sa_load_piece(out, pixels, c, value);
                else sa_either_channel<S, L>(scores, labels, pass == SA_PASS_LABEL, pixels, c, slots, value);
                if (pass == SA_PASS_LABEL) {
                    load_labels(config, value, label, weight);
                    if (config.kind == SA_LOSS_INFOGAIN) add_gains(table, config.classes, label, weight, factor);
                    continue;
                }
                if (pass == SA_PASS_MAX) {
                    sa_take_max(c, value, max);
                    continue;
                }
                if (pass == SA_PASS_EXPONENTIALS) {
                    sa_take_exponential(max, value, sum);
                } else {
#pragma unroll
                    for (int e = 0; e < SA_EVAL_LANES; e++) {
                        float gain = 0.0f;
                        if (config.kind == SA_LOSS_INFOGAIN && weight[e] != 0.0f)
                            gain = table[(size_t)label[e] * config.classes + c];
                        float gradient = label_gradient(config, value[e], label[e] == c, sum[e], factor[e], gain);
                        value[e] = scaled(gradient, weight[e], config.loss_weight, d);
                    }
                }
                sa_store_piece(out, pixels, c, value);
            }
        }
    }
}

/* Losses with a value beside each score. table: (N, H, W) similarities of CONTRASTIVE, which goes over the channels twice. */
template <class S, class L>
SA_KERNEL(sa_loss_pair_grad_kernel, sa_eval_block, const __grid_constant__ sa_program<S> scores,
          const __grid_constant__ sa_program<L> values, const __grid_constant__ sa_pieces pieces,
          const __grid_constant__ sa_loss_config config, const float *__restrict__ table, const float *__restrict__ divisor,
          const __grid_constant__ sa_slab out)
{
    SA_DYN_SHARED(float, slots);
    const float d = *divisor;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        const sa_piece piece = sa_piece_at(pieces, i);
        const sa_lanes pixels = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        const size_t row = ((size_t)pixels.n * out.height + pixels.y[0]) * out.width;
        float factor[SA_EVAL_LANES] = {};
#pragma unroll 1
        for (int pass = config.kind >= SA_LOSS_CONTRASTIVE ? 0 : 1; pass < 2; pass++) {
#pragma unroll 1
            for (int c = 0; c < config.classes; c++) {
                float score[SA_EVAL_LANES], beside[SA_EVAL_LANES];
                sa_load_both<S, L>(scores, values, pixels, c, slots, score, beside);
#pragma unroll
                for (int e = 0; e < SA_EVAL_LANES; e++) {
                    float weight = 1.0f;
                    if (pass == 0) factor[e] = factor[e] + (score[e] - beside[e]) * (score[e] - beside[e]);
                    else score[e] = pair_gradient(config, score[e], beside[e], factor[e], &weight);
                    if (pass == 1) score[e] = scaled(score[e], weight, config.loss_weight, d);
                }
                if (pass == 1) sa_store_piece(out, pixels, c, score);
            }
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++)
                if (pass == 0 && (pixels.valid >> e & 1))
                    factor[e] = sa_contrastive_factor(config.kind, factor[e], (int)table[row + pixels.x[e]] != 0, config.margin);
        }
    }
}
SA_EVAL_REGISTER_PAIR(sa_loss_grad_kernel, SA_DENSE_PAIR_FORMS)
SA_EVAL_REGISTER_PAIR(sa_loss_pair_grad_kernel, SA_NO_FORMS)

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
    if (sa_loss_has_labels(args->config.kind))
        SA_EVAL_LAUNCH_PAIR(sa_loss_grad_kernel, SA_DENSE_PAIR_FORMS, scores, labels, blocks, 0, sa_cuda(device)->stream, scores,
                            labels, pieces, args->config, args->is_prob, (const float *)args->table.ptr,
                            (const float *)args->divisor.ptr, *out);
    else
        SA_EVAL_LAUNCH_PAIR(sa_loss_pair_grad_kernel, SA_NO_FORMS, scores, labels, blocks, 0, sa_cuda(device)->stream, scores,
                            labels, pieces, args->config, (const float *)args->table.ptr, (const float *)args->divisor.ptr, *out);
    return SA_OK;
}
