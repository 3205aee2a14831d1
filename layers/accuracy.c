/* Accuracy over all pixels and, as an optional second top, per class. No gradient. Caffe, Caffe-SegNet: AccuracyLayer. In SegNet's
 * fork equal scores rank by index and a class without pixels counts as 1; in BVLC's ties lose and such a class counts as 0. */
#include "layers/layer_common.h"
#include "layers/loss_ops.h"

static int class_axis(const sa_layer *layer, const sa_blob *blobs)
{
    const int axes = blobs[layer->bottom[0]].shape.axes, axis = ((const sa_accuracy_param *)layer->config)->axis;
    return axis < 0 ? axis + axes : axis;
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_accuracy_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int axis;
    SA_TRY(sa_axis_resolve(shape, p->axis, "axis", &axis));
    SA_TRY(sa_layer_need_labels(layer, blobs, axis));
    int32_t classes = shape->dim[axis];
    if (p->top_k < 1 || p->top_k > classes) SA_FAIL(SA_INVALID, "top_k %d is not between 1 and the %d classes", p->top_k, classes);
    blobs[layer->top[0]].shape = (sa_shape){.axes = 0};
    if (layer->top_count > 1)
        blobs[layer->top[1]].shape = layer->caffe_segnet ? (sa_shape){4, {classes, 1, 1, 1}} : (sa_shape){1, {classes}};
    return SA_OK;
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    const sa_accuracy_param *p = layer->config;
    sa_op_args args = {.accuracy = {.has_ignore = p->ignore_label_given,
                                    .ties_lose = !layer->caffe_segnet,
                                    .ignore_label = p->ignore_label,
                                    .top_k = p->top_k,
                                    .empty_class = layer->caffe_segnet ? 1.0f : 0.0f}};
    sa_accuracy_args *a = &args.accuracy;
    sa_slab out;
    int32_t view[4];
    sa_loss_view(&sa_emit_blob(e, layer->bottom[0])->shape, class_axis(layer, sa_emit_blobs(e)), view);
    const int32_t label_view[4] = {view[0], 1, view[2], view[3]};
    SA_TRY(sa_emit_data(e, layer->bottom[0], &a->scores));
    SA_TRY(sa_emit_reshape(e, layer, &a->scores, view));
    SA_TRY(sa_emit_data(e, layer->bottom[1], &a->label));
    SA_TRY(sa_emit_reshape(e, layer, &a->label, label_view));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &out));
    a->accuracy = out.at;
    a->per_class = SA_REF_NONE;
    if (layer->top_count > 1) {
        SA_TRY(sa_emit_data_out(e, layer->top[1], &out));
        a->per_class = out.at;
    }
    a->workspace_bytes = sa_emit_accuracy_workspace_bytes(e, view);
    SA_TRY(sa_emit_workspace(e, layer, a->workspace_bytes, &a->workspace));
    return sa_emit_op(e, layer, "forward", SA_OP_ACCURACY, &args);
}

static void label_rule(const sa_layer *layer, const sa_blob *blobs, sa_label_rule *rule)
{
    const sa_accuracy_param *p = layer->config;
    *rule = (sa_label_rule){1, blobs[layer->bottom[0]].shape.dim[class_axis(layer, blobs)], p->ignore_label_given, p->ignore_label,
                            false};
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    if (layer->top_count < 2) return 0;
    size_t classes = sa_blob_bytes(&blobs[layer->top[1]]), scores = sa_blob_bytes(&blobs[layer->bottom[0]]);
    if (layer->caffe_segnet) list[0] = (sa_caffe_buffer){"nums", SA_CAFFE_SCALARS, 0, 2 * classes, "nums_buffer_"};
    else list[0] = (sa_caffe_buffer){"nums", SA_CAFFE_OTHER, scores, classes, "nums_buffer_"};
    return 1;
}

const sa_layer_type sa_layer_accuracy = {
    .name = "Accuracy",
    .config_field = "accuracy_param",
    .config_table = sa_accuracy_fields,
    .config_bytes = sizeof(sa_accuracy_param),
    .config_init = sa_accuracy_param_init,
    .min_bottoms = 2,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 2,
    .is_metric = true,
    .caffe_tops_on_host = true,
    .caffe_gpu_scratch_diffs = {1u << 0 | 1u << 1, 1u << 0},
    .setup = setup,
    .label_rule = label_rule,
    .caffe_buffers = caffe_buffers,
    .emit_forward = emit_forward,
};
