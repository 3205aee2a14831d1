/* SoftmaxWithLoss: softmax over an axis and the (class-weighted) mean log loss of the label. The softmax is kept only if the
 * strategy says so; otherwise the gradient computes it again from the scores. Caffe, Caffe-SegNet: SoftmaxWithLossLayer. The forks
 * differ in nothing that shows: class weights are SegNet's alone, `normalization` is BVLC's, and where every pixel is ignored the
 * loss is 0 (in SegNet's fork 0 / 0). */
#include "layers/layer_common.h"
#include "layers/loss_ops.h"

typedef struct softmax_loss_config {
    sa_loss_param param; /* first: the field table fills it */
    sa_softmax_param softmax;
} softmax_loss_config;

static void config_init(void *config)
{
    sa_loss_param_init(&((softmax_loss_config *)config)->param);
    sa_softmax_param_init(&((softmax_loss_config *)config)->softmax);
}

static int class_axis(const sa_layer *layer, const sa_blob *blobs)
{
    const int axes = blobs[layer->bottom[0]].shape.axes, axis = ((const softmax_loss_config *)layer->config)->softmax.axis;
    return axis < 0 ? axis + axes : axis;
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_loss_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int axis;
    SA_TRY(sa_axis_resolve(shape, ((const softmax_loss_config *)layer->config)->softmax.axis, "axis", &axis));
    SA_TRY(sa_layer_need_labels(layer, blobs, axis));
    int32_t classes = shape->dim[axis];
    if (p->weight_by_label_freqs && p->class_weighting_count != classes)
        SA_FAIL(SA_INVALID, "%d class_weighting values for %d classes", p->class_weighting_count, classes);
    if (layer->top_count == 2) SA_FAIL(SA_UNSUPPORTED, "a second top (the softmax) is not supported: use a Softmax layer");
    blobs[layer->top[0]].shape = (sa_shape){.axes = 0};
    return SA_OK;
}

static void loss_form(const sa_emitter *e, const sa_layer *layer, sa_loss_form *form)
{
    const sa_loss_param *p = layer->config;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    const int axis = class_axis(layer, sa_emit_blobs(e));
    *form = (sa_loss_form){.keeps_softmax = true};
    sa_loss_view(shape, axis, form->view);
    sa_loss_config *c = &form->config;
    c->kind = SA_LOSS_SOFTMAX;
    c->weighted = p->weight_by_label_freqs;
    c->has_ignore = p->ignore_label_given;
    c->ignore_label = p->ignore_label;
    c->classes = shape->dim[axis];
    c->divisor = sa_loss_divisor(sa_loss_normalization(p, SA_NORMALIZATION_VALID), sa_shape_span(shape, 0, axis),
                                 sa_shape_span(shape, axis + 1, shape->axes));
    c->loss_weight = layer->loss_weight;
    if (p->weight_by_label_freqs && c->classes > SA_CLASSES_MAX) c->many_weights = p->class_weighting;
    for (int i = 0; p->weight_by_label_freqs && i < c->classes && i < SA_CLASSES_MAX; i++)
        c->class_weight[i] = p->class_weighting[i];
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    sa_loss_form form;
    loss_form(e, layer, &form);
    return sa_loss_emit_forward(e, layer, &form);
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    sa_loss_form form;
    loss_form(e, layer, &form);
    return sa_loss_emit_backward(e, layer, &form);
}

static void label_rule(const sa_layer *layer, const sa_blob *blobs, sa_label_rule *rule)
{
    const sa_loss_param *p = layer->config;
    *rule = (sa_label_rule){1, blobs[layer->bottom[0]].shape.dim[class_axis(layer, blobs)], p->ignore_label_given, p->ignore_label,
                            true};
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t classes = (size_t)shape->dim[class_axis(layer, blobs)], scores = sa_blob_bytes(&blobs[layer->bottom[0]]);
    int count = 0;
    list[count++] = (sa_caffe_buffer){"prob", SA_CAFFE_SOFTMAX_PROB, scores, scores, "prob_"};
    if (layer->loss_weight != 0.0f)
        list[count++] = (sa_caffe_buffer){"prob.grad", SA_CAFFE_SOFTMAX_PROB, scores, scores, "prob_.diff"};
    list[count++] =
        (sa_caffe_buffer){"scale", SA_CAFFE_SOFTMAX_SCALE, scores / classes, scores / classes, "/softmax.scale_", true, 0};
    if (!layer->caffe_segnet) list[count++] = sa_host_only("/softmax.sum_multiplier_", classes * 4);
    return count;
}

const sa_layer_type sa_layer_softmax_loss = {
    .name = "SoftmaxWithLoss",
    .config_field = "loss_param",
    .config_table = sa_loss_fields,
    .config_bytes = sizeof(softmax_loss_config),
    .config_init = config_init,
    .extra_field = "softmax_param",
    .extra_table = sa_softmax_fields,
    .extra_offset = offsetof(softmax_loss_config, softmax),
    .min_bottoms = 2,
    .max_bottoms = 2,
    .min_tops = 0,
    .max_tops = 2,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .is_loss = true,
    .reads_bottom = true,
    .grad_over_bottom = true,
    .caffe_tops_on_host = true,
    .setup = setup,
    .label_rule = label_rule,
    .caffe_buffers = caffe_buffers,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
};
