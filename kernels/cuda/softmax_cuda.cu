/* Softmax on CUDA: a thread takes SA_EVAL_LANES neighbouring pixels and walks over the channels. */
#include "kernels/cuda/pixels.cuh"

template <class E>
SA_KERNEL(sa_softmax_kernel, sa_eval_block, const __grid_constant__ sa_eval_program scores,
          const __grid_constant__ sa_pieces pieces, int classes, const __grid_constant__ sa_slab prob)
{
    SA_DYN_SHARED(float, slots);
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes pixels = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        float sum[SA_EVAL_LANES];
        sa_store_exponentials<E>(scores, pixels, classes, prob, slots, sum);
        for (int c = 0; c < classes; c++) {
            float value[SA_EVAL_LANES];
            sa_load_piece(prob, pixels, c, value);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) value[e] = value[e] / sum[e];
            sa_store_piece(prob, pixels, c, value);
        }
    }
}

/* dx = y * (dy - sum of dy * y); values: a program of y and dy. */
template <class E>
SA_KERNEL(sa_softmax_grad_kernel, sa_eval_block, const __grid_constant__ sa_eval_program values,
          const __grid_constant__ sa_pieces pieces, int channels, const __grid_constant__ sa_slab dx)
{
    SA_DYN_SHARED(float, slots);
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes at = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        float sum[SA_EVAL_LANES] = {0.0f, 0.0f, 0.0f, 0.0f}, y[SA_EVAL_LANES], dy[SA_EVAL_LANES];
        for (int c = 0; c < channels; c++) {
            at.c = c;
            sa_eval_pair<E>(values, at, slots, y, dy);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) sum[e] = sum[e] + dy[e] * y[e];
        }
        for (int c = 0; c < channels; c++) {
            float value[SA_EVAL_LANES];
            at.c = c;
            sa_eval_pair<E>(values, at, slots, y, dy);
            SA_EACH_LANE(y[e] * (dy[e] - sum[e]));
            sa_store_piece(dx, at, c, value);
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
