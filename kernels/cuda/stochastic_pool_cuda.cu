/* Stochastic pooling on CUDA: a thread takes SA_EVAL_LANES neighbouring windows, reads their values for the sums and, to draw, once
 * more. */
#include "kernels/cuda/pool.cuh"

/* What a thread's windows have come to. */
struct sa_drawn {
    float sum[SA_EVAL_LANES], squares[SA_EVAL_LANES], reached[SA_EVAL_LANES];
    unsigned stopped; /* a bit per lane */
    sa_best best;     /* the value and place where each stopped, or is now */
};

/* wanted: where a window stops; draws false: the sums are made instead. */
template <class E>
static __device__ __forceinline__ void read_windows(const sa_eval_program &program, const sa_window &w, int height, int width,
                                                    bool indexed, const sa_lanes &pooled, bool draws,
                                                    const float (&wanted)[SA_EVAL_LANES], float *slots, sa_drawn &d)
{
    for (int u = 0; u < w.kernel_h; u++) {
        for (int v = 0; v < w.kernel_w; v++) {
            sa_lanes at = pooled;
            float value[SA_EVAL_LANES];
            at.valid = 0;
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                at.y[e] = pooled.y[e] * w.stride_h + u;
                at.x[e] = pooled.x[e] * w.stride_w + v;
                if (at.y[e] < height && at.x[e] < width && (pooled.valid >> e & 1)) at.valid |= 1u << e;
            }
            sa_eval<E>(program, at, slots, value);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                if (!(at.valid >> e & 1)) continue;
                if (!draws) {
                    d.sum[e] = d.sum[e] + value[e];
                    d.squares[e] = d.squares[e] + value[e] * value[e];
                } else if (!(d.stopped >> e & 1)) {
                    d.reached[e] = d.reached[e] + value[e];
                    d.best.value[e] = value[e];
                    d.best.token[e] = indexed ? at.y[e] * width + at.x[e] : u * w.kernel_w + v;
                    if (d.reached[e] >= wanted[e]) d.stopped |= 1u << e;
                }
            }
        }
    }
}

/* step_state NULL: it does not draw. */
template <class E>
SA_KERNEL(sa_pool_stochastic_kernel, sa_eval_block, const __grid_constant__ sa_eval_program program,
          const __grid_constant__ sa_pieces pieces, sa_window window, int height, int width, int channels,
          const sa_step_state *__restrict__ step_state, uint64_t seed, const __grid_constant__ sa_slab out,
          const __grid_constant__ sa_slab mask)
{
    SA_DYN_SHARED(float, slots);
    const bool packed = mask.at.ptr && mask.encoding != SA_F32, indexed = mask.encoding == SA_F32, draws = step_state != nullptr;
    const unsigned rounded = (pieces.count + 31) / 32 * 32; /* whole warps, for the shuffles */
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < rounded; i += gridDim.x * blockDim.x) {
        const bool active = i < pieces.count;
        sa_piece piece = sa_piece_at(pieces, active ? i : pieces.count - 1);
        sa_lanes pooled = sa_row_lanes(piece.n, piece.c, piece.y, piece.x, 1, pieces.width);
        sa_drawn d;
        float wanted[SA_EVAL_LANES] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (!active) pooled.valid = 0;
        d.stopped = 0;
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) d.sum[e] = d.squares[e] = d.reached[e] = 0.0f, d.best.token[e] = 0;
        read_windows<E>(program, window, height, width, indexed, pooled, false, wanted, slots, d);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            const uint64_t row = ((uint64_t)piece.n * (uint64_t)channels + (uint64_t)piece.c) * (uint64_t)pieces.height;
            const uint64_t element = (row + (uint64_t)piece.y) * (uint64_t)pieces.width + (uint64_t)pooled.x[e];
            if (draws) wanted[e] = sa_uniform(seed, step_state->step, element) * d.sum[e];
            d.best.value[e] = d.sum[e] > 0.0f ? d.squares[e] / d.sum[e] : 0.0f;
        }
        if (draws) read_windows<E>(program, window, height, width, indexed, pooled, true, wanted, slots, d);
        sa_store_windows(out, mask, pooled, d.best);
        if (packed) sa_store_packed(mask, pooled, d.best, active);
    }
}
SA_EVAL_REGISTER(sa_pool_stochastic_kernel, SA_NO_FORMS)

sa_status sa_cuda_pool_stochastic(sa_device *device, const sa_pool_stochastic_args *args)
{
    sa_eval_program program;
    sa_pieces pieces;
    const sa_node *x = sa_source_root(&args->x);
    SA_TRY(sa_compile_one(&args->x, &program));
    SA_TRY(sa_count_pieces(&args->range, args->out.height, args->out.width, 4, &pieces));
    if (pieces.count == 0) return SA_OK;
    SA_EVAL_LAUNCH(sa_pool_stochastic_kernel, SA_NO_FORMS, program, sa_blocks_for(pieces.count, SA_EVAL_THREADS), 0,
                   sa_cuda(device)->stream, program, pieces, args->window, x->height, x->width, x->channels,
                   args->draws ? (const sa_step_state *)args->step_state.ptr : nullptr, args->seed, args->out, args->mask);
    return SA_OK;
}
