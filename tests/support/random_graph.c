/* Adds layer after layer to a pool of blobs, each to a blob of the pool that it fits. */
#include "tests/support/random_graph_parts.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int graph_below(maker *m, int limit)
{
    return (int)random_below(&m->random, (uint32_t)limit);
}

bool graph_chance(maker *m, int percent)
{
    return graph_below(m, 100) < percent;
}

void graph_put(maker *m, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    m->length += (size_t)vsnprintf(m->text + m->length, m->size - m->length, format, arguments);
    va_end(arguments);
    assert(m->length < m->size);
}

/* A layer from blob `from` to a new blob of the given size, or in place. more: further wires and parameters. */
static void layer(maker *m, const char *type, int from, bool in_place, blob made, const char *more)
{
    blob *bottom = &m->blob[from];
    int number = m->layers++;
    snprintf(made.name, sizeof made.name, "b%d", number);
    graph_put(m, "layer { name: '%s%d' type: '%s' bottom: '%s' top: '%s' %s }\n", type, number, type, bottom->name,
              in_place ? bottom->name : made.name, more);
    if (in_place) {
        bottom->readers = 0;
        return;
    }
    bottom->readers++;
    made.readers = 0;
    assert(m->blobs < BLOBS_MAX);
    m->blob[m->blobs++] = made;
}

int graph_add_input(maker *m, const char *kind, int channels, int height, int width)
{
    int number = m->inputs++;
    snprintf(m->input[number], sizeof m->input[number], "input: '%s%d' input_dim: [%d, %d, %d, %d]\n", kind, number, IMAGES,
             channels, height, width);
    return number;
}

/* Mostly one of the latest, else any that is not read by too many. */
int graph_pick(maker *m)
{
    for (;;) {
        int late = m->blobs < 3 ? m->blobs : 3,
            i = graph_chance(m, 65) ? m->blobs - 1 - graph_below(m, late) : graph_below(m, m->blobs);
        if (m->blob[i].readers < READERS_MAX) return i;
    }
}

void graph_conv(maker *m, int from)
{
    blob b = m->blob[from];
    int kernel = graph_chance(m, 40) ? 1 : 3, stride = graph_chance(m, 10) ? 2 : 1, dilation = graph_chance(m, 15) ? 2 : 1;
    int pad = dilation * (kernel / 2), group = graph_chance(m, 20) ? b.channels : 1;
    char more[280];
    b.channels = group > 1 ? group * (1 + graph_below(m, 2)) : 1 + graph_below(m, 5);
    snprintf(more, sizeof more,
             "%sconvolution_param { num_output: %d kernel_size: %d pad: %d stride: %d group: %d dilation: %d%s "
             "weight_filler { type: 'xavier' } }",
             graph_chance(m, 8) ? "param { lr_mult: 0 } " : "", b.channels, kernel, pad, stride, group, dilation,
             graph_chance(m, 20) ? " bias_term: false" : "");
    b.height = (b.height + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
    b.width = (b.width + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
    layer(m, "Convolution", from, false, b, more);
}

/* A convolution whose weights are those of every other one like it. */
static void shared_conv(maker *m, int from)
{
    blob b = m->blob[from];
    char more[240];
    snprintf(
        more, sizeof more,
        "param { name: 'w%d' %s} param { name: 'v%d' } convolution_param { num_output: %d kernel_size: 3 pad: 1 weight_filler { "
        "type: 'xavier' } }",
        b.channels, b.channels % 2 ? "lr_mult: 0.5 " : "", b.channels, b.channels);
    layer(m, "Convolution", from, false, b, more);
}

/* The types of one bottom and one top that change no shape; often: how often they come, of OFTEN times. */
typedef struct pointwise_type {
    const char *type, *more;
    bool in_place;
    int often;
} pointwise_type;

static const pointwise_type POINTWISE[] = {
    {"BN", "", true, 6},
    {"BN", "bn_param { bn_mode: INFERENCE }", true, 1},
    {"ReLU", "", true, 10},
    {"Split", "", false, 2},
    {"Dropout", "dropout_param { dropout_ratio: 0.3 }", true, 5},
    {"LRN", "lrn_param { local_size: 3 alpha: 0.5 }", false, 5},
    {"LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.6 }", false, 1},
    {"LRN", "lrn_param { local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL }", false, 1},
    {"ReLU", "relu_param { negative_slope: 0.2 }", true, 2},
    {"ReLU", "relu_param { negative_slope: -0.3 }", true, 1},
    {"ReLU6", "", true, 2},
    {"PReLU", "", true, 2},
    {"PReLU", "prelu_param { channel_shared: true filler { value: -0.1 } }", true, 1},
    {"ELU", "", true, 1},
    {"ELU", "elu_param { alpha: -0.5 }", true, 1},
    {"Sigmoid", "", true, 1},
    {"TanH", "", true, 1},
    {"AbsVal", "", false, 1},
    {"BNLL", "", true, 1},
    {"Clip", "clip_param { min: -1 max: 2 }", true, 1},
    {"Swish", "swish_param { beta: 1.5 }", true, 1},
    {"Power", "power_param { power: 2 scale: 0.2 shift: 0.5 }", true, 1},
    {"Power", "power_param { scale: 0.7 shift: 0.1 }", true, 1},
    {"Exp", "exp_param { base: 2 scale: 0.1 }", true, 1},
    {"BatchNorm", "", true, 4},
    {"BatchNorm", "batch_norm_param { use_global_stats: true eps: 0.5 }", true, 1},
    {"BatchNorm",
     "batch_norm_param { moving_average_fraction: 0.9 } param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }", true, 1},
    {"Scale", "", true, 2},
    {"Scale", "scale_param { bias_term: true filler { value: 0.8 } }", true, 4},
    {"Scale", "scale_param { axis: 0 num_axes: 2 bias_term: true }", true, 1},
    {"Scale", "scale_param { axis: 2 num_axes: -1 bias_term: true }", true, 1},
    {"Scale", "scale_param { axis: 3 }", true, 1},
    {"Scale", "scale_param { num_axes: 0 }", true, 1},
    {"Bias", "bias_param { filler { value: 0.1 } }", true, 1},
    {"Bias", "bias_param { axis: 1 num_axes: 2 }", true, 1},
    {"MVN", "mvn_param { eps: 0.01 }", true, 1},
    {"MVN", "mvn_param { across_channels: true eps: 0.01 }", true, 1},
    {"MVN", "mvn_param { normalize_variance: false }", true, 1},
};

static const pointwise_type *pick_pointwise(maker *m)
{
    int all = 0, i = 0;
    for (size_t k = 0; k < sizeof POINTWISE / sizeof POINTWISE[0]; k++) all += POINTWISE[k].often;
    int which = graph_below(m, all);
    while (which >= POINTWISE[i].often) which -= POINTWISE[i++].often;
    return &POINTWISE[i];
}

/* Along the rows, so that four axes are left. */
static void inner_product(maker *m, int from)
{
    blob b = m->blob[from];
    char more[160];
    b.width = 2 + graph_below(m, 12);
    snprintf(more, sizeof more, "inner_product_param { axis: 3 num_output: %d%s%s }", b.width,
             graph_chance(m, 30) ? " bias_term: false" : "", graph_chance(m, 40) ? " transpose: true" : "");
    layer(m, "InnerProduct", from, false, b, more);
}

static void deconv(maker *m, int from)
{
    blob b = m->blob[from];
    int stride = b.height < 20 && graph_chance(m, 50) ? 2 : 1, kernel = stride + 1 + graph_below(m, 2), pad = graph_below(m, 2);
    int group = graph_chance(m, 30) ? b.channels : 1;
    char more[240];
    b.channels = group * (1 + graph_below(m, group > 1 ? 2 : 4));
    snprintf(more, sizeof more, "convolution_param { num_output: %d kernel_size: %d pad: %d stride: %d group: %d%s }", b.channels,
             kernel, pad, stride, group, graph_chance(m, 30) ? " bias_term: false" : "");
    b.height = stride * (b.height - 1) + kernel - 2 * pad;
    b.width = stride * (b.width - 1) + kernel - 2 * pad;
    if (b.height > 0 && b.width > 0) layer(m, "Deconvolution", from, false, b, more);
}

/* One to five layers that change no shape. */
static void pointwise(maker *m, int from)
{
    for (int n = 1 + graph_below(m, 5); n > 0; n--) {
        const pointwise_type *type = pick_pointwise(m);
        bool in_place = type->in_place && graph_chance(m, 50);
        layer(m, type->type, from, in_place, m->blob[from], type->more);
        if (!in_place) from = m->blobs - 1;
        if (m->blobs == BLOBS_MAX) return;
    }
}

static int pooled(int size, int kernel, int stride, int pad)
{
    int count = (size + 2 * pad - kernel + stride - 1) / stride + 1;
    return pad > 0 && (count - 1) * stride >= size + pad ? count - 1 : count;
}

/* Caffe's rounding may put a window wholly beyond the plane if windows are further apart than they are wide. */
static bool windows_are_inside(int size, int kernel, int stride, int pad)
{
    return (pooled(size, kernel, stride, pad) - 1) * stride - pad < size;
}

static void pool(maker *m, int from)
{
    static const int FORM[][3] = {{2, 2, 0}, {2, 2, 0}, {2, 2, 0}, {3, 2, 0}, {3, 1, 1}, {1, 1, 0}, {2, 3, 0}};
    const int *form = FORM[graph_below(m, 7)];
    blob b = m->blob[from];
    const bool average = graph_chance(m, 25);
    bool masked = !average && m->masks < MASKS_MAX && graph_chance(m, 75);
    char more[160], top[40] = "";
    if (b.height < 3 || b.width < 3) return;
    if (!windows_are_inside(b.height, form[0], form[1], form[2]) || !windows_are_inside(b.width, form[0], form[1], form[2])) return;
    if (masked) {
        mask made = {.channels = b.channels, .from_height = b.height, .from_width = b.width};
        snprintf(made.name, sizeof made.name, "m%d", m->layers);
        made.height = pooled(b.height, form[0], form[1], form[2]);
        made.width = pooled(b.width, form[0], form[1], form[2]);
        m->mask[m->masks++] = made;
        snprintf(top, sizeof top, "top: '%s' ", made.name);
    }
    b.height = pooled(b.height, form[0], form[1], form[2]);
    b.width = pooled(b.width, form[0], form[1], form[2]);
    snprintf(more, sizeof more, "%spooling_param { kernel_size: %d stride: %d pad: %d%s }", top, form[0], form[1], form[2],
             average                                          ? " pool: AVE"
             : !masked && form[2] == 0 && graph_chance(m, 50) ? " pool: STOCHASTIC"
                                                              : "");
    layer(m, "Pooling", from, false, b, more);
}

/* To another size, perhaps without its edge. */
static void interp(maker *m, int from)
{
    blob b = m->blob[from];
    char more[160];
    const bool crops = b.height > 3 && b.width > 3 && graph_chance(m, 40);
    b.height = 3 + graph_below(m, 9);
    b.width = 3 + graph_below(m, 9);
    snprintf(more, sizeof more, "interp_param { height: %d width: %d%s }", b.height, b.width,
             crops ? " pad_beg: -1 pad_end: -2" : "");
    layer(m, "Interp", from, false, b, more);
}

/* Any mask whose shape a blob has; a convolution makes the channels fit if nothing else differs. */
static void upsample(maker *m)
{
    if (m->masks == 0) return;
    int which = graph_below(m, m->masks);
    mask *k = &m->mask[which];
    for (int i = m->blobs - 1; i >= 0; i--) {
        blob b = m->blob[i];
        char more[160];
        if (b.channels != k->channels || b.height != k->height || b.width != k->width) continue;
        if (b.readers == READERS_MAX || k->readers == READERS_MAX || graph_chance(m, 30)) continue;
        snprintf(more, sizeof more, "bottom: '%s' upsample_param { upsample_h: %d upsample_w: %d }", k->name, k->from_height,
                 k->from_width);
        b.height = k->from_height;
        b.width = k->from_width;
        k->readers++;
        layer(m, "Upsample", i, false, b, more);
        return;
    }
}

static bool fits_beside(const blob *a, const blob *b, int axis)
{
    bool channels = axis == 1 || a->channels == b->channels, height = axis == 2 || a->height == b->height;
    return channels && height && (axis == 3 || a->width == b->width) && b->readers < READERS_MAX;
}

/* Up to four blobs side by side; one may be there twice. */
static void concat(maker *m, int from)
{
    int axis = graph_chance(m, 75) ? 1 : 2 + graph_below(m, 2), count = 1;
    char more[160] = "";
    blob made = m->blob[from];
    for (int i = m->blobs - 1; i >= 0 && count < 4; i--) {
        blob *b = &m->blob[i];
        if (!fits_beside(&m->blob[from], b, axis) || graph_chance(m, 40)) continue;
        if (i == from && b->readers + 1 >= READERS_MAX) continue;
        if (made.channels > 24) break;
        snprintf(more + strlen(more), sizeof more - strlen(more), "bottom: '%s' ", b->name);
        made.channels += axis == 1 ? b->channels : 0;
        made.height += axis == 2 ? b->height : 0;
        made.width += axis == 3 ? b->width : 0;
        b->readers++;
        count++;
    }
    snprintf(more + strlen(more), sizeof more - strlen(more), "concat_param { axis: %d }", axis);
    layer(m, "Concat", from, false, made, more);
}

static void slice(maker *m, int from)
{
    blob *bottom = &m->blob[from], made[2] = {*bottom, *bottom};
    int axis = graph_chance(m, 70) ? 1 : 2 + graph_below(m, 2), number = m->layers++;
    int size = axis == 1 ? bottom->channels : axis == 2 ? bottom->height : bottom->width;
    if (size < 2 || m->blobs + 2 > BLOBS_MAX) return;
    int point = 1 + graph_below(m, size - 1);
    for (int i = 0; i < 2; i++) {
        int part = i ? size - point : point;
        if (axis == 1) made[i].channels = part;
        if (axis == 2) made[i].height = part;
        if (axis == 3) made[i].width = part;
        made[i].readers = 0;
        snprintf(made[i].name, sizeof made[i].name, "b%d_%d", number, i);
        m->blob[m->blobs++] = made[i];
    }
    graph_put(m,
              "layer { name: 'Slice%d' type: 'Slice' bottom: '%s' top: '%s' top: '%s' slice_param { axis: %d slice_point: %d } }\n",
              number, bottom->name, made[0].name, made[1].name, axis, point);
    bottom->readers++;
}

/* To the size of another blob. */
static void crop(maker *m, int from)
{
    for (int i = m->blobs - 1; i >= 0; i--) {
        blob b = m->blob[from], *size = &m->blob[i];
        char more[160];
        if (i == from || size->height > b.height || size->width > b.width || size->readers == READERS_MAX || graph_chance(m, 30))
            continue;
        snprintf(more, sizeof more, "bottom: '%s' crop_param { axis: 2 offset: %d offset: %d }", size->name,
                 graph_below(m, b.height - size->height + 1), graph_below(m, b.width - size->width + 1));
        size->readers++;
        b.height = size->height;
        b.width = size->width;
        layer(m, "Crop", from, false, b, more);
        return;
    }
}

/* The same elements with other axes, in another order, several times, or made to sum to 1. */
static void reorder(maker *m, int from)
{
    blob b = m->blob[from];
    char more[160];
    switch (graph_below(m, 4)) {
    case 0:
        snprintf(more, sizeof more, "reshape_param { shape { dim: 0 dim: %d dim: -1 dim: %d } }", b.height, b.width);
        b.channels = m->blob[from].height;
        b.height = m->blob[from].channels;
        layer(m, "Reshape", from, false, b, more);
        break;
    case 1:
        b.channels = m->blob[from].width;
        b.height = m->blob[from].channels;
        b.width = m->blob[from].height;
        layer(m, "Permute", from, false, b, "permute_param { order: 0 order: 3 order: 1 order: 2 }");
        break;
    case 2:
        if (b.channels > 8) return;
        b.channels *= 2;
        layer(m, "Tile", from, false, b, "tile_param { tiles: 2 }");
        break;
    default:
        snprintf(more, sizeof more, "softmax_param { axis: %d }", 1 + graph_below(m, 3));
        layer(m, "Softmax", from, false, b, more);
    }
}

bool graph_same_size(const blob *a, const blob *b)
{
    return a->channels == b->channels && a->height == b->height && a->width == b->width;
}

/* Of two to four blobs of one size; a blob may be there twice. Where there is no other, a convolution makes one. */
static void eltwise(maker *m, int from)
{
    static const char *const OPERATIONS[] = {"", "", "eltwise_param { operation: SUM coeff: 1 coeff: -0.5 }",
                                             "eltwise_param { operation: PROD }", "eltwise_param { operation: MAX }"};
    const int operation = graph_below(m, 5), wanted = operation == 2 ? 1 : 1 + graph_below(m, 3);
    char more[240] = "";
    size_t length = 0;
    if (m->blob[from].readers > READERS_MAX - 3) return;
    if (graph_chance(m, 60)) {
        blob b = m->blob[from];
        char text[160];
        snprintf(text, sizeof text, "convolution_param { num_output: %d kernel_size: 3 pad: 1 weight_filler { type: 'xavier' } }",
                 b.channels);
        layer(m, "Convolution", from, false, b, text);
    }
    for (int n = 0, i = m->blobs - 1; n < wanted && i >= 0; i--) {
        if (!graph_same_size(&m->blob[i], &m->blob[from]) || m->blob[i].readers > READERS_MAX - 2 || (i > 0 && graph_chance(m, 30)))
            continue;
        length += (size_t)snprintf(more + length, sizeof more - length, "bottom: '%s' ", m->blob[i].name);
        m->blob[i].readers++;
        n++;
        if (n < wanted && graph_chance(m, 10)) i++;
    }
    if (length == 0) return;
    int given = 1;
    for (const char *at = more; (at = strstr(at, "bottom")); at++) given++;
    snprintf(more + length, sizeof more - length, "%s", operation == 2 && given != 2 ? "" : OPERATIONS[operation]);
    layer(m, "Eltwise", from, false, m->blob[from], more);
}

static void step(maker *m)
{
    int which = graph_below(m, 100);
    if (which < 17) graph_conv(m, graph_pick(m));
    else if (which < 22) shared_conv(m, graph_pick(m));
    else if (which < 26) deconv(m, graph_pick(m));
    else if (which < 29) inner_product(m, graph_pick(m));
    else if (which < 50) pointwise(m, graph_pick(m));
    else if (which < 58) eltwise(m, graph_pick(m));
    else if (which < 68) pool(m, graph_pick(m));
    else if (which < 78) upsample(m);
    else if (which < 88) concat(m, graph_pick(m));
    else if (which < 94) slice(m, graph_pick(m));
    else if (which < 96) crop(m, graph_pick(m));
    else if (which < 98) interp(m, graph_pick(m));
    else reorder(m, graph_pick(m));
}

void random_graph_make(uint32_t seed, char *text, size_t size)
{
    static char body[1 << 16];
    maker m = {.random = 0x9e3779b97f4a7c15ull * (seed + 1), .text = body, .size = sizeof body};
    for (int i = 0; i < 8; i++) (void)random_below(&m.random, 2);
    for (int n = graph_chance(&m, 25) ? 2 : 1; n > 0; n--) {
        blob b = {.channels = 1 + graph_below(&m, 4), .height = 7 + graph_below(&m, 6), .width = 7 + graph_below(&m, 8)};
        snprintf(b.name, sizeof b.name, "data%d", graph_add_input(&m, "data", b.channels, b.height, b.width));
        m.blob[m.blobs++] = b;
        graph_conv(&m, m.blobs - 1);
    }
    for (int n = 2 + graph_below(&m, 14); n > 0 && m.blobs < BLOBS_MAX - 8; n--) step(&m);
    for (int n = graph_chance(&m, 50) ? 1 + graph_below(&m, 3) : 1; n > 0; n--) graph_add_losses(&m);
    for (int n = graph_chance(&m, 50) ? 1 + graph_below(&m, 2) : 0; n > 0 && m.inputs + 2 <= INPUTS_MAX; n--)
        graph_add_other_loss(&m);
    size_t length = (size_t)snprintf(text, size, "name: 'graph%u'\n", seed);
    for (int i = 0; i < m.inputs; i++) length += (size_t)snprintf(text + length, size - length, "%s", m.input[i]);
    length += (size_t)snprintf(text + length, size - length, "%s", body);
    assert(length < size);
}
