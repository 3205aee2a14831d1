/* Arguments of the ops that draw or interpolate pixels; part of kernels/ops.h. */
#ifndef SA_KERNELS_RESAMPLING_OPS_H
#define SA_KERNELS_RESAMPLING_OPS_H

#include "kernels/source.h"

/* Stochastic pooling of values that are not negative, without pad. draws: one pixel of each window, with a probability in
 * proportion to its value: the first, in row-major order, at which the sum of the values reaches sa_uniform * the sum of them all
 * (else the last); out is its value, and mask tells which, as in pool_forward. Else, as tests have it: the sum of squares over the
 * sum, 0 where that is not above 0. Caffe: PoolingLayer, STOCHASTIC (GPU). */
typedef struct sa_pool_stochastic_args {
    sa_range range;
    sa_window window;
    bool draws;
    uint64_t seed; /* sa_uniform(seed, step, number of the pooled element in the whole value) */
    sa_source x;
    sa_slab out, mask; /* as of pool_forward */
    sa_ref step_state; /* absent unless it draws */
} sa_pool_stochastic_args;

/* Bilinear resizing (kernels/interp_math.h) of rows [top, top + rows) and columns [left, left + columns) of x's planes to planes of
 * out. gradient: back; x is the gradient of the resized planes, out that of the others, 0 outside of these rows and columns.
 * DeepLab: InterpLayer. */
typedef struct sa_interp_args {
    int32_t top, left, rows, columns;
    bool gradient;
    sa_slab x, out; /* float32; rows may lie anywhere */
} sa_interp_args;

#endif
