/* Budgets. The search (cost/budget_search.h) prices strategies: their predicted time and their largest load, which no plan is
 * below. They are taken by time, fastest first, and only one whose load is below all plans so far is planned. */
#include "cost/budget.h"

#include "cost/budget_search.h"
#include "memory/plan.h"
#include "net/session.h"

#include "core/size_text.h"
#include "core/time_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double PLAN_SECONDS = 0.1;

/* ------------------------------------------------------------------ the frontier ----------------------------------- */

static int by_time(const void *a, const void *b)
{
    const sa_priced *x = a, *y = b;
    if (x->cost.ms != y->cost.ms) return x->cost.ms < y->cost.ms ? -1 : 1;
    if (x->load_bytes != y->load_bytes) return x->load_bytes < y->load_bytes ? -1 : 1;
    return strcmp(x->strategy.name, y->strategy.name);
}

/* Bytes of a plan. The search for the best one gets little time here: there are many to make, and the layout that is made in the
 * end, which gets more, can only be smaller. */
static sa_status plan_bytes(const sa_budget_search *s, const sa_strategy *strategy, size_t *bytes)
{
    const sa_plan_options options = {.planner = SA_PLANNER_EXACT, .timeout_seconds = PLAN_SECONDS};
    sa_program *program;
    sa_plan plan;
    SA_TRY(sa_program_for_strategy(s->net, strategy, sa_cost_model_device(s->model), s->options, &program));
    sa_status status = sa_plan_make(program->buffer, program->buffer_count, &options, &plan);
    if (status == SA_OK) *bytes = plan.peak_bytes;
    if (status == SA_OK) sa_plan_free(&plan);
    sa_program_free(program);
    return status;
}

/* The sweep: by time ascending, so that a point belongs to the frontier if it is smaller than all before it. */
static sa_status sweep(sa_budget_search *s, sa_frontier *f)
{
    size_t least = SIZE_MAX, bytes;
    double total = 0, measured = 0;
    f->candidate_count = s->count;
    f->bound_bytes = s->bound_bytes;
    f->point = calloc(s->count + 1, sizeof *f->point);
    if (!f->point) SA_FAIL(SA_NOMEM, "no memory for %zu strategies", s->count);
    qsort(s->list, s->count, sizeof *s->list, by_time);
    for (size_t i = 0; i < s->count; i++) {
        sa_priced *p = &s->list[i];
        if (p->load_bytes >= least) continue;
        SA_TRY(plan_bytes(s, &p->strategy, &bytes));
        if (bytes >= least) continue;
        least = bytes;
        f->point[f->count++] = (sa_frontier_point){.strategy = p->strategy, .bytes = bytes, .cost = p->cost};
        p->strategy.choices = NULL; /* the point's now */
        total += p->cost.ms;
        measured += p->measured_ms;
    }
    f->measured_share = total > 0 ? measured / total : 0;
    return SA_OK;
}

sa_status sa_frontier_create_for(const sa_net *net, const sa_cost_model *model, sa_conv_option conv,
                                 const sa_program_options *options, size_t budget_bytes, sa_frontier *frontier)
{
    sa_budget_search s = {.net = net, .model = model, .options = options, .conv = conv, .budget_bytes = budget_bytes};
    sa_frontier f = {0};
    sa_status status = sa_budget_search_run(&s);
    if (status == SA_OK) status = sweep(&s, &f);
    sa_budget_search_free(&s);
    if (status != SA_OK) {
        sa_frontier_free(&f);
        return status;
    }
    *frontier = f;
    return SA_OK;
}

sa_status sa_frontier_create(const sa_net *net, const sa_cost_model *model, sa_conv_option conv, const sa_program_options *options,
                             sa_frontier *frontier)
{
    return sa_frontier_create_for(net, model, conv, options, 0, frontier);
}

void sa_frontier_free(sa_frontier *frontier)
{
    for (size_t i = 0; i < frontier->count; i++) sa_strategy_free(&frontier->point[i].strategy);
    free(frontier->point);
    memset(frontier, 0, sizeof *frontier);
}

/* ------------------------------------------------------------------ using it --------------------------------------- */

sa_status sa_budget_solve(const sa_frontier *f, size_t budget_bytes, size_t *index)
{
    if (budget_bytes == SA_BUDGET_MIN && f->count > 0) {
        *index = f->count - 1;
        return SA_OK;
    }
    for (size_t i = 0; i < f->count; i++)
        if (f->point[i].bytes <= budget_bytes) {
            *index = i;
            return SA_OK;
        }
    if (f->count == 0) SA_FAIL(SA_CAPACITY, "there is no strategy to choose from");
    char budget[SA_SIZE_TEXT_BYTES], least[SA_SIZE_TEXT_BYTES], most[SA_SIZE_TEXT_BYTES];
    char slow[SA_TIME_TEXT_BYTES], quick[SA_TIME_TEXT_BYTES];
    const sa_frontier_point *smallest = &f->point[f->count - 1], *fastest = &f->point[0];
    char proof[160] = "";
    if (budget_bytes < f->bound_bytes)
        snprintf(proof, sizeof proof, "; infeasible: one op alone needs %zu bytes, whatever is kept", f->bound_bytes);
    SA_FAIL(SA_CAPACITY,
            "a budget of %zu bytes (%s) is too small; the smallest found is %zu bytes (%s) with %s; it takes %s ms per step; "
            "fastest takes %s ms in %zu bytes (%s) with %s%s",
            budget_bytes, sa_size_format(budget_bytes, budget), smallest->bytes, sa_size_format(smallest->bytes, least),
            smallest->strategy.name, sa_ms_format(smallest->cost.ms, slow), sa_ms_format(fastest->cost.ms, quick), fastest->bytes,
            sa_size_format(fastest->bytes, most), fastest->strategy.name, proof);
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
