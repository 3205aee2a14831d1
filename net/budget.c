/* Budgets. Each combination is emitted, which gives its predicted time and its largest load: no plan can be below that. Combinations are
 * then taken by time, fastest first, and only one whose load is below all plans so far is planned. */
#include "net/budget.h"

#include "net/budget_candidates.h"
#include "net/session.h"

#include "core/size_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORKSPACE_LIMITS = 5 };

typedef struct priced {
    const sa_strategy *strategy;
    size_t load_bytes;
    sa_cost cost;
    double measured_ms; /* the part of cost.ms whose ops were measured */
} priced;

/* ------------------------------------------------------------------ pricing ---------------------------------------- */

static sa_status emit(const sa_net *net, const sa_device *device, const sa_strategy *strategy, const sa_program_options *options,
                      sa_program **program)
{
    sa_realizations r;
    SA_TRY(sa_strategy_apply(strategy, net, device, &r));
    sa_status status = sa_program_create(net, &r, device, options, program);
    sa_realizations_free(&r);
    return status;
}

static sa_status price(const sa_net *net, const sa_cost_model *model, const sa_strategy *strategy, const sa_program_options *options,
                       priced *result)
{
    sa_program *program;
    double share;
    result->strategy = strategy;
    SA_TRY(emit(net, sa_cost_model_device(model), strategy, options, &program));
    sa_status status = sa_plan_max_load(program->buffer, program->buffer_count, &result->load_bytes);
    result->cost = sa_cost_predict(model, program, &share);
    result->measured_ms = share * result->cost.ms;
    sa_program_free(program);
    return status;
}

/* ------------------------------------------------------------------ workspace limits -------------------------------- */

/* The largest workspace of a convolution under a strategy. */
static sa_status largest_workspace(const sa_net *net, const sa_device *device, const char *name, sa_conv_option conv,
                                   const sa_program_options *options, size_t *bytes)
{
    sa_strategy strategy;
    sa_program *program;
    SA_TRY(sa_strategy_parse(name, &strategy));
    strategy.conv = conv;
    SA_TRY(emit(net, device, &strategy, options, &program));
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

/* The least possible, and steps of equal ratio between what that takes and what is taken without a limit. */
static sa_status workspace_limits(const sa_net *net, const sa_device *device, sa_conv_option conv, const sa_program_options *options,
                                  size_t limit[WORKSPACE_LIMITS], int *count)
{
    size_t least, most;
    SA_TRY(largest_workspace(net, device, "inplace+small-workspace", conv, options, &least));
    SA_TRY(largest_workspace(net, device, "inplace", conv, options, &most));
    *count = 0;
    if (least == 0 || most <= least) return SA_OK;
    limit[(*count)++] = 0;
    for (int i = 1; i < WORKSPACE_LIMITS; i++) {
        size_t bytes = round_limit((double)least * pow((double)most / (double)least, (double)i / WORKSPACE_LIMITS));
        if (bytes > least && bytes < most && bytes != limit[*count - 1]) limit[(*count)++] = bytes;
    }
    return SA_OK;
}

/* ------------------------------------------------------------------ the frontier ----------------------------------- */

static int by_time(const void *a, const void *b)
{
    const priced *x = a, *y = b;
    if (x->cost.ms != y->cost.ms) return x->cost.ms < y->cost.ms ? -1 : 1;
    if (x->load_bytes != y->load_bytes) return x->load_bytes < y->load_bytes ? -1 : 1;
    return strcmp(x->strategy->name, y->strategy->name);
}

/* The sweep: by time ascending, so that a point belongs to the frontier if it is smaller than all before it. */
static sa_status sweep(const sa_net *net, const sa_device *device, const sa_program_options *options, const priced *list, size_t count,
                       sa_frontier *f)
{
    size_t least = SIZE_MAX;
    double total = 0, measured = 0;
    for (size_t i = 0; i < count; i++) {
        sa_layout layout;
        if (list[i].load_bytes >= least) continue;
        SA_TRY(sa_layout_create(net, list[i].strategy, device, options, &layout));
        size_t bytes = layout.plan.peak_bytes;
        sa_layout_free(&layout);
        if (bytes >= least) continue;
        least = bytes;
        f->point[f->count++] = (sa_frontier_point){*list[i].strategy, bytes, list[i].cost};
        total += list[i].cost.ms;
        measured += list[i].measured_ms;
    }
    f->measured_share = total > 0 ? measured / total : 0;
    return SA_OK;
}

static sa_status price_all(const sa_net *net, const sa_cost_model *model, const sa_program_options *options, const sa_candidates *c,
                           sa_frontier *f)
{
    priced *list = calloc(c->count + 1, sizeof *list);
    f->point = calloc(c->count + 1, sizeof *f->point);
    f->candidate_count = c->count;
    sa_status status = list && f->point ? SA_OK : sa_error_set(SA_NOMEM, "no memory for %zu strategies", c->count);
    for (size_t i = 0; i < c->count && status == SA_OK; i++) status = price(net, model, &c->strategy[i], options, &list[i]);
    if (status == SA_OK) {
        qsort(list, c->count, sizeof *list, by_time);
        status = sweep(net, sa_cost_model_device(model), options, list, c->count, f);
    }
    free(list);
    return status;
}

sa_status sa_frontier_create(const sa_net *net, const sa_cost_model *model, sa_conv_option conv, const sa_program_options *options,
                             sa_frontier *frontier)
{
    const sa_device *device = sa_cost_model_device(model);
    size_t limit[WORKSPACE_LIMITS];
    int limits;
    sa_candidates candidates = {0};
    sa_frontier f = {0};
    SA_TRY(workspace_limits(net, device, conv, options, limit, &limits));
    SA_TRY(sa_candidates_create(net, device, conv, limit, limits, &candidates));
    sa_status status = price_all(net, model, options, &candidates, &f);
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
    const sa_frontier_point *smallest = &f->point[f->count - 1], *fastest = &f->point[0];
    SA_FAIL(SA_CAPACITY, "a budget of %zu bytes (%s) is too small: smallest feasible is %zu bytes (%s) with %s; it takes %.0f ms a step; "
                         "fastest takes %.0f ms in %zu bytes (%s) with %s",
            budget_bytes, sa_size_format(budget_bytes, budget), smallest->bytes, sa_size_format(smallest->bytes, least),
            smallest->strategy.name, smallest->cost.ms, fastest->cost.ms, fastest->bytes, sa_size_format(fastest->bytes, most),
            fastest->strategy.name);
}

size_t sa_frontier_pick(const sa_frontier *f, size_t most, size_t *index)
{
    size_t picked = 0;
    if (f->count == 0 || most == 0) return 0;
    double first = log((double)f->point[0].bytes), last = log((double)f->point[f->count - 1].bytes);
    for (size_t i = 0; i < f->count && picked < most; i++) {
        /* The k-th is the first point at or below the k-th step of equal ratio, as long as enough points are left for those after it. */
        double wanted = most > 1 ? first + (last - first) * (double)picked / (double)(most - 1) : last;
        bool must = f->count - i <= most - picked;
        if (must || log((double)f->point[i].bytes) <= wanted + 1e-9) index[picked++] = i;
    }
    if (picked > 0 && most > 1) index[picked - 1] = f->count - 1;
    return picked;
}
