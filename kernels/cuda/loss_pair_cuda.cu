/* Losses on CUDA with a value beside each score: EUCLIDEAN, SIGMOID, CONTRASTIVE. Row sums, as in loss_cuda.cu. */
#include "kernels/cuda/loss.cuh"

/* What channel c adds to each lane's pixel: for CONTRASTIVE to square. */
static __device__ __forceinline__ void take_pair(const sa_loss_config &config, unsigned valid, const float (&score)[SA_EVAL_LANES],
                                                 const float (&beside)[SA_EVAL_LANES], float (&square)[SA_EVAL_LANES],
                                                 double (&total)[SA_EVAL_LANES], int &kept)
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        float part = 0.0f;
        if (!(valid >> e & 1)) continue;
        if (config.kind == SA_LOSS_EUCLIDEAN) {
            part = sa_euclidean_term(score[e], beside[e]);
        } else if (config.kind == SA_LOSS_SIGMOID) {
            bool ignored = config.has_ignore && (int)beside[e] == config.ignore_label;
            part = ignored ? 0.0f : sa_sigmoid_term(score[e], beside[e]);
            kept += !ignored;
        } else {
            square[e] = square[e] + (score[e] - beside[e]) * (score[e] - beside[e]);
        }
        total[e] = total[e] + (double)part;
    }
}

/* rows: (N, H). table: (N, H, W) similarities of CONTRASTIVE. */
template <class S, class L>
SA_KERNEL(sa_loss_pairs_kernel, sa_eval_block, const __grid_constant__ sa_program<S> scores,
          const __grid_constant__ sa_program<L> values, const __grid_constant__ sa_pieces pieces,
          const __grid_constant__ sa_loss_config config, const float *__restrict__ table, sa_row_loss *__restrict__ rows)
{
    SA_DYN_SHARED(float, slots);
    const int lane = (int)(threadIdx.x % SA_ROW_LANES), part = (int)(threadIdx.x / SA_ROW_LANES);
    const int count = (pieces.range.image_end - pieces.range.image_begin) * pieces.height;
    for (int first = (int)blockIdx.x * SA_ROWS_AT_ONCE; first < count; first += (int)gridDim.x * SA_ROWS_AT_ONCE) {
        const int number = first + part;
        sa_row_loss row = {0.0, 0, SA_NO_COLUMN};
        for (int x = lane; number < count && x < pieces.width; x += SA_ROW_LANES * SA_EVAL_LANES) {
            const int n = pieces.range.image_begin + number / pieces.height, y = number % pieces.height;
            const sa_lanes pixels = sa_row_lanes(n, 0, y, x, SA_ROW_LANES, pieces.width);
            float square[SA_EVAL_LANES] = {};
            double total[SA_EVAL_LANES] = {};
            for (int c = 0; c < config.classes; c++) {
                float score[SA_EVAL_LANES], beside[SA_EVAL_LANES];
                sa_load_both<S, L>(scores, values, pixels, c, slots, score, beside);
                take_pair(config, pixels.valid, score, beside, square, total, row.kept);
            }
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                if (config.kind >= SA_LOSS_CONTRASTIVE && (pixels.valid >> e & 1))
                    total[e] = (double)sa_contrastive_term(
                        config.kind, square[e], (int)table[((size_t)n * pieces.height + y) * pieces.width + pixels.x[e]] != 0,
                        config.margin);
                row.loss = row.loss + total[e];
            }
        }
        sa_join_lanes(row);
        if (number < count && lane == 0) rows[number] = row;
    }
}
SA_EVAL_REGISTER_PAIR(sa_loss_pairs_kernel, SA_NO_FORMS)

sa_status sa_cuda_loss_pairs(sa_cuda_device *device, const sa_loss_args *args, const sa_eval_program &scores,
                             const sa_eval_program &values, sa_row_loss *rows)
{
    const sa_loss_rows at = sa_loss_rows_of(&args->scores);
    SA_EVAL_LAUNCH_PAIR(sa_loss_pairs_kernel, SA_NO_FORMS, scores, values, at.blocks, 0, device->stream, scores, values, at.pieces,
                        args->config, (const float *)args->table.ptr, rows);
    return SA_OK;
}
