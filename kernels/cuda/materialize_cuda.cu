/* materialize on CUDA: stores a source's value. One thread a piece of SA_EVAL_LANES columns. */
#include "kernels/cuda/materialize.cuh"

#include "kernels/cuda/eval_launch.cuh"

/* The upper half of the nearest representable value, ties to even; NaN stays NaN. */
static __device__ __forceinline__ uint16_t round_to_bf16(float value)
{
    uint32_t bits = sa_bits_from_float(value);
    uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
    return (uint16_t)(value == value ? rounded : (bits >> 16 | 0x40u));
}

static __device__ __forceinline__ void store_piece(const sa_slab &out, const sa_lanes &at, const float (&value)[SA_EVAL_LANES])
{
    void *row = sa_slab_row(&out, at.n, at.c, at.y[0]);
    if (out.encoding == SA_F32) {
        sa_store_lanes((float *)row, at, value);
        return;
    }
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++)
        if (at.valid >> e & 1) ((uint16_t *)row)[at.x[e]] = round_to_bf16(value[e]);
}

template <class E>
SA_KERNEL(sa_materialize_kernel, sa_eval_block, const __grid_constant__ sa_program<E> program,
          const __grid_constant__ sa_pieces pieces, const __grid_constant__ sa_slab out)
{
    SA_DYN_SHARED(float, slots);
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes at = sa_row_lanes(piece.n, piece.c, piece.y, piece.x, 1, pieces.width);
        float value[SA_EVAL_LANES];
        sa_eval<E>(program, at, slots, value);
        store_piece(out, at, value);
    }
}
SA_EVAL_REGISTER(sa_materialize_kernel, SA_MATERIALIZE_FORMS)

sa_status sa_cuda_materialize_range(sa_cuda_device *device, const sa_range *range, const sa_source *source, const sa_slab *out)
{
    sa_eval_program program;
    sa_pieces pieces;
    if (out->encoding != SA_F32 && out->encoding != SA_BF16)
        SA_FAIL(SA_UNSUPPORTED, "materialize: output encoding %d is neither float32 nor bf16", (int)out->encoding);
    SA_TRY(sa_compile_one(source, &program));
    SA_TRY(sa_count_pieces(range, out->height, out->width, 1, &pieces));
    if (pieces.count == 0) return SA_OK;
    SA_EVAL_LAUNCH(sa_materialize_kernel, SA_MATERIALIZE_FORMS, program, sa_blocks_for(pieces.count, SA_EVAL_THREADS), 0,
                   device->stream, program, pieces, *out);
    return SA_OK;
}

sa_status sa_cuda_materialize(sa_device *device, const sa_materialize_args *args)
{
    return sa_cuda_materialize_range(sa_cuda(device), &args->range, &args->source, &args->out);
}
