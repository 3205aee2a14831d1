/* Walking over the rows of a range of images and channels: the loop that nearly every CPU kernel is. */
#ifndef SA_KERNELS_CPU_ROWS_CPU_H
#define SA_KERNELS_CPU_ROWS_CPU_H

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

#endif
