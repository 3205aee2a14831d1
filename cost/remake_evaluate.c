/* One walk over a step, as the emitter makes it, with intervals in place of buffers. */
#include "cost/remake_scratch.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_PER_OP_MAX = 12 };

sa_status sa_remake_scratch_create(sa_remake_model *m)
{
    const size_t values = (size_t)m->value_count + 1;
    sa_remake_scratch *s = calloc(1, sizeof *s);
    m->scratch = s;
    m->events_max = (size_t)m->op_count * EVENTS_PER_OP_MAX;
    if (!s) SA_FAIL(SA_NOMEM, "no memory for a model");
    s->delta = malloc((m->events_max + 2) * sizeof *s->delta);
    s->event_of = malloc(((size_t)m->op_count + 1) * sizeof *s->event_of);
    s->present = malloc(values * sizeof *s->present);
    s->start = malloc(values * sizeof *s->start);
    s->last = malloc(values * sizeof *s->last);
    s->late_start = malloc(values * sizeof *s->late_start);
    s->read_last = malloc(((size_t)m->buffer_count + 1) * sizeof *s->read_last);
    s->stack = malloc(values * sizeof *s->stack);
    s->each = malloc(values * sizeof *s->each);
    if (!s->delta || !s->event_of || !s->present || !s->start || !s->last || !s->late_start || !s->read_last || !s->stack ||
        !s->each)
        SA_FAIL(SA_NOMEM, "no memory for a model of %d values", m->value_count);
    return SA_OK;
}

void sa_remake_scratch_free(sa_remake_model *m)
{
    sa_remake_scratch *s = m->scratch;
    if (!s) return;
    free(s->delta);
    free(s->event_of);
    free(s->present);
    free(s->start);
    free(s->last);
    free(s->late_start);
    free(s->read_last);
    free(s->stack);
    free(s->each);
    free(s);
    m->scratch = NULL;
}

typedef struct evaluation {
    const sa_remake_model *m;
    const uint8_t *state;
    sa_remake_scratch *s;
    int op, events;
    bool too_many;
    double ms;
} evaluation;

static void alive(const evaluation *e, int begin, int end, size_t bytes)
{
    e->s->delta[begin] += (int64_t)bytes;
    e->s->delta[end] -= (int64_t)bytes;
}

/* An event uses a value that is there. */
static void use(const evaluation *e, int v, int event)
{
    const int owner = e->m->value[v].owner;
    const sa_remake_value *value = &e->m->value[owner];
    const bool in_gap = value->taken < 0 || e->op < value->taken;
    if (e->state[owner] == SA_REMAKE_OPEN && in_gap && e->s->last[owner] != event) alive(e, event, event + 1, value->bytes);
    e->s->last[owner] = event;
}

static bool next_event(evaluation *e)
{
    if ((size_t)e->events >= e->m->events_max) e->too_many = true;
    else e->s->delta[++e->events + 1] = 0;
    return !e->too_many;
}

/* Makes a value whose inputs are there. */
static void make_again(evaluation *e, int v)
{
    const sa_remake_value *value = &e->m->value[v];
    sa_remake_scratch *s = e->s;
    const int event = e->events;
    if (!next_event(e)) return;
    s->delta[event] += (int64_t)(e->m->carried[e->op] + value->transient_bytes);
    s->delta[event + 1] -= (int64_t)(e->m->carried[e->op] + value->transient_bytes);
    for (int i = value->input_begin; i < value->input_end; i++) use(e, e->m->input[i], event);
    for (int i = value->read_begin; i < value->read_end; i++)
        if (e->m->buffer[e->m->read[i]].end <= e->op) s->read_last[e->m->read[i]] = event;
    if (value->late_bytes && s->late_start[v] < 0) s->late_start[v] = event;
    s->present[v] = true;
    if (s->start[value->owner] < 0) s->start[value->owner] = event;
    s->last[value->owner] = event;
    e->ms += value->ms;
    if (e->state[value->owner] == SA_REMAKE_EACH) s->each[s->each_count++] = v;
}

/* Makes what is not there, inputs first. */
static void ensure(evaluation *e, int v)
{
    sa_remake_scratch *s = e->s;
    int depth = 0;
    if (s->present[v]) return;
    s->stack[depth++] = v;
    while (depth > 0 && !e->too_many) {
        const sa_remake_value *value = &e->m->value[s->stack[depth - 1]];
        int missing = -1;
        for (int i = value->input_begin; i < value->input_end && missing < 0; i++)
            if (!s->present[e->m->input[i]]) missing = e->m->input[i];
        if (missing >= 0) s->stack[depth++] = missing;
        else make_again(e, s->stack[--depth]);
    }
}

static bool is_taken(const evaluation *e, int v)
{
    return e->m->value[v].taken >= 0 && e->m->value[v].taken <= e->op;
}

/* Behind the ops of a layer. */
static void drop_each(evaluation *e)
{
    sa_remake_scratch *s = e->s;
    for (; s->each_count > 0; s->each_count--) {
        const int v = s->each[s->each_count - 1];
        if (is_taken(e, v)) continue;
        alive(e, s->start[v], s->last[v] + 1, e->m->value[v].bytes);
        s->present[v] = false;
        s->start[v] = -1;
    }
}

static void walk_backward(evaluation *e)
{
    const sa_remake_model *m = e->m;
    sa_remake_scratch *s = e->s;
    for (e->op = m->forward_count; e->op < m->op_count && !e->too_many; e->op++) {
        const int t = e->op;
        for (int i = m->need_begin[t]; i < m->need_begin[t + 1]; i++) ensure(e, m->need[i]);
        const int event = e->events;
        if (e->too_many || !next_event(e)) return;
        s->event_of[t] = event;
        s->delta[event] += (int64_t)m->fixed[t];
        s->delta[event + 1] -= (int64_t)m->fixed[t];
        for (int i = m->need_begin[t]; i < m->need_begin[t + 1]; i++) use(e, m->need[i], event);
        for (int i = m->taken_begin[t]; i < m->taken_begin[t + 1]; i++) { /* another value gets the place, or a new one */
            const int v = m->taken[i];
            if (s->start[v] < 0) s->start[v] = event;
            s->present[v] = true;
        }
        if (t + 1 == m->op_count || m->op_layer[t + 1] != m->op_layer[t]) drop_each(e);
    }
}

/* The event behind the last op before op `end`. */
static int end_event(const evaluation *e, int end)
{
    return e->s->event_of[end - 1] + 1;
}

/* What is alive from where to where, once it is known which event is which. */
static void close_value(const evaluation *e, int v)
{
    const sa_remake_value *value = &e->m->value[v];
    const sa_remake_scratch *s = e->s;
    if (value->end == 0 && !value->late_bytes) return; /* in another's memory */
    const int end = value->end ? end_event(e, value->end) : 0, late_end = value->late_bytes ? end_event(e, value->late_end) : 0;
    const uint8_t state = e->state[value->owner];
    if (value->late_bytes && (state == SA_REMAKE_KEPT || s->late_start[v] >= 0)) {
        const int begin = state == SA_REMAKE_KEPT ? value->late_begin : s->late_start[v];
        if (begin < late_end) alive(e, begin, late_end, value->late_bytes);
    }
    if (value->end == 0) return;
    if (state == SA_REMAKE_KEPT) {
        alive(e, value->begin, s->last[v] >= end ? s->last[v] + 1 : end, value->bytes);
        return;
    }
    alive(e, value->begin, value->forward_end, value->bytes);
    if (state == SA_REMAKE_OPEN) {
        if (value->taken >= 0) alive(e, s->event_of[value->taken], end, value->bytes);
    } else if (s->start[v] >= 0) {
        const int last = s->last[v] + 1;
        alive(e, s->start[v], value->taken >= 0 && end > last ? end : last, value->bytes);
    }
}

static void begin_walk(evaluation *e)
{
    const sa_remake_model *m = e->m;
    sa_remake_scratch *s = e->s;
    memset(s->delta, 0, ((size_t)m->forward_count + 2) * sizeof *s->delta);
    for (int t = 0; t < m->forward_count; t++) {
        s->event_of[t] = t;
        s->delta[t] += (int64_t)m->fixed[t];
        s->delta[t + 1] -= (int64_t)m->fixed[t];
    }
    e->events = m->forward_count;
    for (int v = 0; v < m->value_count; v++) {
        const uint8_t state = e->state[m->value[v].owner];
        s->present[v] = state == SA_REMAKE_KEPT || state == SA_REMAKE_OPEN;
        s->start[v] = s->last[v] = s->late_start[v] = -1;
    }
    for (int i = 0; i < m->buffer_count; i++) s->read_last[i] = -1;
    s->each_count = 0;
}

void sa_remake_evaluate(const sa_remake_model *m, const uint8_t *state, sa_remake_result *result)
{
    evaluation e = {.m = m, .state = state, .s = m->scratch, .ms = m->ms};
    begin_walk(&e);
    walk_backward(&e);
    *result = (sa_remake_result){.peak_bytes = SIZE_MAX, .ms = e.ms};
    if (e.too_many) return;
    e.op = m->op_count;
    for (int v = 0; v < m->value_count; v++) close_value(&e, v);
    for (int i = 0; i < m->buffer_count; i++) {
        const int end = m->buffer[i].end > 0 ? end_event(&e, m->buffer[i].end) : 0;
        if (e.s->read_last[i] >= end) alive(&e, end, e.s->read_last[i] + 1, m->buffer[i].bytes);
    }
    int64_t load = 0, peak = 0;
    for (int i = 0; i < e.events; i++) {
        load += e.s->delta[i];
        e.s->delta[i] = load;
        if (load <= peak) continue;
        peak = load;
        result->peak_event = i;
    }
    result->peak_bytes = (size_t)peak;
    result->event_count = e.events;
}

size_t sa_remake_load(const sa_remake_model *m, int event)
{
    return (size_t)m->scratch->delta[event];
}

int sa_remake_event_of(const sa_remake_model *m, int op)
{
    return m->scratch->event_of[op];
}
