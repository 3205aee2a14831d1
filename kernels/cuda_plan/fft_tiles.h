/* Sizes of the CUDA device's FFT-tile convolution (SA_CONV_FFT): tiles, spectra, and where they lie in the workspace. */
#ifndef SA_CUDA_PLAN_FFT_TILES_H
#define SA_CUDA_PLAN_FFT_TILES_H

#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SA_CUDA_FFT_CHANNELS = 4,    /* channels are padded to a multiple: a sector of 32 bytes */
    SA_CUDA_FFT_DEPTH = 4,       /* steps of a product's sum between two barriers; chunks are a multiple */
    SA_CUDA_FFT_KERNEL_MIN = 3,  /* rows and columns of kernels, */
    SA_CUDA_FFT_KERNEL_MAX = 16, /* from and to */
};

/* What one op needs at once. `in` is what the filters are applied to: x, or dy in both backward passes; `other` is y, or x and dx.
 * If memory is short, other channels are done in groups, each with the spectra of `in` anew, and fewer tiles at once. Neither
 * changes a bit: every sum has one order. A spectrum is `frequencies` complex numbers of 8 bytes. */
typedef struct sa_cuda_fft_plan {
    int size, frequencies;     /* T = 16 or 32; T * T / 2 + 2 */
    int step_y, step_x;        /* output pixels of a tile: T less the kernel, plus one */
    int height, width;         /* of the plane that tiles cover: y, or x and dx */
    int tiles_x, image_tiles;  /* in a row of tiles, and of an image */
    int tiles;                 /* of all images, one after the other */
    int chunk;                 /* tiles at once, of several images perhaps */
    bool windows_of_x;         /* sa_cuda_fft_weights_apart */
    int in_channels, in_pitch; /* padded */
    int others, group, pitch;  /* all of the other side, those at once, and padded */
    /* Workspace, bytes from its begin: spectra of filters (frequency, in, other), of the weight gradient (the same), of a chunk on
     * both sides (frequency, tile, channel). */
    size_t filter_at, gradient_at, in_at, other_at, bytes;
} sa_cuda_fft_plan;

/* The weight gradient is the correlation of overlapping windows of the one with zero-padded blocks of the other. Windows of dy
 * serve the data gradient too; with few input channels windows of x are less work, since dy, which may be a long expression, is
 * then evaluated once per pixel. The shape alone decides, so a gradient has the same bits whichever passes compute it. */
bool sa_cuda_fft_weights_apart(const sa_conv_shape *shape);
/* One pass for both gradients, or two: the weight gradient first, since dx may lie over x? */
bool sa_cuda_fft_is_two_passes(const sa_conv_request *request);
/* The sizes of one pass. SA_UNSUPPORTED: a shape that the method cannot do; SA_CAPACITY: too large. */
SA_CHECKED sa_status sa_cuda_fft_plan_make(const sa_conv_request *request, sa_cuda_fft_plan *plan);
/* Bytes of an op. */
SA_CHECKED sa_status sa_cuda_fft_bytes(const sa_conv_request *request, size_t *bytes);
/* What an op of the request does, for estimates of its time. */
typedef struct sa_cuda_fft_work {
    double product_flop, transform_flop;
    double spectra_bytes; /* written and read */
    double launches;
} sa_cuda_fft_work;
SA_CHECKED sa_status sa_cuda_fft_count(const sa_conv_request *request, sa_cuda_fft_work *work);
/* 5/2 n log2 n for the n = size * size real numbers of a tile. */
double sa_cuda_fft_transform_flop(int size);
/* An estimate, from the shape alone: is this faster than multiplying every tap? */
bool sa_cuda_fft_is_faster(const sa_conv_shape *shape);

#ifdef __cplusplus
}
#endif
#endif
