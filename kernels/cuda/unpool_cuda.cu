/* Upsample through a stored mask on CUDA: scatter (forward, float masks of any origin) and gather (backward).
 *
 * Scatter has to let the last of several equal indices win, whatever order threads run in. So the output plane first collects, as
 * integers, the largest position that points at each place (integer atomics have one result), then turns positions into values. */
#include "kernels/cuda/unpool.cuh"

#include "kernels/cuda/eval_launch.cuh"

SA_KERNEL(sa_scatter_clear_kernel, sa_eval_block, const __grid_constant__ sa_pieces pieces, const __grid_constant__ sa_slab out)
{
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        int *row = (int *)sa_slab_row(&out, piece.n, piece.c, piece.y);
        for (int x = piece.x; x < piece.x + SA_EVAL_LANES && x < pieces.width; x++) row[x] = -1;
    }
}

/* pieces: of the mask's rows. An index outside the plane is reported; the first report stays. */
SA_KERNEL(sa_scatter_positions_kernel, sa_eval_block, const __grid_constant__ sa_pieces pieces,
          const __grid_constant__ sa_slab mask, const __grid_constant__ sa_slab out, sa_cuda_fault *fault)
{
    const int elements = out.height * out.width;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        const float *row = (const float *)sa_slab_row(&mask, piece.n, piece.c, piece.y);
        int *plane = (int *)sa_slab_row(&out, piece.n, piece.c, 0);
        for (int x = piece.x; x < piece.x + SA_EVAL_LANES && x < pieces.width; x++) {
            float index = row[x];
            if (index >= 0.0f && index < (float)elements && (int)index < elements) {
                atomicMax(&plane[(int)index], piece.y * pieces.width + x);
            } else if (atomicCAS(&fault->kind, SA_CUDA_FAULT_NONE, SA_CUDA_FAULT_MASK) == SA_CUDA_FAULT_NONE) {
                fault->n = piece.n, fault->c = piece.c, fault->y = piece.y, fault->x = x;
                fault->value = index;
            }
        }
    }
}

/* pieces: of the output's rows. program: the values of x, in the mask's shape, mask_width wide. */
template <class E>
SA_KERNEL(sa_scatter_values_kernel, sa_eval_block, const __grid_constant__ sa_program<E> program,
          const __grid_constant__ sa_pieces pieces, int mask_width, const __grid_constant__ sa_slab out)
{
    SA_DYN_SHARED(float, slots);
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes at = sa_row_lanes(piece.n, piece.c, piece.y, piece.x, 1, pieces.width), from = at;
        float *row = (float *)sa_slab_row(&out, piece.n, piece.c, piece.y);
        float value[SA_EVAL_LANES];
        from.valid = 0;
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            int position = at.valid >> e & 1 ? ((const int *)row)[at.x[e]] : -1;
            if (position < 0) continue;
            from.y[e] = position / mask_width;
            from.x[e] = position % mask_width;
            from.valid |= 1u << e;
        }
        sa_eval<E>(program, from, slots, value);
        sa_store_lanes(row, at, value); /* 0 where nothing points */
    }
}

enum { GATHER_ROWS = SA_EVAL_THREADS / 32 /* of a block */ };

/* pieces: of dx's rows. A warp takes a row, its lanes neighbouring windows: they read masks and store side by side. */
SA_KERNEL(sa_unpool_gather_kernel, sa_eval_block, const __grid_constant__ sa_pieces pieces, sa_window window,
          const __grid_constant__ sa_slab dy, const __grid_constant__ sa_slab mask, const __grid_constant__ sa_slab dx)
{
    const unsigned rows = pieces.count / (unsigned)pieces.per_row, at_once = gridDim.x * GATHER_ROWS;
    for (unsigned i = blockIdx.x * GATHER_ROWS + threadIdx.x / 32; i < rows; i += at_once) {
        const sa_piece piece = sa_piece_at(pieces, i * (unsigned)pieces.per_row);
        float *row = (float *)sa_slab_row(&dx, piece.n, piece.c, piece.y);
        for (int px = (int)threadIdx.x % 32; px < pieces.width; px += 32) {
            int y, x;
            const bool inside = sa_mask_target(mask, window, piece.n, piece.c, piece.y, px, dy.height, dy.width, &y, &x);
            row[px] = inside ? ((const float *)sa_slab_row(&dy, piece.n, piece.c, y))[x] : 0.0f;
        }
    }
}
SIMT_KERNEL(sa_scatter_clear_kernel)
SIMT_KERNEL(sa_scatter_positions_kernel)
SA_EVAL_REGISTER(sa_scatter_values_kernel, SA_DENSE_FORMS)
SIMT_KERNEL(sa_unpool_gather_kernel)

sa_status sa_cuda_unpool_scatter(sa_device *device, const sa_unpool_scatter_args *args)
{
    sa_cuda_device *cuda = sa_cuda(device);
    sa_eval_program program;
    sa_pieces out, mask;
    if ((uint64_t)args->out.height * (uint64_t)args->out.width >= 0x7fffffff)
        SA_FAIL(SA_UNSUPPORTED, "unpool_scatter: a plane of %d x %d is too large", args->out.height, args->out.width);
    SA_TRY(sa_compile_one(&args->x, &program));
    SA_TRY(sa_count_pieces(&args->range, args->out.height, args->out.width, 1, &out));
    SA_TRY(sa_count_pieces(&args->range, args->mask.height, args->mask.width, 1, &mask));
    if (out.count == 0 || mask.count == 0) return SA_OK;
    SA_CUDA_TRY(sa_launch(sa_scatter_clear_kernel, sa_blocks_for(out.count, SA_EVAL_THREADS), 0, cuda->stream, out, args->out));
    SA_CUDA_TRY(sa_launch(sa_scatter_positions_kernel, sa_blocks_for(mask.count, SA_EVAL_THREADS), 0, cuda->stream, mask,
                          args->mask, args->out, cuda->fault_device));
    SA_EVAL_LAUNCH(sa_scatter_values_kernel, SA_DENSE_FORMS, program, sa_blocks_for(out.count, SA_EVAL_THREADS), 0, cuda->stream,
                   program, out, args->mask.width, args->out);
    return SA_OK;
}

sa_status sa_cuda_gather(sa_cuda_device *device, const sa_range *range, const sa_slab *dy, const sa_slab *mask,
                         const sa_window *window, const sa_slab *dx)
{
    sa_pieces pieces;
    SA_TRY(sa_count_pieces(range, dx->height, dx->width, 1, &pieces));
    if (pieces.count == 0) return SA_OK;
    const unsigned blocks = sa_blocks_for(pieces.count / (unsigned)pieces.per_row, GATHER_ROWS);
    SA_CUDA_TRY(sa_launch(sa_unpool_gather_kernel, blocks, 0, device->stream, pieces, *window, *dy, *mask, *dx));
    return SA_OK;
}

sa_status sa_cuda_unpool_gather(sa_device *device, const sa_unpool_gather_args *args)
{
    return sa_cuda_gather(sa_cuda(device), &args->range, &args->dy, &args->mask, &args->window, &args->dx);
}
