/* From sizes to priced strategies.
 *
 * Each combination (cost/budget_candidates.h) is tried as it is, and once with the least workspace and two-part backward passes: of
 * that, a remake model is made. Sizes descend by equal ratios from what the fastest needs to the least that was found. For each,
 * the model says which values to drop; the program then takes what room is left for workspace and single backward passes. More
 * values may be dropped than have to be, where the room is worth more: so the next smaller sizes' values are tried too. */
#include "cost/budget_search.h"

#include "cost/budget_candidates.h"
#include "cost/budget_price.h"
#include "net/session.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES = 60, FOCUS = 6, ALL = SIZES + 1 + FOCUS, BELOW = 3, LIMITS = 3, PROBES = 16, CREEPS = 24, MODELS = 2 + LIMITS };

/* How many sizes are tried for a net whose step has so many ops; limits: whether models with workspaces in between are worth it. */
static const struct effort {
    int ops, sizes;
    bool limits;
} EFFORT[] = {{300, SIZES, true}, {1000, 32, false}, {2500, 16, false}, {INT_MAX, 10, false}};

typedef struct variant {
    sa_strategy strategy; /* switches alone */
    sa_remake_model *model;
    bool is_least;            /* of the ops with the least workspace */
    double fastest_ms;        /* of the combination's fastest ops, with nothing dropped */
    sa_remake_plan plan[ALL]; /* for each size */
} variant;

typedef struct ladder {
    sa_budget_search *s;
    size_t variant_count;
    variant *variant; /* owned */
    const struct effort *effort;
    int limit_count;
    size_t limit[LIMITS];         /* workspaces between the least and the most */
    size_t size_count, size[ALL]; /* descending */
} ladder;

/* ------------------------------------------------------------------ variants --------------------------------------- */

/* A model of the ops of `name`, for strategies of `body`. */
static sa_status add_variant(ladder *l, const char *body, const char *name, bool is_least, double fastest_ms)
{
    sa_budget_search *s = l->s;
    sa_strategy modelled;
    variant *v = &l->variant[l->variant_count];
    SA_TRY(sa_strategy_parse(body, &v->strategy));
    SA_TRY(sa_strategy_parse(name, &modelled));
    v->strategy.conv = modelled.conv = s->conv;
    SA_TRY(sa_remake_model_create(s->net, &modelled, s->model, s->options, &v->model));
    l->variant_count++;
    v->is_least = is_least;
    v->fastest_ms = is_least ? fastest_ms : v->model->ms;
    const size_t least = is_least ? sa_remake_least_bytes(v->model) : SIZE_MAX;
    if (least < s->bound_bytes) s->bound_bytes = least;
    for (int i = 0; i < ALL; i++) SA_TRY(sa_remake_plan_create(v->model, &v->plan[i]));
    return SA_OK;
}

/* Of a combination: its fastest ops, those with the least workspace, and perhaps some in between. */
static sa_status add_models(ladder *l, const char *combination)
{
    char body[SA_CHOICES_STRATEGY_BYTES], name[sizeof body + 64];
    snprintf(body, sizeof body, "%.200s+small-workspace", combination);
    SA_TRY(add_variant(l, body, combination, false, 0));
    const double fastest_ms = l->variant[l->variant_count - 1].fastest_ms;
    snprintf(name, sizeof name, "%s+split-backward", body);
    SA_TRY(add_variant(l, body, name, true, fastest_ms));
    for (int i = 0; i < l->limit_count && l->effort->limits; i++) {
        snprintf(name, sizeof name, "%s+split-backward+small-workspace=%zu", combination, l->limit[i]);
        SA_TRY(add_variant(l, body, name, false, 0));
        l->variant[l->variant_count - 1].fastest_ms = fastest_ms;
    }
    return SA_OK;
}

static sa_status count_ops(ladder *l, const char *name, size_t *ops, size_t *largest_workspace)
{
    sa_strategy strategy;
    sa_program *program;
    SA_TRY(sa_strategy_parse(name, &strategy));
    strategy.conv = l->s->conv;
    SA_TRY(sa_program_for_strategy(l->s->net, &strategy, sa_cost_model_device(l->s->model), l->s->options, &program));
    *ops = program->op_count;
    *largest_workspace = 0;
    for (size_t i = 0; i < program->op_count; i++) {
        const sa_op *op = &program->op[i];
        const size_t need = op->kind == SA_OP_CONV_FORWARD    ? op->args.conv_forward.workspace_bytes
                            : op->kind == SA_OP_CONV_BACKWARD ? op->args.conv_backward.workspace_bytes
                                                              : 0;
        if (need > *largest_workspace) *largest_workspace = need;
    }
    sa_program_free(program);
    return SA_OK;
}

/* How much to do, and limits in steps of equal ratio. */
static sa_status choose_effort(ladder *l)
{
    size_t ops, most, least;
    SA_TRY(count_ops(l, "inplace", &ops, &most));
    SA_TRY(count_ops(l, "inplace+split-backward+small-workspace", &ops, &least));
    for (l->effort = EFFORT; (size_t)l->effort->ops < ops;) l->effort++;
    for (int i = 1; i <= LIMITS && most > 2 * least && least > 0; i++)
        l->limit[l->limit_count++] = (size_t)((double)least * pow((double)most / (double)least, (double)i / (LIMITS + 1)));
    return SA_OK;
}

/* Combinations that need choices of values are those behind the plain ones: they begin with "inplace". */
static sa_status add_variants(ladder *l, const sa_candidates *c)
{
    l->variant = calloc(MODELS * c->count + 1, sizeof *l->variant);
    if (!l->variant) SA_FAIL(SA_NOMEM, "no memory for %zu combinations", c->count);
    SA_TRY(choose_effort(l));
    for (size_t i = 0; i < c->count; i++) {
        sa_strategy plain = c->strategy[i];
        SA_TRY(sa_budget_price(l->s, &plain));
        if (!strncmp(c->strategy[i].name, "inplace", 7)) SA_TRY(add_models(l, c->strategy[i].name));
    }
    return SA_OK;
}

static void free_variants(ladder *l)
{
    for (size_t i = 0; i < l->variant_count; i++) {
        for (int k = 0; k < ALL; k++) sa_remake_plan_free(&l->variant[i].plan[k]);
        sa_remake_model_free(l->variant[i].model);
    }
    free(l->variant);
}

/* ------------------------------------------------------------------ sizes ------------------------------------------ */

static int descending(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return *x < *y ? 1 : *x > *y ? -1 : 0;
}

/* From the least that a variant has reached so far on in small steps, each from the plan before it. */
static sa_status creep(variant *v, size_t *least)
{
    sa_remake_plan *plan = &v->plan[ALL - 1];
    for (int i = 0; i < CREEPS; i++) {
        const size_t before = *least, size = before - before / 512;
        SA_TRY(sa_remake_search(v->model, size, plan));
        if (plan->peak_bytes < *least) *least = plan->peak_bytes;
        if (*least >= before) return SA_OK;
    }
    return SA_OK;
}

/* The least that the search reaches: it is asked for ever smaller sizes, down to what no schedule is below. */
static sa_status find_least(ladder *l, size_t most, size_t *bytes)
{
    *bytes = SIZE_MAX;
    for (size_t i = 0; i < l->variant_count; i++) {
        variant *v = &l->variant[i];
        const size_t bound = sa_remake_least_bytes(v->model);
        size_t least = SIZE_MAX;
        for (int k = 1; k <= PROBES && v->is_least && bound < most; k++) {
            const size_t size = (size_t)((double)most * pow((double)bound / (double)most, (double)k / PROBES));
            SA_TRY(sa_remake_search(v->model, size, &v->plan[ALL - 1]));
            if (v->plan[ALL - 1].peak_bytes < least) least = v->plan[ALL - 1].peak_bytes;
        }
        if (v->is_least && l->effort->limits) SA_TRY(creep(v, &least));
        if (least < *bytes) *bytes = least;
    }
    return SA_OK;
}

static void choose_sizes(ladder *l, size_t most, size_t least)
{
    const int steps = l->effort->sizes;
    for (int i = 0; i <= steps; i++)
        l->size[l->size_count++] = (size_t)((double)most * pow((double)least / (double)most, (double)i / steps));
    l->size[l->size_count - 1] = least;
    for (int i = 0; i < FOCUS && l->s->budget_bytes > 0 && l->s->budget_bytes != SA_BUDGET_MIN; i++)
        l->size[l->size_count++] = (size_t)((double)l->s->budget_bytes * (1.0 - 0.03 * i));
    qsort(l->size, l->size_count, sizeof *l->size, descending);
}

/* A plan for a size is a start for the next smaller one, and stays the plan of it if it fits by itself. */
static sa_status search_sizes(ladder *l)
{
    for (size_t i = 0; i < l->variant_count; i++) {
        variant *v = &l->variant[i];
        for (size_t k = 0; k < l->size_count; k++) {
            const sa_remake_plan *before = k > 0 ? &v->plan[k - 1] : NULL;
            if (before) {
                memcpy(v->plan[k].state, before->state, (size_t)v->model->value_count);
                v->plan[k].peak_bytes = before->peak_bytes;
                v->plan[k].ms = before->ms;
            }
            if (before && before->peak_bytes <= l->size[k]) continue;
            SA_TRY(sa_remake_search(v->model, l->size[k], &v->plan[k]));
        }
    }
    return SA_OK;
}

static bool is_same(const variant *v, size_t k, size_t i)
{
    return !memcmp(v->plan[k].state, v->plan[i].state, (size_t)v->model->value_count);
}

/* A plan of a variant that is tried for a size: its own, or one of a smaller size. */
typedef struct trial {
    const variant *v;
    size_t k;
    double least_ms; /* it cannot take less */
} trial;

static int by_least_time(const void *a, const void *b)
{
    const trial *x = a, *y = b;
    if (x->least_ms != y->least_ms) return x->least_ms < y->least_ms ? -1 : 1;
    if (x->v != y->v) return x->v < y->v ? -1 : 1;
    return x->k < y->k ? -1 : x->k > y->k;
}

static size_t list_trials(const ladder *l, size_t k, trial *list)
{
    size_t count = 0;
    for (size_t i = 0; i < l->variant_count; i++) {
        const variant *v = &l->variant[i];
        for (size_t below = k; below < l->size_count && below <= k + BELOW; below++) {
            if (below > k && is_same(v, below, below - 1)) continue;
            if (v->plan[below].peak_bytes <= l->size[k])
                list[count++] = (trial){v, below, v->fastest_ms + v->plan[below].ms - v->model->ms};
        }
    }
    qsort(list, count, sizeof *list, by_least_time);
    return count;
}

static sa_status price_sizes(ladder *l)
{
    trial *list = malloc((l->variant_count * (BELOW + 1) + 1) * sizeof *list);
    sa_status status = list ? SA_OK : sa_error_set(SA_NOMEM, "no memory for %zu combinations", l->variant_count);
    for (size_t k = 0; k < l->size_count && status == SA_OK; k++) {
        const size_t count = list_trials(l, k, list);
        double best = INFINITY, ms;
        for (size_t i = 0; i < count && list[i].least_ms < best && status == SA_OK; i++) {
            const variant *v = list[i].v;
            status = sa_budget_price_plan(l->s, &v->strategy, v->model, v->plan[list[i].k].state, l->size[k], &ms);
            if (status == SA_OK && ms < best) best = ms;
        }
    }
    free(list);
    return status;
}

sa_status sa_budget_search_run(sa_budget_search *s)
{
    ladder l = {.s = s};
    sa_candidates candidates = {0};
    size_t most = 0, least = SIZE_MAX;
    s->bound_bytes = SIZE_MAX;
    SA_TRY(sa_candidates_create(s->net, sa_cost_model_device(s->model), s->conv, &candidates));
    sa_status status = add_variants(&l, &candidates);
    sa_candidates_free(&candidates);
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].load_bytes > most) most = s->list[i].load_bytes;
    if (status == SA_OK) status = find_least(&l, most, &least);
    if (status == SA_OK && least < most) {
        choose_sizes(&l, most, least);
        status = search_sizes(&l);
        if (status == SA_OK) status = price_sizes(&l);
    }
    free_variants(&l);
    return status;
}

void sa_budget_search_free(sa_budget_search *s)
{
    for (size_t i = 0; i < s->count; i++) sa_strategy_free(&s->list[i].strategy);
    free(s->list);
    s->list = NULL;
    s->count = 0;
}
