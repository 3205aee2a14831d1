/* The log and the picture of a training run: see train_curve.h. */
#include "cli/train_curve.h"

#include "core/clock.h"
#include "core/output_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PLOT_EVERY_S = 60 };

bool sa_train_curve_name(const sa_step_outputs *outputs, int output, char name[SA_CURVE_NAME_BYTES])
{
    const sa_step_output *o = &outputs->output[output];
    int losses = 0;
    for (int i = 0; i < outputs->count; i++) losses += outputs->output[i].kind == SA_OUTPUT_LOSS;
    if (o->kind == SA_OUTPUT_PER_CLASS || (o->kind == SA_OUTPUT_LOSS && losses == 1)) return false;
    const char *kind = sa_output_kind_name(o->kind);
    bool is_clear = !strncmp(o->name, kind, strlen(kind)) && strcmp(o->name, "loss") != 0;
    snprintf(name, SA_CURVE_NAME_BYTES, is_clear ? "%s%.80s" : "%s_%.80s", is_clear ? "" : kind, o->name);
    return true;
}

/* ---- opening ---- */

static sa_status add_columns(const sa_step_outputs *outputs, const sa_train_tests *tests, sa_curve *curve)
{
    char name[SA_CURVE_NAME_BYTES];
    SA_TRY(sa_curve_add_column(curve, "step"));
    SA_TRY(sa_curve_add_column(curve, "rate"));
    SA_TRY(sa_curve_add_column(curve, "loss"));
    for (int i = 0; i < outputs->count; i++)
        if (sa_train_curve_name(outputs, i, name)) SA_TRY(sa_curve_add_column(curve, name));
    return sa_train_tests_columns(tests, curve);
}

static bool same_columns(const sa_curve *a, const sa_curve *b)
{
    bool same = a->column_count == b->column_count;
    for (int c = 0; same && c < a->column_count; c++) same = !strcmp(a->column[c].name, b->column[c].name);
    return same;
}

/* The rows of a log that is there, up to the step that this run begins after. */
static sa_status take_earlier(sa_train_curve *c, uint64_t first_step)
{
    sa_curve old = {0};
    SA_TRY(sa_curve_read(c->options->log_file, &old));
    sa_status status = SA_OK;
    if (!same_columns(&old, &c->curve))
        status = sa_error_set(SA_INVALID, "%s: its columns are those of another training; give --log another file",
                              c->options->log_file);
    for (size_t r = 0; status == SA_OK && r < old.row_count; r++) {
        const double *row = old.value + r * (size_t)old.column_count;
        if (row[0] <= (double)first_step) status = sa_curve_add_row(&c->curve, row);
    }
    sa_curve_free(&old);
    return status;
}

static sa_status write_line(sa_train_curve *c, char *line)
{
    if (!line) SA_FAIL(SA_NOMEM, "no memory for a line of the log");
    bool failed = fputs(line, c->log) < 0 || fflush(c->log) != 0;
    int cause = errno;
    free(line);
    if (!failed) return SA_OK;
    SA_FAIL(SA_IO, "%s: cannot write: %s", c->options->log_file, strerror(cause));
}

static sa_status open_log(sa_train_curve *c, uint64_t first_step)
{
    const char *path = c->options->log_file;
    struct stat found;
    bool is_there = !sa_output_file_is_stdout(path) && stat(path, &found) == 0 && S_ISREG(found.st_mode);
    if (c->options->resume && is_there && found.st_size > 0) SA_TRY(take_earlier(c, first_step));
    SA_TRY(sa_output_growing_open(path, &c->log));
    SA_TRY(write_line(c, sa_curve_header(&c->curve)));
    for (size_t r = 0; r < c->curve.row_count; r++) SA_TRY(write_line(c, sa_curve_row(&c->curve, r)));
    return SA_OK;
}

sa_status sa_train_curve_open(const sa_train_options *options, const sa_step_outputs *outputs, const sa_train_tests *tests,
                              uint64_t first_step, sa_train_curve *curve)
{
    *curve = (sa_train_curve){.options = options};
    if (!options->log_file && !options->plot) return SA_OK;
    SA_TRY(add_columns(outputs, tests, &curve->curve));
    return options->log_file ? open_log(curve, first_step) : SA_OK;
}

void sa_train_curve_close(sa_train_curve *curve)
{
    if (curve->log && curve->log != stdout && curve->log != stderr) fclose(curve->log);
    sa_curve_free(&curve->curve);
    memset(curve, 0, sizeof *curve);
}

/* ---- growing ---- */

sa_status sa_train_curve_add(sa_train_curve *c, uint64_t step, const sa_train_record *record, const sa_step_outputs *outputs,
                             const sa_train_tests *tests)
{
    double value[SA_CURVE_COLUMNS_MAX];
    char name[SA_CURVE_NAME_BYTES];
    int used = 3;
    if (c->curve.column_count == 0) return SA_OK;
    for (int i = 0; i < c->curve.column_count; i++) value[i] = (double)NAN;
    value[0] = (double)step;
    if (record) value[1] = (double)record->rate;
    if (record) value[2] = (double)record->loss;
    for (int i = 0; i < outputs->count; i++) {
        if (!sa_train_curve_name(outputs, i, name)) continue;
        if (record) value[used] = (double)outputs->value[outputs->output[i].begin];
        used++;
    }
    if (tests) sa_train_tests_values(tests, value + used);
    SA_TRY(sa_curve_add_row(&c->curve, value));
    if (!c->log) return SA_OK;
    sa_status status = write_line(c, sa_curve_row(&c->curve, c->curve.row_count - 1));
    if (status == SA_OK) return SA_OK;
    if (c->log != stdout && c->log != stderr) fclose(c->log);
    c->log = NULL;
    return status;
}

static bool is_stream(const char *path)
{
    struct stat found;
    return sa_output_file_is_stdout(path) || (stat(path, &found) == 0 && !S_ISREG(found.st_mode));
}

sa_status sa_train_curve_plot(sa_train_curve *c, const char *title, double best_step, sa_plot_time when)
{
    uint64_t time_ns = sa_clock_ns();
    if (!c->options->plot || c->curve.row_count == 0) return SA_OK;
    if (when == SA_PLOT_IF_DUE && time_ns - c->plotted_ns < PLOT_EVERY_S * 1000000000ull) return SA_OK;
    if (when != SA_PLOT_LAST && is_stream(c->options->plot)) return SA_OK;
    c->plotted_ns = time_ns;
    char *text = sa_curve_svg(&c->curve, title, best_step);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the picture of the learning curve");
    sa_status status = sa_output_file_put(c->options->plot, text, strlen(text));
    free(text);
    return status;
}
