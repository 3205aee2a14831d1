/* Rows in groups: which rows of a value a sum is over, for sums that are kept per channel, per image, per plane, per row or for all
 * of a value at once. The rows of a group are added in order of (n, c, y). */
#ifndef SA_KERNELS_ROW_GROUPS_H
#define SA_KERNELS_ROW_GROUPS_H

#include "kernels/slab.h"

typedef struct sa_row_groups {
    int32_t image_begin, channel_begin, height;
    int32_t images, channels, rows;     /* groups along each axis; 1: the axis is summed over */
    int32_t group_channels, group_rows; /* of one group */
    int32_t count, each;                /* groups; rows of one */
} sa_row_groups;

/* An axis along which the spread has a step is not summed over. */
static inline sa_row_groups sa_row_groups_of(const sa_range *range, int32_t height, const sa_spread *spread)
{
    const int32_t images = range->image_end - range->image_begin, channels = range->channel_end - range->channel_begin;
    sa_row_groups g = {range->image_begin, range->channel_begin, height, 1, 1, 1, 1, 1, 0, 0};
    g.images = spread->image ? images : 1;
    g.channels = spread->channel ? channels : 1;
    g.rows = spread->row ? height : 1;
    g.group_channels = spread->channel ? 1 : channels;
    g.group_rows = spread->row ? 1 : height;
    g.count = g.images * g.channels * g.rows;
    g.each = (spread->image ? 1 : images) * g.group_channels * g.group_rows;
    return g;
}

/* Where row `row` of group `group` is. */
SA_HOST_DEVICE static inline void sa_row_groups_find(const sa_row_groups *g, int group, int row, int *n, int *c, int *y)
{
    const int plane = row / g->group_rows;
    *y = group % g->rows + row % g->group_rows;
    *c = g->channel_begin + group / g->rows % g->channels + plane % g->group_channels;
    *n = g->image_begin + group / g->rows / g->channels + plane / g->group_channels;
}

/* The first element of the group's sums. */
SA_HOST_DEVICE static inline size_t sa_row_groups_index(const sa_row_groups *g, int group, const sa_spread *spread)
{
    int n, c, y;
    sa_row_groups_find(g, group, 0, &n, &c, &y);
    return sa_spread_index(spread, n, c) + (size_t)y * (size_t)spread->row;
}

#endif
