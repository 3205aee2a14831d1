/* The direct convolution on CUDA (SA_CONV_DIRECT): how its products are cut into tiles, stages and runs. From shapes alone.
 *
 * Forward pass and data gradient are one product, out[m, pixel] = sum over c, u, v of weight * source[c, place of (pixel, u, v)].
 * At a stride s the data gradient is one such product for each of the s*s lattices of pixels that the same taps reach. The weight
 * gradient is another, dweight[m, (c, u, v)] = sum over pixels of dy[m, pixel] * x[c, place].
 *
 * Each sum is cut into runs (of source channels; of pixels), by the shape alone. A run is one chain of fused multiply-adds; runs
 * are added in order. With room in the workspace many runs are computed side by side and added afterwards; without, one block
 * computes them one after the other and adds to what it has written: the same additions, the same bits. */
#ifndef SA_CONV_TILE_PLAN_H
#define SA_CONV_TILE_PLAN_H

#include "kernels/cuda_plan/cuda_plan.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SA_TILE_THREADS = 128,
    SA_TILE_PIXELS = 8, /* of a thread */
};

/* One axis of a product. Output i of `size` lies at out_begin + i*out_step; its tap t of `taps` reads the source at
 * i*source_step + source_begin + t*tap_step, zero outside of source_size, with the weight at weight_begin + t*weight_step. */
typedef struct sa_tile_axis {
    int32_t size, out_begin, out_step;
    int32_t source_size, source_begin, source_step;
    int32_t taps, tap_step, weight_begin, weight_step;
} sa_tile_axis;

/* How blocks are made: channel_threads x (SA_TILE_THREADS / channel_threads) threads, each with `channels` channels of
 * SA_TILE_PIXELS pixels. */
typedef enum sa_tile_form {
    SA_TILE_WIDE,   /*  64 channels x 128 pixels: 8 threads of 8 channels */
    SA_TILE_NARROW, /*  16 channels x 512 pixels: 2 threads of 8 channels */
    SA_TILE_SINGLE, /*   1 channel x 1024 pixels: depthwise */
} sa_tile_form;

/* One axis of what a stage reads from the source into shared memory, the patch: `size` places from the source's place of output 0
 * and the stage's first tap on, `step` apart; a multiple of four on the column axis. Output i and tap t of a stage read place
 * i*out_step + t*tap_step + shift. */
typedef struct sa_tile_patch {
    int32_t taps; /* of a stage: all or one */
    int32_t size, step, out_step, tap_step, shift;
} sa_tile_patch;

/* One product. Channels of a group: `outputs` are made of `sources`. */
typedef struct sa_tile {
    sa_tile_axis y, x;
    int32_t groups, outputs, sources;
    sa_tile_form form;
    int32_t columns_log2, rows; /* pixels of a block: rows x 2^columns_log2 */
    int32_t across, down;       /* blocks in a plane */
    sa_tile_patch patch_y, patch_x;
    int32_t stage_channels, depth;                      /* source channels of a stage, and its products: channels * taps */
    int32_t run_channels, runs;                         /* source channels of a run */
    int32_t patch_floats, stage_floats;                 /* of a channel's patch; of a stage, patches and weights */
    int64_t output_stride, source_stride, group_stride; /* floats between weights of neighbouring outputs, sources, groups */
    int32_t kernel_w;
} sa_tile;

/* The forward product. */
sa_tile sa_cuda_plan_forward_tile(const sa_conv_shape *shape);
/* The data gradient of dx's pixels (y, x) with y % stride_h == phase_y, x % stride_w == phase_x; size 0 if there are none. */
sa_tile sa_cuda_plan_data_tile(const sa_conv_shape *shape, int phase_y, int phase_x);
static inline int sa_tile_channels(sa_tile_form form) /* of a block */
{
    return form == SA_TILE_WIDE ? 64 : form == SA_TILE_NARROW ? 16 : 1;
}
/* Bytes for one image's partial sums of `channels` outputs; 0 with one run. */
static inline size_t sa_tile_partial_bytes(const sa_tile *t, int channels)
{
    return t->runs < 2 ? 0 : (size_t)t->runs * (size_t)channels * (size_t)t->y.size * (size_t)t->x.size * sizeof(float);
}

/* The weight gradient. A slab is `rows` x 2^columns_log2 = SA_SLAB_PIXELS output pixels. */
enum { SA_SLAB_PIXELS = 32 };
typedef struct sa_weight_tile {
    int32_t taps, outputs, sources, groups;
    bool narrow, single;                       /* 16 channels x 64 weights instead of 64 x 128; one channel x one source channel */
    int32_t columns_log2, rows, across, slabs; /* slabs of a plane */
    int32_t per_run, runs;                     /* slabs of a run; runs of an image */
    int32_t patch_rows, patch_pitch, channel_floats, shift; /* x in shared memory: (channels, rows * kernel_h, pitch) */
    int32_t channels;                                       /* source channels that a block's weights may belong to */
    int32_t stage_floats;                                   /* of dy and x together */
} sa_weight_tile;
sa_weight_tile sa_cuda_plan_weight_tile(const sa_conv_shape *shape);
static inline int sa_weight_tile_outputs(const sa_weight_tile *t)
{
    return t->single ? 1 : t->narrow ? 16 : 64;
}
static inline int sa_weight_tile_weights(const sa_weight_tile *t)
{
    return t->narrow ? 64 : 128;
}
/* How many runs of `channels` outputs are worth computing side by side, in bytes of their sums; at most limit_bytes. */
size_t sa_cuda_plan_weight_slots(const sa_conv_shape *shape, const sa_weight_tile *tile, int channels, int images,
                                 size_t limit_bytes);

#ifdef __cplusplus
}
#endif
#endif
