/* Source of the direct convolution's hot loops; included once by each conv_direct_<isa>.c, which defines
 *   SA_CONV_LANES                 floats in a vector,
 *   SA_KERNELS_NAME          the table that is made,
 *   SA_WIDE_GROUPS           1 or 2 groups of 4 output channels in one register tile,
 *   SA_WIDE_VECTORS          pixel vectors in a tile of SA_WIDE_GROUPS groups,
 *   SA_NARROW_VECTORS        pixel vectors in a tile of one group,
 *   SA_ONE_VECTORS           pixel vectors in a tile of one channel,
 *   SA_WEIGHT_COLUMNS        columns q in one register tile of the weight gradient. */
#include "kernels/cpu/conv/conv_direct_kernels.h"
#include "kernels/cpu/conv/conv_vector.h"

#include <stdbool.h>

#define SA_MAX_CHANNELS (2 * SA_DIRECT_GROUP)
#define SA_MAX_VECTORS 8

/* The vectors of one tile: where each is in the strip and in the output, and how many of its lanes are output columns. Some may be
 * of one row and the rest of the next ones. */
typedef struct tile_place {
    size_t in[SA_MAX_VECTORS], out[SA_MAX_VECTORS];
    int valid[SA_MAX_VECTORS];
} tile_place;

SA_CONV_INLINE void store_lanes(float *out, vec value, int valid, int step)
{
    if (step == 1) {
        if (valid >= SA_CONV_LANES) vec_store(out, value);
        else if (valid > 0) vec_store_part(out, value, valid);
        return;
    }
    _Alignas(64) float lane[SA_CONV_LANES];
    *(vec *)lane = value;
    for (int l = 0; l < (valid < SA_CONV_LANES ? valid : SA_CONV_LANES); l++) out[l * step] = lane[l];
}

/* `channels` channels from `first` on, a multiple of SA_DIRECT_GROUP, for `vectors` pixel vectors. */
SA_CONV_INLINE void row_tile(const sa_direct_row *r, int first, const tile_place *place, const int channels, const int vectors)
{
    vec sum[SA_MAX_CHANNELS][SA_MAX_VECTORS];
    const size_t block_pitch = (size_t)r->in_channels * (size_t)r->taps * SA_DIRECT_GROUP;
    const float *weight = r->weight + (size_t)(first / SA_DIRECT_GROUP) * block_pitch, *strip[SA_MAX_VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) strip[v] = r->strip + place->in[v];
#pragma GCC unroll 8
    for (int o = 0; o < channels; o++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[o][v] = (vec){0};
    for (size_t c = 0; c < (size_t)r->in_channels; c++)
        for (int t = 0; t < r->taps; t++, weight += SA_DIRECT_GROUP) {
            const size_t at = c * r->channel_pitch + (size_t)r->tap_offset[t];
            vec pixel[SA_MAX_VECTORS];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) pixel[v] = vec_load(strip[v] + at);
#pragma GCC unroll 8
            for (int o = 0; o < channels; o++) {
                vec w = vec_all(weight[(size_t)(o / SA_DIRECT_GROUP) * block_pitch + (size_t)(o % SA_DIRECT_GROUP)]);
#pragma GCC unroll 8
                for (int v = 0; v < vectors; v++) sum[o][v] += w * pixel[v];
            }
        }
#pragma GCC unroll 8
    for (int o = 0; o < channels; o++) {
        if (first + o >= r->channels) break;
        float *out = r->out + (size_t)(first + o) * r->out_pitch;
        vec bias = vec_all(r->bias ? r->bias[first + o] : 0);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) store_lanes(out + place->out[v], sum[o][v] + bias, place->valid[v], r->out_step);
    }
}

#define TILE(name, channels, vectors)                                                      \
    SA_CONV_NOINLINE void name(const sa_direct_row *r, int first, const tile_place *place) \
    {                                                                                      \
        row_tile(r, first, place, channels, vectors);                                      \
    }
TILE(wide_tile, SA_WIDE_GROUPS *SA_DIRECT_GROUP, SA_WIDE_VECTORS)
TILE(wide_vector, SA_WIDE_GROUPS *SA_DIRECT_GROUP, 1)
TILE(narrow_tile, SA_DIRECT_GROUP, SA_NARROW_VECTORS)
TILE(narrow_vector, SA_DIRECT_GROUP, 1)
TILE(one_tile, 1, SA_ONE_VECTORS)
TILE(one_vector, 1, 1)
#undef TILE

typedef void tile_function(const sa_direct_row *r, int first, const tile_place *place);

/* How a number of channels is computed: in tiles of `vectors` vectors, the rest vector by vector or in a tile that is not full. */
typedef struct tile_shape {
    tile_function *tile, *vector;
    int channels, vectors;
} tile_shape;

SA_CONV_INLINE void run_tiles(const sa_direct_row *r, int first, const tile_shape *shape)
{
    const int across = (r->width + SA_CONV_LANES - 1) / SA_CONV_LANES, total = across * r->rows;
    tile_place place;
    int row = 0, x = 0;
    for (int done = 0; done < total;) {
        int left = total - done, count = left < shape->vectors ? left : shape->vectors;
        const bool single = count < shape->vectors && count * SA_MAX_CHANNELS <= shape->vectors * shape->channels;
        if (single) count = 1;
        for (int v = 0; v < count; v++) {
            place.in[v] = (size_t)row * r->row_pitch + (size_t)x;
            place.out[v] = (size_t)row * r->out_row_pitch + (size_t)x * (size_t)r->out_step;
            place.valid[v] = r->width - x;
            x += SA_CONV_LANES;
            if (x < r->width) continue;
            x = 0;
            row++;
        }
        for (int v = count; v < SA_MAX_VECTORS; v++) place.in[v] = place.in[0], place.out[v] = 0, place.valid[v] = 0;
        (single ? shape->vector : shape->tile)(r, first, &place);
        done += count;
    }
}

static void row(const sa_direct_row *r)
{
    static const tile_shape WIDE = {wide_tile, wide_vector, SA_WIDE_GROUPS * SA_DIRECT_GROUP, SA_WIDE_VECTORS};
    static const tile_shape NARROW = {narrow_tile, narrow_vector, SA_DIRECT_GROUP, SA_NARROW_VECTORS};
    static const tile_shape ONE = {one_tile, one_vector, 1, SA_ONE_VECTORS};
    for (int first = 0; first < r->channels;) {
        const int left = r->channels - first;
        const tile_shape *shape = left == 1 ? &ONE : left > SA_DIRECT_GROUP ? &WIDE : &NARROW;
        run_tiles(r, first, shape);
        first += shape->channels;
    }
}

/* Lanes are added in order; the sum over pixels of one lane is in float32, at most a strip long. */
SA_CONV_INLINE float sum_lanes(vec v)
{
    float sum = 0;
    for (int l = 0; l < SA_CONV_LANES; l++) sum += v[l];
    return sum;
}

SA_CONV_INLINE void weight_tile(const sa_direct_weight *b, int q0, const int columns, const int channels)
{
    vec sum[SA_DIRECT_GROUP][SA_DIRECT_COLUMNS];
    const float *strip[SA_DIRECT_COLUMNS], *dy[SA_DIRECT_GROUP];
#pragma GCC unroll 8
    for (int q = 0; q < columns; q++) strip[q] = b->strip + b->q_offset[q0 + q < b->q_count ? q0 + q : b->q_count - 1];
#pragma GCC unroll 8
    for (int o = 0; o < channels; o++) {
        dy[o] = b->dy[o];
#pragma GCC unroll 8
        for (int q = 0; q < columns; q++) sum[o][q] = (vec){0};
    }
    for (int row_number = 0; row_number < b->rows; row_number++) {
        size_t strip_row = (size_t)row_number * b->strip_row_pitch, dy_row = (size_t)row_number * b->dy_row_pitch;
        for (int x = 0; x < b->width; x += SA_CONV_LANES) {
            vec d[SA_DIRECT_GROUP];
#pragma GCC unroll 8
            for (int o = 0; o < channels; o++) d[o] = vec_load(dy[o] + dy_row + (size_t)x);
#pragma GCC unroll 8
            for (int q = 0; q < columns; q++) {
                vec pixel = vec_load(strip[q] + strip_row + (size_t)x);
#pragma GCC unroll 8
                for (int o = 0; o < channels; o++) sum[o][q] += d[o] * pixel;
            }
        }
    }
#pragma GCC unroll 8
    for (int o = 0; o < channels; o++)
#pragma GCC unroll 8
        for (int q = 0; q < columns; q++)
            if (o < b->channels && q0 + q < b->q_count) b->dweight[o][q0 + q] += sum_lanes(sum[o][q]);
}

SA_CONV_NOINLINE void weight_block(const sa_direct_weight *b, int q0)
{
    weight_tile(b, q0, SA_WEIGHT_COLUMNS, SA_DIRECT_GROUP);
}

SA_CONV_NOINLINE void weight_channel(const sa_direct_weight *b, int q0)
{
    weight_tile(b, q0, SA_DIRECT_COLUMNS, 1);
}

static void weight(const sa_direct_weight *b)
{
    const bool one = b->channels == 1;
    for (int q = 0; q < b->q_count; q += one ? SA_DIRECT_COLUMNS : SA_WEIGHT_COLUMNS) (one ? weight_channel : weight_block)(b, q);
}

const sa_direct_kernels SA_KERNELS_NAME = {row, weight};
