/* The emitter's parameters: their buffers, the sums of their gradients over layers, shards and ranks, their updates.
 *
 * A gradient goes through up to three sums. Layers that share a parameter add to the shard's gradient. The gradients of a step's
 * shards are added in the order of their numbers. With several ranks, shard k is rank k % ranks's, and each rank adds up the slice
 * that it owns: it receives the others' addends of a pass, adds them in order of ranks, and so in order of shards.
 *
 * An exchange is started as soon as the gradient is complete, and finished behind the backward ops of the next layers: it has that
 * long to go on beside them. */
#include "core/exchange.h"
#include "core/growing_array.h"
#include "program/emitter.h"

#include <stdio.h>

/* Groups of layers behind which gradients were sent and whose exchanges may be under way at a time. */
enum { GROUPS_UNDER_WAY = 2 };

static sa_ref buffer_ref(int buffer)
{
    return (sa_ref){.buffer = buffer};
}

/* Floats [begin, begin + count) of a buffer. */
static sa_ref slice_ref(int buffer, size_t begin, size_t count)
{
    return (sa_ref){.buffer = buffer, .offset_bytes = begin * sizeof(float), .size_bytes = count * sizeof(float)};
}

static sa_param_buffers *buffers_of(sa_emitter *e, const sa_layer *layer, int i)
{
    return &e->program->param[layer - e->net->layer][i];
}

/* The same of the parameter that is stored. */
static sa_param_buffers *owner_of(sa_emitter *e, const sa_layer *layer, int i)
{
    const sa_param *param = &layer->param[i];
    return param->is_shared ? &e->program->param[param->owner_layer][param->owner_param] : buffers_of(e, layer, i);
}

/* ------------------------------------------------------------------ buffers ---------------------------------------- */

/* Does another layer add to the gradient of the same parameter: one behind this one (earlier in the backward pass) or before it? */
static bool is_added_to(const sa_net *net, int layer, int i, bool behind)
{
    const sa_param *param = &net->layer[layer].param[i];
    const int owner = param->is_shared ? param->owner_layer : layer, owner_param = param->is_shared ? param->owner_param : i;
    if (!net->layer[owner].param[owner_param].has_sharers) return false;
    for (int l = behind ? layer : 0; l <= (behind ? net->layer_count - 1 : layer); l++)
        for (int k = 0; k < net->layer[l].param_count; k++) {
            const sa_param *other = &net->layer[l].param[k];
            const bool same = other->is_shared ? other->owner_layer == owner && other->owner_param == owner_param
                                               : l == owner && k == owner_param;
            const bool there = l != layer ? true : behind ? k > i : k < i;
            if (same && there && other->needs_grad && net->layer[l].needs_backward) return true;
        }
    return false;
}

/* Gradients that are clipped are needed whole: their norm is that of all. */
static bool needs_whole_total(const sa_emitter *e)
{
    return e->options->rule.clip > 0.0f;
}

/* The sum over shards, kept from pass to pass where a rank has several; and what is this rank's of it. */
static sa_status make_total(sa_emitter *e, const sa_layer *owner, int i, size_t count, sa_param_buffers *b)
{
    const sa_program *p = e->program;
    const size_t floats = needs_whole_total(e) ? count : b->slice_count;
    if (e->program->shards <= 1) b->total = b->shard;
    else if (floats > 0)
        SA_TRY(sa_emitter_buffer(e, p->passes > 1 ? SA_BUFFER_HISTORY : SA_BUFFER_GRAD, floats * sizeof(float), SA_CAFFE_PARAMETERS,
                                 &b->total, "%.50s.%d.sum", owner->name, i));
    return SA_OK;
}

/* At the first layer that trains the parameter. */
static sa_status make_trained(sa_emitter *e, const sa_layer *owner, int i, size_t count, sa_param_buffers *b)
{
    sa_program *p = e->program;
    b->slicing = (sa_slicing){.ranks = p->ranks, .rank = p->rank, .turn = e->param_count++, .count = count};
    b->slice_count = sa_slice_of(&b->slicing, p->rank, &b->slice_begin);
    SA_TRY(sa_emitter_buffer(e, SA_BUFFER_GRAD, count * sizeof(float), e->program->shards > 1 ? NULL : SA_CAFFE_PARAMETERS,
                             &b->shard, "%.50s.%d.%s", owner->name, i, e->program->shards > 1 ? "part" : "grad"));
    SA_TRY(make_total(e, owner, i, count, b));
    b->histories = sa_update_histories(e->options->rule.kind);
    for (int k = 0; k < b->histories && b->slice_count > 0; k++)
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_HISTORY, b->slice_count * sizeof(float), SA_CAFFE_HISTORY, &b->history[k],
                                 "%.50s.%d.history%s", owner->name, i, k ? "2" : ""));
    return SA_OK;
}

static sa_status make_param(sa_emitter *e, const sa_layer *layer, int i, sa_param_buffers *b)
{
    const sa_param *param = &layer->param[i];
    const size_t count = sa_shape_elements(&param->shape);
    const sa_layer *owner = param->is_shared ? &e->net->layer[param->owner_layer] : layer;
    sa_param_buffers *of_owner = owner_of(e, layer, i);
    if (!param->is_shared)
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_PARAM, count * sizeof(float), SA_CAFFE_PARAMETERS, &b->param, "%.50s.%d", layer->name,
                                 i));
    b->param = of_owner->param;
    if (!e->options->training || !layer->needs_backward) return SA_OK;
    if (param->needs_grad && of_owner->shard < 0)
        SA_TRY(make_trained(e, owner, param->is_shared ? param->owner_param : i, count, of_owner));
    b->shard = of_owner->shard;
    b->total = of_owner->total;
    b->grad = b->shard;
    if (!param->needs_grad || is_added_to(e->net, (int)(layer - e->net->layer), i, true))
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_GRAD, count * sizeof(float), param->needs_grad ? NULL : SA_CAFFE_PARAMETERS, &b->grad,
                                 "%.50s.%d.%s", layer->name, i, param->needs_grad ? "part" : "grad"));
    return SA_OK;
}

sa_status sa_emitter_params(sa_emitter *e)
{
    e->squares = SA_NO_BUFFER;
    for (int l = 0; l < e->net->layer_count; l++)
        for (int i = 0; i < SA_LAYER_PARAMS_MAX; i++) {
            sa_param_buffers *b = &e->program->param[l][i];
            *b = (sa_param_buffers){.param = SA_NO_BUFFER,
                                    .grad = SA_NO_BUFFER,
                                    .shard = SA_NO_BUFFER,
                                    .total = SA_NO_BUFFER,
                                    .history = {SA_NO_BUFFER, SA_NO_BUFFER}};
            if (i < e->net->layer[l].param_count) SA_TRY(make_param(e, &e->net->layer[l], i, b));
        }
    if (e->options->training && e->options->rule.clip > 0.0f)
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_SCALAR, sizeof(double), NULL, &e->squares, "gradient_squares"));
    return sa_emitter_buffer(e, SA_BUFFER_SCALAR, sizeof(sa_step_state), NULL, &e->program->step_state_buffer, "step_state");
}

/* ------------------------------------------------------------------ single ops ------------------------------------- */

static sa_status emit(sa_emitter *e, const sa_layer *layer, const char *what, int i, sa_op_kind kind, const sa_op_args *args)
{
    char text[32];
    snprintf(text, sizeof text, "%s %d", what, i);
    return sa_emit_op(e, layer, text, kind, args);
}

static sa_status update_param(sa_emitter *e, const sa_layer *layer, int i)
{
    const sa_param_buffers *b = buffers_of(e, layer, i);
    const size_t in_total = needs_whole_total(e) ? b->slice_begin : 0;
    if (b->slice_count == 0) return SA_OK;
    sa_op_args args = {.update = {.rule = e->options->rule,
                                  .param = slice_ref(b->param, b->slice_begin, b->slice_count),
                                  .grad = slice_ref(b->total, in_total, b->slice_count),
                                  .history = buffer_ref(b->history[0]),
                                  .history2 = buffer_ref(b->history[1]),
                                  .step_state = sa_emit_step_state(e),
                                  .squares = buffer_ref(e->squares),
                                  .count = b->slice_count,
                                  .lr_mult = layer->param[i].lr_mult,
                                  .decay = e->options->weight_decay * layer->param[i].decay_mult}};
    return emit(e, layer, "update", i, SA_OP_UPDATE, &args);
}

/* The square of the norm that gradients are clipped by. */
static sa_status sum_squares(sa_emitter *e, const sa_layer *layer, int i, bool add)
{
    sa_op_args args = {.square_sum = {.values = buffer_ref(buffers_of(e, layer, i)->total),
                                      .count = sa_shape_elements(&layer->param[i].shape),
                                      .add = add,
                                      .sum = buffer_ref(e->squares)}};
    args.square_sum.workspace_bytes = sa_square_sum_workspace_bytes(args.square_sum.count);
    SA_TRY(sa_emit_workspace(e, layer, args.square_sum.workspace_bytes, &args.square_sum.workspace));
    return sa_emit_op(e, layer, "squares", SA_OP_SQUARE_SUM, &args);
}

/* shard += grad: of a layer that shares the parameter with layers behind it */
static sa_status add_to_shard(sa_emitter *e, const sa_layer *layer, int i)
{
    const sa_param_buffers *b = buffers_of(e, layer, i);
    const sa_shape *shape = &layer->param[i].shape;
    sa_slab total = sa_slab_full(buffer_ref(b->shard), shape), grad = sa_slab_full(buffer_ref(b->grad), shape);
    sa_op_args args = {.materialize = {.range = {0, total.images, 0, total.channels}, .out = total}};
    sa_source sum, part;
    sa_node *node;
    sa_source_dense(&sum, &total, shape);
    sa_source_dense(&part, &grad, shape);
    SA_TRY(sa_source_join(&args.materialize.source, SA_NODE_ADD, shape, &sum, &part, NULL, &node));
    return sa_emit_op(e, layer, "sum", SA_OP_MATERIALIZE, &args);
}

/* total += the shard's gradients of all ranks, of this rank's slice */
static sa_status sum_shards(sa_emitter *e, const sa_layer *layer, int i, const sa_param_buffers *b, int parts)
{
    const size_t in_total = needs_whole_total(e) ? b->slice_begin : 0;
    if (b->slice_count == 0) return SA_OK;
    sa_op_args args = {.shard_sum = {.fresh = e->program->passes <= 1,
                                     .ranks = e->program->ranks,
                                     .rank = e->program->rank,
                                     .count = b->slice_count,
                                     .own = slice_ref(b->shard, b->slice_begin, b->slice_count),
                                     .parts = buffer_ref(parts),
                                     .total = slice_ref(b->total, in_total, b->slice_count),
                                     .step_state = sa_emit_step_state(e)}};
    return emit(e, layer, "shards", i, SA_OP_SHARD_SUM, &args);
}

/* ------------------------------------------------------------------ exchanges -------------------------------------- */

/* Starts an exchange (s->number gets a new one), or finishes it. */
static sa_status exchange(sa_emitter *e, sa_sent_gradient *s, sa_exchange_way way, int values, bool finish)
{
    static const char *const SENT[2] = {"send", "receive"}, *const SHARED[2] = {"share", "shared"};
    const sa_layer *layer = &e->net->layer[s->layer];
    const sa_param_buffers *b = owner_of(e, layer, s->param);
    if (!finish) s->number = e->exchange_count++ % SA_EXCHANGE_OUTSIDE;
    sa_op_args args = {.exchange = {.way = way,
                                    .finish = finish,
                                    .number = s->number,
                                    .slicing = b->slicing,
                                    .values = buffer_ref(values),
                                    .own = SA_REF_NONE,
                                    .parts = SA_REF_NONE,
                                    .step_state = sa_emit_step_state(e)}};
    if (way == SA_EXCHANGE_TO_OWNERS) args.exchange.parts = buffer_ref(s->parts);
    else if (b->slice_count > 0) args.exchange.own = slice_ref(values, b->slice_begin, b->slice_count);
    return emit(e, layer, (way == SA_EXCHANGE_TO_OWNERS ? SENT : SHARED)[finish], s->param, SA_OP_EXCHANGE, &args);
}

/* The owner of a parameter that something trains updates it; early, where the gradient is complete then. A layer whose weights a
 * virtual gradient below it still reads must not be updated before that gradient is used. */
static bool may_update_early(const sa_emitter *e, const sa_layer *layer)
{
    if (!e->realizations->early_update) return false;
    for (int i = 0; i < layer->bottom_count; i++) {
        const sa_blob *bottom = &e->net->blob[layer->bottom[i]];
        if (bottom->needs_grad && e->realizations->blob[layer->bottom[i]].grad == SA_GRAD_VIRTUAL) return false;
    }
    return true;
}

static bool is_updated(const sa_emitter *e, const sa_layer *layer, int i, bool early)
{
    const bool complete = !layer->param[i].has_sharers && e->program->passes <= 1 && e->options->rule.clip <= 0.0f;
    return e->program->param[layer - e->net->layer][i].histories > 0 && early == (complete && may_update_early(e, layer));
}

/* Sends a complete gradient to the slices' owners. */
static sa_status send(sa_emitter *e, const sa_layer *layer, int i)
{
    const sa_param_buffers *b = owner_of(e, layer, i);
    sa_sent_gradient *grown = sa_array_room(e->sent, e->sent_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %zu exchanges", e->sent_count + 1);
    e->sent = grown;
    sa_sent_gradient *s = &e->sent[e->sent_count++];
    *s = (sa_sent_gradient){.layer = (int)(layer - e->net->layer), .param = i, .group = e->sent_group, .parts = SA_NO_BUFFER};
    if (b->slice_count > 0)
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_GRAD, (size_t)(e->program->ranks - 1) * b->slice_count * sizeof(float), NULL,
                                 &s->parts, "%.50s.%d.received", layer->name, i));
    return exchange(e, s, SA_EXCHANGE_TO_OWNERS, b->shard, false);
}

/* Sends the updated slice to all. */
static sa_status share(sa_emitter *e, sa_sent_gradient *s)
{
    s->shared = true;
    return exchange(e, s, SA_EXCHANGE_TO_ALL, owner_of(e, &e->net->layer[s->layer], s->param)->param, false);
}

static sa_status receive(sa_emitter *e, sa_sent_gradient *s)
{
    const sa_layer *layer = &e->net->layer[s->layer];
    const sa_param_buffers *b = owner_of(e, layer, s->param);
    SA_TRY(exchange(e, s, SA_EXCHANGE_TO_OWNERS, b->shard, true));
    SA_TRY(sum_shards(e, layer, s->param, b, s->parts));
    if (!is_updated(e, layer, s->param, true)) return SA_OK;
    SA_TRY(update_param(e, layer, s->param));
    return share(e, s);
}

/* Finishes what was sent behind groups of layers up to `group`. */
static sa_status receive_until(sa_emitter *e, int group)
{
    while (e->received_count < e->sent_count && e->sent[e->received_count].group <= group)
        SA_TRY(receive(e, &e->sent[e->received_count++]));
    return SA_OK;
}

/* ------------------------------------------------------------------ the backward pass ------------------------------ */

static sa_status complete(sa_emitter *e, const sa_layer *layer, int i)
{
    if (e->program->ranks > 1) return send(e, layer, i);
    if (e->program->shards > 1) SA_TRY(sum_shards(e, layer, i, owner_of(e, layer, i), SA_NO_BUFFER));
    return is_updated(e, layer, i, true) ? update_param(e, layer, i) : SA_OK;
}

sa_status sa_emitter_gradients(sa_emitter *e, int first, int last)
{
    e->sent_group++;
    const size_t sent = e->sent_count;
    for (int l = last; l >= first; l--) {
        const sa_layer *layer = &e->net->layer[l];
        if (!layer->needs_backward) continue;
        for (int i = 0; i < layer->param_count; i++)
            if (layer->param[i].needs_grad && buffers_of(e, layer, i)->grad != buffers_of(e, layer, i)->shard)
                SA_TRY(add_to_shard(e, layer, i));
        for (int i = 0; i < layer->param_count; i++)
            if (layer->param[i].needs_grad && !is_added_to(e->net, l, i, false)) SA_TRY(complete(e, layer, i));
    }
    if (e->sent_count == sent) e->sent_group--;
    return receive_until(e, e->sent_group - GROUPS_UNDER_WAY);
}

sa_status sa_emitter_gradients_end(sa_emitter *e)
{
    return receive_until(e, e->sent_group);
}

/* ------------------------------------------------------------------ the update phase ------------------------------- */

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

/* Every rank gets the slices of all sums. */
static sa_status share_totals(sa_emitter *e)
{
    for (int finish = 0; finish < 2; finish++)
        for (size_t k = 0; k < e->sent_count; k++) {
            sa_sent_gradient *s = &e->sent[k];
            const int total = owner_of(e, &e->net->layer[s->layer], s->param)->total;
            SA_TRY(exchange(e, s, SA_EXCHANGE_TO_ALL, total, finish));
        }
    return SA_OK;
}

sa_status sa_emitter_update(sa_emitter *e)
{
    if (needs_whole_total(e)) {
        SA_TRY(share_totals(e));
        SA_TRY(each_late_param(e, late_squares));
    }
    SA_TRY(each_late_param(e, late_update));
    for (size_t k = 0; k < e->sent_count; k++)
        if (!e->sent[k].shared) SA_TRY(share(e, &e->sent[k]));
    for (size_t k = 0; k < e->sent_count; k++)
        SA_TRY(exchange(e, &e->sent[k], SA_EXCHANGE_TO_ALL, owner_of(e, &e->net->layer[e->sent[k].layer], e->sent[k].param)->param,
                        true));
    return SA_OK;
}

/* ------------------------------------------------------------------ running sums ----------------------------------- */

static sa_status exchange_statistics(sa_emitter *e, sa_sent_statistics *s, int which, bool finish)
{
    static const char *const WHAT[2][2] = {{"send mean", "receive mean"}, {"send variance", "receive variance"}};
    const sa_program *p = e->program;
    const sa_bn_running_args *r = &s->running;
    if (!finish) s->number[which] = e->exchange_count++ % SA_EXCHANGE_OUTSIDE;
    const sa_op_args args = {.exchange = {.way = SA_EXCHANGE_PARTS,
                                          .finish = finish,
                                          .number = s->number[which],
                                          .slicing = {.ranks = p->ranks, .rank = p->rank, .count = (size_t)r->end},
                                          .values = which ? r->var : r->mean,
                                          .own = SA_REF_NONE,
                                          .parts = which ? r->vars : r->means,
                                          .step_state = r->step_state}};
    return sa_emit_op(e, &e->net->layer[s->layer], WHAT[which][finish], SA_OP_EXCHANGE, &args);
}

/* Finishes what was sent before the last `left` layers'. */
static sa_status receive_statistics(sa_emitter *e, size_t left)
{
    while (e->statistics_received + left < e->statistics_count) {
        sa_sent_statistics *s = &e->statistics[e->statistics_received++];
        const sa_op_args args = {.bn_running = s->running};
        for (int which = 0; which < 2; which++) SA_TRY(exchange_statistics(e, s, which, true));
        SA_TRY(sa_emit_op(e, &e->net->layer[s->layer], "running sums", SA_OP_BN_RUNNING, &args));
    }
    return SA_OK;
}

/* Rooms for what the others send. */
static sa_status send_statistics(sa_emitter *e, const sa_layer *layer, const sa_bn_running_args *running)
{
    const size_t bytes = (size_t)(e->program->ranks - 1) * (size_t)running->end * sizeof(float);
    sa_sent_statistics *grown = sa_array_room(e->statistics, e->statistics_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %zu exchanges", e->statistics_count + 1);
    e->statistics = grown;
    sa_sent_statistics *s = &e->statistics[e->statistics_count++];
    *s = (sa_sent_statistics){.layer = (int)(layer - e->net->layer), .running = *running};
    s->running.ranks = e->program->ranks;
    s->running.rank = e->program->rank;
    s->running.step_state = sa_emit_step_state(e);
    int means, vars;
    SA_TRY(sa_emitter_buffer(e, SA_BUFFER_SAVED, bytes, NULL, &means, "%.50s.means", layer->name));
    SA_TRY(sa_emitter_buffer(e, SA_BUFFER_SAVED, bytes, NULL, &vars, "%.50s.variances", layer->name));
    s->running.means = buffer_ref(means);
    s->running.vars = buffer_ref(vars);
    for (int which = 0; which < 2; which++) SA_TRY(exchange_statistics(e, s, which, false));
    return receive_statistics(e, GROUPS_UNDER_WAY);
}

sa_status sa_emit_running_sums(sa_emitter *e, const sa_layer *layer, const sa_bn_running_args *args, int32_t channels)
{
    sa_op_args op = {.bn_running = *args};
    op.bn_running.means = op.bn_running.vars = op.bn_running.step_state = SA_REF_NONE;
    if (e->program->ranks <= 1) return sa_emit_op(e, layer, "running sums", SA_OP_BN_RUNNING, &op);
    if (args->end < channels && !layer->mixes_channels) return SA_OK; /* the rest of a band's channels is yet to come */
    op.bn_running.begin = 0;
    return send_statistics(e, layer, &op.bn_running);
}

sa_status sa_emitter_statistics_end(sa_emitter *e)
{
    return receive_statistics(e, 0);
}
