/* Measures what ops cost: real steps of real strategies, op by op. */
#ifndef SA_COST_COST_MEASURE_H
#define SA_COST_COST_MEASURE_H

#include "cost/cost_model.h"
#include "net/strategy.h"

typedef struct sa_cost_measure_options {
    sa_program_options program;
    int steps;          /* timed steps of each strategy; one more comes before them */
    int strategies_max; /* at most so many strategies are run */
    /* Called before a strategy is run; may be NULL. */
    void (*report)(void *context, const sa_strategy *strategy, int number);
    void *context;
} sa_cost_measure_options;

/* Runs `strategy` and records the median time of each of its ops. On a CPU that other processes keep busy, CPU time over threads
 * stands in for wall time. SA_NOMEM if it does not fit into memory. */
SA_CHECKED sa_status sa_cost_measure(sa_cost_model *model, const sa_net *net, sa_device *device, const sa_strategy *strategy,
                                     const sa_cost_measure_options *options);

/* Measures of `count` strategies the one of whose time least is known, then the next, until little is unknown of any
 * or strategies_max have run. Strategies that do not fit into the memory that is free are not run. *measured: how many were. */
SA_CHECKED sa_status sa_cost_measure_covering(sa_cost_model *model, const sa_net *net, sa_device *device,
                                              const sa_strategy *const *strategies, size_t count,
                                              const sa_cost_measure_options *options, int *measured);

#endif
