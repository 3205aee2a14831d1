/* Softmax and the gradient of its loss on CUDA: a thread takes SA_EVAL_LANES neighbouring pixels and walks over the channels.
 *
 * Exponentials go to the output first, as on the CPU: it may be the slab of the scores, whose other pixels this thread does not
 * read. */
#include "kernels/cuda/pixels.cuh"

static __device__ __forceinline__ void load_piece(const sa_slab &slab, const sa_lanes &at, int c, float (&value)[SA_EVAL_LANES])
{
    sa_load_lanes((const float *)sa_slab_row(&slab, at.n, c, at.y[0]), at, value);
}

static __device__ __forceinline__ void store_piece(const sa_slab &slab, const sa_lanes &at, int c,
                                                   const float (&value)[SA_EVAL_LANES])
{
    sa_store_lanes((float *)sa_slab_row(&slab, at.n, c, at.y[0]), at, value);
}

/* out[c] = e^(score - max); sum = their sum */
template <class E>
static __device__ __forceinline__ void store_exponentials(const sa_eval_program &scores, const sa_lanes &pixels, int classes,
                                                          const sa_slab &out, float *slots, float (&sum)[SA_EVAL_LANES])
{
    float max[SA_EVAL_LANES];
    sa_channel_max<E>(scores, pixels, classes, slots, max);
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) sum[e] = 0.0f;
    for (int c = 0; c < classes; c++) {
        float value[SA_EVAL_LANES];
        sa_channel<E>(scores, pixels, c, slots, value);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            value[e] = sa_expf(value[e] - max[e]);
            sum[e] = sum[e] + value[e];
        }
        store_piece(out, pixels, c, value);
    }
}

template <class E>
SA_KERNEL(sa_softmax_kernel, sa_eval_block, const __grid_constant__ sa_eval_program scores,
          const __grid_constant__ sa_pieces pieces, int classes, const __grid_constant__ sa_slab prob)
{
    SA_DYN_SHARED(float, slots);
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes pixels = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        float sum[SA_EVAL_LANES];
        store_exponentials<E>(scores, pixels, classes, prob, slots, sum);
        for (int c = 0; c < classes; c++) {
            float value[SA_EVAL_LANES];
            load_piece(prob, pixels, c, value);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) value[e] = value[e] / sum[e];
            store_piece(prob, pixels, c, value);
        }
    }
}

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
        if (!is_prob) store_exponentials<S>(scores, pixels, config.classes, out, slots, sum);
        for (int c = 0; c < config.classes; c++) {
            if (is_prob) sa_channel<S>(scores, pixels, c, slots, value);
            else load_piece(out, pixels, c, value);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                float difference = value[e] / sum[e] - (label[e] == c ? 1.0f : 0.0f);
                float gradient = difference * weight[e] * config.loss_weight / d;
                value[e] = weight[e] != 0.0f ? gradient : 0.0f;
            }
            store_piece(out, pixels, c, value);
        }
    }
}
SA_EVAL_REGISTER(sa_softmax_kernel, SA_DENSE_FORMS)
SA_EVAL_REGISTER_PAIR(sa_softmax_loss_grad_kernel, SA_DENSE_PAIR_FORMS)

sa_status sa_cuda_softmax(sa_device *device, const sa_softmax_args *args)
{
    sa_eval_program program;
    sa_pieces pieces;
    const int channels = sa_source_root(&args->x)->channels;
    if (args->range.channel_begin != 0 || args->range.channel_end != channels)
        SA_FAIL(SA_INVALID, "softmax: channels %d to %d given, but it is over all %d", args->range.channel_begin,
                args->range.channel_end, channels);
    SA_TRY(sa_compile_one(&args->x, &program));
    SA_TRY(sa_count_pixel_pieces(args->range.image_begin, args->range.image_end, args->prob.height, args->prob.width, &pieces));
    if (pieces.count == 0) return SA_OK;
    SA_EVAL_LAUNCH(sa_softmax_kernel, SA_DENSE_FORMS, program, sa_blocks_for(pieces.count, SA_EVAL_THREADS), 0,
                   sa_cuda(device)->stream, program, pieces, channels, args->prob);
    return SA_OK;
}

sa_status sa_cuda_softmax_loss_grad(sa_device *device, const sa_softmax_loss_grad_args *args)
{
    sa_eval_program scores, labels;
    sa_pieces pieces;
    const sa_slab *out = &args->out;
    if (args->config.many_weights)
        SA_FAIL(SA_UNSUPPORTED, "softmax_loss_grad: %d class weights; CUDA takes up to %d, the CPU any number",
                args->config.classes, SA_CLASSES_MAX);
    SA_TRY(sa_compile_one(&args->scores, &scores));
    SA_TRY(sa_compile_one(&args->label, &labels));
    SA_TRY(sa_count_pixel_pieces(out->image_begin, out->image_begin + out->images, out->height, out->width, &pieces));
    if (pieces.count == 0) return SA_OK;
    SA_EVAL_LAUNCH_PAIR(sa_softmax_loss_grad_kernel, SA_DENSE_PAIR_FORMS, scores, labels,
                        sa_blocks_for(pieces.count, SA_EVAL_THREADS), 0, sa_cuda(device)->stream, scores, labels, pieces,
                        args->config, args->is_prob, (const float *)args->divisor.ptr, *out);
    return SA_OK;
}
