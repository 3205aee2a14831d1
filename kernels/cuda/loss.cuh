/* What the kernels of the losses and of their gradients share (loss_cuda.cu, loss_pair_cuda.cu, loss_grad_cuda.cu). Two kernels do
 * each: one for the losses with a label per pixel, one for those with a value beside each score. */
#ifndef SA_CUDA_LOSS_CUH
#define SA_CUDA_LOSS_CUH

#include "kernels/cuda/pixels.cuh"
#include "kernels/cuda/row_reduce.cuh"
#include "kernels/loss_math.h"

/* One row's part of the loss. */
struct sa_row_loss {
    double loss;
    int kept;
    int bad_x; /* the first column with a kept label outside the classes, or SA_NO_COLUMN */
};
static_assert(sizeof(sa_row_loss) == SA_CUDA_ROW_LOSS_BYTES, "workspaces are planned with this size");

enum { SA_NO_COLUMN = 0x7fffffff };

/* The 16 lanes' parts of a row become one; all 32 lanes must call. */
static __device__ __forceinline__ void sa_join_lanes(sa_row_loss &row)
{
    row.loss = sa_add_lanes(row.loss);
    for (int d = 1; d < SA_ROW_LANES; d *= 2) {
        int other = __shfl_xor_sync(0xffffffffu, row.bad_x, d);
        row.kept += __shfl_xor_sync(0xffffffffu, row.kept, d);
        row.bad_x = other < row.bad_x ? other : row.bad_x;
    }
}

/* Does the loss take probabilities, and are the scores something else? */
SA_HOST_DEVICE static inline bool sa_loss_needs_softmax(const sa_loss_config &config, bool is_prob)
{
    return !is_prob && config.kind <= SA_LOSS_INFOGAIN;
}

/* Channel c of the scores and of what lies beside them. */
template <class S, class L>
static __device__ __forceinline__ void sa_load_both(const sa_program<S> &scores, const sa_program<L> &values,
                                                    const sa_lanes &pixels, int c, float *slots, float (&score)[SA_EVAL_LANES],
                                                    float (&beside)[SA_EVAL_LANES])
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) score[e] = 0.0f;
#pragma unroll 1
    for (int side = 0; side < 2; side++) {
        sa_either_channel<S, L>(scores, values, side == 1, pixels, c, slots, beside);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) score[e] = side == 0 ? beside[e] : score[e];
    }
}

/* Which rows a loss is of, for its kernels: launched with sa_loss_blocks blocks. */
struct sa_loss_rows {
    sa_pieces pieces; /* images and rows; per_row and count are not used */
    unsigned blocks;
};

static inline sa_loss_rows sa_loss_rows_of(const sa_source *scores)
{
    const sa_node *pixel = sa_source_root(scores);
    int32_t first;
    const int32_t images = sa_source_images(scores, &first);
    return {{{first, first + images, 0, 1}, pixel->height, pixel->width, 0, 0},
            sa_blocks_for((uint64_t)images * (uint64_t)pixel->height, SA_ROWS_AT_ONCE)};
}

/* Row sums of a loss that has a value beside each score. */
sa_status sa_cuda_loss_pairs(sa_cuda_device *device, const sa_loss_args *args, const sa_eval_program &scores,
                             const sa_eval_program &values, sa_row_loss *rows);

#endif
