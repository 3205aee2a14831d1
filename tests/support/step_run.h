/* A few steps of a small net under a strategy, and everything that has to be the same under any other. */
#ifndef SA_TESTS_STEP_RUN_H
#define SA_TESTS_STEP_RUN_H

#include "net/session.h"

enum { SA_STEP_RUN_STEPS = 3 };

typedef struct sa_step_run {
    uint64_t hash;                        /* state_hash after the last step, and the bits of all outputs of all steps */
    float output[SA_STEP_RUN_STEPS];      /* first element of the first output (a loss) of each step */
    size_t arena_bytes, measured_bytes;   /* of the session */
    size_t peak_bytes, lower_bound_bytes; /* of the plan */
    size_t allocations;                   /* that the device made for it */
} sa_step_run;

/* Trains (or, for a deploy net, runs) SA_STEP_RUN_STEPS steps on synthetic scenes. */
SA_CHECKED sa_status sa_step_run_make(const sa_net *net, bool training, const sa_strategy *strategy, sa_device *device, bool debug,
                                      sa_step_run *run);
/* The same on a session that exists already, which is not destroyed. */
SA_CHECKED sa_status sa_step_run_session(const sa_net *net, sa_session *session, sa_step_run *run);

#endif
