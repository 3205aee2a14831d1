/* SoftmaxWithLoss: softmax over channels and the (class-weighted) mean log loss of the label. The softmax is kept only if the
 * strategy says so; otherwise the gradient computes it again from the scores. Caffe-SegNet: SoftmaxWithLossLayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

typedef struct softmax_loss_config {
    sa_loss_param param; /* first: the field table fills it */
    sa_softmax_param softmax;
} softmax_loss_config;

static void config_init(void *config)
{
    sa_loss_param_init(&((softmax_loss_config *)config)->param);
    sa_softmax_param_init(&((softmax_loss_config *)config)->softmax);
}

/* BVLC Caffe's `normalization` says the same as `normalize` for two of its values. */
static const char *normalisation_not_computed(sa_loss_param *p)
{
    if (!p->normalization_given) return NULL;
    p->normalize = p->normalization == SA_NORMALIZATION_VALID;
    if (p->normalization == SA_NORMALIZATION_FULL) return "normalization: FULL";
    return p->normalization == SA_NORMALIZATION_NONE ? "normalization: NONE" : NULL;
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    sa_loss_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int axis;
    SA_TRY(sa_axis_resolve(shape, ((const softmax_loss_config *)layer->config)->softmax.axis, "axis", &axis));
    SA_TRY(sa_layer_need_labels(layer, blobs, axis));
    if (normalisation_not_computed(p)) layer->not_computed = normalisation_not_computed(p);
    if (!sa_layer_is_pixelwise(layer, blobs, axis)) layer->not_computed = "scores or labels that are not N x C x H x W";
    int32_t classes = shape->dim[axis];
    if (p->weight_by_label_freqs && p->class_weighting_count != classes)
        SA_FAIL(SA_INVALID, "%d class_weighting values for %d classes", p->class_weighting_count, classes);
    if (layer->top_count == 2) SA_FAIL(SA_UNSUPPORTED, "a second top (the softmax) is not supported: use a Softmax layer");
    blobs[layer->top[0]].shape = (sa_shape){.axes = 0};
    return SA_OK;
}

static sa_loss_config loss_config(sa_emitter *e, const sa_layer *layer)
{
    const sa_loss_param *p = layer->config;
    sa_loss_config c = {.weighted = p->weight_by_label_freqs,
                        .has_ignore = p->ignore_label_given,
                        .normalize = p->normalize,
                        .ignore_label = p->ignore_label,
                        .classes = sa_emit_blob(e, layer->bottom[0])->shape.dim[1],
                        .loss_weight = layer->loss_weight};
    if (p->weight_by_label_freqs && c.classes > SA_CLASSES_MAX) c.many_weights = p->class_weighting;
    for (int i = 0; p->weight_by_label_freqs && i < c.classes && i < SA_CLASSES_MAX; i++) c.class_weight[i] = p->class_weighting[i];
    return c;
}

static sa_status prob_slab(sa_emitter *e, const sa_layer *layer, sa_slab *slab)
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    sa_ref at;
    SA_TRY(sa_emit_saved(e, layer, "prob", SA_EMIT_SAVED, sa_shape_elements(shape) * 4, &at));
    *slab = sa_slab_full(at, shape);
    return SA_OK;
}

/* scores: the kept softmax or the logits */
static sa_status scores_source(sa_emitter *e, const sa_layer *layer, sa_source *scores, bool *is_prob)
{
    *is_prob = sa_emit_caffe_layout(e);
    if (!*is_prob) return sa_emit_data(e, layer->bottom[0], scores);
    sa_slab slab;
    SA_TRY(prob_slab(e, layer, &slab));
    sa_source_dense(scores, &slab, &sa_emit_blob(e, layer->bottom[0])->shape);
    return SA_OK;
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    if (sa_emit_caffe_layout(e)) {
        sa_op_args soft = {.softmax = {.range = sa_emit_range(e, layer->bottom[0])}};
        SA_TRY(sa_emit_data(e, layer->bottom[0], &soft.softmax.x));
        SA_TRY(prob_slab(e, layer, &soft.softmax.prob));
        SA_TRY(sa_emit_op(e, layer, "softmax", SA_OP_SOFTMAX, &soft));
    }
    sa_op_args args = {.softmax_loss = {.config = loss_config(e, layer)}};
    sa_softmax_loss_args *a = &args.softmax_loss;
    int32_t nchw[4];
    sa_slab loss;
    SA_TRY(scores_source(e, layer, &a->scores, &a->is_prob));
    SA_TRY(sa_emit_data(e, layer->bottom[1], &a->label));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &loss));
    a->loss = loss.at;
    SA_TRY(sa_emit_saved(e, layer, "divisor", SA_EMIT_SCALAR, 4, &a->divisor));
    sa_shape_nchw(&sa_emit_blob(e, layer->bottom[0])->shape, nchw);
    a->workspace_bytes = sa_emit_loss_workspace_bytes(e, nchw);
    SA_TRY(sa_emit_workspace(e, layer, a->workspace_bytes, &a->workspace));
    return sa_emit_op(e, layer, "forward", SA_OP_SOFTMAX_LOSS, &args);
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    if (!sa_emit_grad_is_wanted(e, layer->bottom[0])) return SA_OK;
    sa_op_args args = {.softmax_loss_grad = {.config = loss_config(e, layer)}};
    sa_softmax_loss_grad_args *a = &args.softmax_loss_grad;
    SA_TRY(scores_source(e, layer, &a->scores, &a->is_prob));
    SA_TRY(sa_emit_data(e, layer->bottom[1], &a->label));
    SA_TRY(sa_emit_saved(e, layer, "divisor", SA_EMIT_SCALAR, 4, &a->divisor));
    SA_TRY(sa_emit_grad_out(e, layer->bottom[0], &a->out));
    return sa_emit_op(e, layer, "backward", SA_OP_SOFTMAX_LOSS_GRAD, &args);
}

static void label_rule(const sa_layer *layer, const sa_blob *blobs, sa_label_rule *rule)
{
    const sa_loss_param *p = layer->config;
    *rule = (sa_label_rule){1, blobs[layer->bottom[0]].shape.dim[1], p->ignore_label_given, p->ignore_label, true};
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int axis = ((const softmax_loss_config *)layer->config)->softmax.axis;
    size_t classes = (size_t)shape->dim[axis < 0 ? axis + shape->axes : axis], scores = sa_blob_bytes(&blobs[layer->bottom[0]]);
    int count = 0;
    list[count++] = (sa_caffe_buffer){"prob", SA_CAFFE_SOFTMAX_PROB, scores, scores, "prob_"};
    if (layer->loss_weight != 0.0f)
        list[count++] = (sa_caffe_buffer){"prob.grad", SA_CAFFE_SOFTMAX_PROB, scores, scores, "prob_.diff"};
    list[count++] = (sa_caffe_buffer){"scale", SA_CAFFE_SOFTMAX_SCALE, scores / classes, scores / classes, "/softmax.scale_"};
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
