/* Softmax on CUDA: a thread takes SA_EVAL_LANES neighbouring pixels and walks over the channels. Exponentials go to the output
 * first, as on the CPU: it may be the slab of the scores, whose other pixels this thread does not read. */
#include "kernels/cuda/pixels.cuh"

template <class E>
SA_KERNEL(sa_softmax_kernel, sa_eval_block, const __grid_constant__ sa_program<E> scores, const __grid_constant__ sa_pieces pieces,
          int classes, const __grid_constant__ sa_slab prob)
{
    SA_DYN_SHARED(float, slots);
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes pixels = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        float max[SA_EVAL_LANES] = {}, sum[SA_EVAL_LANES] = {};
#pragma unroll 1
        for (int pass = SA_PASS_MAX; pass <= SA_PASS_VALUES; pass++) {
#pragma unroll 1
            for (int c = 0; c < classes; c++) {
                float value[SA_EVAL_LANES];
                if (pass == SA_PASS_VALUES) sa_load_piece(prob, pixels, c, value);
                else sa_channel<E>(scores, pixels, c, slots, value);
                if (pass == SA_PASS_MAX) {
                    sa_take_max(c, value, max);
                    continue;
                }
                if (pass == SA_PASS_EXPONENTIALS) sa_take_exponential(max, value, sum);
                else SA_EACH_LANE(value[e] / sum[e]);
                sa_store_piece(prob, pixels, c, value);
            }
        }
    }
}

/* dx = y * (dy - sum of dy * y); values: a program of y and dy. */
template <class E>
SA_KERNEL(sa_softmax_grad_kernel, sa_eval_block, const __grid_constant__ sa_program<E> values,
          const __grid_constant__ sa_pieces pieces, int channels, const __grid_constant__ sa_slab dx)
{
    SA_DYN_SHARED(float, slots);
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes at = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        float sum[SA_EVAL_LANES] = {}, y[SA_EVAL_LANES], dy[SA_EVAL_LANES];
#pragma unroll 1
        for (int pass = 0; pass < 2; pass++) {
#pragma unroll 1
            for (int c = 0; c < channels; c++) {
                float value[SA_EVAL_LANES];
                at.c = c;
                sa_eval_pair<E>(values, at, slots, y, dy);
                SA_EACH_LANE(y[e] * (dy[e] - sum[e]));
                if (pass == 1) sa_store_piece(dx, at, c, value);
#pragma unroll
                for (int e = 0; e < SA_EVAL_LANES; e++) sum[e] = pass == 0 ? sum[e] + dy[e] * y[e] : sum[e];
            }
        }
    }
}
SA_EVAL_REGISTER(sa_softmax_grad_kernel, SA_NO_FORMS)
SA_EVAL_REGISTER(sa_softmax_kernel, SA_DENSE_FORMS)

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

sa_status sa_cuda_softmax_grad(sa_device *device, const sa_softmax_grad_args *args)
{
    sa_eval_program program;
    sa_pieces pieces;
    const sa_source *sources[] = {&args->y, &args->dy};
    SA_TRY(sa_eval_compile(sources, 2, &program));
    SA_TRY(sa_count_pixel_pieces(args->range.image_begin, args->range.image_end, args->dx.height, args->dx.width, &pieces));
    if (pieces.count == 0) return SA_OK;
    SA_EVAL_LAUNCH(sa_softmax_grad_kernel, SA_NO_FORMS, program, sa_blocks_for(pieces.count, SA_EVAL_THREADS), 0,
                   sa_cuda(device)->stream, program, pieces, args->dx.channels, args->dx);
    return SA_OK;
}
