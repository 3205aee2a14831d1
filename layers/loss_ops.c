/* The ops of loss layers: see loss_ops.h. */
#include "layers/loss_ops.h"

#include "layers/layer_common.h"

#include <string.h>

float sa_loss_divisor(int32_t normalization, size_t outer, size_t inner)
{
    switch (normalization) {
    case SA_NORMALIZATION_FULL: return (float)(outer * inner);
    case SA_NORMALIZATION_BATCH_SIZE: return (float)outer;
    case SA_NORMALIZATION_NONE: return 1.0f;
    default: return 0.0f;
    }
}

int32_t sa_loss_normalization(const sa_loss_param *param, int32_t fallback)
{
    if (param->normalization_given) return param->normalization;
    if (!param->normalize_given) return fallback;
    return param->normalize ? SA_NORMALIZATION_VALID : SA_NORMALIZATION_BATCH_SIZE;
}

void sa_loss_view(const sa_shape *shape, int axis, int32_t view[4])
{
    sa_shape_nchw(shape, view);
    if (axis == 1 || (axis == 0 && shape->axes == 1)) return;
    view[0] = (int32_t)sa_shape_span(shape, 0, axis);
    view[1] = shape->dim[axis];
    view[2] = 1;
    view[3] = (int32_t)sa_shape_span(shape, axis + 1, shape->axes);
}

static sa_status prob_slab(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form, sa_slab *slab)
{
    const sa_shape shape = {4, {form->view[0], form->view[1], form->view[2], form->view[3]}};
    sa_ref at;
    SA_TRY(sa_emit_saved(e, layer, "prob", SA_EMIT_SAVED, sa_shape_elements(&shape) * 4, &at));
    *slab = sa_slab_full(at, &shape);
    return SA_OK;
}

static sa_status read_bottom(sa_emitter *e, const sa_layer *layer, int bottom, const int32_t view[4], sa_source *source)
{
    SA_TRY(sa_emit_data(e, layer->bottom[bottom], source));
    return sa_emit_reshape(e, layer, source, view);
}

/* scores: the kept softmax, or bottom 0 */
static sa_status scores_source(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form, sa_source *scores, bool *is_prob)
{
    const bool kept = form->keeps_softmax && sa_emit_caffe_layout(e);
    *is_prob = form->is_prob || kept;
    if (!kept) return read_bottom(e, layer, 0, form->view, scores);
    const sa_shape shape = {4, {form->view[0], form->view[1], form->view[2], form->view[3]}};
    sa_slab slab;
    SA_TRY(prob_slab(e, layer, form, &slab));
    sa_source_dense(scores, &slab, &shape);
    return SA_OK;
}

/* What the scores are compared with: one label per pixel, or a value per score. */
static sa_status beside_source(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form, int bottom, sa_source *source)
{
    int32_t view[4];
    memcpy(view, form->view, sizeof view);
    if (sa_loss_has_labels(form->config.kind)) view[1] = 1;
    return read_bottom(e, layer, bottom, view, source);
}

static sa_status table_ref(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form, sa_ref *table)
{
    sa_source source;
    *table = SA_REF_NONE;
    if (!form->table_bottom) return SA_OK;
    SA_TRY(sa_emit_data(e, layer->bottom[form->table_bottom], &source));
    return sa_emit_plain(e, layer, &source, table);
}

static sa_status keep_softmax(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form)
{
    sa_op_args soft = {.softmax = {.range = {0, form->view[0], 0, form->view[1]}}};
    SA_TRY(read_bottom(e, layer, 0, form->view, &soft.softmax.x));
    SA_TRY(prob_slab(e, layer, form, &soft.softmax.prob));
    return sa_emit_op(e, layer, "softmax", SA_OP_SOFTMAX, &soft);
}

sa_status sa_loss_emit_forward(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form)
{
    sa_op_args args = {.loss = {.config = form->config}};
    sa_loss_args *a = &args.loss;
    sa_slab loss;
    if (form->keeps_softmax && sa_emit_caffe_layout(e)) SA_TRY(keep_softmax(e, layer, form));
    SA_TRY(scores_source(e, layer, form, &a->scores, &a->is_prob));
    SA_TRY(beside_source(e, layer, form, 1, &a->label));
    SA_TRY(table_ref(e, layer, form, &a->table));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &loss));
    a->loss = loss.at;
    SA_TRY(sa_emit_saved(e, layer, "divisor", SA_EMIT_SCALAR, 4, &a->divisor));
    a->workspace_bytes = sa_emit_loss_workspace_bytes(e, form->view);
    SA_TRY(sa_emit_workspace(e, layer, a->workspace_bytes, &a->workspace));
    return sa_emit_op(e, layer, "forward", SA_OP_LOSS, &args);
}

/* Where the gradient is to lie with gaps that the view cannot have, it is made beside and copied. */
static sa_status emit_gradient_op(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form, int bottom, sa_op_args *args)
{
    const char *what = bottom == 0 ? "backward" : "backward 1";
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[bottom])->shape;
    sa_slab out, beside;
    sa_source source;
    SA_TRY(sa_emit_grad_out(e, layer->bottom[bottom], &out));
    args->loss_grad.out = out;
    if (sa_slab_reshape(&args->loss_grad.out, form->view)) return sa_emit_op(e, layer, what, SA_OP_LOSS_GRAD, args);
    sa_ref room;
    SA_TRY(sa_emit_saved(e, layer, bottom == 0 ? "gradient" : "gradient_1", SA_EMIT_SAVED, sa_shape_elements(shape) * 4, &room));
    beside = args->loss_grad.out = sa_slab_full(room, shape);
    if (!sa_slab_reshape(&args->loss_grad.out, form->view)) SA_FAIL(SA_INVALID, "layer '%s': no such view", layer->name);
    SA_TRY(sa_emit_op(e, layer, what, SA_OP_LOSS_GRAD, args));
    sa_source_dense(&source, &beside, shape);
    return sa_emit_materialize(e, layer, "gradient", &source, layer->bottom[bottom], out);
}

static sa_status emit_gradient(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form, int bottom)
{
    sa_op_args args = {.loss_grad = {.config = form->config}};
    sa_loss_grad_args *a = &args.loss_grad;
    if (bottom == 0) {
        SA_TRY(scores_source(e, layer, form, &a->scores, &a->is_prob));
        SA_TRY(beside_source(e, layer, form, 1, &a->label));
    } else {
        SA_TRY(beside_source(e, layer, form, 1, &a->scores));
        SA_TRY(beside_source(e, layer, form, 0, &a->label));
    }
    SA_TRY(table_ref(e, layer, form, &a->table));
    SA_TRY(sa_emit_saved(e, layer, "divisor", SA_EMIT_SCALAR, 4, &a->divisor));
    return emit_gradient_op(e, layer, form, bottom, &args);
}

/* Bottom 0 comes last: its gradient may take its place. */
sa_status sa_loss_emit_backward(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form)
{
    for (int bottom = layer->type->grad_bottoms - 1; bottom >= 0; bottom--)
        if (sa_emit_grad_is_wanted(e, layer->bottom[bottom])) SA_TRY(emit_gradient(e, layer, form, bottom));
    return SA_OK;
}
