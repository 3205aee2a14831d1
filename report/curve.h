/* A learning curve: columns of figures, one row per step, as CSV and as a picture (SVG).
 *
 * The first column is "step", the updates done. Names tell what the others are: "rate"; a name that begins with "loss"; anything
 * else is a share from 0 to 1 (accuracy, IoU). "test_" or "test2_" in front: measured by a test, after that step. Cells may be
 * empty. */
#ifndef SA_REPORT_CURVE_H
#define SA_REPORT_CURVE_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { SA_CURVE_NAME_BYTES = 96, SA_CURVE_COLUMNS_MAX = 256 };

typedef struct sa_curve_column {
    char name[SA_CURVE_NAME_BYTES];
} sa_curve_column;

/* Plain data, owned by the caller; begins zeroed. */
typedef struct sa_curve {
    int column_count;
    sa_curve_column *column; /* (column_count) */
    size_t row_count;
    double *value; /* (row_count, column_count); NAN: empty */
} sa_curve;

void sa_curve_free(sa_curve *curve); /* a zeroed one is allowed */
/* Quotes, commas and control characters of the name become '_'. */
SA_CHECKED sa_status sa_curve_add_column(sa_curve *curve, const char *name);
/* value: (column_count). After the columns. */
SA_CHECKED sa_status sa_curve_add_row(sa_curve *curve, const double *value);

/* Reads what sa_curve_header and sa_curve_row write. SA_PARSE: "path:line: cause". A last row that was cut off is left out. */
SA_CHECKED sa_status sa_curve_read(const char *path, sa_curve *curve);
/* A line with its end, malloc'd; NULL: out of memory. */
char *sa_curve_header(const sa_curve *curve);
char *sa_curve_row(const sa_curve *curve, size_t row);

/* The picture, malloc'd: losses, shares and the rate over the steps, in light and dark as the reader has it, without any other
 * file. marked_step: a test with a mark at it ("best"), negative: none. NULL: out of memory. */
char *sa_curve_svg(const sa_curve *curve, const char *title, double marked_step);

#endif
