/* The progress line of a long command: steps, seconds a step, time left, the arena's size and the latest figures.
 *
 * On a terminal one line is rewritten in place; anywhere else (a log, a pipe) plain lines are written, few of them. It is no
 * logger and no timer for benchmarks. Errors of writing are ignored: a lost progress line must not end a training run. */
#ifndef SA_CLI_PROGRESS_H
#define SA_CLI_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t (*sa_progress_clock)(void); /* monotonic, in ns */

/* Plain data, owned by the caller; set by begin, read by nobody else. */
typedef struct sa_progress {
    FILE *stream;
    const char *label;
    size_t first, done, total; /* steps: done before this run, done by now, wanted in all */
    size_t arena_bytes;
    sa_progress_clock clock;
    uint64_t begin_ns, shown_ns, interval_ns;
    bool live;        /* rewrite one line */
    bool opening;     /* in the first step of this run */
    bool shown;       /* something was written; on a terminal: and is still there */
    bool current;     /* what was written last is the latest state */
    int columns;      /* width of the terminal; live lines are cut to fit */
    char extra[160];  /* the latest figures, as given */
    uint64_t done_ns; /* when `done` was reached */
    /* the ticker */
    bool ticking, quit;
    pthread_t thread;
    pthread_mutex_t lock; /* of everything above, while ticking */
    pthread_cond_t wake;
    size_t (*ops_done)(void *context);
    void *ops_context;
    size_t op_count;
} sa_progress;

/* Starts at step `first` (above 0 for a resumed run) of `total`. stream and label are borrowed until the end; arena_bytes 0
 * leaves the arena out. Writes nothing yet. */
void sa_progress_begin(sa_progress *progress, FILE *stream, const char *label, size_t first, size_t total, size_t arena_bytes);
/* The same with a clock of the caller's. */
void sa_progress_begin_clock(sa_progress *progress, FILE *stream, const char *label, size_t first, size_t total, size_t arena_bytes,
                             sa_progress_clock clock);
/* Starts a thread that keeps the line moving while a step runs: "step 1: op 13 of 92, 3 s". It writes after half a second without a
 * step, then four times a second on a terminal; elsewhere after 5 s, and every 30 s from the second step on. ops_done is called
 * from the thread. Without threads nothing ticks. Ends with sa_progress_end. */
void sa_progress_tick(sa_progress *progress, size_t (*ops_done)(void *context), void *context, size_t op_count);
/* What the thread does each time: writes if something is due. */
void sa_progress_tick_once(sa_progress *progress);
/* The line is now about another run, as when several take turns: `done` of its `total` steps are complete. ops_context and op_count
 * are those of sa_progress_tick; op_count 0: no step runs yet ("getting ready"). A log gets one line for each run, here. */
void sa_progress_turn(sa_progress *progress, const char *label, size_t done, size_t total, size_t arena_bytes, void *ops_context,
                      size_t op_count);
/* For work without steps: from half a second on, a line says how long it takes ("LABEL, 3 s"), with a thread as above. The end
 * takes it away from a terminal. */
void sa_progress_wait(sa_progress *progress, FILE *stream, const char *label);
void sa_progress_wait_end(sa_progress *progress);
/* Takes a live line away, before something else is written to the terminal. */
void sa_progress_clear(sa_progress *progress);
/* `done` steps are complete. extra ("loss 1.0986, accuracy 0.41"; NULL: none) is copied. Writes if the last line is old enough:
 * 0.1 s on a terminal, 5 s elsewhere; the first update and the last step are always written. */
void sa_progress_update(sa_progress *progress, size_t done, const char *extra);
/* Writes the latest state if it was not, and ends the line. Also right after a failure in the middle. */
void sa_progress_end(sa_progress *progress);

#endif
