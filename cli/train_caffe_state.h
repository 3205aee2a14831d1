/* Going on from a state of Caffe's SGD solver: FILE.solverstate with the caffemodel that it names. */
#ifndef SA_CLI_TRAIN_CAFFE_STATE_H
#define SA_CLI_TRAIN_CAFFE_STATE_H

#include "cli/train_state.h"

/* Parameters from the caffemodel, momentum from the state, both onto the host. The caffemodel's name is taken as the state has it,
 * from the working directory; if it is not there, from the state's own folder. *steps: updates done. What Caffe does not keep
 * begins anew: the position in the data. SA_INVALID: another number or other shapes of parameters, a state of another solver than
 * SGD. */
SA_CHECKED sa_status sa_train_state_load_caffe(sa_train_state *state, const char *path, uint64_t *steps);

#endif
