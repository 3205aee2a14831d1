/* Writes random nets as prototxt text. Planes and channels are followed on the way, so that labels and masks fit. */
#include "tests/support/random_net.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = 4, IMAGES = 2, LEVELS_MAX = 2 };

typedef struct maker {
    uint64_t random;
    char text[RANDOM_NET_BYTES];
    size_t length;
    int layers;        /* so far: numbers names */
    char blob[32];     /* the latest */
    int channels;      /* of all levels */
    int height, width; /* of the latest blob */
} maker;

uint32_t random_below(uint64_t *state, uint32_t below)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 2685821657736338717ull) >> 33) % below;
}

float random_normal(uint64_t *state)
{
    float sum = 0;
    for (int i = 0; i < 12; i++) sum += (float)random_below(state, 1 << 20) / (float)(1 << 20);
    return sum - 6;
}

static bool chance(maker *m, uint32_t percent)
{
    return random_below(&m->random, 100) < percent;
}

static void put(maker *m, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    m->length += (size_t)vsnprintf(m->text + m->length, sizeof m->text - m->length, format, arguments);
    va_end(arguments);
    assert(m->length < sizeof m->text);
}

/* A layer from the latest blob to one of its own name, or in place. more: further wires and parameters. */
static void layer(maker *m, const char *type, bool in_place, const char *more)
{
    char top[32];
    snprintf(top, sizeof top, "%s%d", type, m->layers);
    put(m, "layer { name: '%s' type: '%s' bottom: '%s' top: '%s' %s }\n", top, type, m->blob, in_place ? m->blob : top, more);
    m->layers++;
    if (!in_place) memcpy(m->blob, top, sizeof top);
}

static void conv(maker *m, int outputs, int kernel_h, int kernel_w, int stride)
{
    char more[200];
    snprintf(more, sizeof more, "convolution_param { num_output: %d kernel_h: %d kernel_w: %d pad_h: %d pad_w: %d stride: %d%s }",
             outputs, kernel_h, kernel_w, kernel_h / 2, kernel_w / 2, stride, chance(m, 20) ? " bias_term: false" : "");
    layer(m, "Convolution", false, more);
    m->height = (m->height + 2 * (kernel_h / 2) - kernel_h) / stride + 1;
    m->width = (m->width + 2 * (kernel_w / 2) - kernel_w) / stride + 1;
}

/* ReLU, or one of the others. */
static void activation(maker *m, bool in_place)
{
    static const char *const OTHERS[][2] = {{"PReLU", ""},
                                            {"PReLU", "prelu_param { channel_shared: true }"},
                                            {"ReLU", "relu_param { negative_slope: 0.2 }"},
                                            {"ELU", "elu_param { alpha: 0.7 }"},
                                            {"Sigmoid", ""},
                                            {"TanH", ""},
                                            {"BNLL", ""},
                                            {"Swish", "swish_param { beta: 1.5 }"},
                                            {"Power", "power_param { power: 2 scale: 0.4 shift: 0.5 }"},
                                            {"Exp", "exp_param { base: 2 scale: 0.3 }"}};
    if (chance(m, 50)) {
        layer(m, "ReLU", in_place, "");
        return;
    }
    const char *const *other = OTHERS[random_below(&m->random, sizeof OTHERS / sizeof OTHERS[0])];
    layer(m, other[0], in_place, other[1]);
}

/* SegNet's BN, BVLC's pair for it, or MVN; each in several forms. */
static void normalise(maker *m, bool in_place)
{
    static const char *const SCALES[] = {"scale_param { bias_term: true }", "",
                                         "scale_param { axis: 0 num_axes: 2 bias_term: true }",
                                         "scale_param { axis: 2 num_axes: -1 bias_term: true }", "scale_param { num_axes: 0 }"};
    uint32_t which = random_below(&m->random, 10);
    if (which < 4) {
        layer(m, "BN", in_place, chance(m, 15) ? "bn_param { bn_mode: INFERENCE }" : "");
    } else if (which < 9) {
        layer(m, "BatchNorm", in_place, chance(m, 15) ? "batch_norm_param { use_global_stats: true eps: 1 }" : "");
        if (chance(m, 80)) layer(m, "Scale", in_place, SCALES[random_below(&m->random, 5)]);
        if (chance(m, 20)) layer(m, "Bias", in_place, "");
    } else {
        layer(m, "MVN", in_place, chance(m, 30) ? "mvn_param { normalize_variance: false }" : "");
    }
}

/* A layer of the same size: a convolution in groups or with dilation, or a Deconvolution. */
static void neighbours(maker *m)
{
    static const char *const FORM[][2] = {{"Convolution", "dilation: 2 pad: 2"},
                                          {"Convolution", "pad: 1 group: %d"},
                                          {"Deconvolution", "pad: 1"},
                                          {"Deconvolution", "pad: 2 dilation: 2 group: %d"}};
    int which = (int)random_below(&m->random, 4);
    char form[64], more[160];
    snprintf(form, sizeof form, FORM[which][1], m->channels); /* NOLINT: formats of this file */
    snprintf(more, sizeof more, "convolution_param { num_output: %d kernel_size: 3 %s }", m->channels, form);
    layer(m, FORM[which][0], false, more);
}

/* Convolution, then BN, an activation, Dropout or some of them. */
static void block(maker *m, bool small_kernel)
{
    static const int KERNELS[] = {3, 5, 7};
    int kernel = small_kernel ? 1 : KERNELS[random_below(&m->random, 3)];
    conv(m, m->channels, kernel, small_kernel || chance(m, 75) ? kernel : 3, 1);
    bool in_place = chance(m, 60);
    if (chance(m, 70)) normalise(m, in_place);
    if (chance(m, 60)) activation(m, in_place);
    if (chance(m, 25)) layer(m, "Dropout", in_place, "dropout_param { dropout_ratio: 0.3 }");
}

/* The latest blob and a convolution of it, as one. */
static void merge(maker *m)
{
    static const char *const OPERATIONS[] = {"", "coeff: [0.7, -1.2]", "operation: PROD", "operation: PROD stable_prod_grad: false",
                                             "operation: MAX"};
    char before[32], more[160];
    memcpy(before, m->blob, sizeof before);
    conv(m, m->channels, 3, 3, 1);
    snprintf(more, sizeof more, "bottom: '%s' eltwise_param { %s }", before, OPERATIONS[random_below(&m->random, 5)]);
    layer(m, "Eltwise", false, more);
}

/* The latest blob in two parts, of which one is convolved, put together the other way round. */
static void cut_and_join(maker *m)
{
    char name[32], more[160];
    const int number = m->layers++, point = 1 + (int)random_below(&m->random, (uint32_t)m->channels - 1);
    put(m, "layer { name: 'Slice%d' type: 'Slice' bottom: '%s' top: 'one%d' top: 'two%d' slice_param { slice_point: %d } }\n",
        number, m->blob, number, number, point);
    snprintf(m->blob, sizeof m->blob, "one%d", number);
    conv(m, point, 3, 3, 1);
    snprintf(more, sizeof more, "bottom: '%s'", m->blob);
    snprintf(name, sizeof name, "two%d", number);
    memcpy(m->blob, name, sizeof name);
    layer(m, "Concat", false, more);
}

/* Twice as wide or high by a convolution beside it, and a part of that of the same size again. */
static void widen_and_crop(maker *m)
{
    char before[32], more[160];
    const int axis = 2 + (int)random_below(&m->random, 2);
    memcpy(before, m->blob, sizeof before);
    conv(m, m->channels, 3, 3, 1);
    snprintf(more, sizeof more, "bottom: '%s' concat_param { axis: %d }", before, axis);
    layer(m, "Concat", false, more);
    snprintf(more, sizeof more, "bottom: '%s' crop_param { axis: %d offset: 2%s }", before, axis, axis == 2 ? " offset: 0" : "");
    layer(m, "Crop", false, more);
}

/* Weights of all that is behind the images, one set per image. */
static void weigh(maker *m)
{
    char before[32], more[160];
    memcpy(before, m->blob, sizeof before);
    layer(m, "Permute", false, "permute_param { order: 0 order: 2 order: 3 order: 1 }");
    layer(m, "Softmax", false, chance(m, 50) ? "softmax_param { axis: -1 }" : "softmax_param { axis: 1 }");
    layer(m, "Permute", false, "permute_param { order: 0 order: 3 }");
    snprintf(more, sizeof more, "bottom: '%s' eltwise_param { operation: PROD }", before);
    layer(m, "Eltwise", false, more);
}

static void rearrange(maker *m)
{
    char more[160];
    switch (random_below(&m->random, 4)) {
    case 0: cut_and_join(m); break;
    case 1: widen_and_crop(m); break;
    case 2: weigh(m); break;
    default: /* other axes for one layer between */
        layer(m, "Flatten", false, "flatten_param { axis: 2 }");
        layer(m, "TanH", chance(m, 50), "");
        layer(m, "Tile", false, "tile_param { axis: 1 tiles: 2 }");
        snprintf(more, sizeof more, "reshape_param { shape { dim: 0 dim: 0 dim: %d dim: -1 } }", m->height);
        layer(m, "Reshape", false, more);
        conv(m, m->channels, 1, 1, 1);
    }
}

/* Pools with masks and unpools by them. A plane of odd height comes back by pad_out_h. */
static void segnet(maker *m)
{
    int levels = 1 + (int)random_below(&m->random, LEVELS_MAX), heights[LEVELS_MAX];
    for (int l = 0; l < levels; l++) {
        char more[120];
        block(m, false);
        if (chance(m, 30)) merge(m);
        heights[l] = m->height;
        snprintf(more, sizeof more, "top: 'mask%d' pooling_param { kernel_size: 2 stride: 2 }", l);
        layer(m, "Pooling", false, more);
        m->height = (m->height + 1) / 2;
        m->width /= 2;
    }
    if (chance(m, 50)) block(m, true);
    for (int l = levels - 1; l >= 0; l--) {
        char more[120];
        bool odd = heights[l] % 2;
        snprintf(more, sizeof more, "bottom: 'mask%d' upsample_param { scale: 2%s }", l, odd ? " pad_out_h: true" : "");
        layer(m, "Upsample", false, more);
        m->height = heights[l];
        m->width *= 2;
        block(m, false);
    }
}

/* No unpooling, since where windows overlap two pooled values may go to one place, and Caffe's gradient is not the derivative then.
 */
static void chain(maker *m)
{
    conv(m, m->channels, 3, 3, 2);
    neighbours(m);
    if (chance(m, 50)) layer(m, "BN", true, "");
    rearrange(m);
    block(m, true);
    bool halves = chance(m, 50);
    layer(m, "Pooling", false,
          halves ? "pooling_param { kernel_size: 3 stride: 2 }" : "pooling_param { kernel_size: 3 stride: 1 pad: 1 }");
    if (halves) {
        m->height = (m->height - 3 + 1) / 2 + 1;
        m->width = (m->width - 3 + 1) / 2 + 1;
    }
    block(m, false);
}

static void loss(maker *m, const char *scores, const char *name, const char *more)
{
    put(m,
        "layer { name: '%s' type: 'SoftmaxWithLoss' bottom: '%s' bottom: 'label' top: '%s' %s\n  loss_param { ignore_label: %d%s%s "
        "} }\n",
        name, scores, name, more, CLASSES, chance(m, 50) ? " weight_by_label_freqs: true class_weighting: [0.5, 1, 2, 1.5]" : "",
        chance(m, 25) ? " normalize: false" : "");
}

void random_net_make(uint32_t seed, random_net *net)
{
    maker m = {.random = 0x9e3779b97f4a7c15ull * (seed + 1), .blob = "data"};
    for (int i = 0; i < 8; i++) (void)random_below(&m.random, 2);
    int data_channels = 1 + (int)random_below(&m.random, 4), height = 7 + (int)random_below(&m.random, 2), width = 8;
    m.channels = 2 + (int)random_below(&m.random, 3);
    m.height = height;
    m.width = width;
    if (chance(&m, 40)) layer(&m, "LRN", false, "lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 }");
    if (seed % 3 == 2) chain(&m);
    else segnet(&m);
    bool two = chance(&m, 40);
    char trunk[32], other[32];
    memcpy(trunk, m.blob, sizeof trunk);
    int kernel = chance(&m, 70) ? 1 : 3;
    if (two) conv(&m, CLASSES, 3, 3, 1);
    memcpy(other, m.blob, sizeof other);
    memcpy(m.blob, trunk, sizeof trunk);
    conv(&m, CLASSES, kernel, kernel, 1);
    if (two) loss(&m, other, "loss2", "loss_weight: 0.5");
    loss(&m, m.blob, "loss", "");
    int length = snprintf(net->text, sizeof net->text,
                          "name: 'random%u' input: ['data', 'label']\ninput_dim: [%d, %d, %d, %d, %d, 1, %d, %d]\n%s", seed, IMAGES,
                          data_channels, height, width, IMAGES, m.height, m.width, m.text);
    assert(length > 0 && length < (int)sizeof net->text);
    (void)length;
    net->classes = CLASSES;
}
