/* Runs one golden case under one strategy and compares every quantity that the program stores. */
#ifndef SA_TESTS_GOLDEN_RUN_H
#define SA_TESTS_GOLDEN_RUN_H

#include "golden_case.h"

/* Loads the case's net as its files want it: single layers with gradients for their inputs. *net is owned by the caller. */
SA_CHECKED sa_status sa_golden_load_net(const sa_golden_case *golden, sa_net **net);
/* Runs the case's passes (one; one for each in/iter<k>; the solver's steps) and notes errors in its rows; rows that no value was
 * compared with stay unchecked. SA_UNSUPPORTED: a layer or a solver setting is not computed yet. */
SA_CHECKED sa_status sa_golden_run(sa_golden_case *golden, const sa_net *net, const sa_strategy *strategy, sa_device *device);

#endif
