/* Local search over dropped values. */
#include "cost/remake_search.h"

#include <stdlib.h>
#include <string.h>

/* Work is counted in ops walked over, so that results do not depend on the machine's speed. */
static const double WORK_MAX = 6e6;
enum { TRIALS_MAX = 24, NEAR = 3, SMALL = 48, EXACT = 40, NODES = 200 };

bool sa_remake_is_free(const sa_remake_model *m, int v)
{
    return m->value[v].owner == v && m->value[v].first_need >= 0;
}

sa_status sa_remake_plan_create(const sa_remake_model *m, sa_remake_plan *plan)
{
    sa_remake_result result;
    uint8_t *state = malloc((size_t)m->value_count + 1);
    if (!state) SA_FAIL(SA_NOMEM, "no memory for the choices of %d values", m->value_count);
    for (int v = 0; v < m->value_count; v++) state[v] = sa_remake_is_free(m, v) ? SA_REMAKE_KEPT : SA_REMAKE_ONCE;
    sa_remake_evaluate(m, state, &result);
    *plan = (sa_remake_plan){.state = state, .peak_bytes = result.peak_bytes, .ms = result.ms};
    return SA_OK;
}

void sa_remake_plan_free(sa_remake_plan *plan)
{
    free(plan->state);
    memset(plan, 0, sizeof *plan);
}

size_t sa_remake_least_bytes(const sa_remake_model *m)
{
    sa_remake_result result = {.peak_bytes = SIZE_MAX};
    uint8_t *state = malloc((size_t)m->value_count + 1);
    if (!state) return 0;
    memset(state, SA_REMAKE_OPEN, (size_t)m->value_count);
    sa_remake_evaluate(m, state, &result);
    free(state);
    return result.peak_bytes;
}

typedef struct search {
    const sa_remake_model *m;
    size_t budget;
    uint8_t *state;
    sa_remake_result now;
    double excess; /* of bytes over the budget, summed over events */
    double work;
    int count, *value; /* free values */
} search;

static void evaluate(search *s)
{
    sa_remake_evaluate(s->m, s->state, &s->now);
    s->work += s->now.event_count + s->m->value_count;
    s->excess = 0;
    if (s->now.peak_bytes <= s->budget) return;
    for (int i = 0; i < s->now.event_count; i++) {
        size_t load = sa_remake_load(s->m, i);
        if (load > s->budget) s->excess += (double)(load - s->budget);
    }
    if (s->now.peak_bytes == SIZE_MAX) s->excess = 1e300;
}

/* ------------------------------------------------------------------ making it fit ---------------------------------- */

/* What would take value v out of the way at the peak of the last evaluation; its state if nothing does. */
static uint8_t way_out(const search *s, int v)
{
    const sa_remake_value *value = &s->m->value[v];
    const int peak = s->now.peak_event;
    if (s->state[v] == SA_REMAKE_KEPT)
        return peak >= value->forward_end && peak < sa_remake_event_of(s->m, value->first_need) ? SA_REMAKE_ONCE : SA_REMAKE_KEPT;
    return !value->shares && s->state[v] == SA_REMAKE_ONCE && peak >= s->m->forward_count ? SA_REMAKE_EACH : s->state[v];
}

/* The values that can get out of the way for the least time per byte. */
static int list_trials(const search *s, int trial[TRIALS_MAX], uint8_t to[TRIALS_MAX])
{
    int count = 0;
    for (int i = 0; i < s->count; i++) {
        const int v = s->value[i];
        const uint8_t out = way_out(s, v);
        if (out == s->state[v]) continue;
        const double price = s->m->value[v].ms / (double)s->m->value[v].bytes;
        int place = count < TRIALS_MAX ? count++ : TRIALS_MAX;
        for (; place > 0 && price < s->m->value[trial[place - 1]].ms / (double)s->m->value[trial[place - 1]].bytes; place--) {
            if (place == TRIALS_MAX) continue;
            trial[place] = trial[place - 1];
            to[place] = to[place - 1];
        }
        if (place == TRIALS_MAX) continue;
        trial[place] = v;
        to[place] = out;
    }
    return count;
}

/* Drops, one by one, what takes away the most of what is too much for its time. False: nothing helps any more. */
static bool make_fit(search *s)
{
    evaluate(s);
    while (s->now.peak_bytes > s->budget && s->work < WORK_MAX) {
        int trial[TRIALS_MAX], best = -1;
        uint8_t to[TRIALS_MAX];
        const int count = list_trials(s, trial, to);
        const double excess = s->excess, ms = s->now.ms;
        double most = 0;
        for (int i = 0; i < count; i++) {
            const uint8_t was = s->state[trial[i]];
            s->state[trial[i]] = to[i];
            evaluate(s);
            const double gain = (excess - s->excess) / (s->now.ms - ms > 1e-9 ? s->now.ms - ms : 1e-9);
            if (s->excess < excess && gain > most) {
                most = gain;
                best = i;
            }
            s->state[trial[i]] = was;
        }
        if (best < 0) return false;
        s->state[trial[best]] = to[best];
        evaluate(s);
    }
    return s->now.peak_bytes <= s->budget;
}

/* ------------------------------------------------------------------ making it faster ------------------------------- */

/* Keeps the change that was made to up to two values if it is better and fits. */
static bool keep_if_better(search *s, int a, uint8_t a_was, int b, uint8_t b_was)
{
    const sa_remake_result before = s->now;
    evaluate(s);
    if (s->now.peak_bytes <= s->budget && s->now.ms < before.ms - 1e-9) return true;
    s->state[a] = a_was;
    if (b >= 0) s->state[b] = b_was;
    s->now = before;
    return false;
}

static bool keep_more(search *s)
{
    bool any = false;
    for (int i = s->count - 1; i >= 0 && s->work < WORK_MAX; i--) {
        const int v = s->value[i];
        const uint8_t was = s->state[v];
        for (uint8_t to = SA_REMAKE_KEPT; to < was; to++) {
            s->state[v] = to;
            if (!keep_if_better(s, v, was, -1, 0)) continue;
            any = true;
            break;
        }
    }
    return any;
}

static bool exchange(search *s)
{
    bool any = false;
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->count && s->work < WORK_MAX; k++) {
            const int v = s->value[i], u = s->value[k];
            if (s->count > SMALL && abs(i - k) > NEAR) continue;
            if (s->state[v] == SA_REMAKE_KEPT || s->state[u] != SA_REMAKE_KEPT) continue;
            const uint8_t was = s->state[v];
            s->state[v] = SA_REMAKE_KEPT;
            s->state[u] = SA_REMAKE_ONCE;
            any |= keep_if_better(s, v, was, u, SA_REMAKE_KEPT);
        }
    return any;
}

/* From a state to a better one; true: it fits. */
static bool improve(search *s)
{
    s->work = 0;
    bool fits = make_fit(s), better = fits;
    while (better && s->work < WORK_MAX) {
        better = keep_more(s);
        better |= exchange(s);
    }
    return fits;
}

static void take_if_better(const search *s, bool fits, sa_remake_plan *best)
{
    const bool fitted = best->peak_bytes <= s->budget;
    bool better = fits ? !fitted || s->now.ms < best->ms : !fitted && s->now.peak_bytes < best->peak_bytes;
    if (!better) return;
    memcpy(best->state, s->state, (size_t)s->m->value_count);
    best->peak_bytes = s->now.peak_bytes;
    best->ms = s->now.ms;
}

/* ------------------------------------------------------------------ the search ------------------------------------- */

static sa_status run(search *s, const sa_remake_plan *start, const sa_remake_plan *none, sa_remake_plan *best)
{
    bool found;
    memcpy(s->state, start->state, (size_t)s->m->value_count);
    bool fits = improve(s);
    take_if_better(s, fits, best);
    if (s->count <= 4 * SMALL) {
        memcpy(s->state, none->state, (size_t)s->m->value_count);
        fits = improve(s);
        take_if_better(s, fits, best);
    }
    memcpy(s->state, none->state, (size_t)s->m->value_count);
    SA_TRY(sa_remake_chain(s->m, s->budget, s->state, &found));
    if (found) {
        fits = improve(s);
        take_if_better(s, fits, best);
    }
    return SA_OK;
}

sa_status sa_remake_search(const sa_remake_model *m, size_t budget_bytes, sa_remake_plan *plan)
{
    search s = {.m = m, .budget = budget_bytes};
    sa_remake_plan none = {0}, best = {0};
    s.state = malloc((size_t)m->value_count + 1);
    s.value = malloc(((size_t)m->value_count + 1) * sizeof *s.value);
    sa_status status = s.state && s.value ? sa_remake_plan_create(m, &none) : sa_error_set(SA_NOMEM, "no memory to search");
    if (status == SA_OK) status = sa_remake_plan_create(m, &best);
    if (status == SA_OK) {
        for (int v = 0; v < m->value_count; v++)
            if (sa_remake_is_free(m, v)) s.value[s.count++] = v;
        if (plan->peak_bytes <= budget_bytes && plan->ms > 0) {
            memcpy(best.state, plan->state, (size_t)m->value_count);
            best.peak_bytes = plan->peak_bytes;
            best.ms = plan->ms;
        }
        status = run(&s, plan, &none, &best);
        if (status == SA_OK && s.count <= EXACT)
            status = sa_remake_solve(m, budget_bytes, best.peak_bytes <= budget_bytes ? NODES : 5 * NODES, &best);
    }
    if (status == SA_OK) {
        memcpy(plan->state, best.state, (size_t)m->value_count);
        plan->peak_bytes = best.peak_bytes;
        plan->ms = best.ms;
    }
    sa_remake_plan_free(&none);
    sa_remake_plan_free(&best);
    free(s.state);
    free(s.value);
    return status;
}
