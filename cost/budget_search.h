/* The plans that a frontier is made of: for each of some sizes, which values to drop under each combination of the techniques that
 * are decided for a net as a whole. Private to cost/. */
#ifndef SA_COST_BUDGET_SEARCH_H
#define SA_COST_BUDGET_SEARCH_H

#include "cost/budget.h"
#include "net/strategy.h"

typedef struct sa_priced {
    sa_strategy strategy; /* owned */
    size_t load_bytes;    /* no plan is below */
    sa_cost cost;
    double measured_ms; /* the part of cost.ms whose ops were measured */
} sa_priced;

typedef struct sa_budget_search {
    const sa_net *net;
    const sa_cost_model *model;
    const sa_program_options *options;
    sa_conv_option conv;
    size_t budget_bytes; /* one size that matters more than others; 0: none */
    size_t count;
    sa_priced *list;    /* owned */
    size_t bound_bytes; /* the ops of no combination can run in less */
} sa_budget_search;

/* Fills the list. */
SA_CHECKED sa_status sa_budget_search_run(sa_budget_search *search);
void sa_budget_search_free(sa_budget_search *search);

#endif
