/* The weight gradient of the direct convolution: strip by strip, in one order of images and strips.
 *
 * The threads stage a strip of x and the rows of dy that belong to it together, each some channels, and share the weights that it
 * feeds likewise; or, with at least as many groups as threads, each thread does whole groups. The strips depend on the shape alone
 * and every number is summed by one thread in one order, so neither way changes a bit. */
#include "kernels/cpu/conv/conv_direct_weight.h"

#include "kernels/cpu/conv/conv_direct_plan.h"
#include "kernels/cpu/work_share.h"

#include <omp.h>
#include <string.h>

/* One group's gradient, by thread `number` of `count` that share its strips. */
typedef struct weight_work {
    const sa_direct_pass *pass;
    const sa_conv_backward_args *args;
    int number, count;
    int group, o0, o_end;
    float *room; /* where the strip and dy are, less strip_at */
    const int32_t *tap_offset;
    float *scratch;
} weight_work;

/* Stages this thread's channels of the strip from output row i0 on, and of dy. */
static void load_strip(const weight_work *w, int n, int i0, int rows)
{
    const sa_direct_pass *p = w->pass;
    const int c_end = sa_work_part_begin(p->in, w->number + 1, w->count), channels = w->o_end - w->o0;
    const int o_end = sa_work_part_begin(channels, w->number + 1, w->count);
    for (int c = sa_work_part_begin(p->in, w->number, w->count); c < c_end; c++)
        sa_direct_load_channel(p, n, w->group * p->in + c, i0, w->room + p->strip_at + (size_t)c * p->channel_pitch, w->scratch);
    for (int o = sa_work_part_begin(channels, w->number, w->count); o < o_end; o++) {
        float *to = w->room + p->out_at + (size_t)o * p->out_channel_pitch;
        for (int r = 0; r < rows; r++)
            sa_conv_load_row(&w->args->dy, n, w->o0 + o, i0 + r * p->y.step, 0, (int)p->out_row_pitch,
                             to + (size_t)r * p->out_row_pitch, w->scratch);
        const size_t used = (size_t)rows * p->out_row_pitch; /* a vector may reach beyond */
        memset(to + used, 0, (p->out_channel_pitch - used) * sizeof *to);
    }
}

/* Where columns q, q + 1, ... of the gradient are in the strip. */
static void find_columns(const weight_work *w, int q, size_t q_offset[SA_DIRECT_COLUMNS])
{
    const sa_direct_pass *p = w->pass;
    const int depth = p->in * p->taps;
    for (int i = 0; i < sa_min_int(SA_DIRECT_COLUMNS, depth - q); i++)
        q_offset[i] = (size_t)((q + i) / p->taps) * p->channel_pitch + (size_t)w->tap_offset[(q + i) % p->taps];
}

/* Adds what the staged rows give to SA_DIRECT_GROUP output channels from o on and SA_DIRECT_COLUMNS columns from q on. */
static void add_block(const weight_work *w, const sa_direct_kernels *kernels, int o, int q, const size_t *q_offset, int rows)
{
    const sa_direct_pass *p = w->pass;
    const int depth = p->in * p->taps, channels = w->o_end - w->o0;
    sa_direct_weight block = {
        .strip = w->room + p->strip_at,
        .q_offset = q_offset,
        .strip_row_pitch = (size_t)p->y.advance * p->row_pitch,
        .dy_row_pitch = p->out_row_pitch,
        .rows = p->flat ? 1 : rows,
        .width = p->flat ? (int)((size_t)(rows - 1) * p->row_pitch) + p->x.size : p->x.size,
        .channels = sa_min_int(SA_DIRECT_GROUP, channels - o),
        .q_count = sa_min_int(SA_DIRECT_COLUMNS, depth - q),
    };
    for (int i = 0; i < SA_DIRECT_GROUP; i++) {
        const int channel = sa_min_int(o + i, channels - 1);
        block.dy[i] = w->room + p->out_at + (size_t)channel * p->out_channel_pitch;
        block.dweight[i] = (float *)w->args->dweight.ptr + (size_t)(w->o0 + channel) * (size_t)depth + q;
    }
    kernels->weight(&block);
}

static void add_strip(const weight_work *w, int rows)
{
    const int depth = w->pass->in * w->pass->taps, blocks = (w->o_end - w->o0 + SA_DIRECT_GROUP - 1) / SA_DIRECT_GROUP;
    const int items = (depth + SA_DIRECT_COLUMNS - 1) / SA_DIRECT_COLUMNS * blocks;
    const int begin = sa_work_part_begin(items, w->number, w->count), end = sa_work_part_begin(items, w->number + 1, w->count);
    const sa_direct_kernels *kernels = sa_direct_kernels_best();
    size_t q_offset[SA_DIRECT_COLUMNS];
    int q = begin / blocks * SA_DIRECT_COLUMNS, o = begin % blocks * SA_DIRECT_GROUP;
    for (int item = begin; item < end; item++) { /* mostly of channels that it has staged */
        if (item == begin || o == 0) find_columns(w, q, q_offset);
        add_block(w, kernels, o, q, q_offset, rows);
        o += SA_DIRECT_GROUP;
        if (o < blocks * SA_DIRECT_GROUP) continue;
        o = 0;
        q += SA_DIRECT_COLUMNS;
    }
}

/* All threads that share the group's strips call. */
static void sum_group(weight_work *w, int group)
{
    const sa_direct_pass *p = w->pass;
    w->group = group;
    sa_direct_group_range(p, group, &w->o0, &w->o_end);
    for (int n = w->args->range.image_begin; n < w->args->range.image_end; n++)
        for (int strip = 0; strip < p->strips; strip++) {
            int i0, rows = sa_direct_strip_rows(p, strip, &i0);
            if (rows == 0) continue;
            load_strip(w, n, i0, rows);
            if (w->count > 1) {
#pragma omp barrier
            }
            add_strip(w, rows);
            if (w->count > 1) {
#pragma omp barrier
            }
        }
}

static void clear(const sa_direct_pass *p, const sa_conv_backward_args *args)
{
    const size_t depth = (size_t)p->in * (size_t)p->taps;
    float *dweight = (float *)args->dweight.ptr + (size_t)p->channel_begin * depth;
    if (!args->accumulate) memset(dweight, 0, (size_t)(p->channel_end - p->channel_begin) * depth * sizeof *dweight);
}

void sa_direct_weight_gradient(const sa_device *device, const sa_conv_backward_args *args)
{
    float *workspace = args->workspace.ptr;
    sa_direct_pass p = sa_direct_weight_pass(&args->shape, sa_range_channels(&args->range), device->threads, &args->x);
    p.channel_begin = args->range.channel_begin;
    p.channel_end = args->range.channel_end;
    sa_direct_fill_table(&p, workspace);
    clear(&p, args);
    const bool apart = sa_direct_groups_apart(&p, device->threads);
    int first, end;
    sa_direct_groups(&p, &first, &end);
#pragma omp parallel num_threads(sa_conv_range_crew(device, &args->shape, &args->range))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
        const int number = omp_get_thread_num(), count = omp_get_num_threads();
        weight_work w = {.pass = &p, .args = args, .number = number, .count = count, .room = workspace, .scratch = scratch};
        w.tap_offset = sa_direct_tap_offsets(&p, workspace);
        if (apart) {
            w.room += (size_t)number * p.thread_pitch;
            w.number = 0;
            w.count = 1;
        }
        if (apart || number == 0) /* what vectors read beyond the last channel has to be finite */
            memset(w.room + p.strip_at + p.channel_pitch * (size_t)p.in, 0, SA_DIRECT_PIXELS * sizeof(float));
        for (int g = apart ? first + sa_work_part_begin(end - first, number, count) : first;
             g < (apart ? first + sa_work_part_begin(end - first, number + 1, count) : end); g++)
            sum_group(&w, g);
    }
}
