/* What the kernels over pixels (softmax, loss, accuracy) share: labels, and the maximum and exponentials over channels. */
#ifndef SA_CUDA_PIXELS_CUH
#define SA_CUDA_PIXELS_CUH

#include "kernels/cuda/eval_launch.cuh"

/* value = channel c of the source at the lanes' pixels. */
template <class E>
__device__ __forceinline__ void sa_channel(const sa_program<E> &source, const sa_lanes &pixels, int c, float *slots,
                                           float (&value)[SA_EVAL_LANES])
{
    sa_lanes at = pixels;
    at.c = c;
    sa_eval<E>(source, at, slots, value);
}

__device__ __forceinline__ void sa_load_piece(const sa_slab &slab, const sa_lanes &at, int c, float (&value)[SA_EVAL_LANES])
{
    sa_load_lanes((const float *)sa_slab_row(&slab, at.n, c, at.y[0]), at, value);
}

__device__ __forceinline__ void sa_store_piece(const sa_slab &slab, const sa_lanes &at, int c, const float (&value)[SA_EVAL_LANES])
{
    sa_store_lanes((float *)sa_slab_row(&slab, at.n, c, at.y[0]), at, value);
}

/* max: the greatest so far, of channels 0..c */
__device__ __forceinline__ void sa_take_max(int c, const float (&value)[SA_EVAL_LANES], float (&max)[SA_EVAL_LANES])
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) max[e] = c == 0 || value[e] > max[e] ? value[e] : max[e];
}

/* value = e^(value - max), added to sum */
__device__ __forceinline__ void sa_take_exponential(const float (&max)[SA_EVAL_LANES], float (&value)[SA_EVAL_LANES],
                                                    float (&sum)[SA_EVAL_LANES])
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        value[e] = sa_expf(value[e] - max[e]);
        sum[e] = sum[e] + value[e];
    }
}

/* Kernels over pixels evaluate their sources in passes over the channels, at one place in the code: an interpreter that is inlined
 * once for each use takes nvcc minutes and the card's instruction cache. */
enum sa_pixel_pass {
    SA_PASS_LABEL,        /* the label, one channel */
    SA_PASS_MAX,          /* of the scores */
    SA_PASS_EXPONENTIALS, /* and their sum */
    SA_PASS_VALUES        /* what the kernel wants of each score */
};

/* value = channel c of the labels or the scores. One copy of an interpreter serves both; compiled programs are read where they lie.
 */
template <class S, class L>
__device__ __forceinline__ void sa_either_channel(const sa_program<S> &scores, const sa_program<L> &labels, bool label,
                                                  const sa_lanes &pixels, int c, float *slots, float (&value)[SA_EVAL_LANES])
{
    if constexpr (S::interprets && L::interprets) {
        sa_channel<S>(label ? labels : scores, pixels, c, slots, value);
    } else {
        if (label) sa_channel<L>(labels, pixels, c, slots, value);
        else sa_channel<S>(scores, pixels, c, slots, value);
    }
}

/* Pixels of a range of images, in pieces: the range's channels are one, whatever the sources have. */
static inline sa_status sa_count_pixel_pieces(int image_begin, int image_end, int height, int width, sa_pieces *pieces)
{
    sa_range range = {image_begin, image_end, 0, 1};
    return sa_count_pieces(&range, height, width, 1, pieces);
}

#endif
