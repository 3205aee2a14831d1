/* The emitter's walk: one training step of a net under a strategy, as a list of ops. */
#include "core/growing_array.h"
#include "program/emitter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ ops -------------------------------------------- */

/* "conv1 forward": snprintf would take a good part of the time of planning a long net. */
static void set_name(sa_op *op, const char *layer, const char *what)
{
    enum { LAYER_MAX = 60, WHAT_MAX = 30 };
    _Static_assert(sizeof op->name >= LAYER_MAX + WHAT_MAX + 2, "room for both, a space and the end");
    size_t layer_length = strnlen(layer, LAYER_MAX), what_length = strnlen(what, WHAT_MAX);
    memcpy(op->name, layer, layer_length);
    op->name[layer_length] = ' ';
    memcpy(op->name + layer_length + 1, what, what_length);
    op->name[layer_length + 1 + what_length] = '\0';
}

sa_status sa_emit_op(sa_emitter *e, const sa_layer *layer, const char *what, sa_op_kind kind, const sa_op_args *args)
{
    sa_program *p = e->program;
    sa_op *grown = sa_array_room(p->op, p->op_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %zu ops", p->op_count + 1);
    p->op = grown;
    sa_op *op = &p->op[p->op_count++];
    set_name(op, layer ? layer->name : "solver", what);
    op->kind = kind;
    op->phase = e->phase;
    op->layer = layer ? (int)(layer - e->net->layer) : -1;
    memcpy(&op->args, args, sa_op_args_bytes(kind)); /* most kinds take a small part of the union */
    return SA_OK;
}

sa_status sa_emit_materialize(sa_emitter *e, const sa_layer *layer, const char *what, const sa_source *source, int blob,
                              sa_slab out)
{
    sa_op_args args = {.materialize = {.range = sa_emit_range(e, blob), .source = *source, .out = out}};
    return sa_emit_op(e, layer, what, SA_OP_MATERIALIZE, &args);
}

sa_status sa_emit_forward_from_source(sa_emitter *e, const sa_layer *layer)
{
    for (int i = 0; i < layer->top_count; i++) {
        sa_source source;
        sa_slab out;
        if (i > 0 && !layer->type->shares_bottom && !layer->type->cuts_bottom)
            break; /* further tops (BN's statistics) are not this expression */
        if (!sa_emit_data_is_stored(e, layer->top[i])) continue;
        SA_TRY(layer->type->top_source(e, layer, i, &source));
        SA_TRY(sa_emit_data_out(e, layer->top[i], &out));
        SA_TRY(sa_emit_materialize(e, layer, sa_emit_is_again(e) ? "forward again" : "forward", &source, layer->top[i], out));
    }
    return SA_OK;
}

sa_status sa_emit_backward_of_bottom(sa_emitter *e, const sa_layer *layer, int bottom)
{
    sa_source source;
    sa_slab out;
    if (!sa_emit_grad_is_wanted(e, layer->bottom[bottom])) return SA_OK;
    SA_TRY(layer->type->bottom_grad_source(e, layer, bottom, &source));
    SA_TRY(sa_emit_grad_out(e, layer->bottom[bottom], &out));
    return sa_emit_materialize(e, layer, "backward", &source, layer->bottom[bottom], out);
}

sa_status sa_emit_backward_from_source(sa_emitter *e, const sa_layer *layer)
{
    for (int i = 0; i < layer->bottom_count; i++) SA_TRY(sa_emit_backward_of_bottom(e, layer, i));
    return SA_OK;
}

static sa_status kept_slab(sa_emitter *e, const sa_layer *layer, const char *suffix, sa_slab *slab)
{
    const sa_shape *shape = &e->net->blob[layer->bottom[0]].shape;
    sa_ref at;
    SA_TRY(sa_emit_saved(e, layer, suffix, SA_EMIT_SAVED, sa_shape_elements(shape) * 4, &at));
    *slab = sa_slab_full(at, shape);
    return SA_OK;
}

sa_status sa_emit_save(sa_emitter *e, const sa_layer *layer, const char *suffix, const sa_source *source)
{
    sa_slab slab;
    SA_TRY(kept_slab(e, layer, suffix, &slab));
    return sa_emit_materialize(e, layer, "keep", source, layer->bottom[0], slab);
}

sa_status sa_emit_saved_source(sa_emitter *e, const sa_layer *layer, const char *suffix, sa_source *source)
{
    sa_slab slab;
    SA_TRY(kept_slab(e, layer, suffix, &slab));
    sa_source_dense(source, &slab, &e->net->blob[layer->bottom[0]].shape);
    return SA_OK;
}

sa_status sa_emit_keep_bottom(sa_emitter *e, const sa_layer *layer, const char *suffix)
{
    sa_source source;
    bool in_place = e->net->blob[layer->top[0]].previous == layer->bottom[0];
    if (!in_place || !sa_emit_caffe_layout(e) || sa_emit_is_again(e)) return SA_OK;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &source));
    return sa_emit_save(e, layer, suffix, &source);
}

sa_status sa_emit_kept_bottom(sa_emitter *e, const sa_layer *layer, const char *suffix, sa_source *source)
{
    if (sa_emit_has_saved(e, layer, suffix)) return sa_emit_saved_source(e, layer, suffix, source);
    return sa_emit_data(e, layer->bottom[0], source);
}

/* ------------------------------------------------------------------ passes over the layers ------------------------- */

static sa_status forward_layer(sa_emitter *e, int index)
{
    const sa_layer *layer = &e->net->layer[index];
    if (layer->type->emit_forward) SA_TRY(sa_emitter_forward(e, layer));
    return sa_emitter_caffe_rest(e, layer);
}

static sa_status backward_layer(sa_emitter *e, int index)
{
    const sa_layer *layer = &e->net->layer[index];
    return layer->needs_backward && layer->type->emit_backward ? layer->type->emit_backward(e, layer) : SA_OK;
}

sa_status sa_emitter_each_band(sa_emitter *e, int first, sa_status (*run)(sa_emitter *e, void *context), void *context)
{
    int all = e->net->blob[e->net->layer[first].top[0]].shape.dim[1], channels = e->realizations->layer[first].band_channels;
    sa_status status = SA_OK;
    e->band_first_layer = first;
    e->band_last_layer = e->realizations->layer[first].band_end;
    for (int begin = 0; begin < all && status == SA_OK; begin += channels) {
        e->band_begin = begin;
        e->band_end = begin + channels < all ? begin + channels : all;
        status = run(e, context);
    }
    e->band_end = 0;
    return status;
}

static sa_status band_forward(sa_emitter *e, void *context)
{
    (void)context;
    for (int l = e->band_first_layer; l <= e->band_last_layer; l++) SA_TRY(forward_layer(e, l));
    return SA_OK;
}

static sa_status band_backward(sa_emitter *e, void *context)
{
    (void)context;
    for (int l = e->band_last_layer; l >= e->band_first_layer; l--) SA_TRY(backward_layer(e, l));
    return SA_OK;
}

int sa_emitter_band_start(const sa_emitter *e, int last)
{
    return e->band_start[last];
}

static sa_status forward(sa_emitter *e)
{
    e->phase = SA_STEP_FORWARD;
    for (int i = 0; i < e->net->layer_count; i++) {
        const sa_layer_choice *choice = &e->realizations->layer[i];
        if (choice->band_channels > 0) {
            SA_TRY(sa_emitter_each_band(e, i, band_forward, NULL));
            i = choice->band_end;
        } else {
            SA_TRY(forward_layer(e, i));
        }
    }
    return SA_OK;
}

static sa_ref buffer_ref(int buffer)
{
    return (sa_ref){.buffer = buffer};
}

static sa_status update_param(sa_emitter *e, const sa_layer *layer, int i)
{
    const sa_param *param = &layer->param[i];
    const sa_param_buffers *b = &e->program->param[layer - e->net->layer][i];
    sa_op_args args = {.update = {.rule = e->options->rule,
                                  .param = buffer_ref(b->param),
                                  .grad = buffer_ref(b->total),
                                  .history = buffer_ref(b->history[0]),
                                  .history2 = buffer_ref(b->history[1]),
                                  .step_state = sa_emit_step_state(e),
                                  .squares = buffer_ref(e->squares),
                                  .count = sa_shape_elements(&param->shape),
                                  .lr_mult = param->lr_mult,
                                  .decay = e->options->weight_decay * param->decay_mult}};
    char what[32];
    snprintf(what, sizeof what, "update %d", i);
    return sa_emit_op(e, layer, what, SA_OP_UPDATE, &args);
}

/* The square of the norm that gradients are clipped by. */
static sa_status sum_squares(sa_emitter *e, const sa_layer *layer, int i, bool add)
{
    sa_op_args args = {.square_sum = {.values = buffer_ref(e->program->param[layer - e->net->layer][i].total),
                                      .count = sa_shape_elements(&layer->param[i].shape),
                                      .add = add,
                                      .sum = buffer_ref(e->squares)}};
    args.square_sum.workspace_bytes = sa_square_sum_workspace_bytes(args.square_sum.count);
    SA_TRY(sa_emit_workspace(e, layer, args.square_sum.workspace_bytes, &args.square_sum.workspace));
    return sa_emit_op(e, layer, "squares", SA_OP_SQUARE_SUM, &args);
}

/* total += grad, where they are not the same */
static sa_status add_gradients(sa_emitter *e, const sa_layer *layer)
{
    for (int i = 0; i < layer->param_count; i++) {
        const sa_param_buffers *b = &e->program->param[layer - e->net->layer][i];
        const sa_shape *shape = &layer->param[i].shape;
        if (!layer->param[i].needs_grad || b->total == b->grad) continue;
        sa_slab total = sa_slab_full(buffer_ref(b->total), shape), grad = sa_slab_full(buffer_ref(b->grad), shape);
        sa_op_args args = {.materialize = {.range = {0, total.images, 0, total.channels}, .out = total}};
        sa_source sum, part;
        sa_node *node;
        sa_source_dense(&sum, &total, shape);
        sa_source_dense(&part, &grad, shape);
        SA_TRY(sa_source_join(&args.materialize.source, SA_NODE_ADD, shape, &sum, &part, NULL, &node));
        SA_TRY(sa_emit_op(e, layer, "sum", SA_OP_MATERIALIZE, &args));
    }
    return SA_OK;
}

/* A layer whose weights a virtual gradient below it still reads must not be updated before that gradient is used. */
static bool may_update_early(const sa_emitter *e, const sa_layer *layer)
{
    if (!e->realizations->early_update) return false;
    for (int i = 0; i < layer->bottom_count; i++) {
        const sa_blob *bottom = &e->net->blob[layer->bottom[i]];
        if (bottom->needs_grad && e->realizations->blob[layer->bottom[i]].grad == SA_GRAD_VIRTUAL) return false;
    }
    return true;
}

/* The owner of a parameter that something trains updates it; early, where the gradient is complete then. */
static bool is_updated(const sa_emitter *e, const sa_layer *layer, int i, bool early)
{
    const sa_update_rule *rule = &e->options->rule;
    const bool complete = !layer->param[i].has_sharers && rule->passes <= 1 && rule->clip <= 0.0f;
    return e->program->param[layer - e->net->layer][i].history[0] >= 0 && early == (complete && may_update_early(e, layer));
}

static sa_status update_layers_early(sa_emitter *e, int first, int last)
{
    for (int l = last; l >= first; l--) {
        const sa_layer *layer = &e->net->layer[l];
        SA_TRY(add_gradients(e, layer));
        for (int i = 0; i < layer->param_count; i++)
            if (is_updated(e, layer, i, true)) SA_TRY(update_param(e, layer, i));
    }
    return SA_OK;
}

/* Tops that are a part of the net's loss by their weight alone. */
static sa_status fill_weights(sa_emitter *e)
{
    for (int b = 0; b < e->net->blob_count; b++) {
        const sa_blob *blob = &e->net->blob[b];
        sa_slab slab;
        if (!blob->needs_grad || blob->grad_weight == 0.0f) continue;
        SA_TRY(sa_emit_grad_out(e, b, &slab));
        sa_op_args args = {.fill = {.target = slab.at, .count = sa_shape_elements(&blob->shape), .value = blob->grad_weight}};
        SA_TRY(sa_emit_op(e, &e->net->layer[blob->producer], "weight", SA_OP_FILL, &args));
    }
    return SA_OK;
}

static sa_status backward(sa_emitter *e)
{
    e->phase = SA_STEP_BACKWARD;
    SA_TRY(fill_weights(e));
    for (int b = 0; b < e->net->blob_count; b++)
        if (e->realizations->blob[b].again) e->data[b].present = e->data[b].allocated = false;
    for (int i = e->net->layer_count - 1; i >= 0; i--) {
        int start = sa_emitter_band_start(e, i), last = i;
        if (start >= 0) {
            SA_TRY(sa_emitter_each_band(e, start, band_backward, NULL));
            i = start;
        } else {
            SA_TRY(backward_layer(e, i));
        }
        SA_TRY(update_layers_early(e, i, last));
    }
    return SA_OK;
}

/* Calls run for every parameter that is not updated yet; `nth` counts them. */
static sa_status each_late_param(sa_emitter *e, sa_status (*run)(sa_emitter *e, const sa_layer *layer, int i, int nth))
{
    int nth = 0;
    for (int l = 0; l < e->net->layer_count; l++)
        for (int i = 0; i < e->net->layer[l].param_count; i++)
            if (is_updated(e, &e->net->layer[l], i, false)) SA_TRY(run(e, &e->net->layer[l], i, nth++));
    return SA_OK;
}

static sa_status late_squares(sa_emitter *e, const sa_layer *layer, int i, int nth)
{
    return sum_squares(e, layer, i, nth > 0);
}

static sa_status late_update(sa_emitter *e, const sa_layer *layer, int i, int nth)
{
    (void)nth;
    return update_param(e, layer, i);
}

static sa_status update(sa_emitter *e)
{
    e->phase = SA_STEP_UPDATE;
    if (e->squares >= 0) SA_TRY(each_late_param(e, late_squares));
    return each_late_param(e, late_update);
}

/* ------------------------------------------------------------------ before the first op ---------------------------- */

/* An input without a reader takes no memory; Caffe's would. */
static bool is_left_alone(const sa_emitter *e, int blob)
{
    int reader = e->net->blob[blob].consumer;
    return !e->realizations->caffe_layout && (reader < 0 || e->net->layer[reader].type->ignores_bottoms) &&
           e->net->scores_blob >= 0;
}

static sa_status make_inputs(sa_emitter *e)
{
    for (int b = 0; b < e->net->blob_count; b++) {
        sa_slab slab;
        if (!e->net->layer[e->net->blob[b].producer].type->is_input) continue;
        if (b != e->net->scores_blob && is_left_alone(e, b)) continue;
        SA_TRY(sa_emit_data_out(e, b, &slab));
        e->program->input_buffer[b] = slab.at.buffer;
        e->program->input_encoding[b] = slab.encoding;
    }
    for (int b = 0; b < e->net->blob_count; b++) {
        sa_slab slab;
        if (!e->net->blob[b].grad_given) continue;
        SA_TRY(sa_emit_grad_out(e, b, &slab));
        e->program->seed_buffer[b] = slab.at.buffer;
        e->program->buffer[slab.at.buffer].kind = SA_BUFFER_INPUT;
    }
    return SA_OK;
}

/* Does a layer behind this one add to the gradient of the same parameter? */
static bool is_added_to_before(const sa_net *net, int layer, const sa_param *param, int i)
{
    const int owner = param->is_shared ? param->owner_layer : layer, owner_param = param->is_shared ? param->owner_param : i;
    if (!net->layer[owner].param[owner_param].has_sharers) return false;
    for (int l = layer; l < net->layer_count; l++)
        for (int k = l == layer ? i + 1 : 0; k < net->layer[l].param_count; k++) {
            const sa_param *other = &net->layer[l].param[k];
            if (other->is_shared && other->owner_layer == owner && other->owner_param == owner_param && other->needs_grad)
                return true;
        }
    return false;
}

/* What the update of a parameter takes, at the first layer that trains it: kept from pass to pass where a step has several. */
static sa_status make_total(sa_emitter *e, const sa_layer *owner, int i, size_t bytes, sa_param_buffers *of_owner)
{
    const bool passes = e->options->rule.passes > 1;
    SA_TRY(sa_emitter_buffer(e, passes ? SA_BUFFER_HISTORY : SA_BUFFER_GRAD, bytes, SA_CAFFE_PARAMETERS, &of_owner->total,
                             "%.50s.%d.%s", owner->name, i, passes ? "sum" : "grad"));
    for (int k = 0; k < sa_update_histories(e->options->rule.kind); k++)
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_HISTORY, bytes, SA_CAFFE_HISTORY, &of_owner->history[k], "%.50s.%d.history%s",
                                 owner->name, i, k ? "2" : ""));
    return SA_OK;
}

static sa_status make_param(sa_emitter *e, const sa_layer *layer, int i, sa_param_buffers *b)
{
    const sa_param *param = &layer->param[i];
    const int index = (int)(layer - e->net->layer);
    const size_t bytes = sa_shape_elements(&param->shape) * 4;
    const sa_layer *owner = param->is_shared ? &e->net->layer[param->owner_layer] : layer;
    const int owner_param = param->is_shared ? param->owner_param : i;
    sa_param_buffers *of_owner = &e->program->param[owner - e->net->layer][owner_param];
    if (!param->is_shared)
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_PARAM, bytes, SA_CAFFE_PARAMETERS, &b->param, "%.50s.%d", layer->name, i));
    b->param = of_owner->param;
    if (!e->options->training || !layer->needs_backward) return SA_OK;
    if (param->needs_grad && of_owner->total < 0) SA_TRY(make_total(e, owner, owner_param, bytes, of_owner));
    b->total = of_owner->total;
    b->grad = b->total;
    if (!param->needs_grad || e->options->rule.passes > 1 || is_added_to_before(e->net, index, param, i))
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_GRAD, bytes, param->needs_grad ? NULL : SA_CAFFE_PARAMETERS, &b->grad, "%.50s.%d.%s",
                                 layer->name, i, param->needs_grad ? "part" : "grad"));
    return SA_OK;
}

static sa_status make_params(sa_emitter *e)
{
    e->squares = SA_NO_BUFFER;
    for (int l = 0; l < e->net->layer_count; l++)
        for (int i = 0; i < SA_LAYER_PARAMS_MAX; i++) {
            sa_param_buffers *b = &e->program->param[l][i];
            *b = (sa_param_buffers){SA_NO_BUFFER, SA_NO_BUFFER, SA_NO_BUFFER, {SA_NO_BUFFER, SA_NO_BUFFER}};
            if (i < e->net->layer[l].param_count) SA_TRY(make_param(e, &e->net->layer[l], i, b));
        }
    if (e->options->training && e->options->rule.clip > 0.0f)
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_SCALAR, sizeof(double), NULL, &e->squares, "gradient_squares"));
    return sa_emitter_buffer(e, SA_BUFFER_SCALAR, sizeof(sa_step_state), NULL, &e->program->step_state_buffer, "step_state");
}

/* A Split's top that nobody reads is where its bottom is. */
static void find_outputs(sa_emitter *e)
{
    for (int b = 0; b < e->net->blob_count; b++) {
        int stored = b;
        if (e->net->blob[b].consumer >= 0) continue;
        while (!e->data[stored].present && e->net->layer[e->net->blob[stored].producer].type->shares_bottom)
            stored = e->net->layer[e->net->blob[stored].producer].bottom[0];
        if (e->data[stored].present) e->program->output_buffer[b] = e->data[stored].slab.at.buffer;
    }
}

sa_status sa_emitter_run(sa_emitter *e)
{
    SA_TRY(make_params(e));
    SA_TRY(make_inputs(e));
    SA_TRY(forward(e));
    e->program->phase_end[SA_STEP_FORWARD] = e->program->op_count;
    find_outputs(e);
    if (e->options->training) SA_TRY(backward(e));
    e->program->phase_end[SA_STEP_BACKWARD] = e->program->op_count;
    if (e->options->training) SA_TRY(update(e));
    e->program->phase_end[SA_STEP_UPDATE] = e->program->op_count;
    return SA_OK;
}
