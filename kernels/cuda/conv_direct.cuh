/* Direct convolution on CUDA: the weight gradient, in a file of its own (conv_direct_weight_cuda.cu). */
#ifndef SA_CUDA_CONV_DIRECT_CUH
#define SA_CUDA_CONV_DIRECT_CUH

#include "kernels/cuda/conv.cuh"
#include "kernels/cuda/eval_launch.cuh"

/* The part of an input plane that a tile of output pixels reads; width a multiple of SA_EVAL_LANES. */
struct sa_direct_tile {
    int height, width;
};
static inline sa_direct_tile sa_direct_tile_of(const sa_conv_shape *s)
{
    sa_direct_tile tile;
    tile.height = (SA_DIRECT_ROWS - 1) * s->stride_h + s->kernel_h;
    tile.width = (SA_DIRECT_COLUMNS - 1) * s->stride_w + s->kernel_w;
    tile.width = (tile.width + SA_EVAL_LANES - 1) / SA_EVAL_LANES * SA_EVAL_LANES;
    return tile;
}

/* Loads rows [y, +height), columns [x, +width) of channel c of image n of the source into shared memory, aligned to 16 bytes, 0
 * outside its plane of plane_height x plane_width. All threads of the block call. */
template <class E>
__device__ __forceinline__ void sa_load_tile(const sa_eval_program &source, const sa_direct_tile &tile, int n, int c, int y, int x,
                                             int plane_height, int plane_width, float *slots, float *shared)
{
    const int per_row = tile.width / SA_EVAL_LANES;
    for (int i = (int)threadIdx.x; i < tile.height * per_row; i += SA_EVAL_THREADS) {
        const int row = i / per_row, column = i % per_row * SA_EVAL_LANES;
        sa_lanes at;
        float value[SA_EVAL_LANES];
        at.n = n, at.c = c, at.valid = 0;
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            at.y[e] = y + row, at.x[e] = x + column + e;
            bool inside = at.y[e] >= 0 && at.y[e] < plane_height && at.x[e] >= 0 && at.x[e] < plane_width;
            if (inside) at.valid |= 1u << e;
        }
        sa_eval<E>(source, at, slots, value);
        *(float4 *)(shared + row * tile.width + column) = make_float4(value[0], value[1], value[2], value[3]);
    }
}

/* dweight of the range's channels over its images (accumulate: added to), image by image. */
sa_status sa_direct_weight_gradient(sa_cuda_device *device, const sa_conv_backward_args *args, void *workspace,
                                    size_t workspace_bytes);

#endif
