/* Tiles of an FFT-tile convolution: cutting a value into them, staged or read where they are, and putting them together. */
#include "kernels/cpu/conv/conv_fft_tiles.h"

#include <omp.h>

float *sa_fft_thread_work(const sa_fft_job *j)
{
    return j->workspace + j->plan.thread_at + (size_t)omp_get_thread_num() * j->plan.thread_pitch;
}

/* ------------------------------------------------------------------ tiles in ---------------------------------------- */

/* `tiles` tiles of one tile row, from number t on (of image n). */
typedef struct run {
    int n, t, tiles, group; /* group: first channel of 16 */
} run;

/* Rows of a tile at y that may not be zero. */
static int live_rows(const sa_fft_cut *c, int y)
{
    return sa_max_int(0, sa_min_int(c->extent, sa_source_root(c->source)->height - y));
}

/* Stages pixels from (y, x) on, `rows` x `columns` of `channels` channels: (channels, size, stage_pitch). */
static void stage_pixels(const sa_fft_job *j, const sa_fft_cut *c, int n, int channel, int channels, int y, int x, int rows,
                         int columns, float *stage)
{
    _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
    const sa_fft_plan *p = &j->plan;
    for (int ch = 0; ch < channels; ch++)
        for (int i = 0; i < rows; i++) {
            float *target = stage + ((size_t)ch * (size_t)p->size + (size_t)i) * p->stage_pitch;
            sa_conv_load_row(c->source, n, c->channel_begin + channel + ch, y + i, x, columns, target, scratch);
        }
}

/* Whether a tile can be read straight from a dense slab. */
static bool is_direct(const sa_fft_job *j, const sa_fft_cut *c, int y, int x)
{
    const sa_node *root = sa_source_root(c->source);
    return sa_source_has_dense_images(c->source) && y >= 0 && x >= 0 && y + c->extent <= root->height &&
           x + j->plan.size <= root->width;
}

static void tile_origin(const sa_fft_job *j, const sa_fft_cut *c, int t, int *y, int *x)
{
    *y = t / j->plan.tiles_x * j->plan.step - c->pad_h;
    *x = t % j->plan.tiles_x * j->plan.step - c->pad_w;
}

static bool is_direct_tile(const sa_fft_job *j, const sa_fft_cut *c, int t)
{
    int y, x;
    tile_origin(j, c, t, &y, &x);
    return is_direct(j, c, y, x);
}

/* Fills lanes [lane, lane + lanes) with the pixels at (y, x) of channels [channel, channel + channels), staged if need be, for
 * `tiles` tiles side by side. Lanes beyond the channels repeat the first: nothing reads their spectra. */
static void set_lanes(const sa_fft_job *j, const sa_fft_cut *c, sa_fft_pixels *pixels, int lane, int lanes, const run *r,
                      int channels, float *stage)
{
    const sa_fft_plan *p = &j->plan;
    const sa_slab *slab = &sa_source_root(c->source)->slab;
    int y, x;
    tile_origin(j, c, r->t, &y, &x);
    bool direct = is_direct(j, c, y, x);
    if (!direct) stage_pixels(j, c, r->n, r->group, channels, y, x, pixels->rows, p->step * (r->tiles - 1) + p->size, stage);
    for (int l = 0; l < lanes; l++) {
        int channel = l < channels ? l : 0;
        pixels->row_pitch[lane + l] = direct ? (size_t)slab->width : p->stage_pitch;
        pixels->at[lane + l] = direct ? (const float *)sa_slab_row(slab, r->n, c->channel_begin + r->group + channel, y) + x
                                      : stage + (size_t)channel * (size_t)p->size * p->stage_pitch;
    }
}

/* Spectra of a run of tiles that are all direct or all staged. */
static void transform_run(const sa_fft_job *j, const sa_fft_cut *c, const run *r, int chunk_begin)
{
    float *work = sa_fft_thread_work(j);
    int y, x;
    tile_origin(j, c, r->t, &y, &x);
    sa_fft_pixels pixels = {.rows = live_rows(c, y), .columns = c->extent};
    set_lanes(j, c, &pixels, 0, SA_FFT_GROUP, r, sa_min_int(SA_FFT_GROUP, c->side->channels - r->group), work + SA_FFT_WORK_FLOATS);
    for (int t = r->t; t < r->t + r->tiles; t++) {
        sa_fft_spectrum spectrum = {c->spectra + (size_t)(t - chunk_begin) * c->side->tile_pitch + r->group,
                                    c->side->frequency_pitch, c->side->imaginary, j->plan.stream, c->conjugate};
        j->size->forward(&pixels, &spectrum, work);
        for (int l = 0; l < SA_FFT_GROUP; l++) pixels.at[l] += j->plan.step;
    }
}

void sa_fft_transform_pack(const sa_fft_job *j, const sa_fft_cut *c, int n, int begin, int end)
{
    const sa_fft_plan *p = &j->plan;
    float *work = sa_fft_thread_work(j);
    sa_fft_pixels pixels = {.rows = c->extent, .columns = c->extent};
    for (int k = 0; k < SA_FFT_PACK; k++) {
        /* no tile beyond the last one: its lanes repeat that */
        run r = {.n = n, .t = sa_min_int(begin + k, end - 1), .tiles = 1};
        int lane = k * SA_FFT_PACK_CHANNELS;
        float *stage = work + SA_FFT_WORK_FLOATS + (size_t)lane * (size_t)p->size * p->stage_pitch;
        set_lanes(j, c, &pixels, lane, SA_FFT_PACK_CHANNELS, &r, c->side->channels, stage);
    }
    sa_fft_spectrum spectrum = {c->spectra, c->side->frequency_pitch, c->side->imaginary, p->stream, c->conjugate};
    j->size->forward(&pixels, &spectrum, work);
}

static void transform_packs(const sa_fft_job *j, const sa_fft_cut *c, int n, int begin, int end)
{
    for (int at = begin; at < end; at += SA_FFT_PACK) {
        sa_fft_cut pack = *c;
        pack.spectra += (size_t)((at - begin) / SA_FFT_PACK) * c->side->tile_pitch;
        sa_fft_transform_pack(j, &pack, n, at, end);
    }
}

void sa_fft_transform_tiles(const sa_fft_job *j, const sa_fft_cut *c, int n, int begin, int end)
{
    const sa_fft_plan *p = &j->plan;
    if (c->side->pack > 1) {
        transform_packs(j, c, n, begin, end);
        return;
    }
    for (int at = begin; at < end; at += SA_FFT_RUN)
        for (int group = 0; group < c->side->channels; group += SA_FFT_GROUP)
            for (int t = at; t < sa_min_int(at + SA_FFT_RUN, end);) {
                run r = {.n = n, .t = t, .tiles = 1, .group = group};
                int most = sa_min_int(sa_min_int(at + SA_FFT_RUN, end) - t, p->tiles_x - t % p->tiles_x);
                bool direct = is_direct_tile(j, c, t);
                while (r.tiles < most && is_direct_tile(j, c, t + r.tiles) == direct) r.tiles++;
                transform_run(j, c, &r, begin);
                t += r.tiles;
            }
}

/* ------------------------------------------------------------------ tiles out --------------------------------------- */

/* first: channel of the target's first one */
static void gather_tile(const sa_fft_sink *to, const sa_fft_target *target, int n, int first, int y, int x)
{
    for (int c = 0; c < target->channels; c++) {
        sa_conv_piece piece = {.n = n, .c = first + c, .y = y, .x = x, .rows = target->rows, .columns = target->columns};
        piece.value = target->at + (size_t)c * target->channel_pitch;
        piece.pitch = target->row_pitch;
        sa_conv_gather_piece(to->gather, &piece);
    }
}

void sa_fft_store_tile(const sa_fft_job *j, const sa_fft_sink *to, const sa_fft_spectrum *spectrum, int n, int t, int group)
{
    const sa_fft_plan *p = &j->plan;
    int y = t / p->tiles_x * p->step, x = t % p->tiles_x * p->step, c = to->channel_begin + group;
    float *work = sa_fft_thread_work(j);
    sa_fft_target target = {.rows = sa_min_int(p->step, p->height - y),
                            .columns = sa_min_int(p->step, p->width - x),
                            .channels = sa_min_int(SA_FFT_GROUP, p->other.channels - group),
                            .bias = to->bias ? to->bias + c : NULL};
    if (to->gather) {
        target.at = work + SA_FFT_WORK_FLOATS;
        target.channel_pitch = (size_t)p->size * p->stage_pitch;
        target.row_pitch = p->stage_pitch;
    } else {
        target.at = (float *)sa_slab_row(to->slab, n, c, y) + x;
        target.channel_pitch = (size_t)p->height * (size_t)p->width;
        target.row_pitch = (size_t)p->width;
    }
    j->size->inverse(spectrum, &target, work);
    if (to->gather) gather_tile(to, &target, n, c, y, x);
}

void sa_fft_store_tiles(const sa_fft_job *j, const sa_fft_sink *to, float *spectra, int n, int begin, int end)
{
    const sa_fft_plan *p = &j->plan;
    for (int t = begin; t < end; t++)
        for (int group = 0; group < p->other.channels; group += SA_FFT_GROUP) {
            float *at = spectra + (size_t)(t - begin) * p->other.tile_pitch + group;
            sa_fft_spectrum spectrum = {at, p->other.frequency_pitch, p->other.imaginary, false, false};
            sa_fft_store_tile(j, to, &spectrum, n, t, group);
        }
}
