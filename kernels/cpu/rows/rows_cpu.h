/* Walking over the rows of a range of images and channels: the loop that nearly every CPU kernel is. */
#ifndef SA_KERNELS_CPU_ROWS_ROWS_CPU_H
#define SA_KERNELS_CPU_ROWS_ROWS_CPU_H

#include "kernels/cpu/work_share.h"
#include "kernels/slab.h"

/* Rows of the range, numbered in order of (n, c, y). */
static inline int64_t sa_range_rows(const sa_range *range, int height)
{
    return (int64_t)(range->image_end - range->image_begin) * (range->channel_end - range->channel_begin) * height;
}

static inline void sa_range_row(const sa_range *range, int height, int64_t row, int *n, int *c, int *y)
{
    int channels = range->channel_end - range->channel_begin;
    int64_t plane = row / height;
    *y = (int)(row % height);
    *c = range->channel_begin + (int)(plane % channels);
    *n = range->image_begin + (int)(plane / channels);
}

/* The rows of a range in bands that go across all its channels. A thread's bands lie together, as the parts of a convolution's
 * plane do that it computes: what it reads is then likely to be its own work. */
typedef struct sa_bands {
    sa_range range;
    int height, rows, an_image; /* rows of a plane, at most of a band; bands of an image */
    sa_work_share share;
} sa_bands;

typedef struct sa_band {
    int n, y_begin, y_end;
} sa_band;

void sa_bands_start(sa_bands *bands, const sa_range *range, int height, int threads);

/* The calling thread's next band; false when none is left. */
bool sa_bands_take(sa_bands *bands, sa_band *band);

#endif
