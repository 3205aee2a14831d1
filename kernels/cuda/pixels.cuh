/* What the kernels over pixels (softmax, loss, accuracy) share: labels, and the maximum and exponentials over channels. */
#ifndef SA_CUDA_PIXELS_CUH
#define SA_CUDA_PIXELS_CUH

#include "kernels/cuda/eval_launch.cuh"

/* value = channel c of the source at the lanes' pixels. */
template <class E>
__device__ __forceinline__ void sa_channel(const sa_eval_program &source, const sa_lanes &pixels, int c, float *slots,
                                           float (&value)[SA_EVAL_LANES])
{
    sa_lanes at = pixels;
    at.c = c;
    sa_eval<E>(source, at, slots, value);
}

/* max over the channels of the scores */
template <class E>
__device__ __forceinline__ void sa_channel_max(const sa_eval_program &scores, const sa_lanes &pixels, int classes, float *slots,
                                               float (&max)[SA_EVAL_LANES])
{
    sa_channel<E>(scores, pixels, 0, slots, max);
    for (int c = 1; c < classes; c++) {
        float value[SA_EVAL_LANES];
        sa_channel<E>(scores, pixels, c, slots, value);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) max[e] = value[e] > max[e] ? value[e] : max[e];
    }
}

__device__ __forceinline__ void sa_load_piece(const sa_slab &slab, const sa_lanes &at, int c, float (&value)[SA_EVAL_LANES])
{
    sa_load_lanes((const float *)sa_slab_row(&slab, at.n, c, at.y[0]), at, value);
}

__device__ __forceinline__ void sa_store_piece(const sa_slab &slab, const sa_lanes &at, int c, const float (&value)[SA_EVAL_LANES])
{
    sa_store_lanes((float *)sa_slab_row(&slab, at.n, c, at.y[0]), at, value);
}

/* out[c] = e^(score - max); sum = their sum. They go to the output first, as on the CPU: it may be the slab of the scores, whose
 * other pixels this thread does not read. */
template <class E>
__device__ __forceinline__ void sa_store_exponentials(const sa_eval_program &scores, const sa_lanes &pixels, int classes,
                                                      const sa_slab &out, float *slots, float (&sum)[SA_EVAL_LANES])
{
    float max[SA_EVAL_LANES];
    sa_channel_max<E>(scores, pixels, classes, slots, max);
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) sum[e] = 0.0f;
    for (int c = 0; c < classes; c++) {
        float value[SA_EVAL_LANES];
        sa_channel<E>(scores, pixels, c, slots, value);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            value[e] = sa_expf(value[e] - max[e]);
            sum[e] = sum[e] + value[e];
        }
        sa_store_piece(out, pixels, c, value);
    }
}

/* Pixels of a range of images, in pieces: the range's channels are one, whatever the sources have. */
static inline sa_status sa_count_pixel_pieces(int image_begin, int image_end, int height, int width, sa_pieces *pieces)
{
    sa_range range = {image_begin, image_end, 0, 1};
    return sa_count_pieces(&range, height, width, 1, pieces);
}

#endif
