/* `segarena plot LOG.csv --output FILE.svg`: the picture of a learning curve, also while the training that writes it runs. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/output_names.h"
#include "core/output_file.h"
#include "report/curve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_OUTPUT = 'o', KEY_TITLE = 256, KEY_BEST };

typedef struct options {
    const char *log, *output, *title, *best;
} options;

static error_t parse(int key, char *argument, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case KEY_OUTPUT: o->output = argument; return 0;
    case KEY_TITLE: o->title = argument; return 0;
    case KEY_BEST: o->best = argument; return 0;
    case ARGP_KEY_ARG:
        if (o->log) argp_error(state, "unexpected argument '%s'", argument);
        o->log = argument;
        return 0;
    case ARGP_KEY_END:
        if (!o->log) argp_error(state, "a learning curve is needed: LOG.csv, as `segarena train --log` writes it");
        if (!o->output) argp_error(state, "--output FILE.svg is needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* The row with the largest value of a column. */
static sa_status find_best(const sa_curve *curve, const char *name, double *step)
{
    double best = -INFINITY;
    int column = 1;
    while (column < curve->column_count && strcmp(curve->column[column].name, name) != 0) column++;
    if (column >= curve->column_count) SA_FAIL(SA_INVALID, "--best %s: the curve has no such column", name);
    for (size_t r = 0; r < curve->row_count; r++) {
        const double *row = curve->value + r * (size_t)curve->column_count;
        if (!(row[column] > best)) continue;
        best = row[column];
        *step = row[0];
    }
    return SA_OK;
}

static sa_status plot(const options *o)
{
    sa_curve curve;
    double best = -1;
    const sa_cli_output written = {"--output", o->output, SA_FILE_PLOT};
    if (sa_cli_same_file(o->log, o->output)) SA_FAIL(SA_INVALID, "%s: the picture would replace the curve", o->output);
    SA_TRY(sa_cli_outputs_check(&written, 1));
    SA_TRY(sa_curve_read(o->log, &curve));
    const char *slash = strrchr(o->log, '/');
    sa_status status = o->best ? find_best(&curve, o->best, &best) : SA_OK;
    char *text = status == SA_OK ? sa_curve_svg(&curve, o->title ? o->title : slash ? slash + 1 : o->log, best) : NULL;
    if (status == SA_OK && !text) status = sa_error_set(SA_NOMEM, "no memory for the picture of %zu rows", curve.row_count);
    if (status == SA_OK) status = sa_output_file_put(o->output, text, strlen(text));
    if (status == SA_OK) sa_cli_wrote("plot", o->output, "%zu rows of %d columns", curve.row_count, curve.column_count);
    free(text);
    sa_curve_free(&curve);
    return status;
}

int sa_cmd_plot(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"output", KEY_OUTPUT, "FILE", 0, "the picture, an SVG that needs no other file", 0},
        {"title", KEY_TITLE, "TEXT", 0, "its title (default: the log's name)", 0},
        {"best", KEY_BEST, "COLUMN", 0, "mark the step with the largest value of this column", 0},
        {0},
    };
    static const struct argp ARGP = {OPTIONS, parse, "LOG.csv", "Draws the learning curve that `segarena train --log` writes.",
                                     NULL,    NULL,  NULL};
    options o = {0};
    if (!sa_cli_parse(&ARGP, argc, argv, &o)) return 2;
    return plot(&o) == SA_OK ? 0 : sa_cli_fail("plot");
}
