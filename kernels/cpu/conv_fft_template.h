/* Source of the FFT-tile convolution's hot loops; included once by each conv_fft_<isa>.c, which defines
 *   SA_CONV_LANES      floats in a vector,
 *   SA_KERNELS_NAME    the table that is made,
 *   SA_MULTIPLY_ROWS, SA_MULTIPLY_VECTORS     register tile of the filters' products: 3 or 4 rows of C, of 1 or 2 vectors,
 *   SA_CONJUGATE_ROWS, SA_CONJUGATE_VECTORS   the same for the gradients': 2 or 6 rows. */
#include "kernels/cpu/conv_fft_kernels.h"
#include "kernels/cpu/conv_vector.h"

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
    return (complex_vec){a.re * c - a.im * s, a.re * s + a.im * c};
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

SA_CONV_INLINE void transform8(complex_vec *x)
{
    complex_vec a[4] = {x[0], x[2], x[4], x[6]}, b[4] = {x[1], x[3], x[5], x[7]};
    transform4(a, a + 1, a + 2, a + 3);
    transform4(b, b + 1, b + 2, b + 3);
    const vec h = vec_all(0.70710678f);
    b[1] = (complex_vec){(b[1].re + b[1].im) * h, (b[1].im - b[1].re) * h};
    b[2] = times_minus_i(b[2]);
    b[3] = (complex_vec){(b[3].im - b[3].re) * h, -(b[3].re + b[3].im) * h};
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) x[k] = add(a[k], b[k]), x[k + 4] = subtract(a[k], b[k]);
}

#define SA_T 16
#define SA_NAME(name) name##_16
#include "kernels/cpu/conv_fft_tile_template.h"
#undef SA_T
#undef SA_NAME
#define SA_T 32
#define SA_NAME(name) name##_32
#include "kernels/cpu/conv_fft_tile_template.h"

/* Cache lines of the next frequency, fetched one a step of a product's depth. */
typedef struct prefetch {
    const float *at;
    size_t row_pitch;
    int line, lines, rows; /* lines of a row; rows left */
} prefetch;

SA_CONV_INLINE void prefetch_step(prefetch *p, const int write)
{
    if (p->rows <= 0) return;
    if (write) __builtin_prefetch(p->at + p->line * 16, 1, 3);
    else __builtin_prefetch(p->at + p->line * 16, 0, 3);
    if (++p->line == p->lines) p->line = 0, p->at += p->row_pitch, p->rows--;
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

/* C = A * B with three real multiply-adds for a complex one:
 * re = sum (a_re + a_im) b_re - sum a_im (b_re + b_im), im = sum (a_re + a_im) b_re + sum a_re (b_im - b_re). */
SA_CONV_INLINE void multiply_tile(const sa_fft_product *p, tile_place at, const int rows, const int vectors, prefetch *next,
                                  const int write, const float *next_b, int b_lines)
{
    vec both[SA_MULTIPLY_ROWS][2], plain[SA_MULTIPLY_ROWS][2], crossed[SA_MULTIPLY_ROWS][2];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) both[r][v] = plain[r][v] = crossed[r][v] = (vec){0};
    for (int k = 0; k < p->depth; k++, at.a += p->a_step, at.b += p->b_step) {
        vec b[2], sum[2], difference[2];
        prefetch_step(next, write);
        if (k < b_lines) __builtin_prefetch(next_b + k * 16, 0, 2);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            vec b_im = *(const vec *)(at.b + v * SA_CONV_LANES + p->b_imaginary);
            b[v] = *(const vec *)(at.b + v * SA_CONV_LANES);
            sum[v] = b[v] + b_im;
            difference[v] = b_im - b[v];
        }
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            vec a_re = vec_all(at.a[(size_t)r * p->a_row]), a_im = vec_all(at.a[(size_t)r * p->a_row + p->a_imaginary]);
            vec a_sum = a_re + a_im;
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                plain[r][v] += a_re * difference[v];
                crossed[r][v] += a_im * sum[v];
                both[r][v] += a_sum * b[v];
            }
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            float *to = at.c + (size_t)r * p->c_row + v * SA_CONV_LANES;
            *(vec *)to = both[r][v] - crossed[r][v];
            *(vec *)(to + p->c_imaginary) = both[r][v] + plain[r][v];
        }
}

/* C = conj(A) * B if `start`, else added: with four multiply-adds, whose sums go on in C's two parts from call to call. */
SA_CONV_INLINE void conjugate_tile(const sa_fft_product *p, tile_place at, const int rows, const int vectors, const bool start)
{
    vec re[SA_CONJUGATE_ROWS][2], im[SA_CONJUGATE_ROWS][2];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            const float *from = at.c + (size_t)r * p->c_row + v * SA_CONV_LANES;
            re[r][v] = start ? (vec){0} : *(const vec *)from;
            im[r][v] = start ? (vec){0} : *(const vec *)(from + p->c_imaginary);
        }
    for (int k = 0; k < p->depth; k++, at.a += p->a_step, at.b += p->b_step) {
        vec b_re[2], b_im[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            b_re[v] = *(const vec *)(at.b + v * SA_CONV_LANES);
            b_im[v] = *(const vec *)(at.b + v * SA_CONV_LANES + p->b_imaginary);
        }
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            vec a_re = vec_all(at.a[(size_t)r * p->a_row]), a_im = vec_all(at.a[(size_t)r * p->a_row + p->a_imaginary]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) re[r][v] += a_re * b_re[v], im[r][v] += a_re * b_im[v];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) re[r][v] += a_im * b_im[v], im[r][v] -= a_im * b_re[v];
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            float *to = at.c + (size_t)r * p->c_row + v * SA_CONV_LANES;
            *(vec *)to = re[r][v];
            *(vec *)(to + p->c_imaginary) = im[r][v];
        }
}

/* Columns of C at a time: as many vectors as a register tile has, one at the end if they do not fit. */
SA_CONV_INLINE int columns_from(const sa_fft_product *p, int o, int vectors)
{
    return p->channels - o >= vectors * SA_CONV_LANES ? vectors * SA_CONV_LANES : SA_CONV_LANES;
}

/* A function for each number of rows, since the rows are registers. */
#define SA_MULTIPLY_FUNCTION(rows)                                                                                                 \
    SA_CONV_NOINLINE void multiply_##rows(const sa_fft_product *p, int i, int o, prefetch *next, int write, const float *next_b,   \
                                          int b_lines)                                                                             \
    {                                                                                                                              \
        tile_place at = place_of(p, i, o);                                                                                         \
        if (columns_from(p, o, SA_MULTIPLY_VECTORS) == SA_CONV_LANES) multiply_tile(p, at, rows, 1, next, write, next_b, b_lines); \
        else if (write) multiply_tile(p, at, rows, SA_MULTIPLY_VECTORS, next, 1, next_b, b_lines);                                 \
        else multiply_tile(p, at, rows, SA_MULTIPLY_VECTORS, next, 0, next_b, b_lines);                                            \
    }
#define SA_CONJUGATE_FUNCTION(rows)                                                           \
    SA_CONV_NOINLINE void conjugate_##rows(const sa_fft_product *p, int i, int o, bool start) \
    {                                                                                         \
        tile_place at = place_of(p, i, o);                                                    \
        if (columns_from(p, o, SA_CONJUGATE_VECTORS) == SA_CONV_LANES) {                      \
            if (start) conjugate_tile(p, at, rows, 1, true);                                  \
            else conjugate_tile(p, at, rows, 1, false);                                       \
        } else if (start) conjugate_tile(p, at, rows, SA_CONJUGATE_VECTORS, true);            \
        else conjugate_tile(p, at, rows, SA_CONJUGATE_VECTORS, false);                        \
    }
SA_MULTIPLY_FUNCTION(1)
SA_MULTIPLY_FUNCTION(2)
SA_MULTIPLY_FUNCTION(3)
SA_CONJUGATE_FUNCTION(1)
SA_CONJUGATE_FUNCTION(2)
#if SA_MULTIPLY_ROWS == 4
SA_MULTIPLY_FUNCTION(4)
#endif
#if SA_CONJUGATE_ROWS == 6
SA_CONJUGATE_FUNCTION(3)
SA_CONJUGATE_FUNCTION(4)
SA_CONJUGATE_FUNCTION(5)
SA_CONJUGATE_FUNCTION(6)
#endif

typedef void multiply_function(const sa_fft_product *p, int i, int o, prefetch *next, int write, const float *next_b, int b_lines);
typedef void conjugate_function(const sa_fft_product *p, int i, int o, bool start);

static multiply_function *const multiply_rows[SA_MULTIPLY_ROWS] = {
    multiply_1,
    multiply_2,
    multiply_3,
#if SA_MULTIPLY_ROWS == 4
    multiply_4,
#endif
};
static conjugate_function *const conjugate_rows[SA_CONJUGATE_ROWS] = {
    conjugate_1, conjugate_2,
#if SA_CONJUGATE_ROWS == 6
    conjugate_3, conjugate_4, conjugate_5, conjugate_6,
#endif
};

static void multiply(const sa_fft_product *p, size_t next_a, size_t next_b, size_t next_c)
{
    int columns = SA_MULTIPLY_VECTORS * SA_CONV_LANES, tiles = (p->rows + SA_MULTIPLY_ROWS - 1) / SA_MULTIPLY_ROWS;
    tiles *= (p->channels + columns - 1) / columns;
    int b_total = (int)(next_b / 16), b_lines = (b_total + tiles - 1) / tiles;
    const float *b = p->b + next_b;
    for (int o = 0; o < p->channels; o += columns_from(p, o, SA_MULTIPLY_VECTORS))
        for (int i = 0; i < p->rows; i += SA_MULTIPLY_ROWS, b += b_lines * 16) {
            int rows = p->rows - i < SA_MULTIPLY_ROWS ? p->rows - i : SA_MULTIPLY_ROWS;
            /* A is fetched during the first columns' tiles, C during the others'. */
            prefetch next = {p->a + (size_t)i * p->a_row + next_a, p->a_row, 0, (int)(next_a / 16), rows};
            if (o > 0) next = (prefetch){p->c + (size_t)i * p->c_row + next_c, p->c_row, 0, (int)(next_c / 16), rows};
            multiply_rows[rows - 1](p, i, o, &next, o > 0, b, b_lines);
        }
}

static void multiply_conjugate(const sa_fft_product *p, bool add_to)
{
    for (int o = 0; o < p->channels; o += columns_from(p, o, SA_CONJUGATE_VECTORS))
        for (int i = 0; i < p->rows; i += SA_CONJUGATE_ROWS) {
            int rows = p->rows - i < SA_CONJUGATE_ROWS ? p->rows - i : SA_CONJUGATE_ROWS;
            conjugate_rows[rows - 1](p, i, o, !add_to);
        }
}

const sa_fft_kernels SA_KERNELS_NAME = {
    .size = {{forward_16, filter_16, inverse_16}, {forward_32, filter_32, inverse_32}},
    .multiply = multiply,
    .multiply_conjugate = multiply_conjugate,
};
