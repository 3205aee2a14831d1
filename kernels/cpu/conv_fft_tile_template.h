/* Transforms of one tile size: included by conv_fft_template.h with SA_T = 16 or 32 and SA_NAME(name) = name_<SA_T>.
 *
 * A tile's rows are real and are transformed in pairs, as the two parts of a complex row; the columns of their half spectra
 * are then transformed one by one. A complex transform of length T is 4 interleaved ones of length T / 4, twiddled and
 * combined. The inverse is the forward transform with the parts exchanged. */

#define SA_HALF (SA_T / 2)
#define SA_QUARTER (SA_T / 4)

typedef struct SA_NAME(tile_work) {
    vec column[2][SA_HALF + 1][SA_T + 1]; /* parts of (kx, y) */
    vec row[2][SA_T], out[2][SA_T];
} SA_NAME(tile_work);

_Static_assert(sizeof(SA_NAME(tile_work)) <= SA_FFT_WORK_FLOATS * sizeof(float), "work of a tile");

/* out = transform of the inputs, of which only the first `used` are not zero. */
SA_CONV_INLINE void SA_NAME(transform)(const vec *re, const vec *im, vec *out_re, vec *out_im, const int used)
{
    complex_vec part[4][SA_QUARTER];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        complex_vec x[SA_QUARTER];
#pragma GCC unroll 8
        for (int k = 0; k < SA_QUARTER; k++) {
            int n = 4 * k + j;
            x[k] = n < used ? (complex_vec){re[n], im[n]} : (complex_vec){(vec){0}, (vec){0}};
        }
        if (SA_QUARTER == 8) transform8(x);
        else transform4(x, x + 1, x + 2, x + 3);
#pragma GCC unroll 8
        for (int k = 0; k < SA_QUARTER; k++) part[j][k] = twiddle(x[k], j * k * (32 / SA_T));
        __asm__ volatile("" ::: "memory"); /* keeps the four transforms apart: together they need too many registers */
    }
#pragma GCC unroll 8
    for (int k = 0; k < SA_QUARTER; k++) {
        complex_vec x[4] = {part[0][k], part[1][k], part[2][k], part[3][k]};
        transform4(x, x + 1, x + 2, x + 3);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) out_re[k + j * SA_QUARTER] = x[j].re, out_im[k + j * SA_QUARTER] = x[j].im;
    }
}

SA_CONV_NOINLINE void SA_NAME(transform_full)(const vec *re, const vec *im, vec *out_re, vec *out_im)
{
    SA_NAME(transform)(re, im, out_re, out_im, SA_T);
}

SA_CONV_NOINLINE void SA_NAME(transform_12)(const vec *re, const vec *im, vec *out_re, vec *out_im)
{
    SA_NAME(transform)(re, im, out_re, out_im, 12);
}

SA_CONV_NOINLINE void SA_NAME(transform_8)(const vec *re, const vec *im, vec *out_re, vec *out_im)
{
    SA_NAME(transform)(re, im, out_re, out_im, 8);
}

/* Twice the half spectra of rows y and y + 1 from the transform of row y + i * row (y + 1). */
SA_CONV_INLINE void SA_NAME(split_rows)(SA_NAME(tile_work) * w, int y)
{
    const vec *re = w->out[0], *im = w->out[1];
    for (int k = 0; k <= SA_HALF; k++) {
        int m = (SA_T - k) & (SA_T - 1);
        w->column[0][k][y] = re[k] + re[m];
        w->column[1][k][y] = im[k] - im[m];
        w->column[0][k][y + 1] = im[k] + im[m];
        w->column[1][k][y + 1] = re[m] - re[k];
    }
}

SA_CONV_INLINE void SA_NAME(clear_rows)(SA_NAME(tile_work) * w, int y, int end)
{
    for (int k = 0; k <= SA_HALF; k++)
        for (int i = y; i < end; i++) w->column[0][k][i] = w->column[1][k][i] = (vec){0};
}

/* Transforms the columns and stores the kept frequencies, times re_scale and im_scale. */
SA_CONV_INLINE void SA_NAME(finish_columns)(SA_NAME(tile_work) * w, const sa_fft_spectrum *s, float *at, const int used,
                                            float re_scale, float im_scale)
{
    vec re_factor = vec_all(re_scale), im_factor = vec_all(im_scale);
    for (int kx = 0; kx <= SA_HALF; kx++) {
        const vec *re = w->column[0][kx], *im = w->column[1][kx];
        if (used == 8) SA_NAME(transform_8)(re, im, w->out[0], w->out[1]);
        else if (used == 12) SA_NAME(transform_12)(re, im, w->out[0], w->out[1]);
        else SA_NAME(transform_full)(re, im, w->out[0], w->out[1]);
        int count = kx == 0 || kx == SA_HALF ? SA_HALF + 1 : SA_T;
        if (s->stream)
            for (int ky = 0; ky < count; ky++, at += s->frequency_pitch) {
                vec_stream(at, w->out[0][ky] * re_factor);
                vec_stream(at + s->imaginary, w->out[1][ky] * im_factor);
            }
        else
            for (int ky = 0; ky < count; ky++, at += s->frequency_pitch) {
                *(vec *)at = w->out[0][ky] * re_factor;
                *(vec *)(at + s->imaginary) = w->out[1][ky] * im_factor;
            }
    }
}

/* One row of SA_CONV_LANES channels -> T vectors of channels. */
SA_CONV_INLINE void SA_NAME(load_pixels)(const float *at, size_t channel_pitch, int columns, vec *row)
{
    for (int x = 0; x < SA_T; x += SA_CONV_LANES) {
        vec v[SA_CONV_LANES];
        if (x >= columns) {
            for (int i = 0; i < SA_CONV_LANES; i++) row[x + i] = (vec){0};
            continue;
        }
#pragma GCC unroll 16
        for (int c = 0; c < SA_CONV_LANES; c++) v[c] = vec_load(at + (size_t)c * channel_pitch + x);
        vec_transpose(v);
#pragma GCC unroll 16
        for (int i = 0; i < SA_CONV_LANES; i++) row[x + i] = v[i];
        for (int i = columns - x; i < SA_CONV_LANES; i++) row[x + i] = (vec){0};
    }
}

static void SA_NAME(forward)(const sa_fft_pixels *p, const sa_fft_spectrum *s, float *work)
{
    SA_NAME(tile_work) *w = (SA_NAME(tile_work) *)(void *)work;
    for (int c = 0; c < SA_FFT_GROUP; c += SA_CONV_LANES) {
        const float *at = p->at + (size_t)c * p->channel_pitch;
        for (int y = 0; y < p->rows; y += 2) {
            SA_NAME(load_pixels)(at + (size_t)y * p->row_pitch, p->channel_pitch, p->columns, w->row[0]);
            SA_NAME(load_pixels)(at + (size_t)(y + 1) * p->row_pitch, p->channel_pitch, p->columns, w->row[1]);
            SA_NAME(transform_full)(w->row[0], w->row[1], w->out[0], w->out[1]);
            SA_NAME(split_rows)(w, y);
        }
        SA_NAME(clear_rows)(w, p->rows, SA_T);
        SA_NAME(finish_columns)(w, s, s->at + c, SA_T, 0.5f, 0.5f);
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
        for (int y = 0; y < (small ? 8 : 12); y += 2) {
            SA_NAME(load_taps)(f, c, y, w->row[0]);
            SA_NAME(load_taps)(f, c, y + 1, w->row[1]);
            if (small) SA_NAME(transform_8)(w->row[0], w->row[1], w->out[0], w->out[1]);
            else SA_NAME(transform_12)(w->row[0], w->row[1], w->out[0], w->out[1]);
            SA_NAME(split_rows)(w, y);
        }
        if (small) SA_NAME(finish_columns)(w, s, s->at + c, 8, scale, -scale);
        else SA_NAME(finish_columns)(w, s, s->at + c, 12, scale, -scale);
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

/* Column kx of the tile from its kept frequencies; returns where the next column's are. */
SA_CONV_INLINE const float *SA_NAME(start_column)(SA_NAME(tile_work) * w, const sa_fft_spectrum *s, const float *at, int kx)
{
    bool edge = kx == 0 || kx == SA_HALF;
    int count = edge ? SA_HALF + 1 : SA_T;
    for (int ky = 0; ky < count; ky++, at += s->frequency_pitch) {
        w->row[0][ky] = *(const vec *)at;
        w->row[1][ky] = *(const vec *)(at + s->imaginary);
    }
    for (int ky = count; ky < SA_T; ky++) {
        /* cppcheck-suppress arrayIndexOutOfBounds ; ky > T/2 here, cppcheck thinks of 0 */
        w->row[0][ky] = w->row[0][SA_T - ky];
        /* cppcheck-suppress arrayIndexOutOfBounds ; as above */
        w->row[1][ky] = -w->row[1][SA_T - ky];
    }
    SA_NAME(transform_full)(w->row[1], w->row[0], w->column[1][kx], w->column[0][kx]);
    return at;
}

/* Rows y and y + 1 as the parts of one complex row. */
SA_CONV_INLINE void SA_NAME(join_rows)(SA_NAME(tile_work) * w, int y)
{
    for (int k = 0; k <= SA_HALF; k++) {
        vec a_re = w->column[0][k][y], a_im = w->column[1][k][y], b_re = w->column[0][k][y + 1], b_im = w->column[1][k][y + 1];
        w->out[0][k] = a_re - b_im;
        w->out[1][k] = a_im + b_re;
        if (k == 0 || k == SA_HALF) continue;
        w->out[0][SA_T - k] = a_re + b_im;
        w->out[1][SA_T - k] = b_re - a_im;
    }
}

static void SA_NAME(inverse)(const sa_fft_spectrum *s, const sa_fft_target *t, float *work)
{
    SA_NAME(tile_work) *w = (SA_NAME(tile_work) *)(void *)work;
    for (int c = 0; c < t->channels; c += SA_CONV_LANES) {
        const float *from = s->at + c;
        for (int kx = 0; kx <= SA_HALF; kx++) from = SA_NAME(start_column)(w, s, from, kx);
        int channels = t->channels - c;
        vec bias = {0};
        for (int l = 0; t->bias && l < SA_CONV_LANES && l < channels; l++) bias[l] = t->bias[c + l];
        float *at = t->at + (size_t)c * t->channel_pitch;
        for (int y = 0; y < t->rows; y += 2) {
            SA_NAME(join_rows)(w, y);
            SA_NAME(transform_full)(w->out[1], w->out[0], w->row[1], w->row[0]);
            SA_NAME(store_pixels)(w->row[0], t, at + (size_t)y * t->row_pitch, channels, bias);
            if (y + 1 < t->rows) SA_NAME(store_pixels)(w->row[1], t, at + (size_t)(y + 1) * t->row_pitch, channels, bias);
        }
    }
}

#undef SA_HALF
#undef SA_QUARTER
