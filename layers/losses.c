/* Losses besides SoftmaxWithLoss: EuclideanLoss, SigmoidCrossEntropyLoss, HingeLoss, MultinomialLogisticLoss, InfogainLoss,
 * ContrastiveLoss. Each is a kind of one op (sa_loss_kind in kernels/ops.h); here are their settings, shapes and divisors. Caffe:
 * the layers of these names. */
#include "layers/layer_common.h"
#include "layers/loss_ops.h"

#include <string.h>

/* What the messages of all of them say. */
typedef struct loss_settings {
    sa_loss_param loss; /* first: loss_param fills it */
    int32_t norm;       /* of a HingeLoss */
    int32_t axis;       /* of an InfogainLoss */
    char source[SA_PARAM_PATH_BYTES];
    float margin; /* of a ContrastiveLoss */
    bool legacy;
} loss_settings;

static void settings_init(void *config)
{
    loss_settings *s = config;
    sa_loss_param_init(&s->loss);
    s->norm = 1;
    s->axis = 1;
    s->margin = 1.0f;
}

static const sa_enum_name norm_names[] = {SA_ENUM("L1", 1), SA_ENUM("L2", 2), SA_ENUM_END};
static const sa_field hinge_fields[] = {SA_F_ENUM(loss_settings, norm, "norm", norm_names), SA_F_END};
static const sa_field infogain_fields[] = {
    SA_F_STRING(loss_settings, source, "source"),
    SA_F_SINGLE(loss_settings, axis, "axis", INT32),
    SA_F_END,
};
static const sa_field contrastive_fields[] = {
    SA_F_SINGLE(loss_settings, margin, "margin", FLOAT),
    SA_F_SINGLE(loss_settings, legacy, "legacy_version", BOOL),
    SA_F_END,
};

static const sa_shape *bottom_shape(const sa_layer *layer, const sa_blob *blobs, int i)
{
    return &blobs[layer->bottom[i]].shape;
}

static size_t images_of(const sa_shape *shape)
{
    return shape->axes ? (size_t)shape->dim[0] : 1;
}

/* ------------------------------------------------------------------ shapes ----------------------------------------- */

static sa_status scalar_top(sa_layer *layer, sa_blob *blobs)
{
    const sa_shape *a = bottom_shape(layer, blobs, 0), *b = bottom_shape(layer, blobs, 1);
    if (a->axes == 0 || b->axes == 0 || a->dim[0] != b->dim[0])
        SA_FAIL(SA_INVALID, "'%s' and '%s' do not have the same first axis", blobs[layer->bottom[0]].name,
                blobs[layer->bottom[1]].name);
    for (int i = 0; i < layer->top_count; i++) blobs[layer->top[i]].shape = (sa_shape){.axes = 0};
    return SA_OK;
}

/* Bottom `i` has to have `count` values. */
static sa_status need_count(const sa_layer *layer, const sa_blob *blobs, int i, size_t count)
{
    const sa_blob *blob = &blobs[layer->bottom[i]];
    if (sa_shape_elements(&blob->shape) == count) return SA_OK;
    SA_FAIL(SA_INVALID, "'%s' has %zu values; with '%s' it needs %zu", blob->name, sa_shape_elements(&blob->shape),
            blobs[layer->bottom[0]].name, count);
}

static sa_status setup_pair(sa_layer *layer, sa_blob *blobs)
{
    SA_TRY(need_count(layer, blobs, 1, sa_shape_elements(bottom_shape(layer, blobs, 0))));
    return scalar_top(layer, blobs);
}

/* One label per image. */
static sa_status setup_label(sa_layer *layer, sa_blob *blobs)
{
    SA_TRY(scalar_top(layer, blobs));
    return need_count(layer, blobs, 1, images_of(bottom_shape(layer, blobs, 0)));
}

static sa_status setup_contrastive(sa_layer *layer, sa_blob *blobs)
{
    SA_TRY(setup_pair(layer, blobs));
    return need_count(layer, blobs, 2, images_of(bottom_shape(layer, blobs, 0)));
}

static sa_status setup_infogain(sa_layer *layer, sa_blob *blobs)
{
    const loss_settings *s = layer->config;
    int axis;
    SA_TRY(sa_axis_resolve(bottom_shape(layer, blobs, 0), s->axis, "axis", &axis));
    SA_TRY(sa_layer_need_labels(layer, blobs, axis));
    SA_TRY(scalar_top(layer, blobs));
    const size_t classes = (size_t)bottom_shape(layer, blobs, 0)->dim[axis];
    if (layer->bottom_count == 3) return need_count(layer, blobs, 2, classes * classes);
    layer->not_computed = "an infogain matrix from a file: make it a third bottom";
    return SA_OK;
}

/* ------------------------------------------------------------------ ops -------------------------------------------- */

/* Ends with each type's own settings: what is common is set. */
static void start_form(const sa_emitter *e, const sa_layer *layer, sa_loss_kind kind, sa_loss_form *form)
{
    const loss_settings *s = layer->config;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    *form = (sa_loss_form){.config = {.kind = kind, .loss_weight = layer->loss_weight, .margin = s->margin}};
    form->config.divisor = (float)images_of(shape);
    sa_shape_nchw(shape, form->view);
    if (kind != SA_LOSS_EUCLIDEAN && kind != SA_LOSS_SIGMOID && kind != SA_LOSS_INFOGAIN) {
        form->view[0] = (int32_t)images_of(shape); /* one label, or similarity, per image: all its values are channels */
        form->view[1] = (int32_t)(sa_shape_elements(shape) / images_of(shape));
        form->view[2] = form->view[3] = 1;
    }
    form->config.classes = form->view[1];
}

static void take_ignored(const loss_settings *s, sa_loss_form *form)
{
    form->config.has_ignore = s->loss.ignore_label_given;
    form->config.ignore_label = s->loss.ignore_label;
}

static void euclidean_form(const sa_emitter *e, const sa_layer *layer, sa_loss_form *form)
{
    start_form(e, layer, SA_LOSS_EUCLIDEAN, form);
}

static void sigmoid_form(const sa_emitter *e, const sa_layer *layer, sa_loss_form *form)
{
    const loss_settings *s = layer->config;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    start_form(e, layer, SA_LOSS_SIGMOID, form);
    take_ignored(s, form);
    form->config.divisor = sa_loss_divisor(sa_loss_normalization(&s->loss, SA_NORMALIZATION_BATCH_SIZE), images_of(shape),
                                           sa_shape_elements(shape) / images_of(shape));
}

static void hinge_form(const sa_emitter *e, const sa_layer *layer, sa_loss_form *form)
{
    const loss_settings *s = layer->config;
    start_form(e, layer, s->norm == 2 ? SA_LOSS_HINGE_L2 : SA_LOSS_HINGE_L1, form);
}

static void multinomial_form(const sa_emitter *e, const sa_layer *layer, sa_loss_form *form)
{
    start_form(e, layer, SA_LOSS_MULTINOMIAL, form);
    form->is_prob = true;
}

static void contrastive_form(const sa_emitter *e, const sa_layer *layer, sa_loss_form *form)
{
    const loss_settings *s = layer->config;
    start_form(e, layer, s->legacy ? SA_LOSS_CONTRASTIVE_LEGACY : SA_LOSS_CONTRASTIVE, form);
    form->table_bottom = 2;
}

static int infogain_axis(const sa_layer *layer, const sa_blob *blobs)
{
    const int axis = ((const loss_settings *)layer->config)->axis;
    return axis < 0 ? axis + bottom_shape(layer, blobs, 0)->axes : axis;
}

static void infogain_form(const sa_emitter *e, const sa_layer *layer, sa_loss_form *form)
{
    const loss_settings *s = layer->config;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    const int axis = infogain_axis(layer, sa_emit_blobs(e));
    start_form(e, layer, SA_LOSS_INFOGAIN, form);
    take_ignored(s, form);
    sa_loss_view(shape, axis, form->view);
    form->config.classes = form->view[1];
    form->config.divisor = sa_loss_divisor(sa_loss_normalization(&s->loss, SA_NORMALIZATION_VALID), sa_shape_span(shape, 0, axis),
                                           sa_shape_span(shape, axis + 1, shape->axes));
    form->table_bottom = 2;
}

static void label_rule(const sa_layer *layer, const sa_blob *blobs, sa_label_rule *rule)
{
    const sa_shape *shape = bottom_shape(layer, blobs, 0);
    *rule = (sa_label_rule){1, (int32_t)(sa_shape_elements(shape) / images_of(shape)), false, 0, true};
}

static void infogain_rule(const sa_layer *layer, const sa_blob *blobs, sa_label_rule *rule)
{
    const loss_settings *s = layer->config;
    const int32_t classes = bottom_shape(layer, blobs, 0)->dim[infogain_axis(layer, blobs)];
    *rule = (sa_label_rule){1, classes, s->loss.ignore_label_given, s->loss.ignore_label, true};
}

/* ------------------------------------------------------------------ what Caffe allocates --------------------------- */

static int euclidean_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    list[0] = sa_both("diff_", SA_CAFFE_OTHER, sa_blob_bytes(&blobs[layer->bottom[0]]));
    return 1;
}

/* The inner Sigmoid inherits a loss weight that the file spells out, and makes a gradient of it that nobody reads. */
static int sigmoid_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    size_t bytes = sa_blob_bytes(&blobs[layer->bottom[0]]);
    int count = 0;
    list[count++] = sa_both("sigmoid_output_", SA_CAFFE_OTHER, bytes);
    if (layer->loss_weight_given && layer->loss_weight != 0.0f)
        list[count++] = sa_both("sigmoid_output_.diff", SA_CAFFE_OTHER, bytes);
    return count;
}

/* The scores' gradient is scratch of the forward pass. */
static uint32_t hinge_touches(const sa_layer *layer, const sa_blob *blobs)
{
    (void)layer, (void)blobs;
    return 1;
}

static int contrastive_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = bottom_shape(layer, blobs, 0);
    size_t images = images_of(shape), all = sa_shape_elements(shape);
    list[0] = sa_both("diff_", SA_CAFFE_OTHER, all * 4);
    list[1] = sa_both("dist_sq_", SA_CAFFE_OTHER, images * 4);
    list[2] = sa_both("summer_vec_", SA_CAFFE_OTHER, all / images * 4);
    list[3] = sa_both("diff_sq_", SA_CAFFE_OTHER, all * 4);
    list[3].cpu_bytes = 0;
    return 4;
}

/* No GPU code: everything stays on the host. */
static int infogain_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    size_t bytes = sa_blob_bytes(&blobs[layer->bottom[0]]);
    size_t classes = (size_t)bottom_shape(layer, blobs, 0)->dim[infogain_axis(layer, blobs)];
    int count = 0;
    list[count++] = sa_host_only("prob_", bytes);
    if (layer->loss_weight != 0.0f) list[count++] = sa_host_only("prob_.diff", bytes);
    list[count++] = sa_host_only("/softmax.scale_", bytes / classes);
    list[count++] = sa_host_only("/softmax.sum_multiplier_", classes * 4);
    list[count++] = sa_host_only("sum_rows_H_", classes * 4);
    if (layer->bottom_count < 3) list[count++] = sa_host_only("infogain_", classes * classes * 4);
    return count;
}

/* ------------------------------------------------------------------ the types -------------------------------------- */

#define LOSS(prefix, text, bottoms_least, bottoms_most, gradients, set_up, ...)            \
    static sa_status prefix##_forward(sa_emitter *e, const sa_layer *layer)                \
    {                                                                                      \
        sa_loss_form form;                                                                 \
        prefix##_form(e, layer, &form);                                                    \
        return sa_loss_emit_forward(e, layer, &form);                                      \
    }                                                                                      \
    static sa_status prefix##_backward(sa_emitter *e, const sa_layer *layer)               \
    {                                                                                      \
        sa_loss_form form;                                                                 \
        prefix##_form(e, layer, &form);                                                    \
        return sa_loss_emit_backward(e, layer, &form);                                     \
    }                                                                                      \
    const sa_layer_type sa_layer_##prefix##_loss = {.name = (text),                        \
                                                    .config_bytes = sizeof(loss_settings), \
                                                    .config_init = settings_init,          \
                                                    .min_bottoms = (bottoms_least),        \
                                                    .max_bottoms = (bottoms_most),         \
                                                    .min_tops = 0,                         \
                                                    .max_tops = 1,                         \
                                                    .grad_bottoms = (gradients),           \
                                                    .grad_tops = 1,                        \
                                                    .is_loss = true,                       \
                                                    .reads_bottom = true,                  \
                                                    .grad_over_bottom = true,              \
                                                    .caffe_tops_on_host = true,            \
                                                    .setup = (set_up),                     \
                                                    .emit_forward = prefix##_forward,      \
                                                    .emit_backward = prefix##_backward,    \
                                                    __VA_ARGS__}

LOSS(euclidean, "EuclideanLoss", 2, 2, 2, setup_pair, .config_field = "loss_param", .config_table = sa_loss_fields,
     .caffe_buffers = euclidean_buffers);

/* GPU mode: the target's gradient is scratch of the forward pass. */
LOSS(sigmoid, "SigmoidCrossEntropyLoss", 2, 2, 1, setup_pair, .config_field = "loss_param", .config_table = sa_loss_fields,
     .caffe_buffers = sigmoid_buffers, .caffe_gpu_scratch_diffs = {1u << 1, 1u << 1});

LOSS(hinge, "HingeLoss", 2, 2, 1, setup_label, .config_field = "hinge_loss_param", .config_table = hinge_fields,
     .label_rule = label_rule, .caffe_touched_diffs = hinge_touches);

LOSS(multinomial, "MultinomialLogisticLoss", 2, 2, 1, setup_label, .label_rule = label_rule);

LOSS(contrastive, "ContrastiveLoss", 3, 3, 2, setup_contrastive, .config_field = "contrastive_loss_param",
     .config_table = contrastive_fields, .caffe_buffers = contrastive_buffers);

LOSS(infogain, "InfogainLoss", 2, 3, 1, setup_infogain, .config_field = "infogain_loss_param", .config_table = infogain_fields,
     .extra_field = "loss_param", .extra_table = sa_loss_fields, .extra_offset = offsetof(loss_settings, loss),
     .label_rule = infogain_rule, .caffe_buffers = infogain_buffers);
