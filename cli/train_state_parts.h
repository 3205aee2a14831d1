/* What is inside a training run's state on the host. Private to the files that fill it. */
#ifndef SA_CLI_TRAIN_STATE_PARTS_H
#define SA_CLI_TRAIN_STATE_PARTS_H

#include "cli/train_state.h"

/* Where an array belongs. */
typedef struct sa_state_place {
    int layer, param;
    char name[SA_NAME_MAX + 16];
} sa_state_place;

struct sa_train_state {
    const sa_net *net;
    size_t count;
    sa_snapshot_array *array; /* (count) */
    sa_state_place *place;    /* (count) */
    float *values;            /* all parameters, then all of the solver's histories, one after the other */
    sa_update_kind solver;
    sa_snapshot_state header; /* of what was collected last */
};

#endif
