/* Aligned plain-text tables (ASCII only). They are formatted into memory; printing is the caller's, and so are numbers
 * (core/size_text.h).
 *
 *     buffer          size  share
 *                    bytes      %
 *     -----------  -------  -----
 *     conv1.data   786,432   60.0
 *     -----------  -------  -----
 *     total      1,310,720  100.0 */
#ifndef SA_REPORT_TABLE_H
#define SA_REPORT_TABLE_H

#include "core/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sa_table_align { SA_TABLE_LEFT, SA_TABLE_RIGHT } sa_table_align;

typedef struct sa_table_column {
    const char *title;
    const char *unit; /* shown below the title; NULL: none */
    sa_table_align align;
} sa_table_column;

typedef struct sa_table sa_table;

/* column_count >= 1; the columns are copied. *table is owned by the caller: sa_table_free. */
SA_CHECKED sa_status sa_table_create(const sa_table_column *columns, size_t column_count, sa_table **table);
/* The next cell, left to right; after the last column a new row begins. Running out of memory is reported by sa_table_format. */
void sa_table_cell(sa_table *table, const char *format, ...) SA_PRINTF(2, 3);
/* A line of dashes before the next row, e.g. the total. Only between rows. */
void sa_table_rule(sa_table *table);
/* At most so many characters on a line. The cells of the widest left-aligned column are broken into lines of 16 or more; what is
 * still too wide comes in several blocks, one below the other, each of which begins with the first column. 0: unlimited. */
void sa_table_set_width(sa_table *table, size_t width);
/* *text is malloc'd, lines end with '\n' and have no trailing spaces. SA_NOMEM; SA_INVALID: the last row lacks cells. */
SA_CHECKED sa_status sa_table_format(const sa_table *table, char **text);
void sa_table_free(sa_table *table); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
