/* Which values to drop, so that a step fits into so many bytes and takes the least time, by a remake model. Private to cost/. */
#ifndef SA_COST_REMAKE_SEARCH_H
#define SA_COST_REMAKE_SEARCH_H

#include "cost/remake_model.h"

typedef struct sa_remake_plan {
    uint8_t *state; /* (value_count), owned: sa_remake_state of owners of memory; never OPEN */
    size_t peak_bytes;
    double ms;
    double bound_ms; /* nothing that keeps each value, or drops it once, takes less within the bytes; equals ms with a proof. If the
                      * plan makes values again for each use: what no schedule is below */
} sa_remake_plan;

/* Nothing dropped but what nobody waits for. */
SA_CHECKED sa_status sa_remake_plan_create(const sa_remake_model *model, sa_remake_plan *plan);
void sa_remake_plan_free(sa_remake_plan *plan); /* zeroed ones are allowed */

/* Replaces *plan, where the search starts, by the best that it finds: from there, from nothing dropped and, for chains, by dynamic
 * programming over the values that are kept; then by single changes and exchanges. Its peak is above budget_bytes if nothing was
 * found that fits. Depends on nothing but its arguments. */
SA_CHECKED sa_status sa_remake_search(const sa_remake_model *model, size_t budget_bytes, sa_remake_plan *plan);

/* Branch and bound over keeping each value or dropping it once: improves *plan, and raises its bound_ms, to its ms if at most
 * nodes_max cases are enough for the proof. */
SA_CHECKED sa_status sa_remake_solve(const sa_remake_model *model, size_t budget_bytes, uint64_t nodes_max, sa_remake_plan *plan);

/* The first start of a search by dynamic programming; state: (value_count), changed if something was found. */
SA_CHECKED sa_status sa_remake_chain(const sa_remake_model *model, size_t budget_bytes, uint8_t *state, bool *found);

/* Can something be decided about the value, and is there something to wait for? */
bool sa_remake_is_free(const sa_remake_model *model, int value);
/* What no schedule of the model's ops is below: an op's operands have to be there. */
size_t sa_remake_least_bytes(const sa_remake_model *model);

#endif
