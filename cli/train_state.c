/* Collects the arrays of a net under the names that snapshots give them: "<layer>.<parameter>". */
#include "cli/train_state.h"

#include "cli/train_state_parts.h"
#include "net/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_array(sa_train_state *state, int layer, int param, float *values, size_t history)
{
    const sa_shape *shape = &state->net->layer[layer].param[param].shape;
    sa_state_place *p = &state->place[state->count];
    sa_snapshot_array *a = &state->array[state->count++];
    *p = (sa_state_place){.layer = layer, .param = param};
    snprintf(p->name, sizeof p->name, "%s.%d", state->net->layer[layer].name, param);
    *a = (sa_snapshot_array){
        .name = p->name, .axes = shape->axes, .count = sa_shape_elements(shape), .param = values, .history = values + history};
    if (sa_update_histories(state->solver) > 1) a->history2 = values + 2 * history;
    memcpy(a->shape, shape->dim, sizeof a->shape);
}

sa_status sa_train_state_create(const sa_net *net, sa_update_kind solver, sa_train_state **state)
{
    size_t arrays = 0, values = sa_net_parameter_count(net), used = 0;
    for (int l = 0; l < net->layer_count; l++) arrays += (size_t)net->layer[l].param_count;
    sa_train_state *s = calloc(1, sizeof *s);
    if (!s) SA_FAIL(SA_NOMEM, "no host memory for the state of net '%s'", net->name);
    s->net = net;
    s->solver = solver;
    s->array = calloc(arrays + 1, sizeof *s->array);
    s->place = calloc(arrays + 1, sizeof *s->place);
    s->values = calloc((1 + (size_t)sa_update_histories(solver)) * values + 1, sizeof *s->values);
    if (!s->array || !s->place || !s->values) {
        sa_train_state_destroy(s);
        SA_FAIL(SA_NOMEM, "no host memory for %zu parameters and the solver's histories", values);
    }
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].param_count; i++) {
            if (net->layer[l].param[i].is_shared) continue;
            add_array(s, l, i, s->values + used, values);
            used += s->array[s->count - 1].count;
        }
    *state = s;
    return SA_OK;
}

void sa_train_state_destroy(sa_train_state *state)
{
    if (!state) return;
    free(state->array);
    free(state->place);
    free(state->values);
    free(state);
}

static sa_status check_finite(const sa_snapshot_array *array, uint64_t step)
{
    for (size_t i = 0; i < array->count; i++)
        if (!isfinite(array->param[i]) || !isfinite(array->history[i]) || (array->history2 && !isfinite(array->history2[i])))
            SA_FAIL(SA_NUMERIC, "parameter '%s' is not finite after step %llu: training has diverged; no snapshot is written of it",
                    array->name, (unsigned long long)step);
    return SA_OK;
}

sa_status sa_train_state_collect(sa_train_state *state, sa_session *session, const sa_snapshot_state *header)
{
    for (size_t i = 0; i < state->count; i++) {
        const sa_state_place *p = &state->place[i];
        SA_TRY(sa_session_get_param(session, p->layer, p->param, state->array[i].param));
        float *const history[2] = {state->array[i].history, state->array[i].history2};
        for (int k = 0; k < 2; k++)
            if (history[k]) SA_TRY(sa_session_get_history(session, p->layer, p->param, k, history[k]));
        SA_TRY(check_finite(&state->array[i], header->step));
    }
    state->header = *header;
    state->header.solver = (uint32_t)state->solver;
    snprintf(state->header.net_name, sizeof state->header.net_name, "%s", state->net->name);
    return SA_OK;
}

sa_status sa_train_state_write(const sa_train_state *state, const char *path)
{
    return sa_snapshot_save(path, &state->header, state->array, state->count);
}

sa_status sa_train_state_load(sa_train_state *state, const char *path, sa_snapshot_state *header)
{
    return sa_snapshot_load(path, state->net->name, (uint32_t)state->solver, state->array, state->count, header);
}

sa_status sa_train_state_apply(const sa_train_state *state, sa_session *session)
{
    for (size_t i = 0; i < state->count; i++) {
        const sa_state_place *p = &state->place[i];
        SA_TRY(sa_session_set_param(session, p->layer, p->param, state->array[i].param));
        const float *const history[2] = {state->array[i].history, state->array[i].history2};
        for (int k = 0; k < 2; k++)
            if (history[k]) SA_TRY(sa_session_set_history(session, p->layer, p->param, k, history[k]));
    }
    return SA_OK;
}
