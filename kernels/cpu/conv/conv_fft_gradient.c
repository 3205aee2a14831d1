/* Sums of an FFT-tile convolution's weight gradient; see conv_fft_gradient.h. */
#include "kernels/cpu/conv/conv_fft_gradient.h"

#include "kernels/cpu/work_share.h"

#include <string.h>

void sa_fft_add_gradient(const sa_fft_job *j, const sa_fft_member *member, int tiles, bool add)
{
    const sa_fft_plan *p = &j->plan;
    const int end = sa_work_part_begin(p->frequencies, member->number + 1, member->count);
    for (int f = sa_work_part_begin(p->frequencies, member->number, member->count); f < end; f++) {
        sa_fft_product product = {
            .a = j->workspace + p->other_at + (size_t)f * p->other.frequency_pitch,
            .b = j->workspace + p->in_at + (size_t)f * p->in.frequency_pitch,
            .c = j->workspace + p->gradient_at + (size_t)f * p->gradient_pitch,
            .a_row = 1,
            .a_step = p->other.tile_pitch,
            .a_imaginary = p->other.imaginary,
            .b_step = p->in.tile_pitch,
            .b_imaginary = p->in.imaginary,
            .c_row = p->in.frequency_pitch,
            .c_imaginary = p->in.imaginary,
            .rows = p->other.channels,
            .depth = tiles,
            .channels = (int)p->in.imaginary,
        };
        const sa_fft_ahead ahead[SA_FFT_AHEAD] = {
            sa_fft_tiles_ahead(product.a, &p->other, tiles),
            sa_fft_tiles_ahead(product.b, &p->in, tiles),
            {product.c + p->gradient_pitch, 0, 1, (int)(p->gradient_pitch / 16)},
        };
        j->kernels->multiply_conjugate(&product, ahead, add);
    }
}

/* Of input channel i and a group of output channels from o on. */
static sa_fft_spectrum gradient_spectrum(const sa_fft_job *j, int i, int o)
{
    const sa_fft_plan *p = &j->plan;
    float *sums = j->workspace + p->gradient_at;
    if (!p->windows_of_x)
        return (sa_fft_spectrum){sums + (size_t)i * p->in.frequency_pitch + o, p->gradient_pitch, p->in.imaginary, false, false};
    sums += (size_t)(o / SA_FFT_GROUP) * p->strip_sum_pitch + (size_t)(i * 2 * SA_FFT_GROUP);
    return (sa_fft_spectrum){sums, SA_FFT_STRIP_SUM, SA_FFT_GROUP, false, false};
}

/* Lag (i, k) of the correlation is tap (i, k) for windows of x, (K - 1 - i, K - 1 - k) for windows of dy. */
void sa_fft_store_gradient(const sa_fft_job *j, const sa_fft_member *member, float *dweight, bool add)
{
    const sa_fft_plan *p = &j->plan;
    const int size = j->shape->kernel_h, out = p->in.channels, groups = sa_fft_divide_up(out, SA_FFT_GROUP);
    const int items = p->other.channels * groups, end = sa_work_part_begin(items, member->number + 1, member->count);
    const float scale = 1.0f / (float)(p->size * p->size);
    float *work = sa_fft_thread_work(j), *stage = work + SA_FFT_WORK_FLOATS;
    for (int item = sa_work_part_begin(items, member->number, member->count); item < end; item++) {
        int i = item / groups, o = item % groups * SA_FFT_GROUP;
        sa_fft_target target = {.at = stage, .channel_pitch = (size_t)(size * size), .row_pitch = (size_t)size};
        target.rows = target.columns = size;
        target.channels = sa_min_int(SA_FFT_GROUP, out - o);
        sa_fft_spectrum spectrum = gradient_spectrum(j, i, o);
        j->size->inverse(&spectrum, &target, work);
        for (int c = 0; c < target.channels; c++) {
            float *to = dweight + ((size_t)(o + c) * (size_t)j->others + (size_t)(j->group_begin + i)) * (size_t)(size * size);
            const float *from = stage + (size_t)(c * size * size);
            for (int t = 0; t < size * size; t++) {
                float value = from[p->windows_of_x ? t : size * size - 1 - t] * scale;
                to[t] = add ? to[t] + value : value;
            }
        }
    }
}

/* ------------------------------------------------------------------ strips ------------------------------------------ */

/* A group's sums of conj(x) * dy over `tiles` <= SA_FFT_BLOCK tiles. */
static void add_to_strip(const sa_fft_job *j, const float *x, const float *dy, float *sum, int tiles, bool add)
{
    const sa_fft_plan *p = &j->plan;
    const sa_fft_series series = {
        .first = {.a = x,
                  .b = dy,
                  .c = sum,
                  .a_row = 1,
                  .a_step = p->other.pack > 1 ? SA_FFT_PACK_CHANNELS : p->other.tile_pitch,
                  .a_imaginary = p->other.imaginary,
                  .b_step = p->strip_dy.tile_pitch,
                  .b_imaginary = p->strip_dy.imaginary,
                  .c_row = 2 * SA_FFT_GROUP,
                  .c_imaginary = SA_FFT_GROUP,
                  .rows = SA_FFT_PACK_CHANNELS,
                  .depth = tiles,
                  .channels = SA_FFT_GROUP},
        .a_pitch = p->other.frequency_pitch,
        .b_pitch = p->strip_dy.frequency_pitch,
        .c_pitch = SA_FFT_STRIP_SUM,
        .a_step_jump = p->other.pack > 1 ? p->other.tile_pitch - (size_t)(SA_FFT_PACK * SA_FFT_PACK_CHANNELS) : 0,
        .count = p->frequencies,
    };
    j->kernels->conjugate_series(&series, add);
}

/* The sums over tiles [begin, end) of image n, in the thread's own room. */
static void sum_strip(const sa_fft_job *j, const sa_fft_cut *dy, const sa_fft_cut *x, int n, int begin, int end)
{
    const sa_fft_plan *p = &j->plan;
    float *work = sa_fft_thread_work(j);
    sa_fft_cut own_x = *x, own_dy = *dy;
    sa_fft_side side = p->strip_dy;
    own_x.spectra = work + p->strip_x_at;
    own_dy.spectra = work + p->strip_dy_at;
    own_dy.side = &side;
    for (int at = begin; at < end; at += SA_FFT_BLOCK) {
        int until = sa_min_int(at + SA_FFT_BLOCK, end);
        sa_fft_transform_tiles(j, &own_x, n, at, until);
        for (int group = 0; group < p->in.channels; group += SA_FFT_GROUP) {
            side.channels = sa_min_int(SA_FFT_GROUP, p->in.channels - group);
            own_dy.channel_begin = dy->channel_begin + group;
            sa_fft_transform_tiles(j, &own_dy, n, at, until);
            float *sum = work + p->strip_sum_at + (size_t)(group / SA_FFT_GROUP) * p->strip_sum_pitch;
            add_to_strip(j, own_x.spectra, own_dy.spectra, sum, until - at, at > begin);
        }
    }
}

/* The image's sums are set to, or increased by, the thread's. */
static void add_strip(const sa_fft_job *j, bool add)
{
    const sa_fft_plan *p = &j->plan;
    const float *strip = sa_fft_thread_work(j) + p->strip_sum_at;
    float *sum = j->workspace + p->gradient_at;
    const size_t floats = (size_t)sa_fft_divide_up(p->in.channels, SA_FFT_GROUP) * p->strip_sum_pitch;
    if (!add) memcpy(sum, strip, floats * sizeof *sum);
    else
        for (size_t i = 0; i < floats; i++) sum[i] += strip[i];
}

void sa_fft_sum_strips(const sa_fft_job *j, const sa_fft_cut *dy, const sa_fft_cut *x, int n)
{
    const sa_fft_plan *p = &j->plan;
#pragma omp for ordered schedule(dynamic)
    for (int begin = 0; begin < p->tiles; begin += SA_FFT_STRIP) {
        sum_strip(j, dy, x, n, begin, sa_min_int(begin + SA_FFT_STRIP, p->tiles));
#pragma omp ordered
        add_strip(j, begin > 0);
    }
}
