/* Layer types of public forks of Caffe: shapes, parameters, and those private buffers that their sources name. Nothing here was
 * compared with a running fork. Normalize: SSD; Axpy: SENet; Reorg: YOLO; Unpooling: DeconvNet; ShuffleChannel: ShuffleNet; ReLU6:
 * MobileNet. */
#include "layers/accounted/accounted.h"

#include <string.h>

#define ONE_TO_ONE .min_bottoms = 1, .max_bottoms = 1, .min_tops = 1, .max_tops = 1, .grad_bottoms = 1, .grad_tops = 1

/* ---- Normalize: x over its norm across channels, times a learned scale ---- */

typedef struct normalize_param {
    bool across_spatial, channel_shared;
    sa_filler_param filler;
} normalize_param;

static const sa_field normalize_fields[] = {
    SA_F_SINGLE(normalize_param, across_spatial, "across_spatial", BOOL),
    SA_F_SINGLE(normalize_param, channel_shared, "channel_shared", BOOL),
    SA_F_MESSAGE(normalize_param, filler, "scale_filler", sa_filler_fields),
    SA_F_IGNORED("eps"),
    SA_F_END,
};

static void normalize_init(void *config)
{
    *(normalize_param *)config = (normalize_param){.across_spatial = true, .channel_shared = true};
    sa_filler_param_init(&((normalize_param *)config)->filler);
    ((normalize_param *)config)->filler.value = 1;
}

static sa_status normalize_setup(sa_layer *layer, sa_blob *blobs)
{
    const normalize_param *p = layer->config;
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    layer->param_count = 1;
    layer->param[0].shape = (sa_shape){p->channel_shared ? 0 : 1, {blobs[layer->bottom[0]].shape.dim[1]}};
    layer->param[0].filler = p->filler;
    return sa_layer_same_shape(layer, blobs);
}

static int normalize_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const normalize_param *p = layer->config;
    const int32_t *dim = blobs[layer->bottom[0]].shape.dim;
    size_t images = (size_t)dim[0], channels = (size_t)dim[1], plane = (size_t)dim[2] * (size_t)dim[3];
    list[0] = sa_both("norm_", SA_CAFFE_OTHER, images * (p->across_spatial ? 1 : plane) * 4);
    list[1] = sa_both("buffer_", SA_CAFFE_OTHER, channels * plane * 4);
    list[2] = sa_both("buffer_channel_", SA_CAFFE_OTHER, channels * 4);
    list[3] = sa_both("buffer_spatial_", SA_CAFFE_OTHER, plane * 4);
    list[4] = sa_both("sum_channel_multiplier_", SA_CAFFE_OTHER, channels * 4);
    list[5] = sa_both("sum_spatial_multiplier_", SA_CAFFE_OTHER, plane * 4);
    return 6;
}

const sa_layer_type sa_layer_normalize = {
    .name = "Normalize",
    .config_field = "norm_param",
    .config_table = normalize_fields,
    .config_bytes = sizeof(normalize_param),
    .config_init = normalize_init,
    ONE_TO_ONE,
    .accounted_only = true,
    .setup = normalize_setup,
    .caffe_buffers = normalize_buffers,
};

/* ---- Axpy: a scale per image and channel times x, plus y ---- */

static sa_status axpy_setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_shape *scale = &blobs[layer->bottom[0]].shape, *x = &blobs[layer->bottom[1]].shape,
                   *y = &blobs[layer->bottom[2]].shape;
    char a[SA_SHAPE_TEXT_BYTES], b[SA_SHAPE_TEXT_BYTES];
    bool equal = x->axes == y->axes && !memcmp(x->dim, y->dim, (size_t)x->axes * sizeof x->dim[0]);
    if (!equal || x->axes != 4)
        SA_FAIL(SA_INVALID, "'%s' is %s and '%s' is %s; both have to be the same N x C x H x W", blobs[layer->bottom[1]].name,
                sa_shape_text(x, a), blobs[layer->bottom[2]].name, sa_shape_text(y, b));
    if (scale->axes < 2 || scale->dim[0] != x->dim[0] || scale->dim[1] != x->dim[1])
        SA_FAIL(SA_INVALID, "'%s' is %s; it has to be one value per image and channel of %s", blobs[layer->bottom[0]].name,
                sa_shape_text(scale, a), sa_shape_text(x, b));
    blobs[layer->top[0]].shape = *x;
    return SA_OK;
}

static int axpy_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const int32_t *dim = blobs[layer->bottom[1]].shape.dim;
    list[0] = sa_both("spatial_sum_multiplier_", SA_CAFFE_OTHER, (size_t)dim[2] * (size_t)dim[3] * 4);
    return layer->needs_backward;
}

const sa_layer_type sa_layer_axpy = {
    .name = "Axpy",
    .min_bottoms = 3,
    .max_bottoms = 3,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 3,
    .grad_tops = 1,
    .accounted_only = true,
    .setup = axpy_setup,
    .caffe_buffers = axpy_buffers,
};

/* ---- Unpooling: DeconvNet's, the reverse of a pooling; the largest values go back through the pooling's mask ---- */

typedef struct unpooling_param {
    int32_t kernel, kernel_h, kernel_w, stride, stride_h, stride_w, pad, pad_h, pad_w, size, size_h, size_w;
} unpooling_param;

#define UNPOOLING_INT(member, name) SA_F_RANGE(unpooling_param, member, name, INT32, 0, 1 << 20)
static const sa_field unpooling_fields[] = {
    UNPOOLING_INT(kernel, "kernel_size"),
    UNPOOLING_INT(kernel_h, "kernel_h"),
    UNPOOLING_INT(kernel_w, "kernel_w"),
    UNPOOLING_INT(stride, "stride"),
    UNPOOLING_INT(stride_h, "stride_h"),
    UNPOOLING_INT(stride_w, "stride_w"),
    UNPOOLING_INT(pad, "pad"),
    UNPOOLING_INT(pad_h, "pad_h"),
    UNPOOLING_INT(pad_w, "pad_w"),
    UNPOOLING_INT(size, "unpool_size"),
    UNPOOLING_INT(size_h, "unpool_h"),
    UNPOOLING_INT(size_w, "unpool_w"),
    SA_F_IGNORED("unpool"),
    SA_F_IGNORED("engine"),
    SA_F_END,
};

/* A side of the plane: as told, else as far as the windows reach. */
static int64_t unpooled(int64_t side, int64_t kernel, int64_t stride, int64_t pad, int64_t told)
{
    int64_t reach = (side - 1) * stride + kernel - 2 * pad, least = side * stride - pad + 1;
    if (told > 0) return told;
    return reach > least ? reach : least;
}

static sa_status unpooling_setup(sa_layer *layer, sa_blob *blobs)
{
    const unpooling_param *p = layer->config;
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    const sa_shape *x = &blobs[layer->bottom[0]].shape;
    int32_t kernel_h = p->kernel_h ? p->kernel_h : p->kernel, kernel_w = p->kernel_w ? p->kernel_w : p->kernel;
    if (kernel_h < 1 || kernel_w < 1) SA_FAIL(SA_INVALID, "'kernel_size' is missing");
    int32_t stride_h = p->stride_h ? p->stride_h : p->stride, stride_w = p->stride_w ? p->stride_w : p->stride;
    int64_t height =
        unpooled(x->dim[2], kernel_h, stride_h ? stride_h : 1, p->pad_h ? p->pad_h : p->pad, p->size ? p->size : p->size_h);
    int64_t width =
        unpooled(x->dim[3], kernel_w, stride_w ? stride_w : 1, p->pad_w ? p->pad_w : p->pad, p->size ? p->size : p->size_w);
    if (height < 1 || width < 1 || height > INT32_MAX || width > INT32_MAX)
        SA_FAIL(SA_INVALID, "makes no plane of a size that can be");
    blobs[layer->top[0]].shape = (sa_shape){4, {x->dim[0], x->dim[1], (int32_t)height, (int32_t)width}};
    return SA_OK;
}

const sa_layer_type sa_layer_unpooling = {
    .name = "Unpooling",
    .config_field = "unpooling_param",
    .config_table = unpooling_fields,
    .config_bytes = sizeof(unpooling_param),
    .min_bottoms = 1,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .accounted_only = true,
    .setup = unpooling_setup,
};

/* ---- ShuffleChannel ---- */

static const sa_field shuffle_fields[] = {SA_F_IGNORED("group"), SA_F_END};

const sa_layer_type sa_layer_shuffle_channel = {
    .name = "ShuffleChannel",
    .config_field = "shuffle_channel_param",
    .config_table = shuffle_fields,
    ONE_TO_ONE,
    .accounted_only = true,
    .setup = sa_layer_same_shape,
};

/* ---- Reorg: blocks of stride x stride pixels become channels, or the reverse ---- */

typedef struct reorg_param {
    int32_t stride;
    bool reverse;
} reorg_param;

static const sa_field reorg_fields[] = {
    SA_F_RANGE(reorg_param, stride, "stride", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_SINGLE(reorg_param, reverse, "reverse", BOOL),
    SA_F_END,
};

static sa_status reorg_setup(sa_layer *layer, sa_blob *blobs)
{
    const reorg_param *p = layer->config;
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    sa_shape shape = blobs[layer->bottom[0]].shape;
    int64_t block = (int64_t)p->stride * p->stride, one = p->stride;
    if (p->stride < 1) SA_FAIL(SA_INVALID, "'stride' is missing");
    bool divides = p->reverse ? shape.dim[1] % block == 0 : shape.dim[2] % one == 0 && shape.dim[3] % one == 0;
    int64_t channels = p->reverse ? shape.dim[1] / block : shape.dim[1] * block;
    int64_t height = p->reverse ? shape.dim[2] * one : shape.dim[2] / one,
            width = p->reverse ? shape.dim[3] * one : shape.dim[3] / one;
    if (!divides || channels > INT32_MAX || height > INT32_MAX || width > INT32_MAX)
        SA_FAIL(SA_INVALID, "%dx%dx%d cannot be divided into blocks of %dx%d", shape.dim[1], shape.dim[2], shape.dim[3], p->stride,
                p->stride);
    blobs[layer->top[0]].shape = (sa_shape){4, {shape.dim[0], (int32_t)channels, (int32_t)height, (int32_t)width}};
    return SA_OK;
}

const sa_layer_type sa_layer_reorg = {
    .name = "Reorg",
    .config_field = "reorg_param",
    .config_table = reorg_fields,
    .config_bytes = sizeof(reorg_param),
    ONE_TO_ONE,
    .accounted_only = true,
    .setup = reorg_setup,
};
