/* The tree search behind the exact planner. Internal to memory/.
 *
 * A placement is built from the bottom up. Over the sections of time lies a skyline: in each, the floor above everything placed.
 * In a valley of the skyline (a run of equal floors between higher ones) some section is chosen; either one of the buffers alive
 * there that fit between the valley's walls sits right on the floor, or none does and the floor rises to the lowest offset at
 * which anything can start there. These cases are tried in turn; nothing else is possible, so an exhausted search is a proof.
 *
 * What keeps the tree small:
 * - a section's slack is the capacity less its floor and all that is still to be placed in it; rising wastes slack, and no slack
 *   may become negative. Sections whose load is the capacity allow no waste at all;
 * - floors rise by themselves to the lowest offset that any buffer alive there can have, until nothing changes;
 * - the section with the fewest cases is branched on first;
 * - when no buffer left spans a point of time, both sides are solved apart, and the failure of one is the failure of both;
 * - states (floors and buffers left) found infeasible are remembered, over restarts too;
 * - buffers and sections at which branches failed are remembered with fading weights: such buffers come earlier in the next dive,
 *   and such sections are branched on earlier if the order asks for it. */
#ifndef SA_MEMORY_SEARCH_H
#define SA_MEMORY_SEARCH_H

#include "memory/problem.h"

#include <stdbool.h>

typedef struct sa_search sa_search;

typedef enum sa_search_result {
    SA_SEARCH_FOUND,
    SA_SEARCH_EXHAUSTED, /* proven: no placement within the capacity */
    SA_SEARCH_STOPPED,   /* nodes, time or memory ran out */
} sa_search_result;

/* Cases are tried by descending size^size_power * length^length_power * (1 + noise * r), r random in [-1, 1), times a factor of 1
 * to 4 for the buffer's failures. */
typedef struct sa_search_order {
    double size_power, length_power, noise;
    bool follow_failures; /* branch where there are the fewest cases for each failure, not the fewest cases */
    uint64_t seed;
} sa_search_order;

typedef struct sa_search_budget {
    uint64_t nodes;
    double deadline_seconds; /* on sa_clock_seconds */
} sa_search_budget;

/* Borrows the problem. */
SA_CHECKED sa_status sa_search_create(const sa_problem *problem, sa_search **search);
void sa_search_destroy(sa_search *search); /* NULL is allowed */
/* One dive with backtracking. FOUND fills offsets (units, one an item); otherwise they are untouched. */
sa_search_result sa_search_run(sa_search *search, size_t capacity_bytes, const sa_search_order *order,
                               const sa_search_budget *budget, int64_t *offsets);

#endif
