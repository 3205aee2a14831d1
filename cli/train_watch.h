/* What is kept beside the steps of a training run: its tests, the best snapshot by them, its learning curve. */
#ifndef SA_CLI_TRAIN_WATCH_H
#define SA_CLI_TRAIN_WATCH_H

#include "cli/train_curve.h"
#include "cli/train_snapshot.h"
#include "cli/train_tests.h"

/* Plain data, begins zeroed; pointers but `tests` are borrowed. */
typedef struct sa_train_watch {
    const sa_train_options *options;
    sa_train_tests *tests; /* owned; NULL: none */
    sa_train_snapshots *snapshots;
    sa_session *session;
    sa_progress *progress;
    sa_train_result *result;
    sa_train_curve curve;
} sa_train_watch;

/* Before the first step: opens the log, tells what tests take, and measures the best snapshot of the run that is resumed, if it is
 * there. Then the test that is due before the first step. */
SA_CHECKED sa_status sa_train_watch_begin(sa_train_watch *watch);
/* After each step: the test if one is due, a row of the log, the best snapshot, the picture. */
SA_CHECKED sa_status sa_train_watch_step(sa_train_watch *watch);
/* After the last step: the picture. */
void sa_train_watch_end(sa_train_watch *watch);
void sa_train_watch_close(sa_train_watch *watch);

#endif
