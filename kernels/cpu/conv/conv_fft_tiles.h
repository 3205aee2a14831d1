/* The tiles of an FFT-tile convolution (conv_fft.c): from a value to spectra, and from spectra to a value.
 * Internal to kernels/cpu/conv_fft*.c. */
#ifndef SA_KERNELS_CPU_CONV_CONV_FFT_TILES_H
#define SA_KERNELS_CPU_CONV_CONV_FFT_TILES_H

#include "kernels/cpu/conv/conv_fft_plan.h"

/* One op: its sizes, its parts of the workspace, and who does the hot loops. */
typedef struct sa_fft_job {
    const sa_device *device;
    const sa_fft_kernels *kernels;
    const sa_fft_size_kernels *size;
    sa_fft_plan plan; /* of a part: other.channels and the places are its own */
    const sa_conv_shape *shape;
    float *workspace;
    int others, group_begin; /* channels of the other side in all; first of this group, or of this part of it */
    int x_first, dy_first;   /* the first channels of x and of y or dy that the op's group of channels has */
} sa_fft_job;

/* A thread among those that share some work. */
typedef struct sa_fft_member {
    int number, count;
} sa_fft_member;

/* A value that is cut into tiles: tile (ty, tx) starts at (ty * step - pad_h, tx * step - pad_w). */
typedef struct sa_fft_cut {
    const sa_source *source;
    int channel_begin, pad_h, pad_w;
    int extent; /* pixels that count: T, or step for zero-padded blocks */
    bool conjugate;
    const sa_fft_side *side;
    float *spectra;
} sa_fft_cut;

/* Where the tiles of a pass go: a slab from channel_begin on, or through a mask. */
typedef struct sa_fft_sink {
    const sa_slab *slab;
    int channel_begin;
    const float *bias;                   /* of all channels of the slab's value, or NULL */
    const sa_conv_backward_args *gather; /* or NULL */
} sa_fft_sink;

/* This thread's part of the workspace: room for a transform, then pixels, then spectra of its own if the plan says so. */
float *sa_fft_thread_work(const sa_fft_job *j);

/* All of these are work of one thread. */

/* Spectra of tiles [begin, end) of image n, the first at c->spectra. */
void sa_fft_transform_tiles(const sa_fft_job *j, const sa_fft_cut *c, int n, int begin, int end);

/* The same for the SA_FFT_PACK tiles from `begin` on, of which there are none from `end` on. */
void sa_fft_transform_pack(const sa_fft_job *j, const sa_fft_cut *c, int n, int begin, int end);

/* Transforms tiles [begin, end) of image n, the first at `spectra`, back and stores them. */
void sa_fft_store_tiles(const sa_fft_job *j, const sa_fft_sink *to, float *spectra, int n, int begin, int end);

/* The same for one tile and the channels of one group (group: its first channel among those of the sink). */
void sa_fft_store_tile(const sa_fft_job *j, const sa_fft_sink *to, const sa_fft_spectrum *spectrum, int n, int t, int group);

/* The frequency after the one at `at` of some tiles: what a product fetches ahead. */
static inline sa_fft_ahead sa_fft_tiles_ahead(const float *at, const sa_fft_side *side, int tiles)
{
    return (sa_fft_ahead){at + side->frequency_pitch, side->tile_pitch, tiles, (int)(side->frequency_pitch / 16)};
}

#endif
