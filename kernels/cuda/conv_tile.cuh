/* The direct convolution's products on CUDA (kernels/cuda_plan/conv_tile_plan.h says how they are cut): where results go, and the
 * launches that its two files offer each other. */
#ifndef SA_CUDA_CONV_TILE_CUH
#define SA_CUDA_CONV_TILE_CUH

#include "kernels/cuda/conv.cuh"
#include "kernels/cuda/eval_launch.cuh"
#include "kernels/cuda/unpool.cuh"
#include "kernels/cuda_plan/conv_tile_plan.h"

/* Blocks of kernels that evaluate sources by E: three a multiprocessor where the source is stored; what computes needs more
 * registers. */
template <class E> struct sa_tile_block_of {
    typedef sa_block<SA_TILE_THREADS, 2> type;
};
template <> struct sa_tile_block_of<sa_dense> {
    typedef sa_block<SA_TILE_THREADS, 3> type;
};
template <class E> using sa_tile_block = typename sa_tile_block_of<E>::type;

/* Where a value goes: to its place in `out`, or through a pooling mask to the windows that point there. */
struct sa_tile_sink {
    sa_slab out;
    const float *bias; /* (channels of out), or NULL */
    bool gather;
    sa_slab mask;
    sa_window window;
};

/* Sets a value, or adds to what an earlier run has left there. */
__device__ __forceinline__ void sa_sink_put(float *at, float value, bool first)
{
    *at = first ? value : *at + value;
}

/* The windows that pixel (y, x) lies in take its value if their mask points here; one that points nowhere gets 0 from its first
 * pixel. So each pooled value is written once. */
__device__ __forceinline__ void sa_sink_gather(const sa_tile_sink &sink, int n, int c, int y, int x, int height, int width,
                                               float value, bool first)
{
    const sa_window &w = sink.window;
    for (int py = sa_first_window(y, w.kernel_h, w.stride_h, w.pad_h); py < sink.mask.height && py * w.stride_h - w.pad_h <= y;
         py++)
        for (int px = sa_first_window(x, w.kernel_w, w.stride_w, w.pad_w); px < sink.mask.width && px * w.stride_w - w.pad_w <= x;
             px++) {
            int target_y, target_x;
            const bool points = sa_mask_target(sink.mask, w, n, c, py, px, height, width, &target_y, &target_x);
            if (!points) target_y = max(py * w.stride_h - w.pad_h, 0), target_x = max(px * w.stride_w - w.pad_w, 0);
            if (target_y != y || target_x != x) continue;
            sa_sink_put((float *)sa_slab_row(&sink.out, n, c, py) + px, points ? value : 0.0f, first);
        }
}

/* value: of pixel (y, x) of a plane of height x width. The last run's has the bias added. */
__device__ __forceinline__ void sa_sink_write(const sa_tile_sink &sink, int n, int c, int y, int x, int height, int width,
                                              float value, bool first, bool last)
{
    if (sink.gather) {
        sa_sink_gather(sink, n, c, y, x, height, width, value, first);
        return;
    }
    float *at = (float *)sa_slab_row(&sink.out, n, c, y) + x;
    if (!first) value = *at + value;
    *at = last && sink.bias ? value + sink.bias[c] : value;
}

/* One product over images [image_begin, image_end) and output channels [channel_begin, channel_end), with partial sums in the
 * workspace if they fit. */
struct sa_tile_work {
    sa_range range;
    const float *weight;
    float *workspace;
    size_t workspace_bytes;
    int plane_height, plane_width; /* of the outputs, all lattices */
};
sa_status sa_tile_product(sa_cuda_device *device, const sa_source *source, const sa_tile *tile, const sa_tile_work *work,
                          const sa_tile_sink *sink);
/* dweight of the range's channels over its images (accumulate: added to). */
sa_status sa_tile_weight_gradient(sa_cuda_device *device, const sa_conv_backward_args *args);

#endif
