/* How much less time any strategy of the search could take.
 *
 * For each combination of switches: its values as the ops with the least workspace hold them, its times as the fastest forms of its
 * ops take them. Both can only be too low, so the least time of keeping and dropping in this model, or a bound of it, is a bound.
 */
#include "cost/budget.h"

#include "cost/budget_candidates.h"
#include "cost/remake_search.h"
#include "net/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 20000 };

typedef struct bounds {
    const sa_net *net;
    const sa_cost_model *costs;
    sa_conv_option conv;
    const sa_program_options *options;
} bounds;

static sa_status model_of(const bounds *b, const char *combination, const char *more, sa_remake_model **model)
{
    char name[SA_CHOICES_STRATEGY_BYTES + 64];
    sa_strategy strategy;
    snprintf(name, sizeof name, "%.200s%s", combination, more);
    SA_TRY(sa_strategy_parse(name, &strategy));
    strategy.conv = b->conv;
    return sa_remake_model_create(b->net, &strategy, b->costs, b->options, model);
}

/* Times of convolutions' backward passes by layer. */
static sa_status backward_times(const bounds *b, const char *combination, const char *more, double *ms, double *all_ms)
{
    char name[SA_CHOICES_STRATEGY_BYTES + 64];
    sa_strategy strategy;
    sa_program *program;
    snprintf(name, sizeof name, "%.200s%s", combination, more);
    SA_TRY(sa_strategy_parse(name, &strategy));
    strategy.conv = b->conv;
    SA_TRY(sa_program_for_strategy(b->net, &strategy, sa_cost_model_device(b->costs), b->options, &program));
    *all_ms = sa_cost_predict(b->costs, program, NULL).ms;
    for (size_t i = 0; i < program->op_count; i++)
        if (program->op[i].kind == SA_OP_CONV_BACKWARD && program->op[i].layer >= 0)
            ms[program->op[i].layer] += sa_cost_predict_op(b->costs, program->op[i].kind, &program->op[i].args).ms;
    sa_program_free(program);
    return SA_OK;
}

/* With all the workspace that they want, each backward pass in its faster form. */
static sa_status fastest_ms(const bounds *b, const char *combination, double *ms)
{
    double split_ms, *one = calloc(2 * (size_t)b->net->layer_count + 2, sizeof *one);
    if (!one) SA_FAIL(SA_NOMEM, "no memory for the times of %d layers", b->net->layer_count);
    double *two = one + b->net->layer_count;
    sa_status status = backward_times(b, combination, "", one, ms);
    if (status == SA_OK) status = backward_times(b, combination, "+split-backward", two, &split_ms);
    for (int l = 0; l < b->net->layer_count && status == SA_OK; l++)
        if (two[l] > 0 && two[l] < one[l]) *ms -= one[l] - two[l];
    free(one);
    return status;
}

/* The times of `fast` for the values of `least`. */
static void take_times(sa_remake_model *least, const sa_remake_model *fast, double ms)
{
    least->ms = ms;
    for (int v = 0, u = 0; v < least->value_count; v++) {
        while (u < fast->value_count && fast->value[u].blob < least->value[v].blob) u++;
        const bool same = u < fast->value_count && fast->value[u].blob == least->value[v].blob;
        if (!same) least->value[v].ms = 0; /* nothing is known: it may be free */
        else if (fast->value[u].ms < least->value[v].ms) least->value[v].ms = fast->value[u].ms;
    }
}

static sa_status bound_point(const sa_remake_model *model, sa_frontier_point *point)
{
    sa_remake_plan plan;
    if (model->ms >= point->bound_ms) return SA_OK;
    SA_TRY(sa_remake_plan_create(model, &plan));
    sa_status status = sa_remake_search(model, point->bytes, &plan);
    if (status == SA_OK) status = sa_remake_solve(model, point->bytes, NODES, &plan);
    if (status == SA_OK && plan.bound_ms < point->bound_ms) point->bound_ms = plan.bound_ms;
    sa_remake_plan_free(&plan);
    return status;
}

static sa_status bound_by(const bounds *b, const char *combination, sa_frontier *f, const size_t *index, size_t count)
{
    sa_remake_model *least = NULL, *fast = NULL;
    double ms;
    sa_status status = fastest_ms(b, combination, &ms);
    if (status == SA_OK) status = model_of(b, combination, "+small-workspace+split-backward", &least);
    if (status == SA_OK) status = model_of(b, combination, "", &fast);
    if (status == SA_OK) {
        take_times(least, fast, ms);
        for (size_t i = 0; i < count && status == SA_OK; i++) status = bound_point(least, &f->point[index[i]]);
    }
    sa_remake_model_free(least);
    sa_remake_model_free(fast);
    return status;
}

sa_status sa_frontier_bound(const sa_net *net, const sa_cost_model *costs, sa_conv_option conv, const sa_program_options *options,
                            const size_t *index, size_t count, sa_frontier *f)
{
    const bounds b = {.net = net, .costs = costs, .conv = conv, .options = options};
    sa_candidates candidates;
    SA_TRY(sa_candidates_create(net, sa_cost_model_device(costs), conv, &candidates));
    sa_status status = SA_OK;
    for (size_t i = 0; i < count; i++) f->point[index[i]].bound_ms = f->point[index[i]].cost.ms;
    for (size_t c = 0; c < candidates.count && status == SA_OK; c++) {
        double ms;
        if (!strncmp(candidates.strategy[c].name, "inplace", 7)) {
            status = bound_by(&b, candidates.strategy[c].name, f, index, count);
            continue;
        }
        status = fastest_ms(&b, candidates.strategy[c].name, &ms); /* of these no values are dropped */
        for (size_t i = 0; i < count && status == SA_OK; i++)
            if (f->point[index[i]].bytes >= f->point[0].bytes && ms < f->point[index[i]].bound_ms) f->point[index[i]].bound_ms = ms;
    }
    sa_candidates_free(&candidates);
    return status;
}
