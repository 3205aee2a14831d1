/* Budgets: which combination of techniques is the fastest that fits into so many bytes. */
#ifndef SA_COST_BUDGET_H
#define SA_COST_BUDGET_H

#include "cost/cost_model.h"
#include "net/strategy.h"

typedef struct sa_frontier_point {
    sa_strategy strategy; /* owned. If it has choices, its name tells about them; else sa_strategy_parse takes it */
    size_t bytes;         /* of the arena, as planned */
    sa_cost cost;         /* of a step, predicted */
    double bound_ms; /* 0: not asked for; else no strategy that keeps or drops values within the bytes is predicted to take less */
} sa_frontier_point;

/* The strategies that no other one beats in both bytes and predicted time. */
typedef struct sa_frontier {
    size_t count;
    sa_frontier_point *point; /* (count), owned: bytes descending, time ascending */
    size_t candidate_count;   /* combinations looked at */
    size_t bound_bytes;       /* an op of each combination needs that much: no strategy that was looked at can do with less */
    double measured_share;    /* of the predicted time of all points, that of ops with measured times */
} sa_frontier;

/* Searches for strategies for this net with the convolution `conv` (auto: those that use no column matrix, so that all give the
 * same bits): combinations of switches, and for each which values to drop. Prices them, plans those that are not beaten. The
 * model's device is asked for workspace sizes. */
SA_CHECKED sa_status sa_frontier_create(const sa_net *net, const sa_cost_model *model, sa_conv_option conv,
                                        const sa_program_options *options, sa_frontier *frontier);
/* The same with more effort for one size. */
SA_CHECKED sa_status sa_frontier_create_for(const sa_net *net, const sa_cost_model *model, sa_conv_option conv,
                                            const sa_program_options *options, size_t budget_bytes, sa_frontier *frontier);
void sa_frontier_free(sa_frontier *frontier); /* zeroed ones are allowed */

/* Sets bound_ms of the points `index` (count). Exact where a net has few values to decide about. */
SA_CHECKED sa_status sa_frontier_bound(const sa_net *net, const sa_cost_model *model, sa_conv_option conv,
                                       const sa_program_options *options, const size_t *index, size_t count, sa_frontier *frontier);

/* In place of a budget: the least bytes that are found. */
#define SA_BUDGET_MIN SIZE_MAX

/* The fastest point within budget_bytes. SA_CAPACITY: none is; the message names the smallest and the fastest point. */
SA_CHECKED sa_status sa_budget_solve(const sa_frontier *frontier, size_t budget_bytes, size_t *index);
/* Up to `most` points spread over the frontier's bytes, both ends among them; numbers of points, ascending. Returns how many. */
size_t sa_frontier_pick(const sa_frontier *frontier, size_t most, size_t *index);

#endif
