/* Source of the FFT-tile convolution's hot loops; included once by each conv_fft_<isa>.c, which defines
 *   SA_CONV_LANES      floats in a vector,
 *   SA_KERNELS_NAME    the table that is made,
 *   SA_TILE_ROWS       rows of C in one register tile of the complex products, 3 or 4, of
 *   SA_TILE_VECTORS    vectors, 1 or 2. */
#include "kernels/cpu/conv/conv_fft_kernels.h"
#include "kernels/cpu/conv/conv_vector.h"

enum {
    SA_FFT_TO_L2 = 2,             /* __builtin_prefetch's locality */
    SA_FFT_FREQUENCIES_AHEAD = 4, /* how far the filters of packed tiles are fetched ahead */
};

typedef struct complex_vec {
    vec re, im;
} complex_vec;

SA_CONV_INLINE complex_vec add(complex_vec a, complex_vec b)
{
    return (complex_vec){a.re + b.re, a.im + b.im};
}

SA_CONV_INLINE complex_vec subtract(complex_vec a, complex_vec b)
{
    return (complex_vec){a.re - b.re, a.im - b.im};
}

SA_CONV_INLINE complex_vec times_minus_i(complex_vec a)
{
    return (complex_vec){a.im, -a.re};
}

/* cos(2 pi k / 32), k = 0..31 */
static const float cosine[32] = {
    1.0f,  0.98078528f,  0.92387953f,  0.83146961f,  0.70710678f,  0.55557023f,  0.38268343f,  0.19509032f,
    0.0f,  -0.19509032f, -0.38268343f, -0.55557023f, -0.70710678f, -0.83146961f, -0.92387953f, -0.98078528f,
    -1.0f, -0.98078528f, -0.92387953f, -0.83146961f, -0.70710678f, -0.55557023f, -0.38268343f, -0.19509032f,
    0.0f,  0.19509032f,  0.38268343f,  0.55557023f,  0.70710678f,  0.83146961f,  0.92387953f,  0.98078528f,
};

/* a times exp(-2 pi i k / 32) */
SA_CONV_INLINE complex_vec twiddle(complex_vec a, const int k)
{
    if (k % 32 == 0) return a;
    if (k % 32 == 8) return times_minus_i(a);
    if (k % 32 == 16) return (complex_vec){-a.re, -a.im};
    vec c = vec_all(cosine[k % 32]), s = vec_all(-cosine[(k + 24) % 32]);
    return (complex_vec){vec_fma(a.re, c, -(a.im * s)), vec_fma(a.re, s, a.im * c)};
}

/* In natural order, in place. */
SA_CONV_INLINE void transform4(complex_vec *a, complex_vec *b, complex_vec *c, complex_vec *d)
{
    complex_vec s = add(*a, *c), t = subtract(*a, *c), u = add(*b, *d), v = times_minus_i(subtract(*b, *d));
    *a = add(s, u);
    *b = add(t, v);
    *c = subtract(s, u);
    *d = subtract(t, v);
}

SA_CONV_INLINE complex_vec add_part(complex_vec a, complex_vec b, const float factor)
{
    const vec h = vec_all(factor);
    return (complex_vec){vec_fma(b.re, h, a.re), vec_fma(b.im, h, a.im)};
}

SA_CONV_INLINE void transform8(complex_vec *x)
{
    complex_vec a[4] = {x[0], x[2], x[4], x[6]}, b[4] = {x[1], x[3], x[5], x[7]};
    transform4(a, a + 1, a + 2, a + 3);
    transform4(b, b + 1, b + 2, b + 3);
    b[1] = (complex_vec){b[1].re + b[1].im, b[1].im - b[1].re};
    b[2] = times_minus_i(b[2]);
    b[3] = (complex_vec){b[3].im - b[3].re, -(b[3].re + b[3].im)};
    x[0] = add(a[0], b[0]), x[4] = subtract(a[0], b[0]);
    x[2] = add(a[2], b[2]), x[6] = subtract(a[2], b[2]);
    x[1] = add_part(a[1], b[1], 0.70710678f), x[5] = add_part(a[1], b[1], -0.70710678f);
    x[3] = add_part(a[3], b[3], 0.70710678f), x[7] = add_part(a[3], b[3], -0.70710678f);
}

#define SA_T 16
#define SA_NAME(name) name##_16
#include "kernels/cpu/conv/conv_fft_tile_template.h"
#undef SA_T
#undef SA_NAME
#define SA_T 32
#define SA_NAME(name) name##_32
#include "kernels/cpu/conv/conv_fft_tile_template.h"

/* Fetches the next product's memory a few cache lines a step of this one's depth. */
typedef struct prefetch {
    const sa_fft_ahead *piece, *end;
    const float *row;
    int line, rows_left, lines_a_step;
} prefetch;

static prefetch start_prefetch(const sa_fft_product *p, const sa_fft_ahead *ahead)
{
    int tiles = (p->rows + SA_TILE_ROWS - 1) / SA_TILE_ROWS, lines = 0;
    tiles *= (p->channels + SA_TILE_VECTORS * SA_CONV_LANES - 1) / (SA_TILE_VECTORS * SA_CONV_LANES);
    for (int i = 0; i < SA_FFT_AHEAD; i++) lines += ahead[i].rows * ahead[i].lines;
    prefetch next = {ahead, ahead + SA_FFT_AHEAD, ahead->at, 0, ahead->rows, 0};
    next.lines_a_step = (lines + tiles * p->depth - 1) / (tiles * p->depth);
    return next;
}

SA_CONV_INLINE void prefetch_step(prefetch *p)
{
    for (int i = 0; i < p->lines_a_step && p->piece != p->end; i++) {
        __builtin_prefetch(p->row + p->line * 16, 0, SA_FFT_TO_L2);
        if (++p->line < p->piece->lines) continue;
        p->line = 0;
        p->row += p->piece->row_pitch;
        if (--p->rows_left > 0 || ++p->piece == p->end) continue;
        p->row = p->piece->at;
        p->rows_left = p->piece->rows;
    }
}

/* Where a product finds and puts one register tile: rows from i, channels from o on. */
typedef struct tile_place {
    const float *a, *b;
    float *c;
} tile_place;

SA_CONV_INLINE tile_place place_of(const sa_fft_product *p, int i, int o)
{
    return (tile_place){p->a + (size_t)i * p->a_row, p->b + o, p->c + (size_t)i * p->c_row + o};
}

/* A complex product takes three real multiply-adds:
 *      A * B:  re = sum (a_re + a_im) b_re - sum a_im (b_re + b_im),  im = sum (a_re + a_im) b_re + sum a_re (b_im - b_re)
 * conj(A) * B:  re = sum (a_re - a_im) b_re + sum a_im (b_re + b_im),  im = sum (a_re - a_im) b_re + sum a_re (b_im - b_re) */
typedef struct tile_sums {
    vec both[SA_FFT_PACK][2], plain[SA_FFT_PACK][2], crossed[SA_FFT_PACK][2]; /* (rows, vectors) */
} tile_sums;

SA_CONV_INLINE void clear_sums(tile_sums *s, const int rows, const int vectors)
{
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) s->both[r][v] = s->plain[r][v] = s->crossed[r][v] = (vec){0};
}

/* One step of the depth. */
SA_CONV_INLINE void add_step(const sa_fft_product *p, tile_sums *s, const float *a, const float *b_at, const int rows,
                             const int vectors, const bool conjugate)
{
    vec b[2], sum[2], difference[2];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        vec b_im = *(const vec *)(b_at + v * SA_CONV_LANES + p->b_imaginary);
        b[v] = *(const vec *)(b_at + v * SA_CONV_LANES);
        sum[v] = b[v] + b_im;
        difference[v] = b_im - b[v];
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        vec a_re = vec_broadcast(a + (size_t)r * p->a_row), a_im = vec_broadcast(a + (size_t)r * p->a_row + p->a_imaginary);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            s->plain[r][v] = vec_fma(a_re, difference[v], s->plain[r][v]);
            s->crossed[r][v] = vec_fma(a_im, sum[v], s->crossed[r][v]);
        }
        /* no earlier, so that it takes the register of a_re: there is no 33rd one */
        vec a_both = conjugate ? a_re - a_im : a_re + a_im;
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) s->both[r][v] = vec_fma(a_both, b[v], s->both[r][v]);
    }
}

/* C is set to the sums, or they are added. */
SA_CONV_INLINE void store_sums(const sa_fft_product *p, const tile_sums *s, float *c, const int rows, const int vectors,
                               const bool conjugate, const bool add_to)
{
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            vec *re = (vec *)(c + (size_t)r * p->c_row + v * SA_CONV_LANES);
            vec *im = (vec *)(c + (size_t)r * p->c_row + v * SA_CONV_LANES + p->c_imaginary);
            vec new_re = s->both[r][v] - (conjugate ? -s->crossed[r][v] : s->crossed[r][v]);
            vec new_im = s->both[r][v] + s->plain[r][v];
            if (add_to) new_re += *re, new_im += *im;
            *re = new_re;
            *im = new_im;
        }
}

SA_CONV_INLINE void multiply_tile(const sa_fft_product *p, tile_place at, const int rows, const int vectors, prefetch *next)
{
    tile_sums sums;
    clear_sums(&sums, rows, vectors);
    for (int k = 0; k < p->depth; k++, at.a += p->a_step, at.b += p->b_step) {
        prefetch_step(next);
        add_step(p, &sums, at.a, at.b, rows, vectors, false);
    }
    store_sums(p, &sums, at.c, rows, vectors, false, false);
}

SA_CONV_INLINE void conjugate_tile(const sa_fft_product *p, tile_place at, const int rows, const int vectors, prefetch *next,
                                   bool add_to)
{
    for (int k = 0; k < p->depth;) {
        tile_sums sums;
        clear_sums(&sums, rows, vectors);
        int end = k + SA_FFT_BLOCK < p->depth ? k + SA_FFT_BLOCK : p->depth;
        for (; k < end; k++, at.a += p->a_step, at.b += p->b_step) {
            prefetch_step(next);
            add_step(p, &sums, at.a, at.b, rows, vectors, true);
        }
        if (add_to) store_sums(p, &sums, at.c, rows, vectors, true, true);
        else store_sums(p, &sums, at.c, rows, vectors, true, false);
        add_to = true;
    }
}

/* Columns of C at a time: as many vectors as a register tile has, one at the end if they do not fit. */
SA_CONV_INLINE int columns_from(const sa_fft_product *p, int o)
{
    return p->channels - o >= SA_TILE_VECTORS * SA_CONV_LANES ? SA_TILE_VECTORS * SA_CONV_LANES : SA_CONV_LANES;
}

/* A function for each number of rows, since the rows are registers. */
typedef void tile_function(const sa_fft_product *p, int i, int o, prefetch *next, bool add_to);

#define SA_TILE_FUNCTIONS(rows)                                                                                \
    SA_CONV_NOINLINE void multiply_##rows(const sa_fft_product *p, int i, int o, prefetch *next, bool add_to)  \
    {                                                                                                          \
        (void)add_to;                                                                                          \
        if (columns_from(p, o) == SA_CONV_LANES) multiply_tile(p, place_of(p, i, o), rows, 1, next);           \
        else multiply_tile(p, place_of(p, i, o), rows, SA_TILE_VECTORS, next);                                 \
    }                                                                                                          \
    SA_CONV_NOINLINE void conjugate_##rows(const sa_fft_product *p, int i, int o, prefetch *next, bool add_to) \
    {                                                                                                          \
        if (columns_from(p, o) == SA_CONV_LANES) conjugate_tile(p, place_of(p, i, o), rows, 1, next, add_to);  \
        else conjugate_tile(p, place_of(p, i, o), rows, SA_TILE_VECTORS, next, add_to);                        \
    }
SA_TILE_FUNCTIONS(1)
SA_TILE_FUNCTIONS(2)
SA_TILE_FUNCTIONS(3)
#if SA_TILE_ROWS == 4
SA_TILE_FUNCTIONS(4)
static tile_function *const multiply_rows[] = {multiply_1, multiply_2, multiply_3, multiply_4};
static tile_function *const conjugate_rows[] = {conjugate_1, conjugate_2, conjugate_3, conjugate_4};
#else
static tile_function *const multiply_rows[] = {multiply_1, multiply_2, multiply_3};
static tile_function *const conjugate_rows[] = {conjugate_1, conjugate_2, conjugate_3};
#endif

static void for_tiles(const sa_fft_product *p, tile_function *const *functions, const sa_fft_ahead *ahead, bool add_to)
{
    prefetch next = start_prefetch(p, ahead);
    for (int o = 0; o < p->channels; o += columns_from(p, o))
        for (int i = 0, tiles = (p->rows + SA_TILE_ROWS - 1) / SA_TILE_ROWS; tiles > 0; tiles--) {
            int rows = (p->rows - i + tiles - 1) / tiles; /* about equal */
            functions[rows - 1](p, i, o, &next, add_to);
            i += rows;
        }
}

static void multiply(const sa_fft_product *p, const sa_fft_ahead *ahead)
{
    for_tiles(p, multiply_rows, ahead, false);
}

static void multiply_conjugate(const sa_fft_product *p, const sa_fft_ahead *ahead, bool add_to)
{
    for_tiles(p, conjugate_rows, ahead, add_to);
}

#if SA_TILE_ROWS >= 4 /* SA_FFT_PACK */
static void multiply_packed(const sa_fft_series *series)
{
    sa_fft_product p = series->first;
    for (int i = 0; i < series->count; i++, p.a += series->a_pitch, p.b += series->b_pitch, p.c += series->c_pitch)
        for (int o = 0; o < SA_FFT_GROUP; o += SA_CONV_LANES) {
            tile_sums sums;
            clear_sums(&sums, SA_FFT_PACK, 1);
            for (int k = 0; k < p.depth; k++) {
                /* the filters come from the second level cache */
                const float *b = p.b + o + (size_t)k * p.b_step, *ahead = b + SA_FFT_FREQUENCIES_AHEAD * series->b_pitch;
                __builtin_prefetch(ahead);
                __builtin_prefetch(ahead + p.b_imaginary);
                add_step(&p, &sums, p.a + (size_t)k * p.a_step, b, SA_FFT_PACK, 1, false);
            }
            store_sums(&p, &sums, p.c + o, SA_FFT_PACK, 1, false, false);
        }
}
#endif

static void conjugate_series(const sa_fft_series *series, bool add_to)
{
    sa_fft_product p = series->first;
    for (int i = 0; i < series->count; i++, p.a += series->a_pitch, p.b += series->b_pitch, p.c += series->c_pitch)
        for (int o = 0; o < SA_FFT_GROUP; o += SA_CONV_LANES) {
            tile_sums sums;
            const float *a = p.a;
            clear_sums(&sums, SA_FFT_PACK, 1);
            for (int k = 0; k < p.depth; k++, a += p.a_step) {
                if (k > 0 && k % SA_FFT_PACK == 0) a += series->a_step_jump;
                add_step(&p, &sums, a, p.b + o + (size_t)k * p.b_step, SA_FFT_PACK, 1, true);
            }
            if (add_to) store_sums(&p, &sums, p.c + o, SA_FFT_PACK, 1, true, true);
            else store_sums(&p, &sums, p.c + o, SA_FFT_PACK, 1, true, false);
        }
}

const sa_fft_kernels SA_KERNELS_NAME = {
    .size = {{forward_16, filter_16, inverse_16}, {forward_32, filter_32, inverse_32}},
    .multiply = multiply,
#if SA_TILE_ROWS >= 4
    .multiply_packed = multiply_packed,
#endif
    .multiply_conjugate = multiply_conjugate,
    .conjugate_series = conjugate_series,
};
