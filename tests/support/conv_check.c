/* Convolution test cases: float64 references and guarded runs. */
#include "tests/support/conv_case.h"

#include "kernels/conv_request.h"
#include "kernels/cpu/conv/conv_cpu.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Adds image n's part of all four results; dx (Cin, H, W) has its bias. */
static void reference_image(const conv_case *c, int n, double *y, double *dx, double *dweight, double *dbias)
{
    const sa_conv_shape *s = &c->shape;
    size_t plane = (size_t)s->out_height * (size_t)s->out_width, in_plane = (size_t)s->in_height * (size_t)s->in_width;
    const float *x = c->x_value + (size_t)n * (size_t)s->in_channels * in_plane;
    const float *dy = c->dy_value + (size_t)n * (size_t)s->out_channels * plane;
    for (int o = 0; o < s->out_channels; o++)
        for (size_t i = 0; i < plane; i++) y[(size_t)o * plane + i] = c->bias[o], dbias[o] += dy[(size_t)o * plane + i];
    size_t k = 0;
    const int group_in = sa_conv_group_in(s);
    for (int o = 0; o < s->out_channels; o++)
        for (int ch = o / sa_conv_group_out(s) * group_in, end = ch + group_in; ch < end; ch++)
            for (int u = 0; u < s->kernel_h; u++)
                for (int v = 0; v < s->kernel_w; v++, k++)
                    for (int i = 0; i < s->out_height; i++) {
                        int row = i * s->stride_h + u * s->dilation_h - s->pad_h;
                        if (row < 0 || row >= s->in_height) continue;
                        for (int j = 0; j < s->out_width; j++) {
                            int column = j * s->stride_w + v * s->dilation_w - s->pad_w;
                            if (column < 0 || column >= s->in_width) continue;
                            size_t out = (size_t)o * plane + (size_t)(i * s->out_width + j);
                            size_t in = (size_t)ch * in_plane + (size_t)(row * s->in_width + column);
                            y[out] += (double)c->weight[k] * x[in];
                            dx[in] += (double)c->weight[k] * dy[out];
                            dweight[k] += (double)x[in] * dy[out];
                        }
                    }
}

void conv_reference_make(const conv_case *c, conv_reference *r)
{
    const sa_conv_shape *s = &c->shape;
    size_t in = (size_t)s->in_channels * (size_t)s->in_height * (size_t)s->in_width, out = c->y_count / (size_t)c->images;
    size_t pooled = c->dx_count / (size_t)c->images;
    r->y = calloc(c->y_count, sizeof(double));
    r->dx = calloc(c->dx_count, sizeof(double));
    r->dweight = calloc(c->weight_count, sizeof(double));
    r->dbias = calloc((size_t)s->out_channels, sizeof(double));
    double *dx = malloc(in * sizeof *dx);
    for (int n = 0; n < c->images; n++) {
        for (size_t i = 0; i < in; i++)
            dx[i] = c->gather == CONV_GATHER_NONE ? c->dx_bias[i / ((size_t)s->in_height * (size_t)s->in_width)] : 0;
        reference_image(c, n, r->y + (size_t)n * out, dx, r->dweight, r->dbias);
        double *target = r->dx + (size_t)n * pooled;
        if (c->gather == CONV_GATHER_NONE) memcpy(target, dx, in * sizeof *dx);
        else
            for (size_t i = 0; i < pooled; i++) {
                int32_t index = c->gather_index[(size_t)n * pooled + i];
                size_t ch = i / ((size_t)c->pooled_height * (size_t)c->pooled_width);
                target[i] = index < 0 ? 0 : dx[ch * (size_t)s->in_height * (size_t)s->in_width + (size_t)index];
            }
    }
    free(dx);
}

void conv_reference_free(conv_reference *r)
{
    free(r->y);
    free(r->dx);
    free(r->dweight);
    free(r->dbias);
}

enum { GUARD_BYTES = 256, GUARD = 0xA5 };

/* Exactly `bytes`, aligned to 64, full of NaN, between guards. */
static void *guarded(size_t bytes)
{
    size_t rounded = (bytes + 63) / 64 * 64;
    char *memory = aligned_alloc(64, GUARD_BYTES * 2 + rounded);
    assert_non_null(memory);
    memset(memory, GUARD, GUARD_BYTES * 2 + rounded);
    memset(memory + GUARD_BYTES, 0xFF, bytes);
    return memory + GUARD_BYTES;
}

static void assert_guard(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < GUARD_BYTES; i++) {
        assert_int_equal(p[bytes + i], GUARD);
        assert_int_equal(*(p - 1 - i), GUARD);
    }
}

static void guarded_free(void *data)
{
    free((char *)data - GUARD_BYTES);
}

static sa_ref workspace_for(const conv_case *c, const conv_run_options *o, const sa_device *device, sa_conv_pass pass, int channels,
                            size_t *bytes)
{
    sa_conv_request request = {
        .shape = c->shape,
        .algorithm = o->algorithm,
        .pass = pass,
        .virtual_x = c->virtual_x != 0 && pass != SA_CONV_PASS_BACKWARD_DATA,
        .virtual_dy = c->virtual_dy != 0 && pass != SA_CONV_PASS_FORWARD,
        .gather_dx = c->gather != CONV_GATHER_NONE && (pass == SA_CONV_PASS_BACKWARD_DATA || pass == SA_CONV_PASS_BACKWARD_BOTH),
        .out_channels_at_once = channels,
        .limit_bytes = o->limit_bytes,
    };
    assert_int_equal(sa_cpu_conv_workspace_bytes(device, &request, bytes), SA_OK);
    return (sa_ref){.ptr = guarded(*bytes)};
}

static void run_forward(const conv_case *c, const conv_run_options *o, sa_device *device, sa_range range, float *y)
{
    const sa_conv_shape *s = &c->shape;
    sa_conv_forward_args a = {.shape = *s, .algorithm = o->algorithm, .range = range, .x = c->x};
    a.y = (sa_slab){{.ptr = y}, SA_F32, c->images, s->out_channels, s->out_height, s->out_width, 0, 0};
    a.weight.ptr = c->weight;
    a.bias.ptr = c->bias;
    a.workspace = workspace_for(c, o, device, SA_CONV_PASS_FORWARD, range.channel_end - range.channel_begin, &a.workspace_bytes);
    assert_int_equal(sa_cpu_conv_forward(device, &a), SA_OK);
    assert_guard(a.workspace.ptr, a.workspace_bytes);
    guarded_free(a.workspace.ptr);
}

static void run_backward(const conv_case *c, const conv_run_options *o, sa_device *device, sa_conv_pass pass, sa_range range,
                         bool accumulate, const conv_result *r)
{
    const sa_conv_shape *s = &c->shape;
    sa_conv_backward_args a = {.shape = *s, .algorithm = o->algorithm, .range = range, .dy = c->dy, .accumulate = accumulate};
    a.weight.ptr = c->weight;
    if (pass != SA_CONV_PASS_BACKWARD_DATA) {
        a.x = c->x;
        a.dweight.ptr = r->dweight;
        a.dbias.ptr = r->dbias;
    }
    if (pass != SA_CONV_PASS_BACKWARD_WEIGHT) {
        a.gather = c->gather != CONV_GATHER_NONE;
        a.dx = (sa_slab){{.ptr = r->dx}, SA_F32, c->images, s->in_channels, s->in_height, s->in_width, 0, 0};
        if (a.gather) a.dx.height = c->pooled_height, a.dx.width = c->pooled_width;
        if (!a.gather) a.dx_bias.ptr = c->dx_bias;
        a.mask = c->mask;
        a.window = c->window;
    }
    if (o->dx_over_x && pass != SA_CONV_PASS_BACKWARD_DATA && c->virtual_x == 0 && !a.gather) a.x.node[0].slab.at.ptr = r->dx;
    a.workspace = workspace_for(c, o, device, pass, range.channel_end - range.channel_begin, &a.workspace_bytes);
    assert_int_equal(sa_cpu_conv_backward(device, &a), SA_OK);
    assert_guard(a.workspace.ptr, a.workspace_bytes);
    guarded_free(a.workspace.ptr);
}

/* The backward ops of one range of images. */
static void run_backward_range(const conv_case *c, const conv_run_options *o, sa_device *device, sa_range range, bool accumulate,
                               const conv_result *r)
{
    int all = c->shape.out_channels, step = o->channels_at_once ? o->channels_at_once : all;
    if (step == all && !o->separate_passes) {
        run_backward(c, o, device, SA_CONV_PASS_BACKWARD_BOTH, range, accumulate, r);
        return;
    }
    run_backward(c, o, device, SA_CONV_PASS_BACKWARD_DATA, range, accumulate, r);
    for (int o0 = 0; o0 < all; o0 += step) {
        sa_range part = {range.image_begin, range.image_end, o0, o0 + step < all ? o0 + step : all};
        run_backward(c, o, device, SA_CONV_PASS_BACKWARD_WEIGHT, part, accumulate, r);
    }
}

void conv_run(const conv_case *c, const conv_run_options *o, conv_result *r)
{
    sa_device device = {.threads = o->threads};
    int all = c->shape.out_channels, step = o->channels_at_once ? o->channels_at_once : all;
    size_t channels = (size_t)all;
    r->y = guarded(c->y_count * sizeof(float));
    r->dx = guarded(c->dx_count * sizeof(float));
    r->dweight = guarded(c->weight_count * sizeof(float));
    r->dbias = guarded(channels * sizeof(float));
    if (o->dx_over_x && c->virtual_x == 0 && c->gather == CONV_GATHER_NONE) memcpy(r->dx, c->x_value, c->dx_count * sizeof(float));
    int images = o->image_by_image ? 1 : c->images;
    for (int n = 0; n < c->images; n += images) {
        for (int o0 = 0; o0 < all; o0 += step) {
            sa_range part = {n, n + images, o0, o0 + step < all ? o0 + step : all};
            run_forward(c, o, &device, part, r->y);
        }
        run_backward_range(c, o, &device, (sa_range){n, n + images, 0, all}, n > 0, r);
    }
    assert_guard(r->y, c->y_count * sizeof(float));
    assert_guard(r->dx, c->dx_count * sizeof(float));
    assert_guard(r->dweight, c->weight_count * sizeof(float));
    assert_guard(r->dbias, channels * sizeof(float));
}

void conv_result_free(conv_result *r)
{
    guarded_free(r->y);
    guarded_free(r->dx);
    guarded_free(r->dweight);
    guarded_free(r->dbias);
}

void conv_assert_close(const char *what, const char *name, const float *value, const double *reference, size_t count, double bound)
{
    double error = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(value[i])) fail_msg("%s: %s[%zu] = %f", what, name, i, (double)value[i]);
        error += (value[i] - reference[i]) * (value[i] - reference[i]);
        norm += reference[i] * reference[i];
    }
    error = sqrt(error / (norm > 0 ? norm : 1));
    if (!(error <= bound)) fail_msg("%s: %s is off by %.2e relative, %.0e allowed", what, name, error, bound);
}
