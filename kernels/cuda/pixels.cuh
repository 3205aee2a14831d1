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

/* Pixels of a range of images, in pieces: the range's channels are one, whatever the sources have. */
static inline sa_status sa_count_pixel_pieces(int image_begin, int image_end, int height, int width, sa_pieces *pieces)
{
    sa_range range = {image_begin, image_end, 0, 1};
    return sa_count_pieces(&range, height, width, 1, pieces);
}

#endif
