/* `--budget SIZE` and `--costs C`, as plan, bench and train take them: which costs to use, and what is said about it. */
#ifndef SA_CLI_BUDGET_OPTION_H
#define SA_CLI_BUDGET_OPTION_H

#include "cost/budget.h"

#include <stdio.h>

/* What times are predicted from. AUTO: measured ones where this machine's table has them; MEASURE: the same, after measuring what
 * it lacks. */
typedef enum sa_costs_option { SA_COSTS_AUTO, SA_COSTS_BUILTIN, SA_COSTS_MEASURE } sa_costs_option;

typedef struct sa_budget_request {
    const char *command; /* "plan": begins what is printed to stderr */
    sa_costs_option costs;
    sa_conv_option conv;
    size_t budget_bytes; /* what matters most; 0: all sizes alike */
    sa_program_options program;
} sa_budget_request;

/* "auto", "builtin" or "measure"; NULL: what the environment variable SA_COSTS says, else `fallback`. */
SA_CHECKED sa_status sa_costs_option_parse(const char *text, sa_costs_option fallback, sa_costs_option *costs);

/* Makes the net's frontier for the device, and the model it was priced with if `model` is not NULL (owned by the caller then). Says
 * on stderr in one line which costs were used. Costs that cannot be stored are a note, not a failure. */
SA_CHECKED sa_status sa_cli_frontier(const sa_budget_request *request, const sa_net *net, sa_device *device, sa_frontier *frontier,
                                     sa_cost_model **model);

/* The strategy for the request's budget, the caller's: makes the frontier, picks, and says on stderr what was picked. SA_CAPACITY
 * if nothing fits. */
SA_CHECKED sa_status sa_cli_budget(const sa_budget_request *request, const sa_net *net, sa_device *device, sa_strategy *strategy);
void sa_cli_budget_note(const char *command, const sa_frontier *frontier, size_t chosen, size_t budget_bytes);

/* The frontier as a table, or the points `index` (count) of it if that is not NULL; the chosen point is marked. Gap: by how much
 * time is above its bound, where that was asked for. */
SA_CHECKED sa_status sa_frontier_print(FILE *out, const sa_frontier *frontier, const size_t *index, size_t count, size_t chosen);

#endif
