/* Source of the direct convolution's hot loops; included once by each conv_direct_<isa>.c, which defines
 *   SA_CONV_LANES                 floats in a vector,
 *   SA_KERNELS_NAME          the table that is made,
 *   SA_WIDE_GROUPS           1 or 2 groups of 4 output channels in one register tile,
 *   SA_WIDE_VECTORS          pixel vectors in a tile of SA_WIDE_GROUPS groups,
 *   SA_NARROW_VECTORS        pixel vectors in a tile of one group,
 *   SA_WEIGHT_COLUMNS        columns q in one register tile of the weight gradient. */
#include "kernels/cpu/conv/conv_direct_kernels.h"
#include "kernels/cpu/conv/conv_vector.h"

#define SA_MAX_TILE (2 * SA_DIRECT_GROUP)

/* GROUPS * 4 channels x VECTORS pixel vectors of one row, from channel group `group` and column x on. */
SA_CONV_INLINE void row_tile(const sa_direct_row *r, int group, int x, const int groups, const int vectors)
{
    vec sum[SA_MAX_TILE][8];
    const size_t group_pitch = (size_t)r->in_channels * (size_t)r->taps * SA_DIRECT_GROUP;
    const float *weight = r->weight + (size_t)group * group_pitch, *strip = r->strip + x;
#pragma GCC unroll 8
    for (int o = 0; o < groups * SA_DIRECT_GROUP; o++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[o][v] = (vec){0};
    for (int c = 0; c < r->in_channels; c++, strip += r->channel_pitch)
        for (int t = 0; t < r->taps; t++, weight += SA_DIRECT_GROUP) {
            const float *from = strip + r->tap_offset[t];
            vec pixel[8];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) pixel[v] = vec_load(from + v * SA_CONV_LANES);
#pragma GCC unroll 8
            for (int o = 0; o < groups * SA_DIRECT_GROUP; o++) {
                vec w = vec_all(weight[(size_t)(o / SA_DIRECT_GROUP) * group_pitch + (size_t)(o % SA_DIRECT_GROUP)]);
#pragma GCC unroll 8
                for (int v = 0; v < vectors; v++) sum[o][v] += w * pixel[v];
            }
        }
    int o0 = group * SA_DIRECT_GROUP;
#pragma GCC unroll 8
    for (int o = 0; o < groups * SA_DIRECT_GROUP; o++) {
        if (o0 + o >= r->channels) break;
        float *out = r->out + (size_t)(o0 + o) * r->out_pitch + x;
        vec bias = vec_all(r->bias ? r->bias[o0 + o] : 0);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            vec value = sum[o][v] + bias;
            int valid = r->width - x - v * SA_CONV_LANES;
            if (valid >= SA_CONV_LANES) vec_store(out + v * SA_CONV_LANES, value);
            else if (valid > 0) vec_store_part(out + v * SA_CONV_LANES, value, valid);
        }
    }
}

SA_CONV_NOINLINE void wide_tile(const sa_direct_row *r, int group, int x)
{
    row_tile(r, group, x, SA_WIDE_GROUPS, SA_WIDE_VECTORS);
}

SA_CONV_NOINLINE void wide_tile_end(const sa_direct_row *r, int group, int x)
{
    row_tile(r, group, x, SA_WIDE_GROUPS, 1);
}

SA_CONV_NOINLINE void narrow_tile(const sa_direct_row *r, int group, int x)
{
    row_tile(r, group, x, 1, SA_NARROW_VECTORS);
}

SA_CONV_NOINLINE void narrow_tile_end(const sa_direct_row *r, int group, int x)
{
    row_tile(r, group, x, 1, 1);
}

typedef void tile_function(const sa_direct_row *r, int group, int x);

/* All columns of one or two groups: whole tiles, then single vectors. */
SA_CONV_INLINE void row_groups(const sa_direct_row *r, int group, tile_function *tile, tile_function *tile_end, int vectors)
{
    int x = 0;
    for (; x + vectors * SA_CONV_LANES <= r->width; x += vectors * SA_CONV_LANES) tile(r, group, x);
    for (; x < r->width; x += SA_CONV_LANES) tile_end(r, group, x);
}

static void row(const sa_direct_row *r)
{
    int groups = (r->channels + SA_DIRECT_GROUP - 1) / SA_DIRECT_GROUP, group = 0;
    for (; group + SA_WIDE_GROUPS <= groups; group += SA_WIDE_GROUPS)
        row_groups(r, group, wide_tile, wide_tile_end, SA_WIDE_VECTORS);
    for (; group < groups; group++) row_groups(r, group, narrow_tile, narrow_tile_end, SA_NARROW_VECTORS);
}

/* Lanes are added in order; the sum over pixels of one lane is in float32, at most a strip long. */
SA_CONV_INLINE float sum_lanes(vec v)
{
    float sum = 0;
    for (int l = 0; l < SA_CONV_LANES; l++) sum += v[l];
    return sum;
}

SA_CONV_INLINE void weight_tile(const sa_direct_weight *b, int q0, const int columns)
{
    vec sum[SA_DIRECT_GROUP][SA_DIRECT_COLUMNS];
    const float *strip[SA_DIRECT_COLUMNS], *dy[SA_DIRECT_GROUP];
#pragma GCC unroll 8
    for (int q = 0; q < columns; q++) strip[q] = b->strip + b->q_offset[q0 + q < b->q_count ? q0 + q : b->q_count - 1];
#pragma GCC unroll 8
    for (int o = 0; o < SA_DIRECT_GROUP; o++) {
        dy[o] = b->dy[o];
#pragma GCC unroll 8
        for (int q = 0; q < columns; q++) sum[o][q] = (vec){0};
    }
    for (int row_number = 0; row_number < b->rows; row_number++) {
        size_t strip_row = (size_t)row_number * b->strip_row_pitch, dy_row = (size_t)row_number * b->dy_row_pitch;
        for (int x = 0; x < b->width; x += SA_CONV_LANES) {
            vec d[SA_DIRECT_GROUP];
#pragma GCC unroll 8
            for (int o = 0; o < SA_DIRECT_GROUP; o++) d[o] = *(const vec *)(dy[o] + dy_row + (size_t)x);
#pragma GCC unroll 8
            for (int q = 0; q < columns; q++) {
                vec pixel = vec_load(strip[q] + strip_row + (size_t)x);
#pragma GCC unroll 8
                for (int o = 0; o < SA_DIRECT_GROUP; o++) sum[o][q] += d[o] * pixel;
            }
        }
    }
#pragma GCC unroll 8
    for (int o = 0; o < SA_DIRECT_GROUP; o++)
#pragma GCC unroll 8
        for (int q = 0; q < columns; q++)
            if (o < b->channels && q0 + q < b->q_count) b->dweight[o][q0 + q] += sum_lanes(sum[o][q]);
}

static void weight(const sa_direct_weight *block)
{
    for (int q = 0; q < block->q_count; q += SA_WEIGHT_COLUMNS) weight_tile(block, q, SA_WEIGHT_COLUMNS);
}

const sa_direct_kernels SA_KERNELS_NAME = {row, weight};
