/* The learning curve of a training run: a CSV that grows by a row per step (--log), and its picture (--plot).
 *
 * A row: updates done, rate, losses and accuracies of that step; the figures of tests in the rows of the steps that they follow. A
 * test before the first step has a row of its own. A resumed run keeps the rows of the steps before it. */
#ifndef SA_CLI_TRAIN_CURVE_H
#define SA_CLI_TRAIN_CURVE_H

#include "cli/train_tests.h"
#include "report/curve.h"

/* Plain data; begins zeroed. */
typedef struct sa_train_curve {
    const sa_train_options *options;
    sa_curve curve;
    FILE *log; /* NULL: not wanted, or its place failed */
    uint64_t plotted_ns;
} sa_train_curve;

/* SA_INVALID: the log of the run that is resumed has other columns. */
SA_CHECKED sa_status sa_train_curve_open(const sa_train_options *options, const sa_step_outputs *outputs,
                                         const sa_train_tests *tests, uint64_t first_step, sa_train_curve *curve);
void sa_train_curve_close(sa_train_curve *curve);
/* After a step and its test. record NULL: a test before the first step; tests NULL: no test. SA_IO: the log could not be written;
 * it is closed then, and later rows go to the picture alone. */
SA_CHECKED sa_status sa_train_curve_add(sa_train_curve *curve, uint64_t step, const sa_train_record *record,
                                        const sa_step_outputs *outputs, const sa_train_tests *tests);
/* When the picture is written: if a minute has passed, at once, or at once for the last time. Onto a stream it goes once, at the
 * last. */
typedef enum sa_plot_time { SA_PLOT_IF_DUE, SA_PLOT_NOW, SA_PLOT_LAST } sa_plot_time;
/* Writes the picture. best_step: of the best test; negative: none. */
SA_CHECKED sa_status sa_train_curve_plot(sa_train_curve *curve, const char *title, double best_step, sa_plot_time when);

/* What a figure of a step is called in a curve: each accuracy and, if there are several, each loss. False: it is not in it. */
bool sa_train_curve_name(const sa_step_outputs *outputs, int output, char name[SA_CURVE_NAME_BYTES]);

#endif
