/* The hot loops of the FFT-tile convolution, built for several instruction sets (conv_fft_<isa>.c).
 *
 * A tile is T x T pixels of SA_FFT_GROUP channels, T = 16 or 32. Its spectrum is kept for the half plane kx = 0..T/2 with ky
 * = 0..T/2 alone for kx = 0 and T/2 (the rest follows from symmetry): T * T / 2 + 2 complex numbers a channel. In memory the
 * channels lie together: frequency f of channel c is at[f * frequency_pitch + c], its imaginary part `imaginary` floats on. */
#ifndef SA_KERNELS_CPU_CONV_CONV_FFT_KERNELS_H
#define SA_KERNELS_CPU_CONV_CONV_FFT_KERNELS_H

#include "kernels/cpu/cpu_isa.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SA_FFT_GROUP = 16,        /* channels transformed together */
    SA_FFT_KERNEL_MAX = 11,   /* odd sizes from 3 on */
    SA_FFT_SIZES = 2,         /* T = 16, 32 */
    SA_FFT_PACK = 4,          /* tiles transformed together if they have few channels, */
    SA_FFT_PACK_CHANNELS = 4, /* at most so many */
    SA_FFT_BLOCK = 8,         /* tiles whose products are summed before they are added to a gradient */
};

typedef struct sa_fft_spectrum {
    float *at;
    size_t frequency_pitch, imaginary;
    bool stream;    /* store past the caches */
    bool conjugate; /* store the conjugate */
} sa_fft_spectrum;

/* Pixels of SA_FFT_GROUP lanes, each of one channel of one tile. Rows and columns beyond `rows` and `columns` count as zero, but
 * T floats of every row are readable. */
typedef struct sa_fft_pixels {
    const float *at[SA_FFT_GROUP];
    size_t row_pitch[SA_FFT_GROUP];
    int rows, columns;
} sa_fft_pixels;

/* kernel_size x kernel_size taps of `channels` <= SA_FFT_GROUP filters, channel_pitch apart. */
typedef struct sa_fft_filter {
    const float *weight;
    size_t channel_pitch;
    int channels, kernel_size;
    bool turned; /* by 180 degrees */
} sa_fft_filter;

/* Where the first `rows` x `columns` pixels of `channels` <= SA_FFT_GROUP channels go; bias (channels) may be NULL. */
typedef struct sa_fft_target {
    float *at;
    size_t channel_pitch, row_pitch;
    int rows, columns, channels;
    const float *bias;
} sa_fft_target;

/* C(i, o) = sum over k of A(i, k) * B(k, o), complex, for one frequency. A(i, k) is a[i * a_row + k * a_step]; vectors of
 * `channels` (a multiple of SA_FFT_GROUP) values o lie at b[k * b_step], c[i * c_row]. *_imaginary: distance to that part. */
typedef struct sa_fft_product {
    const float *a, *b;
    float *c;
    size_t a_row, a_step, a_imaginary, b_step, b_imaginary, c_row, c_imaginary;
    int rows, depth, channels;
} sa_fft_product;

/* `count` products of SA_FFT_PACK rows and SA_FFT_GROUP channels: `first`, and others further on by these distances. With packed
 * tiles as the depth, A is a_step_jump further on for every SA_FFT_PACK steps. */
typedef struct sa_fft_series {
    sa_fft_product first;
    size_t a_pitch, b_pitch, c_pitch, a_step_jump;
    int count;
} sa_fft_series;

/* Memory that the next product will use: `rows` rows of `lines` cache lines. */
typedef struct sa_fft_ahead {
    const float *at;
    size_t row_pitch;
    int rows, lines;
} sa_fft_ahead;

enum { SA_FFT_AHEAD = 3 };

typedef struct sa_fft_size_kernels {
    /* `stream` and `conjugate` are forward's alone: filters always go past the caches, since they are stored in pieces all over a
     * place that another core may have used last. work: SA_FFT_WORK_FLOATS, aligned to 64 bytes. Spectra are unscaled. */
    void (*forward)(const sa_fft_pixels *pixels, const sa_fft_spectrum *spectrum, float *work);
    /* Conjugated and divided by T * T, so that spectra times it, transformed back, are correlations. */
    void (*filter)(const sa_fft_filter *filter, const sa_fft_spectrum *spectrum, float *work);
    void (*inverse)(const sa_fft_spectrum *spectrum, const sa_fft_target *target, float *work);
} sa_fft_size_kernels;

typedef struct sa_fft_kernels {
    sa_fft_size_kernels size[SA_FFT_SIZES];
    /* ahead: SA_FFT_AHEAD pieces to prefetch meanwhile. */
    void (*multiply)(const sa_fft_product *product, const sa_fft_ahead *ahead);
    /* NULL without SA_FFT_PACK rows in a register tile. */
    void (*multiply_packed)(const sa_fft_series *series);
    /* conj(A), set or added to C, SA_FFT_BLOCK steps of the depth at a time. */
    void (*multiply_conjugate)(const sa_fft_product *product, const sa_fft_ahead *ahead, bool add);
    void (*conjugate_series)(const sa_fft_series *series, bool add); /* depth: at most SA_FFT_BLOCK */
} sa_fft_kernels;

/* A T = 32 tile (see conv_fft_tile_template.h): its columns, those of 8 rows, and two rows twice; vectors of SA_FFT_GROUP. */
enum { SA_FFT_WORK_FLOATS = (2 * 17 * 32 + 2 * 17 * 8 + 4 * 32) * SA_FFT_GROUP };

extern const sa_fft_kernels sa_fft_kernels_portable, sa_fft_kernels_avx2, sa_fft_kernels_avx512;

#endif
