/* argmax on CUDA: a thread takes SA_EVAL_LANES neighbouring places and walks over the channels, once per rank. */
#include "kernels/cuda/pixels.cuh"

static __device__ __forceinline__ void store_ranked(const sa_slab &out, const sa_lanes &at, int rank,
                                                    const float (&value)[SA_EVAL_LANES])
{
    if (out.at.ptr) sa_store_lanes((float *)sa_slab_row(&out, at.n, rank, at.y[0]), at, value);
}

template <class E>
SA_KERNEL(sa_argmax_kernel, sa_eval_block, const __grid_constant__ sa_program<E> source, const __grid_constant__ sa_pieces pieces,
          int channels, int top_k, const __grid_constant__ sa_slab index_out, const __grid_constant__ sa_slab value_out)
{
    SA_DYN_SHARED(float, slots);
    const float infinity = sa_float_from_bits(0x7f800000u);
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes places = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        float last[SA_EVAL_LANES] = {infinity, infinity, infinity, infinity};
        int last_index[SA_EVAL_LANES] = {channels, channels, channels, channels};
        for (int k = 0; k < top_k; k++) {
            float best[SA_EVAL_LANES] = {-infinity, -infinity, -infinity, -infinity}, number[SA_EVAL_LANES];
            int at[SA_EVAL_LANES] = {-1, -1, -1, -1};
            for (int c = 0; c < channels; c++) {
                float value[SA_EVAL_LANES];
                sa_channel<E>(source, places, c, slots, value);
#pragma unroll
                for (int e = 0; e < SA_EVAL_LANES; e++) {
                    bool behind = value[e] < last[e] || (value[e] == last[e] && c < last_index[e]);
                    if (behind && value[e] >= best[e]) best[e] = value[e], at[e] = c;
                }
            }
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                last[e] = best[e], last_index[e] = at[e];
                number[e] = (float)at[e];
            }
            store_ranked(index_out, places, k, number);
            store_ranked(value_out, places, k, last);
        }
    }
}
SA_EVAL_REGISTER(sa_argmax_kernel, SA_NO_FORMS)

sa_status sa_cuda_argmax(sa_device *device, const sa_argmax_args *args)
{
    sa_eval_program program;
    sa_pieces pieces;
    const sa_node *root = sa_source_root(&args->x);
    int32_t first;
    const int32_t images = sa_source_images(&args->x, &first);
    SA_TRY(sa_compile_one(&args->x, &program));
    SA_TRY(sa_count_pixel_pieces(first, first + images, root->height, root->width, &pieces));
    if (pieces.count == 0) return SA_OK;
    SA_EVAL_LAUNCH(sa_argmax_kernel, SA_NO_FORMS, program, sa_blocks_for(pieces.count, SA_EVAL_THREADS), 0, sa_cuda(device)->stream,
                   program, pieces, root->channels, args->top_k, args->index, args->value);
    return SA_OK;
}
