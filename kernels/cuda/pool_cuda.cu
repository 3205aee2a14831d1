/* Max pooling with its mask on CUDA: a thread takes SA_EVAL_LANES neighbouring windows; threads of one mask word join their bits.
 */
#include "kernels/cuda/pool.cuh"

#include <float.h>

enum { MASK4_NONE = 15 };

template <class E>
static __device__ __forceinline__ void scan_windows(const sa_program<E> &program, const sa_window &w, int height, int width,
                                                    bool indexed, const sa_lanes &pooled, float *slots, sa_best &best)
{
    for (int u = 0; u < w.kernel_h; u++) {
        for (int v = 0; v < w.kernel_w; v++) { /* row-major, so that the first of equals wins */
            sa_lanes at = pooled;
            float value[SA_EVAL_LANES];
            at.valid = 0;
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                at.y[e] = pooled.y[e] * w.stride_h - w.pad_h + u;
                at.x[e] = pooled.x[e] * w.stride_w - w.pad_w + v;
                bool inside = at.y[e] >= 0 && at.y[e] < height && at.x[e] >= 0 && at.x[e] < width;
                if (inside && (pooled.valid >> e & 1)) at.valid |= 1u << e;
            }
            sa_eval<E>(program, at, slots, value);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                if (!(at.valid >> e & 1) || !(value[e] > best.value[e])) continue;
                best.value[e] = value[e];
                best.token[e] = indexed ? at.y[e] * width + at.x[e] : u * w.kernel_w + v;
            }
        }
    }
}

/* Windows of 2x2 at stride 2 without pads, which lie side by side: the same, but rows are read at neighbouring columns. */
template <class E>
static __device__ __forceinline__ void scan_squares(const sa_program<E> &program, int height, int width, bool indexed,
                                                    const sa_lanes &pooled, float *slots, sa_best &best)
{
    for (int u = 0; u < 2; u++) {
#pragma unroll
        for (int half = 0; half < 2; half++) { /* SA_EVAL_LANES columns, two windows */
            const int y = pooled.y[0] * 2 + u;
            sa_lanes at = sa_row_lanes(pooled.n, pooled.c, y, pooled.x[0] * 2 + half * SA_EVAL_LANES, 1, y < height ? width : 0);
            float value[SA_EVAL_LANES];
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++)
                if (!(pooled.valid >> (half * 2 + e / 2) & 1)) at.valid &= ~(1u << e);
            sa_eval<E>(program, at, slots, value);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                const int window = half * 2 + e / 2;
                if (!(at.valid >> e & 1) || !(value[e] > best.value[window])) continue;
                best.value[window] = value[e];
                best.token[window] = indexed ? at.y[e] * width + at.x[e] : u * 2 + e % 2;
            }
        }
    }
}

static __device__ __forceinline__ bool is_square(const sa_window &w)
{
    return w.kernel_h == 2 && w.kernel_w == 2 && w.stride_h == 2 && w.stride_w == 2 && w.pad_h == 0 && w.pad_w == 0;
}

/* height, width: the plane below; pieces: of pooled rows, a multiple of 4 a row. */
template <class E>
SA_KERNEL(sa_pool_forward_kernel, sa_eval_block, const __grid_constant__ sa_program<E> program,
          const __grid_constant__ sa_pieces pieces, sa_window window, int height, int width, const __grid_constant__ sa_slab out,
          const __grid_constant__ sa_slab mask)
{
    SA_DYN_SHARED(float, slots);
    const bool packed = mask.at.ptr && mask.encoding != SA_F32, indexed = mask.encoding == SA_F32;
    const int none = indexed ? -1 : mask.encoding == SA_MASK4 ? MASK4_NONE : 0;
    const unsigned rounded = (pieces.count + 31) / 32 * 32; /* whole warps, for the shuffles */
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < rounded; i += gridDim.x * blockDim.x) {
        const bool active = i < pieces.count;
        sa_piece piece = sa_piece_at(pieces, active ? i : pieces.count - 1);
        sa_lanes pooled = sa_row_lanes(piece.n, piece.c, piece.y, piece.x, 1, pieces.width);
        sa_best best;
        if (!active) pooled.valid = 0;
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            best.value[e] = -FLT_MAX;
            best.token[e] = none;
        }
        if (is_square(window)) scan_squares<E>(program, height, width, indexed, pooled, slots, best);
        else scan_windows<E>(program, window, height, width, indexed, pooled, slots, best);
        sa_store_windows(out, mask, pooled, best);
        if (packed) sa_store_packed(mask, pooled, best, active);
    }
}
SA_EVAL_REGISTER(sa_pool_forward_kernel, SA_POOL_FORMS)

static sa_status check_mask(const sa_pool_forward_args *args)
{
    if (!args->mask.at.ptr || args->mask.encoding == SA_F32) return SA_OK;
    int positions = args->window.kernel_h * args->window.kernel_w;
    int most = args->mask.encoding == SA_MASK2 ? 4 : args->mask.encoding == SA_MASK4 ? MASK4_NONE : 0;
    if (positions <= most) return SA_OK;
    SA_FAIL(SA_UNSUPPORTED, "pool_forward: a window of %d x %d has %d positions, the mask's encoding %d holds %d",
            args->window.kernel_h, args->window.kernel_w, positions, (int)args->mask.encoding, most);
}

sa_status sa_cuda_pool_forward(sa_device *device, const sa_pool_forward_args *args)
{
    sa_eval_program program;
    sa_pieces pieces;
    const sa_node *x = sa_source_root(&args->x);
    SA_TRY(check_mask(args));
    SA_TRY(sa_compile_one(&args->x, &program));
    SA_TRY(sa_count_pieces(&args->range, args->out.height, args->out.width, 4, &pieces));
    if (pieces.count == 0) return SA_OK;
    SA_EVAL_LAUNCH(sa_pool_forward_kernel, SA_POOL_FORMS, program, sa_blocks_for(pieces.count, SA_EVAL_THREADS), 0,
                   sa_cuda(device)->stream, program, pieces, args->window, x->height, x->width, args->out, args->mask);
    return SA_OK;
}
