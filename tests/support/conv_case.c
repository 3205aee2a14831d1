/* Convolution test cases: making the data. */
#include "tests/support/conv_case.h"

#include "kernels/conv_request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

float conv_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (float)(*state >> 40) * (1.0f / 16777216.0f);
}

static void *own(conv_case *c, size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    assert(memory && c->owned_count < 32);
    return c->owned[c->owned_count++] = memory;
}

static float *random_values(conv_case *c, size_t count, float low, float high, uint64_t *state)
{
    float *value = own(c, count * sizeof *value);
    for (size_t i = 0; i < count; i++) value[i] = low + (high - low) * conv_random(state);
    return value;
}

static sa_slab dense_slab(float *data, int images, int channels, int height, int width)
{
    return (sa_slab){{.ptr = data}, SA_F32, images, channels, height, width, 0, 0};
}

static sa_node make_node(sa_node_kind kind, int child, int channels, int height, int width)
{
    sa_node node = {.kind = kind, .child = {(int8_t)child, -1, -1}, .channels = channels, .height = height, .width = width};
    node.spread = SA_SPREAD_CHANNELS;
    return node;
}

static void set_code(const sa_slab *mask, int n, int ch, int py, int px, int code)
{
    int bits = mask->encoding == SA_MASK2 ? 2 : 4, each = 32 / bits;
    uint32_t *word = (uint32_t *)sa_slab_row(mask, n, ch, py) + px / each;
    *word |= (uint32_t)code << (px % each * bits);
}

/* A mask with random positions inside the (clipped) windows; one in eight is `none` where the encoding knows it. The index in
 * the plane of each goes to `index`. */
static sa_slab random_mask(conv_case *c, sa_encoding encoding, const sa_window *w, int channels, int height, int width, int ph,
                           int pw, int32_t *index, uint64_t *state)
{
    sa_slab mask = {{.ptr = NULL}, encoding, c->images, channels, ph, pw, 0, 0};
    mask.at.ptr = own(c, sa_slab_bytes(&mask));
    for (int n = 0; n < c->images; n++)
        for (int ch = 0; ch < channels; ch++)
            for (int py = 0; py < ph; py++)
                for (int px = 0; px < pw; px++, index++) {
                    int y, x, dy, dx;
                    do {
                        dy = (int)(conv_random(state) * (float)w->kernel_h), dx = (int)(conv_random(state) * (float)w->kernel_w);
                        y = py * w->stride_h - w->pad_h + dy, x = px * w->stride_w - w->pad_w + dx;
                    } while (y < 0 || x < 0 || y >= height || x >= width);
                    bool none = encoding != SA_MASK2 && conv_random(state) < 0.125f;
                    *index = none ? -1 : y * width + x;
                    if (encoding == SA_F32) ((float *)sa_slab_row(&mask, n, ch, py))[px] = (float)*index;
                    else set_code(&mask, n, ch, py, px, none ? 15 : dy * w->kernel_w + dx);
                }
    return mask;
}

/* Windows that start inside the plane, as pooling makes them. */
static int pooled_size(int size, int kernel, int stride, int pad)
{
    int pooled = (size + 2 * pad - kernel + stride - 1) / stride + 1;
    if (size + 2 * pad < kernel) pooled = 1;
    while (pooled > 1 && (pooled - 1) * stride - pad >= size) pooled--;
    return pooled;
}

/* XHAT and AFFINE on top of the source, and on `value`. */
static void add_normalisation(conv_case *c, sa_source *s, float *value, uint64_t *state)
{
    const sa_node below = *sa_source_root(s);
    float *v[4];
    for (int i = 0; i < 4; i++) v[i] = random_values(c, (size_t)below.channels, i % 2 ? 0.5f : -0.5f, i % 2 ? 1.5f : 0.5f, state);
    for (int k = 0; k < 2; k++) {
        sa_node node = make_node(k ? SA_NODE_AFFINE : SA_NODE_XHAT, s->count - 1, below.channels, below.height, below.width);
        node.vector[0].ptr = v[k ? 3 : 0];
        node.vector[1].ptr = v[k ? 2 : 1];
        s->node[s->count++] = node;
    }
    size_t plane = (size_t)below.height * (size_t)below.width;
    for (size_t i = 0; i < (size_t)c->images * (size_t)below.channels * plane; i++) {
        size_t ch = i / plane % (size_t)below.channels;
        volatile float centred = value[i] - v[0][ch], scaled = centred * v[1][ch], product = v[3][ch] * scaled;
        value[i] = product + v[2][ch];
    }
}

static float *add_dense(conv_case *c, sa_source *s, int channels, int height, int width, uint64_t *state)
{
    size_t count = (size_t)c->images * (size_t)channels * (size_t)height * (size_t)width;
    float *data = random_values(c, count, -1, 1, state), *value = own(c, count * sizeof *value);
    memcpy(value, data, count * sizeof *value);
    s->node[0] = make_node(SA_NODE_DENSE, -1, channels, height, width);
    s->node[0].slab = dense_slab(data, c->images, channels, height, width);
    s->count = 1;
    return value;
}

static void make_unpooled_x(conv_case *c, uint64_t *state)
{
    const sa_conv_shape *s = &c->shape;
    bool large = c->virtual_x == 3;
    sa_window w = large ? (sa_window){3, 3, 2, 2, 0, 0} : (sa_window){2, 2, 2, 2, 0, 0};
    int ph = pooled_size(s->in_height, w.kernel_h, 2, 0), pw = pooled_size(s->in_width, w.kernel_w, 2, 0);
    float *pooled = add_dense(c, &c->x, s->in_channels, ph, pw, state);
    if (large) add_normalisation(c, &c->x, pooled, state);
    size_t pooled_plane = (size_t)ph * (size_t)pw, plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t planes = (size_t)c->images * (size_t)s->in_channels;
    int32_t *index = own(c, planes * pooled_plane * sizeof *index);
    sa_node node = make_node(SA_NODE_UNPOOL, c->x.count - 1, s->in_channels, s->in_height, s->in_width);
    node.slab = random_mask(c, large ? SA_MASK4 : SA_MASK2, &w, s->in_channels, s->in_height, s->in_width, ph, pw, index, state);
    node.window = w;
    c->x.node[c->x.count++] = node;
    c->x_value = own(c, planes * plane * sizeof(float));
    for (size_t p = 0; p < planes; p++)
        for (size_t i = 0; i < pooled_plane; i++)
            if (index[p * pooled_plane + i] >= 0)
                c->x_value[p * plane + (size_t)index[p * pooled_plane + i]] = pooled[p * pooled_plane + i];
}

static void make_x(conv_case *c, uint64_t *state)
{
    const sa_conv_shape *s = &c->shape;
    if (c->virtual_x >= 2) {
        make_unpooled_x(c, state);
        return;
    }
    c->x_value = add_dense(c, &c->x, s->in_channels, s->in_height, s->in_width, state);
    if (c->virtual_x == 0) return;
    add_normalisation(c, &c->x, c->x_value, state);
    c->x.node[c->x.count] = make_node(SA_NODE_RELU, c->x.count - 1, s->in_channels, s->in_height, s->in_width);
    c->x.count++;
    size_t count = (size_t)c->images * (size_t)s->in_channels * (size_t)s->in_height * (size_t)s->in_width;
    for (size_t i = 0; i < count; i++)
        if (!(c->x_value[i] > 0)) c->x_value[i] = 0;
}

static void make_gather(conv_case *c, uint64_t *state)
{
    static const sa_window windows[] = {{0}, {3, 3, 2, 2, 1, 1}, {2, 2, 2, 2, 0, 0}, {3, 3, 2, 2, 0, 0}};
    static const sa_encoding encodings[] = {SA_F32, SA_F32, SA_MASK2, SA_MASK4};
    const sa_conv_shape *s = &c->shape;
    c->window = windows[c->gather];
    const sa_window *w = &c->window;
    c->pooled_height = pooled_size(s->in_height, w->kernel_h, w->stride_h, w->pad_h);
    c->pooled_width = pooled_size(s->in_width, w->kernel_w, w->stride_w, w->pad_w);
    c->dx_count = (size_t)c->images * (size_t)s->in_channels * (size_t)c->pooled_height * (size_t)c->pooled_width;
    c->gather_index = own(c, c->dx_count * sizeof *c->gather_index);
    c->mask = random_mask(c, encodings[c->gather], w, s->in_channels, s->in_height, s->in_width, c->pooled_height, c->pooled_width,
                          c->gather_index, state);
}

void conv_case_make(conv_case *c, const conv_options *o)
{
    memset(c, 0, sizeof *c);
    uint64_t state = o->seed * 31 + 7;
    const sa_conv_shape *s = &o->shape;
    c->shape = *s;
    c->images = o->images;
    c->virtual_x = o->virtual_x;
    c->virtual_dy = o->virtual_dy;
    c->gather = o->gather;
    c->y_count = (size_t)c->images * (size_t)s->out_channels * (size_t)s->out_height * (size_t)s->out_width;
    c->dx_count = (size_t)c->images * (size_t)s->in_channels * (size_t)s->in_height * (size_t)s->in_width;
    c->weight_count = (size_t)s->out_channels * (size_t)sa_conv_group_in(s) * (size_t)s->kernel_h * (size_t)s->kernel_w;
    c->weight = random_values(c, c->weight_count, -1, 1, &state);
    c->bias = random_values(c, (size_t)s->out_channels, -1, 1, &state);
    c->dx_bias = random_values(c, (size_t)s->in_channels, -1, 1, &state);
    make_x(c, &state);
    c->dy_value = add_dense(c, &c->dy, s->out_channels, s->out_height, s->out_width, &state);
    if (c->virtual_dy) add_normalisation(c, &c->dy, c->dy_value, &state);
    if (c->gather != CONV_GATHER_NONE) make_gather(c, &state);
}

void conv_case_free(conv_case *c)
{
    while (c->owned_count > 0) free(c->owned[--c->owned_count]);
}
