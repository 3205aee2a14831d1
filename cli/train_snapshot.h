/* When and where a training run writes its snapshots, and what becomes of a state whose place fails. */
#ifndef SA_CLI_TRAIN_SNAPSHOT_H
#define SA_CLI_TRAIN_SNAPSHOT_H

#include "cli/progress.h"
#include "cli/train_run.h"
#include "cli/train_state.h"
#include "net/feed.h"

/* Plain data; all pointers are borrowed. */
typedef struct sa_train_snapshots {
    const sa_train_options *options;
    const sa_solver_config *solver;
    sa_train_state *state;
    sa_session *session;
    const sa_feed *feed;
    sa_progress *progress;            /* its line makes room for messages */
    const sa_data_position *position; /* NULL: the feed's; else where the next step begins in the data */
    uint64_t saved_step;              /* of the state that is in a file: the one written last, or the one resumed from */
    char spare_name[64];              /* of the file that is written elsewhere; "": none so far */
} sa_train_snapshots;

/* Before the first step: SA_IO or SA_INVALID if a snapshot that this run is to write could not be written now, with the cause: its
 * folder is missing or read-only, its name too long, it is a folder or a FIFO, the disk is too small for a state of
 * parameter_count values. Writes nothing. */
SA_CHECKED sa_status sa_train_snapshots_check(const sa_train_options *options, const sa_solver_config *solver, uint64_t total_steps,
                                              size_t parameter_count);

/* Whether the state after the last step goes anywhere. */
bool sa_train_snapshots_last_wanted(const sa_train_options *options, const sa_solver_config *solver);

/* After each step: writes a snapshot if one is due. A place that fails is no reason to stop: the state goes elsewhere (below), or
 * training goes on without; either is said. SA_NUMERIC: a value is not finite, and nothing was written. */
SA_CHECKED sa_status sa_train_snapshots_after_step(sa_train_snapshots *snapshots, sa_train_result *result);

/* After the last step, whether the end was reached or asked for. Tries, where the wanted place fails, its folder under another
 * name, $TMPDIR or /tmp, then $HOME; result->snapshot_problem then says why and result->snapshot where the state is. SA_IO: no
 * place took it, with all causes. */
SA_CHECKED sa_status sa_train_snapshots_after_last(sa_train_snapshots *snapshots, sa_train_result *result);

/* After a batch that could not be had, in the step whose data began at *position: keeps the state after the last whole step as
 * sa_train_snapshots_after_last does, and adds to the error's message where it is. Returns status. */
sa_status sa_train_snapshots_after_bad_batch(sa_train_snapshots *snapshots, sa_train_result *result,
                                             const sa_data_position *position, sa_status status);

/* Where the state of the best test goes: the name of the last one or the solver's prefix with "_best"; false: neither is given. */
bool sa_train_snapshots_best_path(const sa_train_snapshots *snapshots, char path[SA_TRAIN_SNAPSHOT_BYTES]);
/* Writes the state there (result->best_snapshot). A place that fails is said, and training goes on. SA_NUMERIC as above. */
SA_CHECKED sa_status sa_train_snapshots_best(sa_train_snapshots *snapshots, sa_train_result *result);
/* The steps that a snapshot has done; `otherwise` if it cannot be read. */
uint64_t sa_train_snapshots_step(const sa_train_snapshots *snapshots, const char *path, uint64_t otherwise);

#endif
