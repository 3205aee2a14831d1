/* Branch and bound over keeping a value or dropping it once.
 *
 * Of a partial decision, a step in which undecided values are there for nothing, and take bytes only while an op uses them, bounds
 * bytes and time from below: deciding can only add to both. If everything that is undecided can be kept, that is the best of the
 * branch. If not, too much is alive at some moment, and of the undecided values that wait there enough have to be dropped: the
 * least time for which a part of each may be dropped adds to the bound. */
#include "cost/remake_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double EQUAL_MS = 1e-9;

typedef struct solver {
    const sa_remake_model *m;
    size_t budget;
    uint8_t *state, *kept, *best;
    double best_ms, open_ms; /* of the best that fits; the least bound of a branch that was left */
    double root_ms;          /* of all schedules: a bound before anything is decided */
    uint64_t nodes;
    int count, *value; /* free values, by time a byte */
} solver;

/* The undecided values that wait at an event: the least time to drop so many bytes of them, and the first. False: all of them are
 * not enough. */
static bool least_time(const solver *s, int event, double bytes, double *ms, int *first)
{
    *ms = 0;
    *first = -1;
    for (int i = 0; i < s->count && bytes > 0; i++) {
        const sa_remake_value *value = &s->m->value[s->value[i]];
        const bool waits = event >= value->forward_end && event < sa_remake_event_of(s->m, value->first_need);
        if (s->state[s->value[i]] != SA_REMAKE_OPEN || !waits) continue;
        const double part = bytes < (double)value->bytes ? bytes / (double)value->bytes : 1;
        if (*first < 0) *first = s->value[i];
        *ms += part * value->ms;
        bytes -= (double)value->bytes;
    }
    return bytes <= 0;
}

/* Goes on with the decision in s->state; lower_ms: a bound that is known of it. */
static void branch(solver *s, double lower_ms)
{
    sa_remake_result open, kept;
    double more;
    int v;
    if (s->nodes == 0) {
        if (lower_ms < s->open_ms) s->open_ms = lower_ms;
        return;
    }
    s->nodes--;
    sa_remake_evaluate(s->m, s->state, &open);
    if (open.peak_bytes > s->budget || open.ms >= s->best_ms - EQUAL_MS) return;
    for (int i = 0; i < s->m->value_count; i++) s->kept[i] = s->state[i] == SA_REMAKE_OPEN ? SA_REMAKE_KEPT : s->state[i];
    sa_remake_evaluate(s->m, s->kept, &kept);
    if (kept.peak_bytes <= s->budget) {
        s->best_ms = kept.ms;
        memcpy(s->best, s->kept, (size_t)s->m->value_count);
        return;
    }
    if (!least_time(s, kept.peak_event, (double)(kept.peak_bytes - s->budget), &more, &v)) return;
    if (s->root_ms == 0) s->root_ms = open.ms + more;
    if (open.ms + more >= s->best_ms - EQUAL_MS) return;
    s->state[v] = SA_REMAKE_ONCE;
    branch(s, open.ms + more);
    s->state[v] = SA_REMAKE_KEPT;
    branch(s, open.ms + more);
    s->state[v] = SA_REMAKE_OPEN;
}

/* Insertion sort: few values are sorted, and once. */
static void sort_values(solver *s)
{
    for (int v = 0; v < s->m->value_count; v++) {
        if (!sa_remake_is_free(s->m, v)) continue;
        const double price = s->m->value[v].ms / (double)s->m->value[v].bytes;
        int place = s->count++;
        for (; place > 0 && price < s->m->value[s->value[place - 1]].ms / (double)s->m->value[s->value[place - 1]].bytes; place--)
            s->value[place] = s->value[place - 1];
        s->value[place] = v;
    }
}

/* Does the plan make a value again for each use, which is no branch here? */
static bool makes_each(const sa_remake_model *m, const sa_remake_plan *plan)
{
    for (int v = 0; v < m->value_count; v++)
        if (plan->state[v] == SA_REMAKE_EACH) return true;
    return false;
}

sa_status sa_remake_solve(const sa_remake_model *m, size_t budget_bytes, uint64_t nodes_max, sa_remake_plan *plan)
{
    const size_t values = (size_t)m->value_count + 1;
    const bool fits = plan->peak_bytes <= budget_bytes;
    solver s = {.m = m, .budget = budget_bytes, .nodes = nodes_max, .best_ms = fits ? plan->ms : INFINITY, .open_ms = INFINITY};
    s.state = malloc(values);
    s.kept = malloc(values);
    s.best = malloc(values);
    s.value = malloc(values * sizeof *s.value);
    sa_status status =
        s.state && s.kept && s.best && s.value ? SA_OK : sa_error_set(SA_NOMEM, "no memory to choose among %zu values", values);
    if (status == SA_OK) {
        sort_values(&s);
        memcpy(s.best, plan->state, (size_t)m->value_count);
        for (int v = 0; v < m->value_count; v++) s.state[v] = sa_remake_is_free(m, v) ? SA_REMAKE_OPEN : SA_REMAKE_ONCE;
        branch(&s, m->ms);
        if (s.best_ms < (fits ? plan->ms : INFINITY)) {
            sa_remake_result result;
            sa_remake_evaluate(m, s.best, &result);
            memcpy(plan->state, s.best, (size_t)m->value_count);
            plan->peak_bytes = result.peak_bytes;
            plan->ms = result.ms;
        }
        plan->bound_ms = s.open_ms < s.best_ms ? s.open_ms : s.best_ms;
        if (makes_each(m, plan) || s.best_ms == INFINITY) plan->bound_ms = s.root_ms > m->ms ? s.root_ms : m->ms;
    }
    free(s.state);
    free(s.kept);
    free(s.best);
    free(s.value);
    return status;
}
