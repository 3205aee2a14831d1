/* Learning curves as tables: see curve.h. */
#include "report/curve.h"

#include "core/growing_array.h"
#include "core/input_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_BYTES = 32, FILE_BYTES_MAX = 1 << 30 };

void sa_curve_free(sa_curve *curve)
{
    free(curve->column);
    free(curve->value);
    memset(curve, 0, sizeof *curve);
}

sa_status sa_curve_add_column(sa_curve *curve, const char *name)
{
    sa_curve_column *grown = sa_array_room(curve->column, (size_t)curve->column_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for a curve of %d columns", curve->column_count + 1);
    curve->column = grown;
    if (curve->column_count >= SA_CURVE_COLUMNS_MAX)
        SA_FAIL(SA_CAPACITY, "a curve of more than %d columns", (int)SA_CURVE_COLUMNS_MAX);
    char *own = curve->column[curve->column_count++].name;
    snprintf(own, SA_CURVE_NAME_BYTES, "%s", name);
    for (; *own; own++)
        if (*own == ',' || *own == '"' || (unsigned char)*own < ' ') *own = '_';
    return SA_OK;
}

sa_status sa_curve_add_row(sa_curve *curve, const double *value)
{
    size_t row_bytes = (size_t)curve->column_count * sizeof *value;
    double *grown = sa_array_room(curve->value, curve->row_count, row_bytes);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for a curve of %zu rows", curve->row_count + 1);
    curve->value = grown;
    memcpy(curve->value + curve->row_count++ * (size_t)curve->column_count, value, row_bytes);
    return SA_OK;
}

/* ---- CSV ---- */

char *sa_curve_header(const sa_curve *curve)
{
    char *line = malloc((size_t)curve->column_count * SA_CURVE_NAME_BYTES + 2), *at = line;
    if (!line) return NULL;
    for (int c = 0; c < curve->column_count; c++) at += sprintf(at, "%s%s", c ? "," : "", curve->column[c].name);
    memcpy(at, "\n", 2);
    return line;
}

char *sa_curve_row(const sa_curve *curve, size_t row)
{
    char *line = malloc((size_t)curve->column_count * CELL_BYTES + 2), *at = line;
    if (!line) return NULL;
    for (int c = 0; c < curve->column_count; c++) {
        double v = curve->value[row * (size_t)curve->column_count + (size_t)c];
        if (c) *at++ = ',';
        if (!isnan(v)) at += snprintf(at, CELL_BYTES - 1, "%.*g", c ? 7 : 15, v); /* steps are whole numbers */
    }
    memcpy(at, "\n", 2);
    return line;
}

static sa_status read_header(char *line, const char *path, sa_curve *curve)
{
    for (char *next, *name = line; name; name = next) {
        next = strchr(name, ',');
        if (next) *next++ = '\0';
        SA_TRY(sa_curve_add_column(curve, name));
    }
    if (curve->column_count < 2 || strcmp(curve->column[0].name, "step"))
        SA_FAIL(SA_PARSE, "%s:1: not a learning curve: its first column is to be 'step'", path);
    return SA_OK;
}

static sa_status read_row(const char *line, const char *path, size_t number, sa_curve *curve)
{
    double value[SA_CURVE_COLUMNS_MAX];
    const char *at = line;
    for (int c = 0; c < curve->column_count; c++) {
        char *end = NULL;
        bool is_empty = *at == ',' || *at == '\0';
        value[c] = is_empty ? (double)NAN : strtod(at, &end);
        if (!is_empty) at = end;
        bool is_last = c + 1 == curve->column_count;
        if (*at != (is_last ? '\0' : ',') || (c == 0 && !isfinite(value[0])))
            SA_FAIL(SA_PARSE, "%s:%zu: a row of %d numbers, split by commas, is expected", path, number, curve->column_count);
        at += !is_last;
    }
    return sa_curve_add_row(curve, value);
}

static sa_status read_lines(char *text, const char *path, sa_curve *curve)
{
    size_t number = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (end > line && end[-1] == '\r') end[-1] = '\0';
        number++;
        if (number == 1) SA_TRY(read_header(line, path, curve));
        else if (*line) SA_TRY(read_row(line, path, number, curve));
    }
    if (number == 0) SA_FAIL(SA_PARSE, "%s:1: not a learning curve: no line in it", path);
    return SA_OK;
}

sa_status sa_curve_read(const char *path, sa_curve *curve)
{
    char *text;
    size_t length;
    sa_curve made = {0};
    SA_TRY(sa_input_text_read(path, (size_t)FILE_BYTES_MAX, &text, &length));
    sa_status status = read_lines(text, path, &made);
    free(text);
    if (status == SA_OK) *curve = made;
    else sa_curve_free(&made);
    return status;
}
