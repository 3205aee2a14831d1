/* Losses besides SoftmaxWithLoss. Caffe: the layers of these names. */
#include "layers/accounted/accounted.h"

#include <string.h>

static const sa_field loss_fields[] = {
    SA_F_IGNORED("ignore_label"),
    SA_F_IGNORED("normalize"),
    SA_F_IGNORED("normalization"),
    SA_F_END,
};
static const sa_field hinge_fields[] = {SA_F_IGNORED("norm"), SA_F_END};

typedef struct infogain_param {
    char source[SA_PARAM_PATH_BYTES];
    int32_t axis;
} infogain_param;

static const sa_field infogain_fields[] = {
    SA_F_STRING(infogain_param, source, "source"),
    SA_F_SINGLE(infogain_param, axis, "axis", INT32),
    SA_F_END,
};
static const sa_field contrastive_fields[] = {SA_F_IGNORED("margin"), SA_F_IGNORED("legacy_version"), SA_F_END};

static sa_status scalar_top(sa_layer *layer, sa_blob *blobs)
{
    const sa_shape *a = &blobs[layer->bottom[0]].shape, *b = &blobs[layer->bottom[1]].shape;
    if (a->axes == 0 || b->axes == 0 || a->dim[0] != b->dim[0])
        SA_FAIL(SA_INVALID, "'%s' and '%s' do not have the same first axis", blobs[layer->bottom[0]].name,
                blobs[layer->bottom[1]].name);
    for (int i = 0; i < layer->top_count; i++) blobs[layer->top[i]].shape = (sa_shape){.axes = 0};
    return SA_OK;
}

static sa_status equal_counts(sa_layer *layer, sa_blob *blobs)
{
    size_t a = sa_shape_elements(&blobs[layer->bottom[0]].shape), b = sa_shape_elements(&blobs[layer->bottom[1]].shape);
    if (a != b)
        SA_FAIL(SA_INVALID, "'%s' has %zu values and '%s' %zu; they must be equal", blobs[layer->bottom[0]].name, a,
                blobs[layer->bottom[1]].name, b);
    return scalar_top(layer, blobs);
}

#define LOSS(symbol, text, bottoms_most, gradients, set_up, buffers, ...) \
    const sa_layer_type symbol = {.name = (text),                         \
                                  .min_bottoms = 2,                       \
                                  .max_bottoms = (bottoms_most),          \
                                  .min_tops = 0,                          \
                                  .max_tops = 2,                          \
                                  .grad_bottoms = (gradients),            \
                                  .grad_tops = 1,                         \
                                  .is_loss = true,                        \
                                  .accounted_only = true,                 \
                                  .caffe_tops_on_host = true,             \
                                  .setup = (set_up),                      \
                                  .caffe_buffers = (buffers),             \
                                  __VA_ARGS__}

static int euclidean_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    list[0] = sa_both("diff_", SA_CAFFE_OTHER, sa_bottom_bytes(layer, blobs, 0));
    return 1;
}
LOSS(sa_layer_euclidean_loss, "EuclideanLoss", 2, 2, equal_counts, euclidean_buffers);

/* The inner Sigmoid inherits a loss weight that the file spells out, and makes a gradient of it that nobody reads. */
static int sigmoid_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    size_t bytes = sa_bottom_bytes(layer, blobs, 0);
    int count = 0;
    list[count++] = sa_both("sigmoid_output_", SA_CAFFE_OTHER, bytes);
    if (layer->loss_weight_given && layer->loss_weight != 0.0f)
        list[count++] = sa_both("sigmoid_output_.diff", SA_CAFFE_OTHER, bytes);
    return count;
}

/* GPU mode: the target's gradient is scratch of the forward pass. */
LOSS(sa_layer_sigmoid_loss, "SigmoidCrossEntropyLoss", 2, 1, equal_counts, sigmoid_buffers, .config_field = "loss_param",
     .config_table = loss_fields, .caffe_gpu_scratch_diffs = {1u << 1, 1u << 1});

/* The scores' gradient is scratch of the forward pass. */
static uint32_t hinge_touches(const sa_layer *layer, const sa_blob *blobs)
{
    (void)layer, (void)blobs;
    return 1;
}
LOSS(sa_layer_hinge_loss, "HingeLoss", 2, 1, scalar_top, NULL, .config_field = "hinge_loss_param", .config_table = hinge_fields,
     .caffe_touched_diffs = hinge_touches);
LOSS(sa_layer_multinomial_loss, "MultinomialLogisticLoss", 2, 1, scalar_top, NULL);

static int contrastive_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t images = (size_t)shape->dim[0], all = sa_shape_elements(shape);
    list[0] = sa_both("diff_", SA_CAFFE_OTHER, all * 4);
    list[1] = sa_both("dist_sq_", SA_CAFFE_OTHER, images * 4);
    list[2] = sa_both("summer_vec_", SA_CAFFE_OTHER, all / images * 4);
    list[3] = sa_both("diff_sq_", SA_CAFFE_OTHER, all * 4);
    list[3].cpu_bytes = 0;
    return 4;
}
LOSS(sa_layer_contrastive_loss, "ContrastiveLoss", 3, 2, scalar_top, contrastive_buffers, .config_field = "contrastive_loss_param",
     .config_table = contrastive_fields);

/* No GPU code: everything stays on the host. */
static int infogain_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t bytes = sa_bottom_bytes(layer, blobs, 0), classes = (size_t)shape->dim[shape->axes > 1 ? 1 : 0];
    int count = 0;
    list[count++] = sa_host_only("prob_", bytes);
    if (layer->loss_weight != 0.0f) list[count++] = sa_host_only("prob_.diff", bytes);
    list[count++] = sa_host_only("/softmax.scale_", bytes / classes);
    list[count++] = sa_host_only("/softmax.sum_multiplier_", classes * 4);
    list[count++] = sa_host_only("sum_rows_H_", classes * 4);
    if (layer->bottom_count < 3) list[count++] = sa_host_only("infogain_", classes * classes * 4);
    return count;
}
LOSS(sa_layer_infogain_loss, "InfogainLoss", 3, 1, scalar_top, infogain_buffers, .config_field = "infogain_loss_param",
     .config_table = infogain_fields, .config_bytes = sizeof(infogain_param));
