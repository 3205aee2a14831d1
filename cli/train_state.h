/* The state of a training run on the host, between a session and a snapshot file. */
#ifndef SA_CLI_TRAIN_STATE_H
#define SA_CLI_TRAIN_STATE_H

#include "data/snapshot.h"
#include "net/session.h"

typedef struct sa_train_state sa_train_state;

/* Room for all parameters of net and the solver's histories. net is borrowed. */
SA_CHECKED sa_status sa_train_state_create(const sa_net *net, sa_update_kind solver, sa_train_state **state);
void sa_train_state_destroy(sa_train_state *state); /* NULL is allowed */

/* Session to host. header: step, seed and data position; the net's name is filled in. SA_NUMERIC names a parameter that is not
 * finite: such a state is not to replace a good one. */
SA_CHECKED sa_status sa_train_state_collect(sa_train_state *state, sa_session *session, const sa_snapshot_state *header);
/* What was collected to a file, as a whole or not at all. SA_IO. */
SA_CHECKED sa_status sa_train_state_write(const sa_train_state *state, const char *path);
/* File to host; the session comes later, since its seed is in the file. */
SA_CHECKED sa_status sa_train_state_load(sa_train_state *state, const char *path, sa_snapshot_state *header);
/* Host to session. */
SA_CHECKED sa_status sa_train_state_apply(const sa_train_state *state, sa_session *session);

#endif
