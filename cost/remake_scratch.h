/* The room in which a remake model is evaluated. Private to cost/. */
#ifndef SA_COST_REMAKE_SCRATCH_H
#define SA_COST_REMAKE_SCRATCH_H

#include "cost/remake_model.h"

typedef struct sa_remake_scratch {
    int64_t *delta;    /* (events_max + 2): change of the bytes alive, of what begins and ends at events; then, bytes */
    int *event_of;     /* (op_count + 1) */
    bool *present;     /* (value_count) */
    int *start, *last; /* (value_count): events of a value's present life; start -1: it has none */
    int *late_start;   /* (value_count) */
    int *read_last;    /* (buffer_count): the event that keeps a buffer alive longer, -1 */
    int *stack, *each; /* (value_count) */
    int each_count;
} sa_remake_scratch;

SA_CHECKED sa_status sa_remake_scratch_create(sa_remake_model *model);
void sa_remake_scratch_free(sa_remake_model *model);

#endif
