/* Budgets. Each combination is emitted, which gives its predicted time and its largest load: no plan can be below that. First
 * without a workspace limit and with the least workspace; those that are any good either way are then tried with limits in between.
 * All are taken by time, fastest first, and only one whose load is below all plans so far is planned. */
#include "cost/budget.h"

#include "cost/budget_candidates.h"
#include "net/session.h"

#include "core/growing_array.h"
#include "core/size_text.h"
#include "core/time_text.h"
#include "memory/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKSPACE_LIMITS = 5 };
static const double PLAN_SECONDS = 0.1;

typedef struct priced {
    sa_strategy strategy;
    size_t load_bytes;
    sa_cost cost;
    double measured_ms; /* the part of cost.ms whose ops were measured */
} priced;

typedef struct search {
    const sa_net *net;
    const sa_device *device;
    const sa_cost_model *model;
    const sa_program_options *options;
    sa_conv_option conv;
    size_t count;
    priced *list; /* owned */
} search;

/* ------------------------------------------------------------------ pricing ---------------------------------------- */

static sa_status price(search *s, const sa_strategy *strategy)
{
    sa_program *program;
    double share;
    priced *grown = sa_array_room(s->list, s->count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %zu strategies", s->count + 1);
    s->list = grown;
    priced *p = &s->list[s->count];
    p->strategy = *strategy;
    sa_status status = sa_program_for_strategy(s->net, strategy, s->device, s->options, &program);
    if (status == SA_INVALID || status == SA_UNSUPPORTED) { /* a combination that cannot be: the others remain */
        sa_error_clear();
        p->load_bytes = SIZE_MAX;
        p->cost = (sa_cost){.ms = INFINITY};
        p->measured_ms = 0;
        s->count++;
        return SA_OK;
    }
    SA_TRY(status);
    status = sa_plan_max_load(program->buffer, program->buffer_count, &p->load_bytes);
    p->cost = sa_cost_predict(s->model, program, &share);
    p->measured_ms = share * p->cost.ms;
    sa_program_free(program);
    s->count += status == SA_OK;
    return status;
}

/* Prices a strategy with a limit to its workspace added. */
static sa_status price_limited(search *s, const sa_strategy *body, size_t limit)
{
    sa_strategy strategy;
    char name[sizeof body->name + 48];
    const char *unit = limit && limit % (1 << 20) == 0 ? "M" : limit % 1024 == 0 ? "K" : "";
    size_t number = *unit == 'M' ? limit >> 20 : *unit == 'K' ? limit >> 10 : limit;
    if (limit == 0) snprintf(name, sizeof name, "%s+small-workspace", body->name);
    else snprintf(name, sizeof name, "%s+small-workspace=%zu%s", body->name, number, unit);
    SA_TRY(sa_strategy_parse(name, &strategy));
    strategy.conv = s->conv;
    return price(s, &strategy);
}

/* ------------------------------------------------------------------ workspace limits -------------------------------- */

/* The largest workspace of a convolution under a strategy. */
static sa_status largest_workspace(const search *s, const char *name, size_t *bytes)
{
    sa_strategy strategy;
    sa_program *program;
    SA_TRY(sa_strategy_parse(name, &strategy));
    strategy.conv = s->conv;
    SA_TRY(sa_program_for_strategy(s->net, &strategy, s->device, s->options, &program));
    *bytes = 0;
    for (size_t i = 0; i < program->op_count; i++) {
        const sa_op *op = &program->op[i];
        size_t need = op->kind == SA_OP_CONV_FORWARD    ? op->args.conv_forward.workspace_bytes
                      : op->kind == SA_OP_CONV_BACKWARD ? op->args.conv_backward.workspace_bytes
                                                        : 0;
        if (need > *bytes) *bytes = need;
    }
    sa_program_free(program);
    return SA_OK;
}

static size_t round_limit(double bytes)
{
    size_t unit = bytes >= 4 << 20 ? 1 << 20 : 1 << 10;
    return (size_t)ceil(bytes / (double)unit) * unit;
}

/* Steps of equal ratio between the least that is possible and what is taken without a limit. False: there is nothing to limit. */
static sa_status workspace_limits(const search *s, size_t limit[WORKSPACE_LIMITS], int *count, bool *limitable)
{
    size_t least, most;
    SA_TRY(largest_workspace(s, "inplace+split-backward+small-workspace", &least));
    SA_TRY(largest_workspace(s, "inplace", &most));
    *count = 0;
    *limitable = most > least;
    for (int i = 1; i <= WORKSPACE_LIMITS && *limitable; i++) {
        size_t bytes = round_limit((double)least * pow((double)most / (double)least, (double)i / (WORKSPACE_LIMITS + 1)));
        if (bytes > least && bytes < most && (*count == 0 || bytes != limit[*count - 1])) limit[(*count)++] = bytes;
    }
    return SA_OK;
}

/* A strategy is no good if another one needs no more bytes and clearly less time, or no more time and clearly fewer bytes. */
static bool is_promising(const priced *list, size_t count, const priced *p)
{
    const double clearly = 0.99;
    for (size_t i = 0; i < count; i++) {
        const priced *other = &list[i];
        if (other->load_bytes <= p->load_bytes && other->cost.ms < clearly * p->cost.ms) return false;
        if (other->cost.ms <= p->cost.ms && (double)other->load_bytes < clearly * (double)p->load_bytes) return false;
    }
    return true;
}

static sa_status price_candidates(search *s, const sa_candidates *c)
{
    size_t limit[WORKSPACE_LIMITS];
    int limits;
    bool limitable;
    SA_TRY(workspace_limits(s, limit, &limits, &limitable));
    for (size_t i = 0; i < c->count; i++) SA_TRY(price(s, &c->strategy[i]));
    for (size_t i = 0; i < c->count && limitable; i++) SA_TRY(price_limited(s, &c->strategy[i], 0));
    for (size_t i = 0; i < c->count && limitable; i++) {
        bool promising =
            is_promising(s->list, c->count, &s->list[i]) || is_promising(s->list + c->count, c->count, &s->list[c->count + i]);
        for (int k = 0; k < limits && promising; k++) SA_TRY(price_limited(s, &c->strategy[i], limit[k]));
    }
    return SA_OK;
}

/* ------------------------------------------------------------------ the frontier ----------------------------------- */

static int by_time(const void *a, const void *b)
{
    const priced *x = a, *y = b;
    if (x->cost.ms != y->cost.ms) return x->cost.ms < y->cost.ms ? -1 : 1;
    if (x->load_bytes != y->load_bytes) return x->load_bytes < y->load_bytes ? -1 : 1;
    return strcmp(x->strategy.name, y->strategy.name);
}

/* Bytes of a plan. The search for the best one gets little time here: there are many to make, and the layout that is made in the
 * end, which gets more, can only be smaller. */
static sa_status plan_bytes(const search *s, const sa_strategy *strategy, size_t *bytes)
{
    const sa_plan_options options = {.planner = SA_PLANNER_EXACT, .timeout_seconds = PLAN_SECONDS};
    sa_program *program;
    sa_plan plan;
    SA_TRY(sa_program_for_strategy(s->net, strategy, s->device, s->options, &program));
    sa_status status = sa_plan_make(program->buffer, program->buffer_count, &options, &plan);
    if (status == SA_OK) *bytes = plan.peak_bytes;
    if (status == SA_OK) sa_plan_free(&plan);
    sa_program_free(program);
    return status;
}

/* The sweep: by time ascending, so that a point belongs to the frontier if it is smaller than all before it. */
static sa_status sweep(search *s, sa_frontier *f)
{
    size_t least = SIZE_MAX, bytes;
    double total = 0, measured = 0;
    f->candidate_count = s->count;
    f->point = calloc(s->count + 1, sizeof *f->point);
    if (!f->point) SA_FAIL(SA_NOMEM, "no memory for %zu strategies", s->count);
    qsort(s->list, s->count, sizeof *s->list, by_time);
    for (size_t i = 0; i < s->count; i++) {
        const priced *p = &s->list[i];
        if (p->load_bytes >= least) continue;
        SA_TRY(plan_bytes(s, &p->strategy, &bytes));
        if (bytes >= least) continue;
        least = bytes;
        f->point[f->count++] = (sa_frontier_point){p->strategy, bytes, p->cost};
        total += p->cost.ms;
        measured += p->measured_ms;
    }
    f->measured_share = total > 0 ? measured / total : 0;
    return SA_OK;
}

sa_status sa_frontier_create(const sa_net *net, const sa_cost_model *model, sa_conv_option conv, const sa_program_options *options,
                             sa_frontier *frontier)
{
    search s = {.net = net, .device = sa_cost_model_device(model), .model = model, .options = options, .conv = conv};
    sa_candidates candidates = {0};
    sa_frontier f = {0};
    SA_TRY(sa_candidates_create(net, s.device, conv, &candidates));
    sa_status status = price_candidates(&s, &candidates);
    if (status == SA_OK) status = sweep(&s, &f);
    free(s.list);
    sa_candidates_free(&candidates);
    if (status != SA_OK) {
        sa_frontier_free(&f);
        return status;
    }
    *frontier = f;
    return SA_OK;
}

void sa_frontier_free(sa_frontier *frontier)
{
    free(frontier->point);
    memset(frontier, 0, sizeof *frontier);
}

/* ------------------------------------------------------------------ using it --------------------------------------- */

sa_status sa_budget_solve(const sa_frontier *f, size_t budget_bytes, size_t *index)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->point[i].bytes <= budget_bytes) {
            *index = i;
            return SA_OK;
        }
    if (f->count == 0) SA_FAIL(SA_CAPACITY, "there is no strategy to choose from");
    char budget[SA_SIZE_TEXT_BYTES], least[SA_SIZE_TEXT_BYTES], most[SA_SIZE_TEXT_BYTES];
    char slow[SA_TIME_TEXT_BYTES], quick[SA_TIME_TEXT_BYTES];
    const sa_frontier_point *smallest = &f->point[f->count - 1], *fastest = &f->point[0];
    SA_FAIL(SA_CAPACITY,
            "a budget of %zu bytes (%s) is too small; the smallest found is %zu bytes (%s) with %s; it takes %s ms per step; "
            "fastest takes %s ms in %zu bytes (%s) with %s",
            budget_bytes, sa_size_format(budget_bytes, budget), smallest->bytes, sa_size_format(smallest->bytes, least),
            smallest->strategy.name, sa_ms_format(smallest->cost.ms, slow), sa_ms_format(fastest->cost.ms, quick), fastest->bytes,
            sa_size_format(fastest->bytes, most), fastest->strategy.name);
}

size_t sa_frontier_pick(const sa_frontier *f, size_t most, size_t *index)
{
    size_t picked = 0;
    if (f->count == 0 || most == 0) return 0;
    double first = log((double)f->point[0].bytes), last = log((double)f->point[f->count - 1].bytes);
    for (size_t i = 0; i < f->count && picked < most; i++) {
        /* The k-th is the first point at or below the k-th step of equal ratio, as long as enough points are left for those after
         * it. */
        double wanted = most > 1 ? first + (last - first) * (double)picked / (double)(most - 1) : last;
        bool must = f->count - i <= most - picked;
        if (must || log((double)f->point[i].bytes) <= wanted + 1e-9) index[picked++] = i;
    }
    if (picked > 0 && most > 1) index[picked - 1] = f->count - 1;
    return picked;
}
