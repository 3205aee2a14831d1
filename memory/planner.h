/* What plan.c asks of each planner. Internal to memory/. */
#ifndef SA_MEMORY_PLANNER_H
#define SA_MEMORY_PLANNER_H

#include "memory/problem.h"

#include <stdbool.h>

typedef struct sa_planner_goal {
    size_t target_bytes;    /* stop at the first placement whose peak is at most this; never below the lower bound */
    size_t limit_bytes;     /* a placement above this is of no use (SIZE_MAX: any is) */
    double timeout_seconds; /* from the call on */
    bool strict_timeout;    /* else the first placement gets a second, however short the timeout */
} sa_planner_goal;

/* Each fills offsets (units, one an item). */
void sa_planner_naive(const sa_problem *problem, int64_t *offsets);
SA_CHECKED sa_status sa_planner_greedy(const sa_problem *problem, const sa_planner_goal *goal, int64_t *offsets);
/* offsets holds a valid placement already and is replaced by better ones. *exhausted: it is proven that no placement is better
 * than the one in offsets, or, with a limit, that none is within the limit. */
SA_CHECKED sa_status sa_planner_exact(const sa_problem *problem, const sa_planner_goal *goal, int64_t *offsets, bool *exhausted);

#endif
