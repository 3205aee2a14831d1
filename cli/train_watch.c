/* Tests, best snapshot and learning curve: see train_watch.h. */
#include "cli/train_watch.h"

#include "cli/commands.h"
#include "cli/text_output.h"
#include "core/exchange.h"
#include "core/size_text.h"

#include <math.h>

/* A file of the curve that cannot be written is no reason to stop. */
static void note_problem(sa_train_watch *w)
{
    sa_train_result *r = w->result;
    bool first = !r->curve_problem[0];
    if (first) snprintf(r->curve_problem, sizeof r->curve_problem, "%s", sa_error_message());
    sa_error_clear();
    if (!first || !w->options->progress) return;
    sa_progress_clear(w->progress);
    sa_text_say(w->options->progress, 0, "segarena train: %s; training goes on", r->curve_problem);
}

static void plot(sa_train_watch *w, sa_plot_time when)
{
    const sa_train_result *r = w->result;
    double best = r->has_best ? (double)r->best_step : -1;
    if (sa_train_curve_plot(&w->curve, r->net, best, when) != SA_OK) note_problem(w);
}

static void add_row(sa_train_watch *w, bool tested)
{
    const sa_train_result *r = w->result;
    const sa_train_record *record = r->record_count ? &r->record[r->record_count - 1] : NULL;
    if (sa_train_curve_add(&w->curve, r->last_step, record, &r->series.outputs, tested ? w->tests : NULL) != SA_OK) note_problem(w);
}

/* ---- tests ---- */

/* The state of this step if it is the best so far. That of no step is none: nothing was learned. */
static bool is_best(sa_train_watch *w)
{
    sa_train_result *r = w->result;
    double value = sa_train_tests_value(w->tests);
    if (r->record_count == 0 || !sa_train_tests_better(w->tests, value, r->has_best ? r->best_value : (double)NAN)) return false;
    r->has_best = true;
    r->best_step = r->last_step;
    r->best_value = value;
    return true;
}

/* Rank 0 tests, and the others wait for its word: the state is collected from all. */
static sa_status keep_best(sa_train_watch *w, bool best)
{
    if (w->snapshots->solver->test_interval > 0) SA_TRY(sa_exchange_first_word(w->options->exchange, &best));
    return best ? sa_train_snapshots_best(w->snapshots, w->result) : SA_OK;
}

static sa_status test(sa_train_watch *w, bool *tested, bool *best)
{
    sa_train_result *r = w->result;
    if (!sa_train_tests_due(w->tests, r->last_step)) return SA_OK;
    SA_TRY(sa_train_tests_run(w->tests, w->session, r->last_step, w->options->progress ? w->progress : NULL, tested));
    if (!*tested) return SA_OK;
    if (w->options->log) {
        sa_progress_clear(w->progress);
        sa_train_tests_print(w->options->log, w->tests, r->last_step);
    }
    SA_TRY(sa_train_result_add_test(r, w->tests));
    *best = is_best(w);
    return SA_OK;
}

/* What the best snapshot of the run that is resumed reached: tested again, since no file says it. */
static void measure_earlier_best(sa_train_watch *w)
{
    sa_train_result *r = w->result;
    char path[SA_TRAIN_SNAPSHOT_BYTES];
    if (!w->options->resume || !sa_train_snapshots_best_path(w->snapshots, path)) return;
    if (!sa_train_tests_run_file(w->tests, path, w->options->progress ? w->progress : NULL)) return;
    r->has_best = true;
    r->best_value = sa_train_tests_value(w->tests);
    r->best_step = sa_train_snapshots_step(w->snapshots, path, r->first_step);
    snprintf(r->best_snapshot, sizeof r->best_snapshot, "%s", path);
}

static void tell(sa_train_watch *w)
{
    char size[SA_SIZE_TEXT_BYTES], path[SA_TRAIN_SNAPSHOT_BYTES];
    FILE *out = w->options->progress;
    if (!out) return;
    bool kept = sa_train_snapshots_best_path(w->snapshots, path);
    sa_text_say(out, 7, "test   %s bytes more for tests; the state of the best %s is %s%s",
                sa_size_format_exact(w->result->test_bytes, size), w->result->best_measure,
                kept ? "kept in " : "not kept: --snapshot or the solver's snapshot_prefix gives it a place", kept ? path : "");
}

/* ---- the run ---- */

sa_status sa_train_watch_begin(sa_train_watch *w)
{
    sa_train_result *r = w->result;
    bool tested = false, best = false;
    SA_TRY(sa_train_curve_open(w->options, &r->series.outputs, w->tests, r->first_step, &w->curve));
    if (!w->tests) return SA_OK;
    r->test_bytes = sa_train_tests_bytes(w->tests);
    snprintf(r->best_measure, sizeof r->best_measure, "%s", sa_train_tests_measure(w->tests));
    tell(w);
    measure_earlier_best(w);
    SA_TRY(test(w, &tested, &best));
    if (tested && (w->curve.curve.row_count == 0 || !w->options->resume)) add_row(w, true);
    return SA_OK;
}

sa_status sa_train_watch_step(sa_train_watch *w)
{
    bool tested = false, best = false;
    SA_TRY(test(w, &tested, &best));
    SA_TRY(keep_best(w, best));
    add_row(w, tested);
    plot(w, tested ? SA_PLOT_NOW : SA_PLOT_IF_DUE);
    return SA_OK;
}

void sa_train_watch_end(sa_train_watch *w)
{
    if (w->tests) w->result->test_measured_bytes = sa_train_tests_measured_bytes(w->tests);
    plot(w, SA_PLOT_LAST);
}

void sa_train_watch_close(sa_train_watch *w)
{
    sa_train_curve_close(&w->curve);
    sa_train_tests_close(w->tests);
    w->tests = NULL;
}
