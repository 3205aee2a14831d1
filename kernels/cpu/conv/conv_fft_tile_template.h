/* Transforms of one tile size: included by conv_fft_template.h with SA_T = 16 or 32 and SA_NAME(name) = name_<SA_T>.
 *
 * A tile's rows are real and are transformed in pairs, as the two parts of a complex row; the columns of their half spectra
 * are then transformed one by one. A complex transform of length T is 4 ones of length Q = T / 4, of every fourth element, whose
 * results are twiddled and combined. The columns are not transformed one after the other: the rows y = j (mod 4) go through
 * both of their transforms together, so that what lies between them (17 KiB for T = 32 and 16 channels, where the whole tile has
 * 68) stays in the first level cache; `classes` is written and read once. The inverse does the same steps in reverse order, as a
 * forward transform with the parts exchanged. */

#define SA_HALF (SA_T / 2)
#define SA_QUARTER (SA_T / 4)

typedef struct SA_NAME(tile_work) {
    complex_vec classes[4][SA_HALF + 1][SA_QUARTER]; /* (y mod 4, kx, ky mod Q) */
    complex_vec column[SA_HALF + 1][SA_QUARTER];     /* (kx, y / 4) of one class of rows */
    complex_vec part[4][SA_QUARTER];                 /* between the two steps of a row's transform: (x mod 4, kx mod Q) */
    vec row[2][SA_T];                                /* pixels of two rows */
} SA_NAME(tile_work);

_Static_assert(sizeof(SA_NAME(tile_work)) <= SA_FFT_WORK_FLOATS * sizeof(float), "work of a tile");

/* In natural order, in place. */
SA_CONV_INLINE void SA_NAME(transform_quarter)(complex_vec *x)
{
    if (SA_QUARTER == 8) transform8(x);
    else transform4(x, x + 1, x + 2, x + 3);
}

/* exp(-2 pi i / T) to the power of k */
SA_CONV_INLINE complex_vec SA_NAME(turn)(complex_vec a, const int k)
{
    return twiddle(a, k * (32 / SA_T));
}

/* Keeps steps apart that together would need too many registers. */
SA_CONV_INLINE void SA_NAME(fence)(void)
{
    __asm__ volatile("" ::: "memory");
}

/* ------------------------------------------------------------------ rows in, spectrum out ---------------------------- */

/* Twice the half spectra at kx of rows 2 pair and 2 pair + 1 of a class, from the transform z of the one + i times the other;
 * mirror: z[T - kx]. */
SA_CONV_INLINE void SA_NAME(split)(SA_NAME(tile_work) * w, int pair, int kx, complex_vec z, complex_vec mirror)
{
    complex_vec *to = &w->column[kx][2 * pair];
    to[0] = (complex_vec){z.re + mirror.re, z.im - mirror.im};
    to[1] = (complex_vec){z.im + mirror.im, mirror.re - z.re};
}

/* z[k + l Q], l = 0..3 */
SA_CONV_INLINE void SA_NAME(combine)(const SA_NAME(tile_work) * w, const int k, complex_vec *z)
{
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) z[j] = w->part[j][k];
    transform4(z, z + 1, z + 2, z + 3);
}

/* Transforms w->row, of which only the first `used` pixels are not zero, to a pair of rows of the class. */
SA_CONV_INLINE void SA_NAME(transform_rows)(SA_NAME(tile_work) * w, int pair, const int used)
{
    enum { Q = SA_QUARTER };
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        complex_vec x[Q];
#pragma GCC unroll 8
        for (int k = 0; k < Q; k++) {
            int n = 4 * k + j;
            x[k] = n < used ? (complex_vec){w->row[0][n], w->row[1][n]} : (complex_vec){(vec){0}, (vec){0}};
        }
        SA_NAME(transform_quarter)(x);
#pragma GCC unroll 8
        for (int k = 0; k < Q; k++) w->part[j][k] = SA_NAME(turn)(x[k], j * k);
        SA_NAME(fence)();
    }
    complex_vec a[4], b[4];
    SA_NAME(combine)(w, 0, a);
    SA_NAME(split)(w, pair, 0, a[0], a[0]);
    SA_NAME(split)(w, pair, Q, a[1], a[3]);
    SA_NAME(split)(w, pair, 2 * Q, a[2], a[2]);
    SA_NAME(combine)(w, Q / 2, a);
    SA_NAME(split)(w, pair, Q / 2, a[0], a[3]);
    SA_NAME(split)(w, pair, Q / 2 + Q, a[1], a[2]);
#pragma GCC unroll 4
    for (int k = 1; k < Q / 2; k++) {
        SA_NAME(combine)(w, k, a);
        SA_NAME(combine)(w, Q - k, b);
        SA_NAME(split)(w, pair, k, a[0], b[3]);
        SA_NAME(split)(w, pair, Q - k, b[0], a[3]);
        SA_NAME(split)(w, pair, k + Q, a[1], b[2]);
        SA_NAME(split)(w, pair, 2 * Q - k, b[1], a[2]);
        SA_NAME(fence)();
    }
}

SA_CONV_NOINLINE void SA_NAME(rows_full)(SA_NAME(tile_work) * w, int pair)
{
    SA_NAME(transform_rows)(w, pair, SA_T);
}

SA_CONV_NOINLINE void SA_NAME(rows_12)(SA_NAME(tile_work) * w, int pair)
{
    SA_NAME(transform_rows)(w, pair, 12);
}

SA_CONV_NOINLINE void SA_NAME(rows_8)(SA_NAME(tile_work) * w, int pair)
{
    SA_NAME(transform_rows)(w, pair, 8);
}

/* First step of the columns: the rows of class j, of which only the first `used` / 4 are not zero. */
SA_CONV_INLINE void SA_NAME(start_columns)(SA_NAME(tile_work) * w, const int j, const int used)
{
    for (int kx = 0; kx <= SA_HALF; kx++) {
        complex_vec x[SA_QUARTER];
#pragma GCC unroll 8
        for (int m = 0; m < SA_QUARTER; m++) x[m] = 4 * m < used ? w->column[kx][m] : (complex_vec){(vec){0}, (vec){0}};
        SA_NAME(transform_quarter)(x);
#pragma GCC unroll 8
        for (int k = 0; k < SA_QUARTER; k++) w->classes[j][kx][k] = SA_NAME(turn)(x[k], j * k);
    }
}

#define SA_CLASS_FUNCTIONS(name, used)                                 \
    SA_CONV_NOINLINE void SA_NAME(name)(SA_NAME(tile_work) * w, int j) \
    {                                                                  \
        switch (j) { /* constants, since j makes the twiddles */       \
        case 0: SA_NAME(start_columns)(w, 0, used); break;             \
        case 1: SA_NAME(start_columns)(w, 1, used); break;             \
        case 2: SA_NAME(start_columns)(w, 2, used); break;             \
        default: SA_NAME(start_columns)(w, 3, used); break;            \
        }                                                              \
    }
SA_CLASS_FUNCTIONS(columns_full, SA_T)
SA_CLASS_FUNCTIONS(columns_12, 12)
SA_CLASS_FUNCTIONS(columns_8, 8)
#undef SA_CLASS_FUNCTIONS

/* Where the kept frequencies of column kx begin; `kept` of them. */
SA_CONV_INLINE int SA_NAME(column_begin)(int kx, int *kept)
{
    *kept = kx == 0 || kx == SA_HALF ? SA_HALF + 1 : SA_T;
    return kx == 0 ? 0 : SA_HALF + 1 + (kx - 1) * SA_T;
}

/* Second step of the columns: stores the kept frequencies, times re_scale and im_scale. */
SA_CONV_INLINE void SA_NAME(finish_columns)(const SA_NAME(tile_work) * w, const sa_fft_spectrum *s, int channel, float re_scale,
                                            float im_scale, const bool stream)
{
    vec re_factor = vec_all(re_scale), im_factor = vec_all(im_scale);
    for (int kx = 0; kx <= SA_HALF; kx++) {
        int kept;
        float *column = s->at + channel + (size_t)SA_NAME(column_begin)(kx, &kept) * s->frequency_pitch;
        for (int k = 0; k < SA_QUARTER; k++) {
            complex_vec z[4];
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) z[j] = w->classes[j][kx][k];
            transform4(z, z + 1, z + 2, z + 3);
#pragma GCC unroll 4
            for (int l = 0; l < 4; l++) {
                int ky = k + l * SA_QUARTER;
                if (ky >= kept) break;
                float *at = column + (size_t)ky * s->frequency_pitch;
                vec re = z[l].re * re_factor, im = z[l].im * im_factor;
                if (stream) vec_stream(at, re), vec_stream(at + s->imaginary, im);
                else *(vec *)at = re, *(vec *)(at + s->imaginary) = im;
            }
        }
    }
}

/* One row of SA_CONV_LANES channels from number c on -> T vectors of channels. */
SA_CONV_INLINE void SA_NAME(load_pixels)(const sa_fft_pixels *p, int c, int y, vec *row)
{
    const float *at[SA_CONV_LANES];
#pragma GCC unroll 16
    for (int l = 0; l < SA_CONV_LANES; l++) at[l] = p->at[c + l] + (size_t)y * p->row_pitch[c + l];
    for (int x = 0; x < SA_T; x += SA_CONV_LANES) {
        vec v[SA_CONV_LANES];
        if (x >= p->columns || y >= p->rows) {
            for (int i = 0; i < SA_CONV_LANES; i++) row[x + i] = (vec){0};
            continue;
        }
#pragma GCC unroll 16
        for (int l = 0; l < SA_CONV_LANES; l++) v[l] = vec_load(at[l] + x);
        vec_transpose(v);
#pragma GCC unroll 16
        for (int i = 0; i < SA_CONV_LANES; i++) row[x + i] = v[i];
        for (int i = p->columns - x; i < SA_CONV_LANES; i++) row[x + i] = (vec){0};
    }
}

/* The pixels of a plane's rows lie apart, so that the processor does not see by itself what comes next. */
SA_CONV_INLINE void SA_NAME(prefetch_pixels)(const sa_fft_pixels *p, int c, int y)
{
    if (y >= p->rows) return;
    for (int l = 0; l < SA_CONV_LANES; l++) {
        const float *at = p->at[c + l] + (size_t)y * p->row_pitch[c + l];
        for (int x = 0; x < SA_T; x += 16) __builtin_prefetch(at + x, 0, SA_FFT_TO_L2);
        __builtin_prefetch(at + SA_T - 1, 0, SA_FFT_TO_L2);
    }
}

/* The same for row y of a target that is about to be written. */
SA_CONV_INLINE void SA_NAME(prefetch_target)(const sa_fft_target *t, const float *at, int channels, int y)
{
    if (y >= t->rows) return;
    for (int l = 0; l < SA_CONV_LANES && l < channels; l++) {
        const float *to = at + (size_t)y * t->row_pitch + (size_t)l * t->channel_pitch;
        for (int x = 0; x < t->columns; x += 16) __builtin_prefetch(to + x, 1);
        __builtin_prefetch(to + t->columns - 1, 1);
    }
}

/* Pairs of rows of class j among the first `rows`. */
SA_CONV_INLINE int SA_NAME(class_pairs)(int j, int rows)
{
    return (rows - j + 7) / 8;
}

SA_CONV_INLINE void SA_NAME(clear_pairs)(SA_NAME(tile_work) * w, int begin, int end)
{
    for (int kx = 0; kx <= SA_HALF; kx++)
        for (int m = 2 * begin; m < 2 * end; m++) w->column[kx][m] = (complex_vec){(vec){0}, (vec){0}};
}

static void SA_NAME(forward)(const sa_fft_pixels *p, const sa_fft_spectrum *s, float *work)
{
    SA_NAME(tile_work) *w = (SA_NAME(tile_work) *)(void *)work;
    for (int c = 0; c < SA_FFT_GROUP; c += SA_CONV_LANES) {
        for (int j = 0; j < 4; j++) {
            int pairs = SA_NAME(class_pairs)(j, p->rows);
            for (int pair = 0; pair < pairs; pair++) {
                int y = 8 * pair + j, next = pair + 1 < pairs ? y + 8 : j + 1;
                SA_NAME(load_pixels)(p, c, y, w->row[0]);
                SA_NAME(load_pixels)(p, c, y + 4, w->row[1]);
                SA_NAME(prefetch_pixels)(p, c, next);
                SA_NAME(prefetch_pixels)(p, c, next + 4);
                SA_NAME(rows_full)(w, pair);
            }
            SA_NAME(clear_pairs)(w, pairs, SA_QUARTER / 2);
            SA_NAME(columns_full)(w, j);
        }
        float im_scale = s->conjugate ? -0.5f : 0.5f;
        if (s->stream) SA_NAME(finish_columns)(w, s, c, 0.5f, im_scale, true);
        else SA_NAME(finish_columns)(w, s, c, 0.5f, im_scale, false);
    }
}

/* Row y of the filters: taps of SA_CONV_LANES filters from channel c on. */
SA_CONV_INLINE void SA_NAME(load_taps)(const sa_fft_filter *f, int c, int y, vec *row)
{
    const int size = f->kernel_size, used = size <= 7 ? 8 : 12;
    for (int x = 0; x < used; x++) {
        vec v = {0};
        if (x < size && y < size) {
            int tap = f->turned ? size * size - 1 - (y * size + x) : y * size + x;
            for (int l = 0; l < SA_CONV_LANES && c + l < f->channels; l++)
                v[l] = f->weight[(size_t)(c + l) * f->channel_pitch + (size_t)tap];
        }
        row[x] = v;
    }
}

static void SA_NAME(filter)(const sa_fft_filter *f, const sa_fft_spectrum *s, float *work)
{
    SA_NAME(tile_work) *w = (SA_NAME(tile_work) *)(void *)work;
    const bool small = f->kernel_size <= 7;
    const float scale = 0.5f / (SA_T * SA_T);
    for (int c = 0; c < SA_FFT_GROUP; c += SA_CONV_LANES) {
        for (int j = 0; j < 4; j++) {
            for (int pair = 0; pair < SA_NAME(class_pairs)(j, small ? 8 : 12); pair++) {
                SA_NAME(load_taps)(f, c, 8 * pair + j, w->row[0]);
                SA_NAME(load_taps)(f, c, 8 * pair + 4 + j, w->row[1]);
                if (small) SA_NAME(rows_8)(w, pair);
                else SA_NAME(rows_12)(w, pair);
            }
            if (small) SA_NAME(columns_8)(w, j);
            else SA_NAME(columns_12)(w, j);
        }
        SA_NAME(finish_columns)(w, s, c, scale, -scale, true);
    }
}

/* ------------------------------------------------------------------ spectrum in, rows out ---------------------------- */

/* The parts exchanged, which makes a forward transform an inverse one. */
SA_CONV_INLINE complex_vec SA_NAME(exchanged)(vec re, vec im)
{
    return (complex_vec){im, re};
}

/* First step of the columns: from the kept frequencies to the four classes of rows. */
SA_CONV_INLINE void SA_NAME(part_columns)(SA_NAME(tile_work) * w, const sa_fft_spectrum *s, int channel)
{
    for (int kx = 0; kx <= SA_HALF; kx++) {
        int kept;
        const float *column = s->at + channel + (size_t)SA_NAME(column_begin)(kx, &kept) * s->frequency_pitch;
#pragma GCC unroll 8
        for (int k = 0; k < SA_QUARTER; k++) {
            complex_vec z[4];
#pragma GCC unroll 4
            for (int l = 0; l < 4; l++) {
                int ky = k + l * SA_QUARTER;
                bool mirrored = ky >= kept;
                const float *ahead = column + (size_t)(ky + 2 * SA_T) * s->frequency_pitch;
                __builtin_prefetch(ahead, 0, SA_FFT_TO_L2);
                __builtin_prefetch(ahead + s->imaginary, 0, SA_FFT_TO_L2);
                const float *at = column + (size_t)(mirrored ? SA_T - ky : ky) * s->frequency_pitch;
                vec im = *(const vec *)(at + s->imaginary);
                z[l] = SA_NAME(exchanged)(*(const vec *)at, mirrored ? -im : im);
            }
            transform4(z, z + 1, z + 2, z + 3);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) w->classes[j][kx][k] = SA_NAME(turn)(z[j], j * k);
            SA_NAME(fence)();
        }
    }
}

/* Second step of the columns, for the rows of class j. */
SA_CONV_INLINE void SA_NAME(join_columns)(SA_NAME(tile_work) * w, int j)
{
    for (int kx = 0; kx <= SA_HALF; kx++) {
        complex_vec x[SA_QUARTER];
#pragma GCC unroll 8
        for (int k = 0; k < SA_QUARTER; k++) x[k] = w->classes[j][kx][k];
        SA_NAME(transform_quarter)(x);
#pragma GCC unroll 8
        for (int m = 0; m < SA_QUARTER; m++) w->column[kx][m] = SA_NAME(exchanged)(x[m].re, x[m].im);
    }
}

/* Rows 2 pair and 2 pair + 1 of a class at kx, as the parts of one complex row z: z[kx] and z[T - kx], exchanged. */
SA_CONV_INLINE void SA_NAME(join)(const SA_NAME(tile_work) * w, int pair, int kx, complex_vec *z, complex_vec *mirror)
{
    complex_vec a = w->column[kx][2 * pair], b = w->column[kx][2 * pair + 1];
    *z = SA_NAME(exchanged)(a.re - b.im, a.im + b.re);
    *mirror = SA_NAME(exchanged)(a.re + b.im, b.re - a.im);
}

/* From z[k + l Q], l = 0..3, to part[.][k]. */
SA_CONV_INLINE void SA_NAME(part_row)(SA_NAME(tile_work) * w, const int k, complex_vec *z)
{
    transform4(z, z + 1, z + 2, z + 3);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) w->part[j][k] = SA_NAME(turn)(z[j], j * k);
}

/* Transforms a pair of rows of the class back, to w->row. */
SA_CONV_NOINLINE void SA_NAME(rows_back)(SA_NAME(tile_work) * w, int pair)
{
    enum { Q = SA_QUARTER };
    complex_vec a[4], b[4], unused;
    SA_NAME(join)(w, pair, 0, &a[0], &unused);
    SA_NAME(join)(w, pair, Q, &a[1], &a[3]);
    SA_NAME(join)(w, pair, 2 * Q, &a[2], &unused);
    SA_NAME(part_row)(w, 0, a);
    SA_NAME(join)(w, pair, Q / 2, &a[0], &a[3]);
    SA_NAME(join)(w, pair, Q / 2 + Q, &a[1], &a[2]);
    SA_NAME(part_row)(w, Q / 2, a);
#pragma GCC unroll 4
    for (int k = 1; k < Q / 2; k++) {
        SA_NAME(join)(w, pair, k, &a[0], &b[3]);
        SA_NAME(join)(w, pair, Q - k, &b[0], &a[3]);
        SA_NAME(join)(w, pair, k + Q, &a[1], &b[2]);
        SA_NAME(join)(w, pair, 2 * Q - k, &b[1], &a[2]);
        SA_NAME(part_row)(w, k, a);
        SA_NAME(part_row)(w, Q - k, b);
        SA_NAME(fence)();
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        complex_vec x[Q];
#pragma GCC unroll 8
        for (int k = 0; k < Q; k++) x[k] = w->part[j][k];
        SA_NAME(transform_quarter)(x);
#pragma GCC unroll 8
        for (int m = 0; m < Q; m++) w->row[0][4 * m + j] = x[m].im, w->row[1][4 * m + j] = x[m].re;
        SA_NAME(fence)();
    }
}

/* T vectors of channels -> one row of up to SA_CONV_LANES channels. */
SA_CONV_INLINE void SA_NAME(store_pixels)(const vec *row, const sa_fft_target *t, float *at, int channels, vec bias)
{
    for (int x = 0; x < t->columns; x += SA_CONV_LANES) {
        vec v[SA_CONV_LANES];
        int count = t->columns - x;
#pragma GCC unroll 16
        for (int i = 0; i < SA_CONV_LANES; i++) v[i] = row[x + i] + bias;
        vec_transpose(v);
#pragma GCC unroll 16
        for (int c = 0; c < SA_CONV_LANES; c++) {
            if (c >= channels) break;
            float *to = at + (size_t)c * t->channel_pitch + x;
            if (count >= SA_CONV_LANES) vec_store(to, v[c]);
            else vec_store_part(to, v[c], count);
        }
    }
}

static void SA_NAME(inverse)(const sa_fft_spectrum *s, const sa_fft_target *t, float *work)
{
    SA_NAME(tile_work) *w = (SA_NAME(tile_work) *)(void *)work;
    for (int c = 0; c < t->channels; c += SA_CONV_LANES) {
        SA_NAME(part_columns)(w, s, c);
        int channels = t->channels - c;
        vec bias = {0};
        for (int l = 0; t->bias && l < SA_CONV_LANES && l < channels; l++) bias[l] = t->bias[c + l];
        float *at = t->at + (size_t)c * t->channel_pitch;
        for (int j = 0; j < 4; j++) {
            SA_NAME(join_columns)(w, j);
            for (int pair = 0; pair < SA_NAME(class_pairs)(j, t->rows); pair++) {
                int y = 8 * pair + j;
                SA_NAME(prefetch_target)(t, at, channels, y);
                SA_NAME(prefetch_target)(t, at, channels, y + 4);
                SA_NAME(rows_back)(w, pair);
                SA_NAME(store_pixels)(w->row[0], t, at + (size_t)y * t->row_pitch, channels, bias);
                if (y + 4 < t->rows) SA_NAME(store_pixels)(w->row[1], t, at + (size_t)(y + 4) * t->row_pitch, channels, bias);
            }
        }
    }
}

#undef SA_HALF
#undef SA_QUARTER
