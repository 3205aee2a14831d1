/* Source of the Winograd convolution's hot loops; included once by each conv_winograd_<isa>.c, which defines SA_CONV_LANES,
 * SA_KERNELS_NAME and SA_WINO_ROWS, the rows of a product's register tile. */
#include "kernels/cpu/conv/conv_vector.h"
#include "kernels/cpu/conv/conv_winograd_kernels.h"

#define SA_SUBS (SA_WINO_GROUP / SA_CONV_LANES) /* vectors of a group */

/* The points: 0, +-LOW, +-HIGH, infinity; LOW * HIGH = 1. */
#define LOW (2.0f / 3.0f)
#define HIGH 1.5f
#define LOW2 (4.0f / 9.0f)
#define HIGH2 2.25f
#define LOW3 (8.0f / 27.0f)
#define HIGH3 3.375f
#define SQUARES (4.0f / 9.0f + 2.25f)
/* The products of a point's differences from the others, by which G divides: 1 at 0, 2 p^2 (p^2 - q^2) at +-p. */
#define LOW_WEIGHT (1.0f / (2.0f * (4.0f / 9.0f) * (4.0f / 9.0f - 2.25f)))
#define HIGH_WEIGHT (1.0f / (2.0f * 2.25f * (2.25f - 4.0f / 9.0f)))

SA_CONV_INLINE vec scaled(float factor, vec a, vec b) /* factor * a + b */
{
    return vec_fma(vec_all(factor), a, b);
}

/* B' of six values `step` vectors apart. */
SA_CONV_INLINE void input_line(const vec *d, const int step, vec *t, const int t_step)
{
    const vec d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
    const vec low_even = scaled(-HIGH2, d2, d4), low_odd = scaled(-HIGH2, d1, d3);
    const vec high_even = scaled(-LOW2, d2, d4), high_odd = scaled(-LOW2, d1, d3);
    t[0] = scaled(-SQUARES, d2, d[0] + d4);
    t[t_step] = scaled(LOW, low_odd, low_even);
    t[2 * t_step] = scaled(-LOW, low_odd, low_even);
    t[3 * t_step] = scaled(HIGH, high_odd, high_even);
    t[4 * t_step] = scaled(-HIGH, high_odd, high_even);
    t[5 * t_step] = scaled(-SQUARES, d3, d1 + d[5 * step]);
}

/* A' of six values. */
SA_CONV_INLINE void output_line(const vec *m, const int step, vec *y, const int y_step)
{
    const vec low_sum = m[step] + m[2 * step], low_difference = m[step] - m[2 * step];
    const vec high_sum = m[3 * step] + m[4 * step], high_difference = m[3 * step] - m[4 * step];
    y[0] = m[0] + low_sum + high_sum;
    y[y_step] = scaled(LOW, low_difference, high_difference * vec_all(HIGH));
    y[2 * y_step] = scaled(LOW2, low_sum, high_sum * vec_all(HIGH2));
    y[3 * y_step] = scaled(LOW3, low_difference, scaled(HIGH3, high_difference, m[5 * step]));
}

/* A of four values. */
SA_CONV_INLINE void gradient_line(const vec *y, const int step, vec *z, const int z_step)
{
    const vec y0 = y[0], y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
    const vec low_even = scaled(LOW2, y2, y0), low_odd = scaled(LOW2, y3, y1);
    const vec high_even = scaled(HIGH2, y2, y0), high_odd = scaled(HIGH2, y3, y1);
    z[0] = y0;
    z[z_step] = scaled(LOW, low_odd, low_even);
    z[2 * z_step] = scaled(-LOW, low_odd, low_even);
    z[3 * z_step] = scaled(HIGH, high_odd, high_even);
    z[4 * z_step] = scaled(-HIGH, high_odd, high_even);
    z[5 * z_step] = y3;
}

/* G of three values. */
SA_CONV_INLINE void filter_line(const vec *g, const int step, vec *u, const int u_step)
{
    const vec g0 = g[0], g1 = g[step], g2 = g[2 * step];
    const vec low_even = scaled(LOW2, g2, g0) * vec_all(LOW_WEIGHT), low_odd = g1 * vec_all(LOW * LOW_WEIGHT);
    const vec high_even = scaled(HIGH2, g2, g0) * vec_all(HIGH_WEIGHT), high_odd = g1 * vec_all(HIGH * HIGH_WEIGHT);
    u[0] = g0;
    u[u_step] = low_even + low_odd;
    u[2 * u_step] = low_even - low_odd;
    u[3 * u_step] = high_even + high_odd;
    u[4 * u_step] = high_even - high_odd;
    u[5 * u_step] = g2;
}

/* G' of six values. */
SA_CONV_INLINE void filter_gradient_line(const vec *u, const int step, vec *g, const int g_step)
{
    const vec low_sum = (u[step] + u[2 * step]) * vec_all(LOW_WEIGHT);
    const vec low_difference = (u[step] - u[2 * step]) * vec_all(LOW * LOW_WEIGHT);
    const vec high_sum = (u[3 * step] + u[4 * step]) * vec_all(HIGH_WEIGHT);
    const vec high_difference = (u[3 * step] - u[4 * step]) * vec_all(HIGH * HIGH_WEIGHT);
    g[0] = u[0] + low_sum + high_sum;
    g[g_step] = low_difference + high_difference;
    g[2 * g_step] = scaled(LOW2, low_sum, scaled(HIGH2, high_sum, u[5 * step]));
}

/* ------------------------------------------------------------------ pixels ------------------------------------------ */

/* Columns [j, j + SA_CONV_LANES) of a row whose first column inside is at `row`. */
SA_CONV_INLINE vec load_columns(const sa_wino_pixels *p, const float *row, int j)
{
    const int begin = p->column_begin - j, end = p->column_end - j;
    if (begin <= 0 && end >= SA_CONV_LANES) return vec_load(row + (j - p->column_begin));
    if (begin >= SA_CONV_LANES || end <= 0) return (vec){0};
    return vec_load_part(row - begin, begin > 0 ? begin : 0, end < SA_CONV_LANES ? end : SA_CONV_LANES);
}

/* Row i of the run with channels in the lanes: (columns, SA_WINO_GROUP); `columns` is a multiple of SA_CONV_LANES. */
SA_CONV_INLINE void turn_row(const sa_wino_pixels *p, int i, int columns, vec *to)
{
    if (i < p->row_begin || i >= p->row_end) {
        for (int j = 0; j < columns * SA_SUBS; j++) to[j] = (vec){0};
        return;
    }
    const size_t distance = (size_t)(i - p->row_begin) * p->row_pitch;
    for (int j = 0; j < columns; j += SA_CONV_LANES)
        for (int sub = 0; sub < SA_SUBS; sub++) {
            vec square[SA_CONV_LANES];
#pragma GCC unroll 16
            for (int l = 0; l < SA_CONV_LANES; l++) square[l] = load_columns(p, p->at[sub * SA_CONV_LANES + l] + distance, j);
            vec_transpose(square);
#pragma GCC unroll 16
            for (int l = 0; l < SA_CONV_LANES; l++) to[(j + l) * SA_SUBS + sub] = square[l];
        }
}

SA_CONV_INLINE void store_spectrum(const sa_wino_spectra *s, size_t at, const vec t[SA_WINO_FREQUENCIES])
{
#pragma GCC unroll 36
    for (int f = 0; f < SA_WINO_FREQUENCIES; f++) vec_store(s->at + at + (size_t)f * s->frequency_pitch, t[f]);
}

enum { ROW = SA_WINO_RUN_PIXELS * SA_SUBS /* vectors */ };

SA_CONV_INLINE int whole_vectors(int columns)
{
    return (columns + SA_CONV_LANES - 1) / SA_CONV_LANES * SA_CONV_LANES;
}

static void input(const sa_wino_pixels *p, const sa_wino_spectra *s, float *work)
{
    vec *pixel = (vec *)(void *)work;
    const int columns = SA_WINO_STEP * p->tiles + SA_WINO_TILE - SA_WINO_STEP;
    for (int i = 0; i < SA_WINO_TILE; i++) turn_row(p, i, whole_vectors(columns), pixel + (size_t)i * ROW);
    for (int j = 0; j < columns * SA_SUBS; j++) {
        vec t[SA_WINO_TILE];
        input_line(pixel + j, ROW, t, 1);
#pragma GCC unroll 6
        for (int i = 0; i < SA_WINO_TILE; i++) pixel[(size_t)i * ROW + (size_t)j] = t[i];
    }
    for (int tile = 0; tile < p->tiles; tile++)
        for (int sub = 0; sub < SA_SUBS; sub++) {
            vec t[SA_WINO_FREQUENCIES];
            const vec *from = pixel + (size_t)(tile * SA_WINO_STEP * SA_SUBS + sub);
#pragma GCC unroll 6
            for (int i = 0; i < SA_WINO_TILE; i++) input_line(from + (size_t)i * ROW, SA_SUBS, t + i * SA_WINO_TILE, 1);
            store_spectrum(s, (size_t)tile * s->tile_pitch + (size_t)(sub * SA_CONV_LANES), t);
        }
}

static void gradient(const sa_wino_pixels *p, const sa_wino_spectra *s, float *work)
{
    vec *pixel = (vec *)(void *)work;
    const int columns = SA_WINO_STEP * p->tiles;
    for (int i = 0; i < SA_WINO_STEP; i++) turn_row(p, i, whole_vectors(columns), pixel + (size_t)i * ROW);
    for (int j = 0; j < columns * SA_SUBS; j++) {
        vec z[SA_WINO_TILE];
        gradient_line(pixel + j, ROW, z, 1);
#pragma GCC unroll 6
        for (int i = 0; i < SA_WINO_TILE; i++) pixel[(size_t)i * ROW + (size_t)j] = z[i];
    }
    for (int tile = 0; tile < p->tiles; tile++)
        for (int sub = 0; sub < SA_SUBS; sub++) {
            vec z[SA_WINO_FREQUENCIES];
            const vec *from = pixel + (size_t)(tile * SA_WINO_STEP * SA_SUBS + sub);
#pragma GCC unroll 6
            for (int i = 0; i < SA_WINO_TILE; i++) gradient_line(from + (size_t)i * ROW, SA_SUBS, z + i * SA_WINO_TILE, 1);
            store_spectrum(s, (size_t)tile * s->tile_pitch + (size_t)(sub * SA_CONV_LANES), z);
        }
}

static void turn(const float *const at[SA_WINO_GROUP], int pixels, float *to, size_t pitch)
{
    for (int sub = 0; sub < SA_WINO_GROUP; sub += SA_CONV_LANES)
        for (int j = 0; j < pixels; j += SA_CONV_LANES) {
            const int count = pixels - j < SA_CONV_LANES ? pixels - j : SA_CONV_LANES;
            vec square[SA_CONV_LANES];
#pragma GCC unroll 16
            for (int l = 0; l < SA_CONV_LANES; l++)
                square[l] = count == SA_CONV_LANES ? vec_load(at[sub + l] + j) : vec_load_part(at[sub + l] + j, 0, count);
            vec_transpose(square);
            float *out = to + (size_t)j * pitch + (size_t)sub;
#pragma GCC unroll 16
            for (int l = 0; l < SA_CONV_LANES; l++, out += pitch) {
                if (l == count) break;
                vec_store(out, square[l]);
            }
        }
}

/* Pixels of one row of the run, lanes channels, to the rows of the target's channels. */
SA_CONV_INLINE void store_row(const sa_wino_target *to, int i, int sub, const vec *pixel)
{
    for (int j = 0; j < to->columns; j += SA_CONV_LANES) {
        vec square[SA_CONV_LANES];
#pragma GCC unroll 16
        for (int l = 0; l < SA_CONV_LANES; l++) square[l] = pixel[j + l];
        vec_transpose(square);
        const int columns = to->columns - j, first = sub * SA_CONV_LANES;
        float *out = to->at + (size_t)first * to->channel_pitch + (size_t)i * to->row_pitch + (size_t)j;
#pragma GCC unroll 16
        for (int l = 0; l < SA_CONV_LANES; l++, out += to->channel_pitch) {
            if (first + l >= to->channels) break;
            if (columns >= SA_CONV_LANES) vec_store(out, square[l]);
            else vec_store_part(out, square[l], columns);
        }
    }
}

static void output(const sa_wino_spectra *s, const sa_wino_target *to, float *work)
{
    enum { WIDTH = SA_WINO_STEP * SA_WINO_STORE_RUN };
    vec *pixel = (vec *)(void *)work; /* (SA_WINO_STEP, WIDTH) */
    for (int sub = 0; sub < SA_SUBS; sub++) {
        _Alignas(64) float bias[SA_CONV_LANES] = {0};
        for (int l = 0; to->bias && l < SA_CONV_LANES && sub * SA_CONV_LANES + l < to->channels; l++)
            bias[l] = to->bias[sub * SA_CONV_LANES + l];
        for (int tile = 0; tile < to->tiles; tile++) {
            const float *at = s->at + (size_t)tile * s->tile_pitch + (size_t)(sub * SA_CONV_LANES);
            vec half[SA_WINO_TILE * SA_WINO_STEP];
#pragma GCC unroll 6
            for (int i = 0; i < SA_WINO_TILE; i++) {
                vec m[SA_WINO_TILE];
#pragma GCC unroll 6
                for (int k = 0; k < SA_WINO_TILE; k++) m[k] = vec_load(at + (size_t)(i * SA_WINO_TILE + k) * s->frequency_pitch);
                output_line(m, 1, half + i * SA_WINO_STEP, 1);
            }
#pragma GCC unroll 4
            for (int j = 0; j < SA_WINO_STEP; j++) {
                vec y[SA_WINO_STEP];
                output_line(half + j, SA_WINO_STEP, y, 1);
#pragma GCC unroll 4
                for (int i = 0; i < SA_WINO_STEP; i++) pixel[i * WIDTH + tile * SA_WINO_STEP + j] = y[i] + *(const vec *)bias;
            }
        }
        for (int i = 0; i < to->rows; i++) store_row(to, i, sub, pixel + i * WIDTH);
    }
}

/* ------------------------------------------------------------------ filters ----------------------------------------- */

static void filter(const sa_wino_filter *from, float *at, size_t frequency_pitch)
{
    for (int sub = 0; sub < SA_SUBS; sub++) {
        _Alignas(64) float taps[SA_WINO_TAPS][SA_CONV_LANES];
        for (int l = 0; l < SA_CONV_LANES; l++) {
            const int channel = sub * SA_CONV_LANES + l;
            const float *weight = from->weight + (size_t)channel * from->channel_pitch;
            for (int k = 0; k < SA_WINO_TAPS; k++)
                taps[k][l] = channel >= from->channels ? 0 : weight[from->turned ? SA_WINO_TAPS - 1 - k : k];
        }
        const vec *g = (const vec *)taps;
        vec half[3 * SA_WINO_TILE], u[SA_WINO_FREQUENCIES];
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) filter_line(g + 3 * i, 1, half + i * SA_WINO_TILE, 1);
#pragma GCC unroll 6
        for (int j = 0; j < SA_WINO_TILE; j++) filter_line(half + j, SA_WINO_TILE, u + j, SA_WINO_TILE);
        const sa_wino_spectra s = {at + sub * SA_CONV_LANES, frequency_pitch, 0};
        store_spectrum(&s, 0, u);
    }
}

static void filter_gradient(const float *at, size_t frequency_pitch, float *weight, size_t channel_pitch, int channels, bool add)
{
    for (int sub = 0; sub < SA_SUBS; sub++) {
        vec half[SA_WINO_TILE * 3];
        _Alignas(64) float taps[SA_WINO_TAPS][SA_CONV_LANES];
        vec *g = (vec *)taps;
#pragma GCC unroll 6
        for (int i = 0; i < SA_WINO_TILE; i++) {
            vec u[SA_WINO_TILE];
#pragma GCC unroll 6
            for (int k = 0; k < SA_WINO_TILE; k++)
                u[k] = vec_load(at + (size_t)(i * SA_WINO_TILE + k) * frequency_pitch + (size_t)(sub * SA_CONV_LANES));
            filter_gradient_line(u, 1, half + 3 * i, 1);
        }
#pragma GCC unroll 3
        for (int j = 0; j < 3; j++) filter_gradient_line(half + j, 3, g + j, 3);
        for (int l = 0; l < SA_CONV_LANES && sub * SA_CONV_LANES + l < channels; l++) {
            float *to = weight + (size_t)(sub * SA_CONV_LANES + l) * channel_pitch;
            for (int k = 0; k < SA_WINO_TAPS; k++) to[k] = add ? to[k] + taps[k][l] : taps[k][l];
        }
    }
}

/* ------------------------------------------------------------------ products ---------------------------------------- */

/* Rows [row, row + rows), `vectors` vectors from column `column` on. */
SA_CONV_INLINE void product_tile(const sa_wino_product *p, int row, int column, const int rows, const int vectors)
{
    const float *a = p->a + (size_t)row * p->a_row, *b = p->b + column;
    float *c = p->c + (size_t)row * p->c_row + (size_t)column;
    const int block = p->sum_block ? p->sum_block : p->depth;
    for (int k = 0; k < p->depth; k += block) {
        const int end = k + block < p->depth ? k + block : p->depth;
        vec sum[SA_WINO_ROWS][2];
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) sum[r][v] = (vec){0};
        for (int i = k; i < end; i++, a += p->a_step, b += p->b_step) {
            vec right[2];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) right[v] = vec_load(b + v * SA_CONV_LANES);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                const vec left = vec_broadcast(a + (size_t)r * p->a_row);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) sum[r][v] = vec_fma(left, right[v], sum[r][v]);
            }
        }
        const bool set = p->set && k == 0;
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                float *to = c + (size_t)r * p->c_row + (size_t)(v * SA_CONV_LANES);
                if (!set) sum[r][v] += vec_load(to);
                if (p->bias) sum[r][v] += vec_all(p->bias[row + r]);
                vec_store(to, sum[r][v]);
            }
    }
}

#define TILES(rows)                                                                    \
    SA_CONV_NOINLINE void tile_##rows(const sa_wino_product *p, int row, int column)   \
    {                                                                                  \
        product_tile(p, row, column, rows, 2);                                         \
    }                                                                                  \
    SA_CONV_NOINLINE void narrow_##rows(const sa_wino_product *p, int row, int column) \
    {                                                                                  \
        product_tile(p, row, column, rows, 1);                                         \
    }
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(6)
#if SA_WINO_ROWS == 12
TILES(8)
TILES(12)
#endif
#undef TILES

typedef void tile_function(const sa_wino_product *p, int row, int column);

static void multiply(const sa_wino_product *p)
{
#if SA_WINO_ROWS == 12
    static tile_function *const WIDE[] = {NULL,   tile_1, tile_2, tile_3, tile_4, tile_4, tile_6,
                                          tile_6, tile_8, tile_8, tile_8, tile_8, tile_12};
    static tile_function *const NARROW[] = {NULL,     narrow_1, narrow_2, narrow_3, narrow_4, narrow_4, narrow_6,
                                            narrow_6, narrow_8, narrow_8, narrow_8, narrow_8, narrow_12};
    static const int ROWS[] = {0, 1, 2, 3, 4, 4, 6, 6, 8, 8, 8, 8, 12};
#else
    static tile_function *const WIDE[] = {NULL, tile_1, tile_2, tile_3, tile_4, tile_4, tile_6};
    static tile_function *const NARROW[] = {NULL, narrow_1, narrow_2, narrow_3, narrow_4, narrow_4, narrow_6};
    static const int ROWS[] = {0, 1, 2, 3, 4, 4, 6};
#endif
    for (int column = 0; column < p->columns;) {
        const bool wide = column + 2 * SA_CONV_LANES <= p->columns;
        for (int row = 0; row < p->rows;) {
            const int left = p->rows - row, most = left < SA_WINO_ROWS ? left : SA_WINO_ROWS;
            (wide ? WIDE : NARROW)[most](p, row, column);
            row += ROWS[most];
        }
        column += wide ? 2 * SA_CONV_LANES : SA_CONV_LANES;
    }
}

const sa_wino_kernels SA_KERNELS_NAME = {input, gradient, output, filter, filter_gradient, multiply, turn};
