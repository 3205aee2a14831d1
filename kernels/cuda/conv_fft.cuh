/* The FFT-tile convolution on CUDA (SA_CONV_FFT): the steps that its host code puts together. Sizes are in
 * kernels/cuda_plan/fft_tiles.h.
 *
 * The plane is cut into tiles of T x T pixels, T = 16 or 32, that overlap by the kernel's size less one. A tile's spectrum is one
 * matrix entry of each frequency: of T * T / 2 + 2 frequencies (the half plane that determines the rest), each is a product
 * (tiles, channels) x (channels, other channels) of complex numbers. So a convolution is three launches for a chunk of tiles:
 * transforms of what is read, products, transforms of what comes out. Filters are transformed once per op.
 *
 * In memory, a spectrum of channel c of tile t at frequency f is at[f * frequency_pitch + t * pitch + c], a float2; t * pitch + c
 * is its item. Channels are padded to a multiple of SA_CUDA_FFT_CHANNELS with zeros. */
#ifndef SA_CUDA_CONV_FFT_CUH
#define SA_CUDA_CONV_FFT_CUH

#include "kernels/cuda/conv.cuh"
#include "kernels/cuda_plan/fft_tiles.h"

/* Where the tiles of images lie in a source or in an output, and which channels. */
struct sa_fft_cut {
    int size;               /* T */
    int y, x;               /* of the first tile's first pixel */
    int step_y, step_x;     /* from tile to tile */
    int extent_y, extent_x; /* pixels of a tile that count: the others are zero, or are dropped */
    int height, width;      /* of the plane */
    int tiles_x;            /* in a row of tiles */
    int image_tiles;        /* of an image; n is the first */
    int tile_begin, tiles;  /* a chunk */
    int n, channel_begin, channels, pitch;
};

/* Spectra of a chunk, item by item; transforms multiply their parts by re_scale and im_scale. frequency_pitch: items. */
struct sa_fft_spectra {
    float2 *at;
    size_t frequency_pitch;
    float re_scale, im_scale;
};
sa_status sa_fft_transform(sa_cuda_device *device, const sa_source *source, const sa_fft_cut *cut, const sa_fft_spectra *spectra);

/* Filters (k, n): taps of kernel_h x kernel_w at weight + k * k_stride + n * n_stride, turned by 180 degrees or not. Spectra are
 * conjugated and divided by T * T, so that a tile's spectrum times it, transformed back, is their correlation. */
struct sa_fft_filters {
    int size, kernel_h, kernel_w;
    const float *weight;
    size_t k_stride, n_stride;
    int k_count, n_count, n_pitch; /* k is padded to a multiple of SA_CUDA_FFT_CHANNELS */
    bool turned;
};
sa_status sa_fft_transform_filters(sa_cuda_device *device, const sa_fft_filters *filters, float2 *spectra);

/* Products of all frequencies. apply: c(row, column) = sum over k of a(row, k) * b(k, column), k a multiple of SA_CUDA_FFT_DEPTH.
 * correlate: a is (k, row), any k; `add` to what is there. Pitches in float2, multiples of SA_CUDA_FFT_CHANNELS; frequencies lie
 * *_frequency apart. */
struct sa_fft_product {
    const float2 *a, *b;
    float2 *c;
    size_t a_frequency, b_frequency, c_frequency;
    int a_pitch, b_pitch, c_pitch;
    int rows, columns, depth; /* columns, and rows of `correlate`, are padded */
    bool add;
};
sa_status sa_fft_apply(sa_cuda_device *device, const sa_fft_product *product, int frequencies);
sa_status sa_fft_correlate(sa_cuda_device *device, const sa_fft_product *product, int frequencies);

/* From spectra to pixels: to `out` plus the bias (of channel 0; may be NULL), or through the mask of `gather`. */
sa_status sa_fft_store(sa_cuda_device *device, const sa_fft_spectra *spectra, const sa_fft_cut *cut, const float *bias,
                       const sa_slab *out);
sa_status sa_fft_store_gathered(sa_cuda_device *device, const sa_fft_spectra *spectra, const sa_fft_cut *cut, const sa_slab *mask,
                                const sa_window *window, const sa_slab *out);
/* From spectra (k, n) to taps; of `filters`, weight is written (add: added to). */
sa_status sa_fft_store_filters(sa_cuda_device *device, const float2 *spectra, const sa_fft_filters *filters, bool add,
                               float *weight);

#endif
