/* Random data and random source trees for parity cases. */
#include "tests/support/parity_internal.h"

#include <string.h>

int sa_parity_int(sa_parity *p, int low, int high)
{
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return low + (int)((p->random >> 33) % (uint64_t)(high - low + 1));
}

float sa_parity_float(sa_parity *p, float low, float high)
{
    return low + (high - low) * (float)sa_parity_int(p, 0, 1 << 20) / (float)(1 << 20);
}

bool sa_parity_chance(sa_parity *p, int percent)
{
    return sa_parity_int(p, 1, 100) <= percent;
}

sa_ref sa_parity_vector(sa_parity *p, int count, float low, float high)
{
    sa_ref ref = sa_parity_take(p, (size_t)count * sizeof(float));
    for (int i = 0; i < count; i++) ((float *)ref.ptr)[i] = sa_parity_float(p, low, high);
    return ref;
}

sa_slab sa_parity_slab(sa_parity *p, sa_encoding encoding, int n, int c, int h, int w, bool filled)
{
    sa_slab slab = {.encoding = encoding, .images = n, .channels = c, .height = h, .width = w};
    slab.at = sa_parity_take(p, sa_slab_bytes(&slab));
    size_t count = (size_t)n * (size_t)c * (size_t)h * (size_t)w;
    for (size_t i = 0; filled && i < count; i++) {
        float value = sa_parity_float(p, -2.0f, 2.0f);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (encoding == SA_F32) ((float *)slab.at.ptr)[i] = value;
        else if (encoding == SA_BF16) ((uint16_t *)slab.at.ptr)[i] = (uint16_t)(bits >> 16);
        else ((uint8_t *)slab.at.ptr)[i] = (uint8_t)(bits & 255);
    }
    return slab;
}

int sa_parity_pooled(int size, int kernel, int stride, int pad)
{
    int pooled = (size + 2 * pad - kernel + stride - 1) / stride + 1;
    if (size + 2 * pad < kernel) pooled = 1;
    if (pad && (pooled - 1) * stride >= size + pad) pooled--;
    return pooled;
}

sa_window sa_parity_window(sa_parity *p, int h, int w)
{
    static const sa_window windows[] = {{2, 2, 2, 2, 0, 0}, {3, 3, 2, 2, 0, 0}, {3, 3, 2, 2, 1, 1}, {2, 2, 1, 1, 0, 0},
                                        {2, 3, 3, 2, 1, 0}, {3, 5, 2, 3, 0, 2}, {2, 2, 3, 3, 0, 0}};
    for (;;) {
        sa_window window = windows[sa_parity_int(p, 0, 6)];
        if (h + 2 * window.pad_h >= window.kernel_h && w + 2 * window.pad_w >= window.kernel_w) return window;
        if (h < 2 || w < 2) return (sa_window){1, 1, 1, 1, 0, 0};
    }
}

/* A random position of window (py, px) inside the plane, or -1 if there is none. */
static int random_position(sa_parity *p, const sa_window *w, int py, int px, int height, int width)
{
    for (int attempt = 0; attempt < 50; attempt++) {
        int u = sa_parity_int(p, 0, w->kernel_h - 1), v = sa_parity_int(p, 0, w->kernel_w - 1);
        int y = py * w->stride_h - w->pad_h + u, x = px * w->stride_w - w->pad_w + v;
        if (y >= 0 && y < height && x >= 0 && x < width) return u * w->kernel_w + v;
    }
    return -1;
}

sa_slab sa_parity_mask(sa_parity *parity, const sa_window *window, int n, int c, int height, int width)
{
    int positions = window->kernel_h * window->kernel_w;
    sa_encoding encoding = positions <= 4 && sa_parity_chance(parity, 50)    ? SA_MASK2
                           : positions <= 15 && sa_parity_chance(parity, 50) ? SA_MASK4
                                                                             : SA_F32;
    return sa_parity_mask_encoded(parity, encoding, window, n, c, height, width);
}

sa_slab sa_parity_mask_encoded(sa_parity *parity, sa_encoding encoding, const sa_window *window, int n, int c, int height,
                               int width)
{
    int ph = sa_parity_pooled(height, window->kernel_h, window->stride_h, window->pad_h);
    int pw = sa_parity_pooled(width, window->kernel_w, window->stride_w, window->pad_w);
    sa_slab mask = sa_parity_slab(parity, encoding, n, c, ph, pw, false);
    memset(mask.at.ptr, 0, sa_slab_bytes(&mask));
    for (int plane = 0; plane < n * c; plane++) {
        for (int i = 0; i < ph * pw; i++) {
            int py = i / pw, px = i % pw, position = random_position(parity, window, py, px, height, width);
            void *row = sa_slab_row(&mask, plane / c, plane % c, py);
            if (encoding != SA_MASK2 && sa_parity_chance(parity, 5)) position = -1;
            int y = py * window->stride_h - window->pad_h + position / window->kernel_w,
                x = px * window->stride_w - window->pad_w + position % window->kernel_w;
            if (encoding == SA_F32) ((float *)row)[px] = position < 0 ? -1.0f : (float)(y * width + x);
            else if (encoding == SA_MASK4) ((uint32_t *)row)[px / 8] |= (uint32_t)(position < 0 ? 15 : position) << (4 * (px % 8));
            else ((uint32_t *)row)[px / 16] |= (uint32_t)(position < 0 ? 0 : position) << (2 * (px % 16));
        }
    }
    return mask;
}

static int add_node(sa_source *source, sa_node_kind kind, int c, int h, int w)
{
    sa_node *node = &source->node[source->count];
    memset(node, 0, sizeof *node);
    node->kind = kind;
    node->channels = c, node->height = h, node->width = w;
    for (int k = 0; k < SA_NODE_CHILDREN; k++) node->child[k] = -1;
    for (int k = 0; k < SA_NODE_VECTORS; k++) node->vector[k] = SA_REF_NONE;
    node->slab.at = SA_REF_NONE;
    node->spread = SA_SPREAD_CHANNELS;
    return source->count++;
}

static int add_dense(sa_parity *p, sa_source *source, int n, int c, int h, int w, bool float32)
{
    int node = add_node(source, SA_NODE_DENSE, c, h, w);
    sa_encoding encoding = float32 || sa_parity_chance(p, 70) ? SA_F32 : sa_parity_chance(p, 50) ? SA_BF16 : SA_U8;
    source->node[node].slab = sa_parity_slab(p, encoding, n, c, h, w, true);
    return node;
}

/* The same, of which the slab may be a part of a larger one. */
static int add_stored(sa_parity *p, sa_source *source, int n, int c, int h, int w)
{
    if (!sa_parity_chance(p, 25)) return add_dense(p, source, n, c, h, w, false);
    sa_part part = {{0}, {n, c, h, w}};
    for (int i = 0; i < 4; i++) part.begin[i] = sa_parity_chance(p, 40) ? sa_parity_int(p, 0, 2) : 0;
    int node = add_dense(p, source, n + part.begin[0], c + part.begin[1] + sa_parity_int(p, 0, 1), h + part.begin[2],
                         w + part.begin[3] + sa_parity_int(p, 0, 1), false);
    sa_node *made = &source->node[node];
    made->slab = sa_slab_part(&made->slab, &part);
    made->channels = c, made->height = h, made->width = w;
    return node;
}

void sa_parity_dense(sa_parity *p, sa_source *source, int n, int c, int h, int w, bool float32)
{
    source->count = 0;
    add_dense(p, source, n, c, h, w, float32);
}

/* What a tree may still grow by. */
typedef struct growth {
    int n, nodes, nested;
} growth;

static int grow(sa_parity *p, sa_source *source, growth g, int c, int h, int w);

/* LRN's scale of stored data: LRN divides by it, so it has to be positive. */
static int grow_scale(sa_parity *p, sa_source *source, growth g, int c, int h, int w, const sa_node *lrn)
{
    const bool plane = lrn->window.kernel_h > 0;
    int x = add_dense(p, source, g.n, c, h, w, true);
    int node = add_node(source, plane ? SA_NODE_PLANE_LRN_SCALE : SA_NODE_LRN_SCALE, c, h, w);
    source->node[node].window = lrn->window;
    source->node[node].child[0] = (int8_t)x;
    source->node[node].channels_read = lrn->channels_read;
    source->node[node].number = lrn->number;
    return node;
}

static int grow_lrn(sa_parity *p, sa_source *source, growth g, sa_node_kind kind, int c, int h, int w)
{
    sa_node lrn = {.number.lrn = {sa_parity_float(p, 0.1f, 1.0f), sa_parity_chance(p, 85) ? 0.75f : 0.6f, 1.0f}};
    lrn.channels_read = 2 * sa_parity_int(p, 0, 2) + 1;
    if (kind != SA_NODE_LRN && sa_parity_chance(p, 40)) {
        const int size = lrn.channels_read, pad = (size - 1) / 2;
        lrn.window = (sa_window){size, size, 1, 1, pad, pad};
        kind = kind == SA_NODE_LRN_SCALE ? SA_NODE_PLANE_LRN_SCALE : SA_NODE_PLANE_LRN_GRAD;
    }
    growth child = {g.n, (g.nodes - 4) / 2, g.nested - 1};
    int a = grow(p, source, child, c, h, w), b = -1, d = -1;
    if (kind != SA_NODE_LRN_SCALE && kind != SA_NODE_PLANE_LRN_SCALE) b = grow_scale(p, source, g, c, h, w, &lrn);
    if (kind == SA_NODE_LRN_GRAD || kind == SA_NODE_PLANE_LRN_GRAD) d = grow(p, source, child, c, h, w);
    int node = add_node(source, kind, c, h, w);
    sa_node *made = &source->node[node];
    made->child[0] = (int8_t)a, made->child[1] = (int8_t)b, made->child[2] = (int8_t)d;
    made->channels_read = lrn.channels_read;
    made->window = lrn.window;
    made->number = lrn.number;
    return node;
}

static int grow_window(sa_parity *p, sa_source *source, growth g, sa_node_kind kind, int c, int h, int w)
{
    sa_window window = sa_parity_window(p, h, w);
    int ph = sa_parity_pooled(h, window.kernel_h, window.stride_h, window.pad_h);
    int pw = sa_parity_pooled(w, window.kernel_w, window.stride_w, window.pad_w);
    int child = grow(p, source, (growth){g.n, g.nodes - 1, g.nested - 1}, c, ph, pw), node = add_node(source, kind, c, h, w);
    source->node[node].child[0] = (int8_t)child;
    source->node[node].window = window;
    source->node[node].slab = sa_parity_mask(p, &window, g.n, c, h, w);
    return node;
}

/* Average pooling, or its gradient. */
static int grow_average(sa_parity *p, sa_source *source, growth g, int c, int h, int w)
{
    const bool gradient = sa_parity_chance(p, 50);
    sa_window window =
        gradient ? sa_parity_window(p, h, w) : (sa_window){sa_parity_int(p, 1, 3), sa_parity_int(p, 1, 3), 1, 1, 0, 0};
    int height = gradient ? sa_parity_pooled(h, window.kernel_h, window.stride_h, window.pad_h) : h + window.kernel_h - 1;
    int width = gradient ? sa_parity_pooled(w, window.kernel_w, window.stride_w, window.pad_w) : w + window.kernel_w - 1;
    int child = grow(p, source, (growth){g.n, g.nodes - 1, g.nested - 1}, c, height, width);
    int node = add_node(source, gradient ? SA_NODE_AVE_GRAD : SA_NODE_AVE_POOL, c, h, w);
    source->node[node].child[0] = (int8_t)child;
    source->node[node].window = window;
    return node;
}

static int grow_mix(sa_parity *p, sa_source *source, growth g, int c, int h, int w)
{
    int channels = sa_parity_int(p, 1, 4), child = grow(p, source, (growth){g.n, g.nodes - 1, g.nested - 1}, channels, h, w);
    int node = add_node(source, SA_NODE_CHANNEL_MIX, c, h, w);
    source->node[node].child[0] = (int8_t)child;
    source->node[node].channels_read = channels;
    source->node[node].vector[0] = sa_parity_vector(p, channels * c, -1.0f, 1.0f);
    return node;
}

/* A vector per channel, image, plane, or one element for all. */
static sa_spread random_spread(sa_parity *p, int c)
{
    const sa_spread spreads[] = {{.channel = 1}, {.image = 1}, {.image = c, .channel = 1}, {0}};
    return spreads[sa_parity_chance(p, 50) ? 0 : sa_parity_int(p, 1, 3)];
}

/* Of the maps those that keep values small, since convolutions are compared by their size. */
static sa_map random_map(sa_parity *p)
{
    static const int kinds[] = {SA_MAP_LEAKY,  SA_MAP_LEAKY_GRAD, SA_MAP_NOT_ABOVE, SA_MAP_SIGMOID,    SA_MAP_TANH,
                                SA_MAP_ABS,    SA_MAP_BNLL,       SA_MAP_CLIP,      SA_MAP_SWISH,      SA_MAP_STEP,
                                SA_MAP_LINEAR, SA_MAP_DIFFERENCE, SA_MAP_LARGER,    SA_MAP_PASS_FROM_0};
    return (sa_map){kinds[sa_parity_int(p, 0, 13)], sa_parity_float(p, -2.0f, 2.0f), sa_parity_float(p, -2.0f, 2.0f), 0.0f};
}

static int grow_here(sa_parity *p, sa_source *source, growth g, sa_node_kind kind, int c, int h, int w)
{
    bool two = sa_node_traits_of(kind)->operands == 2;
    growth child = {g.n, two ? (g.nodes - 1) / 2 : g.nodes - 1, g.nested};
    int a = grow(p, source, child, c, h, w), b = two ? grow(p, source, child, c, h, w) : -1;
    int node = add_node(source, kind, c, h, w);
    sa_node *made = &source->node[node];
    made->child[0] = (int8_t)a, made->child[1] = (int8_t)b;
    int vectors = kind == SA_NODE_DROPOUT ? 0 : sa_node_traits_of(kind)->vectors;
    if (kind != SA_NODE_DROPOUT) made->spread = random_spread(p, c);
    for (int k = 0; k < vectors; k++) {
        if (k < 2 && sa_parity_chance(p, kind == SA_NODE_MAP || kind == SA_NODE_MAP2 ? 50 : 10)) continue; /* absent */
        made->vector[k] = sa_parity_vector(p, c * g.n, k == 1 ? 0.2f : -1.0f, 1.5f);
    }
    if (kind == SA_NODE_MAP || kind == SA_NODE_MAP2) {
        made->number.map = random_map(p);
    }
    if (kind == SA_NODE_BN_GRAD) made->number.bn_grad.count = (float)(g.n * h * w);
    if (kind != SA_NODE_DROPOUT) return node;
    made->number.dropout.ratio = 0.4f;
    made->number.dropout.factor = 1.0f / (1.0f - 0.4f);
    made->number.dropout.seed = (uint64_t)sa_parity_int(p, 1, 1 << 30);
    made->vector[0] = sa_parity_take(p, sizeof(sa_step_state));
    *(sa_step_state *)made->vector[0].ptr = (sa_step_state){.rate = 0.1f, .step = (uint32_t)sa_parity_int(p, 0, 1000)};
    return node;
}

static int grow(sa_parity *p, sa_source *source, growth g, int c, int h, int w)
{
    static const sa_node_kind here[] = {SA_NODE_XHAT,    SA_NODE_AFFINE, SA_NODE_RELU,    SA_NODE_RELU_GRAD, SA_NODE_SCALE,
                                        SA_NODE_BN_GRAD, SA_NODE_ADD,    SA_NODE_DROPOUT, SA_NODE_MAP,       SA_NODE_MAP2};
    static const sa_node_kind elsewhere[] = {SA_NODE_UNPOOL,    SA_NODE_POOL_GRAD, SA_NODE_CHANNEL_MIX,
                                             SA_NODE_LRN_SCALE, SA_NODE_LRN,       SA_NODE_LRN_GRAD};
    if (g.nodes < 3) return add_stored(p, source, g.n, c, h, w);
    if (g.nested > 0 && sa_parity_chance(p, 40)) {
        if (sa_parity_chance(p, 25)) return grow_average(p, source, g, c, h, w);
        sa_node_kind kind = elsewhere[sa_parity_int(p, 0, 5)];
        if (kind == SA_NODE_UNPOOL || kind == SA_NODE_POOL_GRAD) return grow_window(p, source, g, kind, c, h, w);
        if (kind == SA_NODE_CHANNEL_MIX) return grow_mix(p, source, g, c, h, w);
        if (g.nodes >= 7 && (kind != SA_NODE_LRN_GRAD || g.nested > 1)) return grow_lrn(p, source, g, kind, c, h, w);
    }
    return grow_here(p, source, g, here[sa_parity_int(p, 0, 9)], c, h, w);
}

void sa_parity_source(sa_parity *p, sa_source *source, int n, int c, int h, int w, int nodes, int nested)
{
    source->count = 0;
    if (nodes < 3 || sa_parity_chance(p, 20)) add_stored(p, source, n, c, h, w);
    else grow(p, source, (growth){n, nodes, nested}, c, h, w);
}
