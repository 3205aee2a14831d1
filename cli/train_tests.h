/* The tests of a training run: what the solver's test_iter, test_interval, test_initialization, test_net and test_state ask for.
 *
 * Each test net is planned as a forward pass and has a small arena of its own beside the training's. A test copies the parameters
 * into it, by layer names, and runs test_iter batches from the first entry of its list on, in order and not mirrored, so every test
 * sees the same images, also after --resume. */
#ifndef SA_CLI_TRAIN_TESTS_H
#define SA_CLI_TRAIN_TESTS_H

#include "cli/progress.h"
#include "cli/train_run.h"
#include "report/curve.h"

typedef struct sa_train_tests sa_train_tests;

/* What is planned before the training net's own strategy is chosen. */
typedef struct sa_train_tests_request {
    const sa_train_options *options;
    const sa_solver_config *solver;
    const sa_net *trained; /* borrowed for the life of the tests */
    const sa_device *device;
    const sa_strategy *strategy;
    uint64_t first_step, last_step; /* of this run; without a test between them no net is opened */
    uint64_t seed;
} sa_train_tests_request;

/* Loads and plans the test nets, and looks at their data. *tests is owned by the caller; NULL: there are none. */
SA_CHECKED sa_status sa_train_tests_plan(const sa_train_tests_request *request, sa_train_tests **tests);
/* All of the following take NULL: no tests. */
size_t sa_train_tests_bytes(const sa_train_tests *tests); /* of all arenas */
size_t sa_train_tests_measured_bytes(const sa_train_tests *tests);
/* Takes the arenas. */
SA_CHECKED sa_status sa_train_tests_start(sa_train_tests *tests, sa_device *device);
void sa_train_tests_close(sa_train_tests *tests);

/* Whether a test is due when so many updates are done. */
bool sa_train_tests_due(const sa_train_tests *tests, uint64_t step);
/* Tests with the session's parameters. *finished: false if a signal ended it, and there are no figures. progress may be NULL. */
SA_CHECKED sa_status sa_train_tests_run(sa_train_tests *tests, sa_session *session, uint64_t step, sa_progress *progress,
                                        bool *finished);
/* The same with the parameters of a snapshot or weights file; false: the file is not there or does not fit. */
bool sa_train_tests_run_file(sa_train_tests *tests, const char *path, sa_progress *progress);

/* What decides which snapshot is the best, of the first test net: "mean IoU", "accuracy" or "loss". */
const char *sa_train_tests_measure(const sa_train_tests *tests);
/* Of the last test. */
double sa_train_tests_value(const sa_train_tests *tests);
/* Is the value better than that one? NAN is worse than all. */
bool sa_train_tests_better(const sa_train_tests *tests, double value, double than);

/* A line per net about the last test. */
void sa_train_tests_print(FILE *out, const sa_train_tests *tests, uint64_t step);
/* The columns "test_loss", "test_mean_iou", ... ("test2_loss", ... of the second net), and their values of the last test. */
SA_CHECKED sa_status sa_train_tests_columns(const sa_train_tests *tests, sa_curve *curve);
int sa_train_tests_values(const sa_train_tests *tests, double *value); /* returns how many */

#endif
