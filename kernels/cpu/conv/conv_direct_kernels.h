/* The hot loops of the direct convolution, built for several instruction sets (conv_direct_<isa>.c).
 *
 * Both work on a staged strip: rows of the input with their padding, channel by channel. A tap (u, v) of output (i, j) reads
 * strip[c * channel_pitch + tap_offset[u * Kw + v] + row_offset(i) + j], strides and dilations included (conv_direct_plan.h). */
#ifndef SA_KERNELS_CPU_CONV_DIRECT_KERNELS_H
#define SA_KERNELS_CPU_CONV_DIRECT_KERNELS_H

#include "kernels/cpu/cpu_isa.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SA_DIRECT_GROUP = 4,   /* output channels that lie together in packed weights, a block */
    SA_DIRECT_PIXELS = 16, /* widths are padded to this many */
};

/* Rows of `channels` output channels; accumulated over (c, u, v) in order, then the bias is added. */
typedef struct sa_direct_row {
    const float *strip;        /* first channel, at output column 0 of the first row; rows are row_pitch floats apart */
    const int32_t *tap_offset; /* (taps) */
    const float *weight;       /* (blocks, in_channels, taps, SA_DIRECT_GROUP), zero beyond `channels` */
    const float *bias;         /* (channels), NULL: none */
    float *out;                /* first row of channel 0; channels are out_pitch floats apart, rows out_row_pitch */
    size_t channel_pitch, row_pitch, out_pitch, out_row_pitch;
    int32_t taps, in_channels, channels, width, rows;
    int32_t out_step; /* floats from one output to the next */
} sa_direct_row;

/* dweight[o][q] += sum over rows and columns of dy[o][row][x] * strip[q_offset[q] + row * strip_row_pitch + x] for 4 output
 * channels and q_count columns q, which stand for (c, u, v). Rows of dy are zero-padded to SA_DIRECT_PIXELS. */
typedef struct sa_direct_weight {
    const float *strip;
    const size_t *q_offset; /* (SA_DIRECT_COLUMNS), all valid */
    const float *dy[SA_DIRECT_GROUP];
    float *dweight[SA_DIRECT_GROUP]; /* at column q 0 */
    size_t strip_row_pitch, dy_row_pitch;
    int32_t rows, width, channels, q_count;
} sa_direct_weight;

enum { SA_DIRECT_COLUMNS = 7 };

typedef struct sa_direct_kernels {
    void (*row)(const sa_direct_row *row);
    void (*weight)(const sa_direct_weight *block); /* any q_count <= SA_DIRECT_COLUMNS */
} sa_direct_kernels;

extern const sa_direct_kernels sa_direct_kernels_portable, sa_direct_kernels_avx2, sa_direct_kernels_avx512;

#endif
