/* Sizes of an FFT-tile convolution: tiles, spectra, and where they lie in the workspace. */
#ifndef SA_KERNELS_CPU_CONV_CONV_FFT_PLAN_H
#define SA_KERNELS_CPU_CONV_CONV_FFT_PLAN_H

#include "kernels/cpu/conv/conv_common.h"
#include "kernels/cpu/conv/conv_fft_kernels.h"

enum {
    SA_FFT_RUN = 4,                                             /* tiles of one tile row that are staged together */
    SA_FFT_STRIP = 4 * SA_FFT_BLOCK,                            /* tiles whose products are summed apart from the others' */
    SA_FFT_STRIP_SUM = SA_FFT_PACK_CHANNELS * 2 * SA_FFT_GROUP, /* floats of one frequency */
};

/* Spectra of one side of the convolution: (tiles at once, frequencies, 2, channels rounded up to SA_FFT_GROUP).
 * An image of few channels would leave most lanes of a transform empty. Its tiles are packed, SA_FFT_PACK to a group: channel c of
 * tile t is lane SA_FFT_PACK_CHANNELS * (t % SA_FFT_PACK) + c of group t / SA_FFT_PACK, and tile_pitch is that of a group. */
typedef struct sa_fft_side {
    int channels;
    int pack;                                      /* tiles in a group: SA_FFT_PACK or 1 */
    size_t frequency_pitch, tile_pitch, imaginary; /* floats */
} sa_fft_side;

/* What one op needs at once. Tiles cover the plane (height, width): y for the forward pass, dx and x for the others.
 * If memory is short, the channels of y, or of x and dx, are done in groups, each with the spectra of the other side anew. */
typedef struct sa_fft_plan {
    int size_index, size;  /* T = 16 << size_index */
    int step, frequencies; /* output pixels of a tile: T - K + 1 */
    int height, width, tiles_y, tiles_x, tiles;
    int chunk;                           /* tiles at once, of all threads */
    int own;                             /* without gradients: of each thread, which goes from its tiles to their results alone */
    bool stream;                         /* spectra of tiles are too many for the caches */
    bool windows_of_x;                   /* sa_fft_weights_apart */
    sa_fft_side in;                      /* what the filters are applied to: x, or dy in both backward passes */
    sa_fft_side other;                   /* y; or x and dx: one part of a group */
    int parts, part_channels;            /* of a group, that different threads do: with gradients; else one */
    size_t filter_pitch, gradient_pitch; /* of one frequency */
    /* A forward pass over packed tiles: instead of tiles of its own, each thread has the spectra of one pack of x and, from these
     * floats of its room on, of the pack's part of one group of y's channels: (SA_FFT_PACK, frequencies, 2, SA_FFT_GROUP). */
    bool by_packs;
    size_t pack_in_at, pack_out_at, pack_out_pitch;
    /* Weight gradients by windows of x: `workers` threads sum strips of tiles, each in its own room, where it has the spectra of
     * SA_FFT_BLOCK tiles of x and of one group of dy's channels, and the sums. Those and the image's sum of the strips' lie as
     * (groups of dy's channels, frequencies, SA_FFT_PACK_CHANNELS, 2, SA_FFT_GROUP), groups strip_sum_pitch apart. */
    int workers;
    sa_fft_side strip_dy;
    size_t strip_x_at, strip_dy_at, strip_sum_at, strip_sum_pitch;
    /* Workspace, floats from its begin. */
    size_t in_at, thread_at, thread_pitch, stage_pitch, end;
    size_t filter_at, gradient_at, other_at, part_pitch; /* of the first part, and from part to part */
} sa_fft_plan;

/* The weight gradient is the correlation of overlapping windows of the one with zero-padded blocks of the other. Windows of dy
 * serve the data gradient too, but with few input channels windows of x are much less work. Decided by the shape alone: a gradient
 * has the same bits whichever passes compute it. */
static inline bool sa_fft_weights_apart(const sa_conv_shape *shape)
{
    return shape->in_channels <= SA_FFT_PACK_CHANNELS;
}

/* Floats of the spectra of `tiles` tiles. */
static inline size_t sa_fft_side_floats(const sa_fft_side *side, int tiles)
{
    return (size_t)((tiles + side->pack - 1) / side->pack) * side->tile_pitch;
}

static inline int sa_fft_divide_up(int value, int by)
{
    return (value + by - 1) / by;
}

/* One group of channels as a convolution of its own: what a plan is of. */
sa_conv_shape sa_fft_group_shape(const sa_conv_shape *shape);

/* For a shape of one group. SA_UNSUPPORTED if it has strides or dilation, or a kernel that is not square, odd and 3..11. */
sa_status sa_fft_plan_make(const sa_device *device, const sa_conv_request *request, sa_fft_plan *plan);

#endif
