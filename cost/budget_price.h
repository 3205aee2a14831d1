/* Prices strategies for budgets. Private to cost/. */
#ifndef SA_COST_BUDGET_PRICE_H
#define SA_COST_BUDGET_PRICE_H

#include "cost/budget_search.h"
#include "cost/remake_search.h"

/* Adds a strategy, which is taken over, to the list, unless it cannot be. */
SA_CHECKED sa_status sa_budget_price(sa_budget_search *search, sa_strategy *strategy);

/* Adds `body` (switches alone, small-workspace among them) with the values that `state` drops. Within arena_bytes, each
 * convolution's backward pass is one op or two, whichever takes less time in the workspace for which there is room, and each op
 * takes that. *ms: of a step; infinite if it cannot be, or needs more than arena_bytes. */
SA_CHECKED sa_status sa_budget_price_plan(sa_budget_search *search, const sa_strategy *body, const sa_remake_model *model,
                                          const uint8_t *state, size_t arena_bytes, double *ms);

#endif
