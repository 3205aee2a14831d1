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
    op->remakes = e->remakes;
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

static void drop(sa_emitter *e, int blob)
{
    e->data[blob].present = e->data[blob].allocated = false;
}

/* What was made again for one layer alone. */
static void drop_each(sa_emitter *e)
{
    while (e->each_count > 0) drop(e, e->each[--e->each_count]);
}

static sa_status backward(sa_emitter *e)
{
    e->phase = SA_STEP_BACKWARD;
    SA_TRY(fill_weights(e));
    for (int b = 0; b < e->net->blob_count; b++)
        if (e->realizations->blob[b].again) drop(e, b);
    for (int i = e->net->layer_count - 1; i >= 0; i--) {
        int start = sa_emitter_band_start(e, i), last = i;
        if (start >= 0) {
            SA_TRY(sa_emitter_each_band(e, start, band_backward, NULL));
            i = start;
        } else {
            SA_TRY(backward_layer(e, i));
        }
        drop_each(e);
        SA_TRY(sa_emitter_gradients(e, i, last));
    }
    return sa_emitter_gradients_end(e);
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
    SA_TRY(sa_emitter_params(e));
    SA_TRY(make_inputs(e));
    SA_TRY(forward(e));
    SA_TRY(sa_emitter_statistics_end(e));
    e->program->phase_end[SA_STEP_FORWARD] = e->program->op_count;
    find_outputs(e);
    if (e->options->training) SA_TRY(backward(e));
    e->program->phase_end[SA_STEP_BACKWARD] = e->program->op_count;
    e->phase = SA_STEP_UPDATE;
    if (e->options->training) SA_TRY(sa_emitter_update(e));
    e->program->phase_end[SA_STEP_UPDATE] = e->program->op_count;
    return SA_OK;
}
