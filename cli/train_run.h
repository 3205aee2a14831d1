/* Training a net by a solver file: shared by `segarena train` and its tests. Prints progress and log lines where it is told to, and
 * nothing else; reading the command line and writing the summary are others' business.
 *
 * Step numbers in messages, log lines and file names count the updates done: step 1 is the first. */
#ifndef SA_CLI_TRAIN_RUN_H
#define SA_CLI_TRAIN_RUN_H

#include "cli/output_series.h"
#include "net/session.h"
#include "net/solver_config.h"
#include "report/curve.h"

#include <limits.h>

#include <signal.h>
#include <stdio.h>

typedef struct sa_train_options {
    const char *solver;         /* path of the solver's prototxt */
    char solver_path[PATH_MAX]; /* of a shipped solver, which `solver` points to */
    const char *strategy, *conv;
    bool strategy_given;          /* not the default: a note tells if it comes to the plan of another */
    size_t budget_bytes;          /* > 0: the fastest strategy that fits in so many bytes, instead of `strategy` */
    const char *costs;            /* times of the budget: "auto", "builtin", "measure"; NULL: auto */
    const char *device;           /* NULL: what the solver's solver_mode says (GPU: cuda if there is one) */
    const char *data_root;        /* NULL: the working directory */
    const char *snapshot;         /* NULL, or where the last state goes, in place of snapshot_prefix */
    const char *resume;           /* NULL, or the snapshot to go on from */
    const char *weights;          /* NULL, or a weights file that parameters start from, in place of their fillers */
    const char *log_file;         /* NULL, or the learning curve as CSV */
    const char *plot;             /* NULL, or its picture, an SVG */
    const char *save_weights;     /* NULL, or where the parameters go after the last step, as a weights file */
    int threads;                  /* 0: all cores */
    int steps;                    /* in all, those of a resumed run included; 0: the solver's max_iter */
    int batch, height, width;     /* 0: the net's */
    int shards;                   /* of a step; 0: the solver's iter_size times the ranks */
    struct sa_exchange *exchange; /* with the other ranks (core/exchange.h), borrowed; NULL: there are none. Rank 0 alone says,
                                     logs, tests and writes */
    bool json;
    FILE *progress;                    /* NULL: none */
    FILE *log;                         /* of the lines that `display` asks for; NULL: none */
    const volatile sig_atomic_t *stop; /* not 0: stop after the step that runs. NULL: never */
} sa_train_options;

enum { SA_TRAIN_SNAPSHOT_BYTES = 4096 };

/* One step. */
typedef struct sa_train_record {
    float loss;     /* all losses by their weights, of the parameters before the update */
    float accuracy; /* the net's first; 0 if it has none */
    float rate;
    double step_ms, data_ms; /* wall time of the step, of making and uploading its batch */
} sa_train_record;

typedef struct sa_train_result {
    char net[SA_NAME_MAX], net_path[SA_SOLVER_PATH_BYTES], device[128];
    sa_strategy strategy;
    int threads, batch, shards, ranks;
    uint64_t seed;
    bool has_accuracy, synthetic, stopped;
    uint64_t void_batches;          /* steps in which a loss ignored every pixel */
    char note[512];                 /* of the net: sizes that were assumed */
    uint64_t first_step, last_step; /* updates before and after this run */
    uint64_t total_steps;           /* where it was to stop */
    size_t record_count;
    sa_train_record *record; /* (record_count), owned */
    sa_output_series series; /* every loss and accuracy, owned */
    size_t predicted_bytes, arena_bytes, measured_bytes;
    sa_curve tests;                         /* a row per test: "step" and the figures; owned, empty without tests */
    size_t test_bytes, test_measured_bytes; /* of the arenas of test nets, beside the training's */
    char best_measure[32];                  /* by what the best test is chosen; "": no tests */
    bool has_best;
    uint64_t best_step;
    double best_value;
    char best_snapshot[SA_TRAIN_SNAPSHOT_BYTES]; /* "": none was written */
    char curve_problem[600];                     /* why the learning curve is not complete; "": it is */
    double step_ms, data_ms;                     /* medians */
    double sent_bytes, waited_ms;                /* of this rank in a step, in the mean: to others, for others */
    uint64_t state_hash;                         /* sa_session_state_hash after the last step */
    char snapshot[SA_TRAIN_SNAPSHOT_BYTES];      /* the one written last; "": none */
    char snapshot_problem[900];                  /* why the last state is not where it was wanted but in `snapshot`; "": it is */
} sa_train_result;

/* Trains. *result is owned by the caller (sa_train_result_free), and empty after a failure. A snapshot that was written stays;
 * none is ever written half. A place that takes no snapshot is found before the first step; if it fails later, see
 * cli/train_snapshot.h. SA_NUMERIC: a loss or, at a snapshot, a parameter is not finite; otherwise the statuses of reading
 * solver, net, data and snapshot, of the device and of writing. */
SA_CHECKED sa_status sa_train_run(const sa_train_options *options, sa_train_result *result);
void sa_train_result_free(sa_train_result *result);

struct sa_train_tests;
/* Keeps the figures of the last test. */
SA_CHECKED sa_status sa_train_result_add_test(sa_train_result *result, const struct sa_train_tests *tests);

/* Medians of the steps' times. */
SA_CHECKED sa_status sa_train_result_find_medians(sa_train_result *result);

/* The mean loss of `count` steps from `first` on, fewer if there are fewer. */
double sa_train_mean_loss(const sa_train_result *result, size_t first, size_t count);

#endif
