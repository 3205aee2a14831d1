/* What the CPU convolutions share: reading padded rows, the bias gradient, the gather through a pooling mask.
 * Internal to kernels/cpu/conv_*.c. Workspaces are aligned to 64 bytes. */
#ifndef SA_KERNELS_CPU_CONV_CONV_COMMON_H
#define SA_KERNELS_CPU_CONV_CONV_COMMON_H

#include "core/checked.h"
#include "kernels/conv_request.h"
#include "kernels/cpu/crew.h"
#include "kernels/cpu/rows/source_cpu.h"
#include "kernels/ops.h"

/* One algorithm. workspace_bytes: exact size for the request; forward and backward rely on args having been checked. */
typedef struct sa_conv_method {
    sa_status (*workspace_bytes)(const sa_device *device, const sa_conv_request *request, size_t *bytes);
    sa_status (*forward)(const sa_device *device, const sa_conv_forward_args *args);
    sa_status (*backward)(const sa_device *device, const sa_conv_backward_args *args);
} sa_conv_method;

extern const sa_conv_method sa_conv_im2col_method, sa_conv_direct_method, sa_conv_fft_method, sa_conv_winograd_method;

/* Whether FFT tiles can do the shape, and by a model of the cost do it faster than the direct convolution. */
bool sa_conv_fft_is_faster(const sa_conv_shape *shape);

/* Whether Winograd tiles can do the shape: 3 x 3, stride 1, no dilation or groups, a pad of at most 2, whole vectors of channels on
 * both sides (with fewer its lanes are empty, and its error is two to three times that of a plain sum). Where they can, they are
 * the fastest (bench/NOTES.md). */
bool sa_wino_can(const sa_conv_shape *shape);

/* target[0 .. count) = columns [x, x + count) of row y of channel c of image n; zero outside the plane. */
void sa_conv_load_row(const sa_source *source, int n, int c, int y, int x, int count, float *target, float *scratch);

/* How many threads a pass over so many images and output channels is worth (crew.h). */
int sa_conv_crew(const sa_device *device, const sa_conv_shape *shape, int images, int out_channels);

static inline int sa_conv_range_crew(const sa_device *device, const sa_conv_shape *shape, const sa_range *range)
{
    return sa_conv_crew(device, shape, sa_range_images(range), sa_range_channels(range));
}

/* dbias over args->range and dx_dbias: for each image the rows' float64 sums in order, rounded, then added in float32. */
void sa_conv_bias_gradient(const sa_device *device, const sa_conv_backward_args *args);

/* Part of a plane of dx: rows [y, y + rows), columns [x, x + columns) of channel c of image n. */
typedef struct sa_conv_piece {
    int n, c, y, x, rows, columns;
    const float *value; /* (rows, columns), rows `pitch` floats apart */
    size_t pitch;
} sa_conv_piece;

/* Sets those elements of the pooled gradient args->dx whose mask points into the piece; an element without a position is set
 * to 0 by the piece that holds its window's first pixel. */
void sa_conv_gather_piece(const sa_conv_backward_args *args, const sa_conv_piece *piece);

#endif
