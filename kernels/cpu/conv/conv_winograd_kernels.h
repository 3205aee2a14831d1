/* The hot loops of the Winograd convolution F(4x4, 3x3), built for several instruction sets (conv_winograd_<isa>.c).
 *
 * A tile of 6 x 6 pixels gives 4 x 4 outputs of a 3 x 3 convolution: y = A' [(G g G') * (B' d B)] A, the product element by
 * element: at 36 `frequencies`. B, G, A evaluate and interpolate polynomials at 0, +-2/3, +-3/2 and infinity: in float32 the error
 * is half of that at the usual 0, +-1, +-2. Lanes of vectors are channels, SA_WINO_GROUP together. The products
 * serve 1 x 1 convolutions too (conv_pointwise.c). */
#ifndef SA_KERNELS_CPU_CONV_CONV_WINOGRAD_KERNELS_H
#define SA_KERNELS_CPU_CONV_CONV_WINOGRAD_KERNELS_H

#include "kernels/cpu/cpu_isa.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SA_WINO_GROUP = 16, /* channels transformed together */
    SA_WINO_TILE = 6,   /* pixels of a tile across, */
    SA_WINO_STEP = 4,   /* those of them that are outputs, and from tile to tile */
    SA_WINO_TAPS = 9,   /* of a filter */
    SA_WINO_FREQUENCIES = SA_WINO_TILE * SA_WINO_TILE,
    SA_WINO_RUN = 15,        /* tiles of one row transformed together, */
    SA_WINO_RUN_PIXELS = 64, /* of at most so many pixels across; and */
    SA_WINO_STORE_RUN = 4,   /* transformed back together */
    SA_WINO_PANEL = 32,      /* columns of a product that lie together in filters */
    SA_WINO_SUM = 64,        /* tiles whose products are summed before they are added to a gradient */
    SA_WINO_WORK_FLOATS = SA_WINO_TILE * SA_WINO_RUN_PIXELS * SA_WINO_GROUP,
};

/* Pixels of a run of tiles side by side, of SA_WINO_GROUP lanes. Pixel (i, j) counts as zero outside of [row_begin, row_end) and
 * [column_begin, column_end); at[l] is the first inside. */
typedef struct sa_wino_pixels {
    const float *at[SA_WINO_GROUP];
    size_t row_pitch;
    int row_begin, row_end, column_begin, column_end, tiles;
} sa_wino_pixels;

/* Frequency f of tile t of a channel: at[f * frequency_pitch + t * tile_pitch], channels side by side. */
typedef struct sa_wino_spectra {
    float *at;
    size_t frequency_pitch, tile_pitch;
} sa_wino_spectra;

/* 3 x 3 taps of `channels` <= SA_WINO_GROUP filters, channel_pitch apart. */
typedef struct sa_wino_filter {
    const float *weight;
    size_t channel_pitch;
    int channels;
    bool turned; /* by 180 degrees */
} sa_wino_filter;

/* Where the first `rows` x `columns` pixels of `tiles` <= SA_WINO_STORE_RUN tiles side by side go; bias (channels) may be NULL. */
typedef struct sa_wino_target {
    float *at;
    size_t channel_pitch, row_pitch;
    int rows, columns, channels, tiles;
    const float *bias;
} sa_wino_target;

/* C(i, o) = sum over k of A(i, k) * B(k, o): A(i, k) is a[i * a_row + k * a_step], vectors of `columns` (a multiple of
 * SA_WINO_GROUP, at most SA_WINO_PANEL) values o lie at b[k * b_step], c[i * c_row]. Summed in order of k from zero; with
 * sum_block, so many k at a time are summed from zero and then added to C, whose sums count unless `set`. */
typedef struct sa_wino_product {
    const float *a, *b;
    float *c;
    size_t a_row, a_step, b_step, c_row;
    int rows, depth, columns, sum_block;
    bool set;
    const float *bias; /* (rows), added at the end; NULL: none. Not with sum_block */
} sa_wino_product;

typedef struct sa_wino_kernels {
    /* work: SA_WINO_WORK_FLOATS, aligned to 64 bytes */
    void (*input)(const sa_wino_pixels *pixels, const sa_wino_spectra *spectra, float *work);    /* B' d B */
    void (*gradient)(const sa_wino_pixels *pixels, const sa_wino_spectra *spectra, float *work); /* A dy A', of 4 x 4 pixels */
    void (*output)(const sa_wino_spectra *spectra, const sa_wino_target *target, float *work);   /* A' m A */
    void (*filter)(const sa_wino_filter *filter, float *at, size_t frequency_pitch);             /* G g G' */
    /* G' u G, set or added to `channels` filters channel_pitch apart */
    void (*filter_gradient)(const float *at, size_t frequency_pitch, float *weight, size_t channel_pitch, int channels, bool add);
    void (*multiply)(const sa_wino_product *product);
    /* `pixels` values of each of SA_WINO_GROUP channels, side by side: channel l of pixel i goes to to[i * pitch + l] */
    void (*turn)(const float *const at[SA_WINO_GROUP], int pixels, float *to, size_t pitch);
} sa_wino_kernels;

extern const sa_wino_kernels sa_wino_kernels_portable, sa_wino_kernels_avx2, sa_wino_kernels_avx512;

#endif
