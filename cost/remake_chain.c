/* Dynamic programming over the values that are kept, in the order in which they are made: exact for a chain but for the rounding of
 * bytes, a good start for everything else.
 *
 * Between two kept values lies a run of dropped ones, which all come back at once when the backward pass gets there. Beside them
 * are then: the values kept before the run, the one behind it, in whose place its gradient is, and what the ops there hold. */
#include "cost/remake_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 96, VALUES_MAX = 4096, STEPS_MAX = 200000000 };

typedef struct chain {
    const sa_remake_model *m;
    size_t budget, unit;
    int count;
    int *value;     /* (count) free values */
    size_t *fixed;  /* (count + 1): most that other buffers hold while the values before this one come back */
    double *ms;     /* (count + 2, LEVELS): least time with this value kept and that level of bytes kept; count: the end */
    int *from;      /* the value kept before, -1: none */
    uint8_t *level; /* and its level */
    size_t *bytes;  /* kept, exactly */
} chain;

static size_t most_fixed(const sa_remake_model *m, int begin, int end)
{
    size_t most = 0;
    if (end < begin) end = begin;
    for (int t = begin; t <= end && t < m->op_count; t++)
        if (m->fixed[t] > most) most = m->fixed[t];
    return most;
}

static sa_status prepare(chain *c)
{
    const size_t count = (size_t)c->m->value_count + 1;
    c->value = malloc(count * sizeof *c->value);
    c->fixed = malloc((count + 1) * sizeof *c->fixed);
    c->ms = malloc((count + 1) * LEVELS * sizeof *c->ms);
    c->from = malloc((count + 1) * LEVELS * sizeof *c->from);
    c->level = malloc((count + 1) * LEVELS * sizeof *c->level);
    c->bytes = malloc((count + 1) * LEVELS * sizeof *c->bytes);
    if (!c->value || !c->fixed || !c->ms || !c->from || !c->level || !c->bytes)
        SA_FAIL(SA_NOMEM, "no memory to choose among %zu values", count);
    size_t least = SIZE_MAX;
    for (int v = 0; v < c->m->value_count; v++)
        if (sa_remake_is_free(c->m, v)) c->value[c->count++] = v;
    for (int i = 0; i <= c->count; i++) { /* ops between the needs of this value's lower neighbour and its own */
        const int begin = i < c->count ? c->m->value[c->value[i]].first_need : c->m->forward_count;
        const int end = i > 0 ? c->m->value[c->value[i - 1]].first_need : c->m->op_count - 1;
        c->fixed[i] = most_fixed(c->m, begin, end);
        if (c->fixed[i] < least) least = c->fixed[i];
    }
    c->unit = c->budget > least ? (c->budget - least) / (LEVELS - 1) + 1 : 1;
    for (size_t i = 0; i < (size_t)(c->count + 1) * LEVELS; i++) c->ms[i] = INFINITY;
    return SA_OK;
}

/* From value `from` (-1: the start), with `kept` bytes kept up to it, to all values that may be the next one kept. */
static void extend(chain *c, int from, int level, size_t kept, double ms, int *steps)
{
    size_t run = 0, fixed = 0;
    double again = 0;
    for (int i = from + 1; i <= c->count && *steps > 0; i++, --*steps) {
        const size_t own = i < c->count ? c->m->value[c->value[i]].bytes : 0, next = (kept + own) / c->unit;
        if (c->fixed[i] > fixed) fixed = c->fixed[i];
        if (kept + run + own + fixed <= c->budget && next < LEVELS) {
            const size_t to = (size_t)i * LEVELS + next;
            if (ms + again < c->ms[to]) {
                c->ms[to] = ms + again;
                c->from[to] = from;
                c->level[to] = (uint8_t)level;
                c->bytes[to] = kept + own;
            }
        }
        if (i == c->count) return;
        run += own;
        again += c->m->value[c->value[i]].ms;
        if (kept + run > c->budget) return;
    }
}

static void trace(const chain *c, uint8_t *state)
{
    int level = 0, at = c->count;
    for (int k = 1; k < LEVELS; k++)
        if (c->ms[(size_t)at * LEVELS + (size_t)k] < c->ms[(size_t)at * LEVELS + (size_t)level]) level = k;
    for (int i = 0; i < c->count; i++) state[c->value[i]] = SA_REMAKE_ONCE;
    while (at >= 0) {
        if (at < c->count) state[c->value[at]] = SA_REMAKE_KEPT;
        const size_t i = (size_t)at * LEVELS + (size_t)level;
        at = c->from[i];
        level = c->level[i];
    }
}

sa_status sa_remake_chain(const sa_remake_model *model, size_t budget_bytes, uint8_t *state, bool *found)
{
    chain c = {.m = model, .budget = budget_bytes};
    int steps = STEPS_MAX;
    *found = false;
    sa_status status = model->value_count <= VALUES_MAX ? prepare(&c) : SA_OK;
    if (status == SA_OK && c.count > 0) {
        extend(&c, -1, 0, 0, 0, &steps);
        for (int i = 0; i < c.count; i++) {
            double least = INFINITY; /* of fewer bytes: more are worth nothing unless they take less time */
            for (int level = 0; level < LEVELS; level++) {
                const double ms = c.ms[(size_t)i * LEVELS + (size_t)level];
                if (ms >= least) continue;
                least = ms;
                extend(&c, i, level, c.bytes[(size_t)i * LEVELS + (size_t)level], ms, &steps);
            }
        }
        for (int level = 0; level < LEVELS; level++) *found |= isfinite(c.ms[(size_t)c.count * LEVELS + (size_t)level]);
        if (*found) trace(&c, state);
    }
    free(c.value);
    free(c.fixed);
    free(c.ms);
    free(c.from);
    free(c.level);
    free(c.bytes);
    return status;
}
