/* From what a remake model says to a program: rows of choices, and for each convolution the better form of its backward pass. */
#include "cost/budget_price.h"

#include "core/growing_array.h"
#include "memory/plan.h"
#include "net/net.h"
#include "net/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ pricing ---------------------------------------- */

/* *program: NULL if the strategy cannot be. */
static sa_status program_of(const sa_budget_search *s, const sa_strategy *strategy, sa_program **program)
{
    *program = NULL;
    sa_status status = sa_program_for_strategy(s->net, strategy, sa_cost_model_device(s->model), s->options, program);
    if (status != SA_INVALID && status != SA_UNSUPPORTED) return status;
    sa_error_clear();
    *program = NULL;
    return SA_OK;
}

/* Takes over the strategy. */
static sa_status add(sa_budget_search *s, sa_strategy *strategy, const sa_program *program)
{
    double share;
    size_t load;
    sa_priced *grown = sa_array_room(s->list, s->count, sizeof *grown);
    sa_status status = grown ? SA_OK : sa_error_set(SA_NOMEM, "no memory for %zu strategies", s->count + 1);
    if (grown) s->list = grown;
    if (status == SA_OK) status = sa_plan_max_load(program->buffer, program->buffer_count, &load);
    if (status != SA_OK) {
        sa_strategy_free(strategy);
        return status;
    }
    const sa_cost cost = sa_cost_predict(s->model, program, &share);
    s->list[s->count++] = (sa_priced){*strategy, load, cost, share * cost.ms};
    return SA_OK;
}

sa_status sa_budget_price(sa_budget_search *s, sa_strategy *strategy)
{
    sa_program *program;
    sa_status status = program_of(s, strategy, &program);
    if (status == SA_OK && program) status = add(s, strategy, program);
    else sa_strategy_free(strategy);
    sa_program_free(program);
    return status;
}

/* ------------------------------------------------------------------ rows of choices -------------------------------- */

/* What nobody waits for is dropped by itself; a row is for it only if something is made of it again. */
static bool is_said(const sa_remake_model *m, int v, const uint8_t *state)
{
    if (m->value[v].owner != v || state[v] == SA_REMAKE_KEPT) return false;
    if (sa_remake_is_free(m, v)) return true;
    for (int u = 0; u < m->value_count; u++)
        for (int i = m->value[u].input_begin; i < m->value[u].input_end && state[m->value[u].owner] != SA_REMAKE_KEPT; i++)
            if (m->value[m->input[i]].owner == v) return true;
    return false;
}

typedef enum form { ONE, TWO } form;

static sa_status add_rows(const sa_budget_search *s, const sa_remake_model *m, const uint8_t *state, const uint8_t *forms,
                          sa_choices *choices)
{
    int *output = malloc(((size_t)s->net->layer_count + 1) * sizeof *output);
    sa_status status = output ? SA_OK : sa_error_set(SA_NOMEM, "no memory for the choices of %d layers", s->net->layer_count);
    for (int l = 0; l < s->net->layer_count && output; l++) output[l] = SA_CHOICE_UNSET;
    for (int v = 0; v < m->value_count && output; v++)
        if (is_said(m, v, state))
            output[s->net->blob[m->value[v].blob].producer] = state[v] == SA_REMAKE_EACH ? SA_AGAIN_EACH : SA_AGAIN_ONCE;
    for (int l = 0; l < s->net->layer_count && status == SA_OK; l++) {
        sa_layer_row *row;
        if (output[l] == SA_CHOICE_UNSET && forms[l] == ONE) continue;
        status = sa_choices_add(choices, s->net->layer[l].name, &row);
        if (status != SA_OK) break;
        row->output = output[l];
        if (forms[l] == TWO) row->backward = SA_CONV_BACKWARD_SPLIT;
    }
    free(output);
    return status;
}

static sa_status with_choices(const sa_budget_search *s, const sa_strategy *body, const sa_remake_model *m, const uint8_t *state,
                              const uint8_t *forms, size_t arena_bytes, sa_strategy *strategy)
{
    sa_choices *choices;
    int again = 0, of = 0;
    SA_TRY(sa_choices_create(body->name, &choices));
    choices->arena_bytes = (int64_t)arena_bytes;
    sa_status status = add_rows(s, m, state, forms, choices);
    if (status != SA_OK) {
        sa_choices_free(choices);
        return status;
    }
    for (int v = 0; v < m->value_count; v++) {
        of += sa_remake_is_free(m, v);
        again += sa_remake_is_free(m, v) && state[v] != SA_REMAKE_KEPT;
    }
    *strategy = *body;
    snprintf(strategy->name, sizeof strategy->name, "%.180s, %d of %d values again", body->name, again, of);
    strategy->choices = choices;
    return SA_OK;
}

/* ------------------------------------------------------------------ forms of backward passes ----------------------- */

typedef struct forms_search {
    const sa_budget_search *s;
    const sa_program *one, *two; /* all backward passes in one op, in two */
    size_t arena_bytes;
    size_t *load; /* (ops of one) */
    double *ms[2];
} forms_search;

static sa_status find_loads(const sa_program *p, size_t *load)
{
    memset(load, 0, (p->op_count + 2) * sizeof *load);
    for (size_t i = 0; i < p->buffer_count; i++) {
        const sa_buffer *b = &p->buffer[i];
        load[b->begin] += b->size_bytes + b->alignment_bytes;
        load[b->end] -= b->size_bytes + b->alignment_bytes;
    }
    for (size_t i = 1; i < p->op_count; i++) load[i] += load[i - 1];
    return SA_OK;
}

static void sum_times(const forms_search *f, const sa_program *p, double *ms)
{
    for (size_t i = 0; i < p->op_count; i++)
        if (p->op[i].kind == SA_OP_CONV_BACKWARD && p->op[i].layer >= 0)
            ms[p->op[i].layer] += sa_cost_predict_op(f->s->model, p->op[i].kind, &p->op[i].args).ms;
}

/* One op where that fits and takes less time. *mixed: not all are of one form. */
static void choose_forms(const forms_search *f, uint8_t *forms, int count[2])
{
    sum_times(f, f->one, f->ms[ONE]);
    sum_times(f, f->two, f->ms[TWO]);
    for (int l = 0; l < f->s->net->layer_count; l++)
        if (f->ms[TWO][l] > 0) forms[l] = f->ms[ONE][l] <= f->ms[TWO][l] ? ONE : TWO;
    for (size_t i = 0; i < f->one->op_count; i++) {
        const sa_op *op = &f->one->op[i];
        if (op->kind == SA_OP_CONV_BACKWARD && op->layer >= 0 && f->load[i] > f->arena_bytes) forms[op->layer] = TWO;
    }
    count[ONE] = count[TWO] = 0;
    for (int l = 0; l < f->s->net->layer_count; l++)
        if (f->ms[TWO][l] > 0) count[forms[l]]++;
}

static sa_status find_forms(forms_search *f, uint8_t *forms, int count[2])
{
    const size_t layers = (size_t)f->s->net->layer_count + 1;
    f->load = malloc((f->one->op_count + 2) * sizeof *f->load);
    f->ms[ONE] = calloc(2 * layers, sizeof *f->ms[ONE]);
    f->ms[TWO] = f->ms[ONE] + layers;
    sa_status status =
        f->load && f->ms[ONE] ? find_loads(f->one, f->load) : sa_error_set(SA_NOMEM, "no memory for the forms of passes");
    if (status == SA_OK) choose_forms(f, forms, count);
    free(f->load);
    free(f->ms[ONE]);
    return status;
}

typedef struct attempt {
    sa_strategy strategy;
    sa_program *program; /* NULL: it cannot be */
} attempt;

static sa_status try_forms(const sa_budget_search *s, const sa_strategy *body, const sa_remake_model *m, const uint8_t *state,
                           const uint8_t *forms, size_t arena_bytes, attempt *a)
{
    SA_TRY(with_choices(s, body, m, state, forms, arena_bytes, &a->strategy));
    sa_status status = program_of(s, &a->strategy, &a->program);
    if (status != SA_OK) sa_strategy_free(&a->strategy);
    return status;
}

static void set_forms(const sa_budget_search *s, form wanted, uint8_t *forms)
{
    for (int l = 0; l < s->net->layer_count; l++)
        forms[l] = s->net->layer[l].type->convolves && s->net->layer[l].needs_backward &&
                           sa_net_layer_index(s->net, s->net->layer[l].name) == l
                       ? (uint8_t)wanted
                       : ONE;
}

static sa_status try_all(const sa_budget_search *s, const sa_strategy *body, const sa_remake_model *m, const uint8_t *state,
                         size_t arena_bytes, uint8_t *forms, attempt a[3], int *best)
{
    int count[2];
    set_forms(s, TWO, forms);
    SA_TRY(try_forms(s, body, m, state, forms, arena_bytes, &a[TWO]));
    *best = TWO;
    if (!sa_net_trains(s->net)) return SA_OK;
    set_forms(s, ONE, forms);
    SA_TRY(try_forms(s, body, m, state, forms, arena_bytes, &a[ONE]));
    if (!a[ONE].program || !a[TWO].program) return SA_OK;
    forms_search f = {.s = s, .one = a[ONE].program, .two = a[TWO].program, .arena_bytes = arena_bytes};
    SA_TRY(find_forms(&f, forms, count));
    if (count[ONE] == 0) return SA_OK;
    *best = ONE;
    if (count[TWO] == 0) return SA_OK;
    *best = 2;
    return try_forms(s, body, m, state, forms, arena_bytes, &a[2]);
}

sa_status sa_budget_price_plan(sa_budget_search *s, const sa_strategy *body, const sa_remake_model *m, const uint8_t *state,
                               size_t arena_bytes, double *ms)
{
    attempt a[3] = {{.program = NULL}};
    int best = TWO;
    size_t load = SIZE_MAX;
    uint8_t *forms = calloc((size_t)s->net->layer_count + 1, 1);
    *ms = INFINITY;
    if (!forms) SA_FAIL(SA_NOMEM, "no memory for the choices of %d layers", s->net->layer_count);
    sa_status status = try_all(s, body, m, state, arena_bytes, forms, a, &best);
    const sa_program *p = a[best].program;
    if (status == SA_OK && p) status = sa_plan_max_load(p->buffer, p->buffer_count, &load);
    if (status == SA_OK && load <= arena_bytes) {
        status = add(s, &a[best].strategy, p);
        a[best].strategy.choices = NULL; /* the list's now, or freed */
        if (status == SA_OK) *ms = s->list[s->count - 1].cost.ms;
    }
    for (int i = 0; i < 3; i++) {
        sa_program_free(a[i].program);
        sa_strategy_free(&a[i].strategy);
    }
    free(forms);
    return status;
}
