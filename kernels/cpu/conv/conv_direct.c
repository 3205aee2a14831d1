/* Convolution without a column matrix: any kernel, stride, padding, dilation and groups. The weight gradient is
 * conv_direct_weight.c.
 *
 * A strip is a few input rows of one group's channels with their padding, staged in the workspace. Each thread has strips of its
 * own and computes the output rows that they feed.
 * Strides: a strip row is stored as stride_w parts, part f holding the columns x with (x + pad) % stride_w == f, so that
 * tap v reads part v % stride_w from v / stride_w on, contiguously.
 * The data gradient is a convolution of dy. With a stride, rows and columns of dx fall into phases that read different taps: each
 * phase is a convolution of stride 1 with those alone. */
#include "kernels/cpu/conv/conv_direct_plan.h"
#include "kernels/cpu/conv/conv_direct_weight.h"
#include "kernels/cpu/conv/conv_pointwise.h"
#include "kernels/cpu/work_share.h"

#include <omp.h>
#include <string.h>

enum { STRIDE_MAX = 256 };

static size_t pass_floats(const sa_device *device, const sa_conv_request *r, sa_conv_pass pass)
{
    const sa_conv_shape *s = &r->shape;
    if (sa_pointwise_can(s, pass)) return sa_pointwise_floats(device, r, pass);
    if (pass == SA_CONV_PASS_FORWARD) return sa_direct_forward_pass(s, r->out_channels_at_once, device->threads, NULL).end;
    if (pass == SA_CONV_PASS_BACKWARD_DATA) return sa_direct_data_pass(s, device->threads, NULL, r->gather_dx).end;
    return sa_direct_weight_pass(s, r->out_channels_at_once, device->threads, NULL).end;
}

static sa_status workspace_bytes(const sa_device *device, const sa_conv_request *r, size_t *bytes)
{
    const sa_conv_shape *s = &r->shape;
    if (s->stride_h > STRIDE_MAX || s->stride_w > STRIDE_MAX)
        SA_FAIL(SA_UNSUPPORTED, "direct convolution: stride %dx%d is larger than %d", s->stride_h, s->stride_w, STRIDE_MAX);
    size_t floats = 0;
    for (int pass = SA_CONV_PASS_FORWARD; pass <= SA_CONV_PASS_BACKWARD_WEIGHT; pass++) {
        const bool both = r->pass == SA_CONV_PASS_BACKWARD_BOTH && pass != SA_CONV_PASS_FORWARD;
        if (pass != (int)r->pass && !both) continue;
        const size_t needed = pass_floats(device, r, (sa_conv_pass)pass);
        if (needed > floats) floats = needed;
    }
    *bytes = floats * sizeof(float);
    return SA_OK;
}

/* ------------------------------------------------------------------ weights ----------------------------------------- */

/* Where the packed weights of a group's phase are, for output channels from its first of the range on. */
static float *packed_weight(const sa_direct_pass *p, float *workspace, int group, const sa_direct_phase *phase)
{
    const size_t blocks = (sa_direct_round_up((size_t)p->out_most, SA_DIRECT_GROUP)) / SA_DIRECT_GROUP;
    const size_t nth = (size_t)(group - p->channel_begin / p->out);
    float *of_group = workspace + p->weight_at + nth * sa_direct_group_weights(p);
    return of_group + (size_t)phase->first * blocks * (size_t)p->in * SA_DIRECT_GROUP;
}

/* SA_DIRECT_GROUP output channels from o on. weight: the file's, (groups * out, in, taps), or, turned, (groups * in, out, taps). */
static void pack_block(const sa_direct_pass *p, const float *weight, int group, int o, float *workspace)
{
    const sa_direct_phase *phase = sa_direct_phases(p, workspace);
    const int32_t *tap = sa_direct_taps(p, workspace);
    const size_t taps = (size_t)p->taps, in = (size_t)p->in, out = (size_t)p->out;
    int begin, end;
    sa_direct_group_range(p, group, &begin, &end);
    const size_t first_in = (size_t)group * in, in_group = (size_t)(o - group * p->out);
    const float *from = p->turned ? weight + (first_in * out + in_group) * taps : weight + (size_t)o * in * taps;
    const size_t in_pitch = p->turned ? out * taps : taps, out_pitch = p->turned ? taps : in * taps;
    for (int f = 0; f < p->y.phases * p->x.phases; f++) {
        const size_t count = (size_t)phase[f].count, block = (size_t)(o - begin) / SA_DIRECT_GROUP;
        float *to = packed_weight(p, workspace, group, &phase[f]) + block * in * count * SA_DIRECT_GROUP;
        for (size_t c = 0; c < in; c++)
            for (size_t t = 0; t < count; t++)
                for (int k = 0; k < SA_DIRECT_GROUP; k++)
                    *to++ = o + k < end ? from[c * in_pitch + (size_t)k * out_pitch + (size_t)tap[(size_t)phase[f].first + t]] : 0;
    }
}

/* Called by all threads of a parallel region. */
static void pack_weights(const sa_direct_pass *p, const float *weight, float *workspace)
{
    const int blocks = (p->out_most + SA_DIRECT_GROUP - 1) / SA_DIRECT_GROUP;
    int first, end;
    sa_direct_groups(p, &first, &end);
#pragma omp for collapse(2) schedule(static)
    for (int g = first; g < end; g++)
        for (int b = 0; b < blocks; b++) {
            int begin, end_channel;
            sa_direct_group_range(p, g, &begin, &end_channel);
            if (begin + b * SA_DIRECT_GROUP < end_channel) pack_block(p, weight, g, begin + b * SA_DIRECT_GROUP, workspace);
        }
}

/* ------------------------------------------------------------------ passes ------------------------------------------ */

/* Where a pass puts its rows. */
typedef struct target {
    const sa_slab *out;
    const sa_conv_backward_args *gather; /* NULL: none */
    const float *bias;                   /* of all output channels, NULL: none */
} target;

/* What a strip is for: output rows i0, i0 + y.step, ... of image n, channels [o0, o_end) of a group. */
typedef struct strip_work {
    int n, group, o0, o_end, i0, rows;
    float *workspace, *strip, *wait; /* wait: rows of the output on their way, NULL: they go where they belong at once */
} strip_work;

static void gather_rows(const sa_direct_pass *p, const target *t, const strip_work *w)
{
    const bool together = p->y.step == 1;
    for (int o = w->o0; o < w->o_end; o++)
        for (int r = 0; r < (together ? 1 : w->rows); r++) {
            sa_conv_piece piece = {.n = w->n, .c = o, .y = w->i0 + r * p->y.step, .columns = p->x.size, .pitch = p->out_row_pitch};
            piece.rows = together ? w->rows : 1;
            piece.value = w->wait + (size_t)(o - w->o0) * p->out_channel_pitch + (size_t)r * p->out_row_pitch;
            sa_conv_gather_piece(t->gather, &piece);
        }
}

static void copy_rows(const sa_direct_pass *p, const target *t, const strip_work *w)
{
    for (int o = w->o0; o < w->o_end; o++)
        for (int r = 0; r < w->rows; r++)
            memcpy(sa_slab_row(t->out, w->n, o, w->i0 + r * p->y.step),
                   w->wait + (size_t)(o - w->o0) * p->out_channel_pitch + (size_t)r * p->out_row_pitch,
                   (size_t)p->x.size * sizeof(float));
}

/* The part of a strip's output that phase (a, b) is. */
static void run_phase(const sa_direct_pass *p, const target *t, const strip_work *w, int a, int b)
{
    const sa_direct_axis *y = &p->y, *x = &p->x;
    const int k0 = y->phases == 1 ? 0 : ((a - w->i0 - y->add) % y->phases + y->phases) % y->phases;
    const int x0 = x->phases == 1 ? 0 : ((b - x->add) % x->phases + x->phases) % x->phases;
    if (k0 >= w->rows || x0 >= x->size) return;
    const sa_direct_phase *phase = &sa_direct_phases(p, w->workspace)[a * x->phases + b];
    const int first_row = y->phases == 1 ? 0 : (w->i0 + k0 + y->add) / y->div - (w->i0 + y->add) / y->div;
    const int first_column = x->phases == 1 ? 0 : (x0 + x->add) / x->div - x->add / x->div;
    const size_t width = (size_t)x->size;
    sa_direct_row row = {
        .strip = w->strip + (size_t)first_row * p->row_pitch + (size_t)first_column,
        .tap_offset = sa_direct_tap_offsets(p, w->workspace) + phase->first,
        .weight = packed_weight(p, w->workspace, w->group, phase),
        .bias = t->bias ? t->bias + w->o0 : NULL,
        .channel_pitch = p->channel_pitch,
        .row_pitch = (size_t)y->advance * p->row_pitch,
        .taps = phase->count,
        .in_channels = p->in,
        .channels = w->o_end - w->o0,
        .width = (x->size - 1 - x0) / x->phases + 1,
        .rows = (w->rows - 1 - k0) / y->phases + 1,
        .out_step = x->phases,
    };
    if (w->wait) {
        row.out = w->wait + (size_t)k0 * p->out_row_pitch + (size_t)x0;
        row.out_pitch = p->out_channel_pitch;
        row.out_row_pitch = (size_t)y->phases * p->out_row_pitch;
    } else {
        row.out = (float *)sa_slab_row(t->out, w->n, w->o0, w->i0 + k0 * y->step) + x0;
        row.out_pitch = (size_t)y->size * width;
        row.out_row_pitch = (size_t)(y->phases * y->step) * width;
    }
    if (p->flat) {
        row.width = (int)((size_t)(row.rows - 1) * p->row_pitch + width);
        row.rows = 1;
    }
    sa_direct_kernels_best()->row(&row);
}

static void run_strip(const sa_direct_pass *p, const target *t, const strip_work *w)
{
    for (int a = 0; a < p->y.phases; a++)
        for (int b = 0; b < p->x.phases; b++) run_phase(p, t, w, a, b);
    if (t->gather) gather_rows(p, t, w);
    else if (w->wait) copy_rows(p, t, w);
}

static void run_pass(int threads, const sa_direct_pass *p, const target *t, const sa_range *images, const float *weight,
                     float *workspace)
{
    int first, end;
    sa_direct_groups(p, &first, &end);
    const int groups = end - first;
    sa_work_share share;
    sa_work_share_start(&share, sa_range_images(images) * p->strips * groups, threads);
    sa_direct_fill_table(p, workspace);
#pragma omp parallel num_threads(threads)
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
        float *room = workspace + (size_t)omp_get_thread_num() * p->thread_pitch;
        strip_work w = {.workspace = workspace, .strip = room + p->strip_at, .wait = p->waits ? room + p->out_at : NULL};
        pack_weights(p, weight, workspace);
        for (int item; sa_work_share_take(&share, &item);) {
            w.group = first + item % groups;
            w.n = images->image_begin + item / groups / p->strips;
            w.rows = sa_direct_strip_rows(p, item / groups % p->strips, &w.i0);
            if (w.rows == 0) continue;
            sa_direct_group_range(p, w.group, &w.o0, &w.o_end);
            for (int c = 0; c < p->in; c++)
                sa_direct_load_channel(p, w.n, w.group * p->in + c, w.i0, w.strip + (size_t)c * p->channel_pitch, scratch);
            run_strip(p, t, &w);
        }
    }
}

static sa_status forward(const sa_device *device, const sa_conv_forward_args *args)
{
    if (sa_pointwise_can(&args->shape, SA_CONV_PASS_FORWARD)) {
        sa_pointwise_forward(device, args);
        return SA_OK;
    }
    sa_direct_pass p = sa_direct_forward_pass(&args->shape, sa_range_channels(&args->range), device->threads, &args->x);
    p.channel_begin = args->range.channel_begin;
    p.channel_end = args->range.channel_end;
    target t = {.out = &args->y, .bias = args->bias.ptr};
    run_pass(sa_conv_range_crew(device, &args->shape, &args->range), &p, &t, &args->range, args->weight.ptr, args->workspace.ptr);
    return SA_OK;
}

static void data_gradient(const sa_device *device, const sa_conv_backward_args *args)
{
    if (sa_pointwise_can(&args->shape, SA_CONV_PASS_BACKWARD_DATA)) {
        sa_pointwise_data(device, args);
        return;
    }
    sa_direct_pass p = sa_direct_data_pass(&args->shape, device->threads, &args->dy, args->gather);
    target t = {.out = &args->dx, .gather = args->gather ? args : NULL, .bias = args->dx_bias.ptr};
    run_pass(sa_conv_range_crew(device, &args->shape, &args->range), &p, &t, &args->range, args->weight.ptr, args->workspace.ptr);
}

static sa_status backward(const sa_device *device, const sa_conv_backward_args *args)
{
    if (args->dweight.ptr) {
        if (sa_pointwise_can(&args->shape, SA_CONV_PASS_BACKWARD_WEIGHT)) sa_pointwise_weight(device, args);
        else sa_direct_weight_gradient(device, args);
    }
    if (args->dx.at.ptr) data_gradient(device, args);
    sa_conv_bias_gradient(device, args);
    return SA_OK;
}

const sa_conv_method sa_conv_direct_method = {workspace_bytes, forward, backward};
