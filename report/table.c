/* Tables: cells are kept as text, widths come out when everything is known. */
#include "report/table.h"

#include "core/checked.h"
#include "core/growing_array.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char gap[] = "  "; /* between columns */

struct sa_table {
    size_t column_count;
    sa_table_align *align; /* (column_count) */
    /* The cells row by row. The first two rows are titles and units; a row that starts with NULL is a rule. */
    char **cell;
    size_t cell_count;
    bool out_of_memory;
    bool has_units;
    size_t width_limit; /* 0: none */
};

enum { LEAST_BROKEN_COLUMN = 16 };

/* Takes over text; NULL text is a cell of a rule. */
static void append(sa_table *table, char *text)
{
    char **grown = sa_array_room(table->cell, table->cell_count, sizeof *grown);
    if (!grown) {
        table->out_of_memory = true;
        free(text);
        return;
    }
    table->cell = grown;
    table->cell[table->cell_count++] = text;
}

static void append_copy(sa_table *table, const char *text)
{
    char *copy = strdup(text);
    if (copy) append(table, copy);
    else table->out_of_memory = true;
}

sa_status sa_table_create(const sa_table_column *columns, size_t column_count, sa_table **table)
{
    if (column_count == 0) SA_FAIL(SA_INVALID, "a table without columns");
    sa_table *made = calloc(1, sizeof *made);
    if (!made) SA_FAIL(SA_NOMEM, "out of memory for a table");
    made->column_count = column_count;
    made->align = calloc(column_count, sizeof *made->align);
    made->out_of_memory = !made->align;
    for (size_t i = 0; i < column_count && made->align; i++) {
        made->align[i] = columns[i].align;
        append_copy(made, columns[i].title);
        made->has_units = made->has_units || columns[i].unit;
    }
    for (size_t i = 0; i < column_count; i++) append_copy(made, columns[i].unit ? columns[i].unit : "");
    if (made->out_of_memory) {
        sa_table_free(made);
        SA_FAIL(SA_NOMEM, "out of memory for a table of %zu columns", column_count);
    }
    sa_table_rule(made);
    *table = made;
    return SA_OK;
}

void sa_table_free(sa_table *table)
{
    if (!table) return;
    for (size_t i = 0; i < table->cell_count; i++) free(table->cell[i]);
    free(table->cell);
    free(table->align);
    free(table);
}

void sa_table_cell(sa_table *table, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) text = NULL;
    va_end(arguments);
    if (text) append(table, text);
    else table->out_of_memory = true;
}

void sa_table_rule(sa_table *table)
{
    for (size_t i = 0; i < table->column_count; i++) append(table, NULL);
}

void sa_table_set_width(sa_table *table, size_t width)
{
    table->width_limit = width;
}

/* What is printed side by side: the first column and those from `from` up to `to`. A table that is too wide comes in several
 * blocks. */
typedef struct block {
    const sa_table *table;
    size_t *width;     /* (column_count) as shown: less than the widest cell where cells are broken into lines */
    const char **rest; /* (column_count) of the row being written: what is still to be shown */
    size_t from, to;
} block;

/* How much of text goes on one line of at most `limit` characters: up to the last space that fits, else behind the last sign that
 * joins words ("caffe+lifetimes", "a/b"). */
static size_t line_length(const char *text, size_t limit)
{
    size_t length = strlen(text), end = limit;
    if (length <= limit) return length;
    while (end > 0 && text[end] != ' ') end--;
    if (end > 0) return end;
    for (end = limit; end > 0 && !strchr("+-/_.,", text[end - 1]);) end--;
    return end > 0 ? end : limit;
}

static const char *next_line(const char *text, size_t limit)
{
    text += line_length(text, limit);
    return text + strspn(text, " ");
}

static size_t line_count(const char *text, size_t limit)
{
    size_t count = 1;
    while (text && *(text = next_line(text, limit))) count++;
    return count;
}

static char *put_cell(char *out, const char *cell, size_t length, size_t width, sa_table_align align)
{
    size_t padding = width - length;
    if (align == SA_TABLE_RIGHT) out = (char *)memset(out, ' ', padding) + padding;
    if (cell) memcpy(out, cell, length);
    else memset(out, '-', length);
    out += length;
    if (align == SA_TABLE_LEFT) out = (char *)memset(out, ' ', padding) + padding;
    return out;
}

static size_t next_column(const block *b, size_t column)
{
    return column == 0 ? b->from : column + 1;
}

/* Appends one row's text to out, which has room for it, and returns the new end: as many lines as its longest cell needs. */
static char *format_row(const block *b, char *const *cells, char *out)
{
    const sa_table *table = b->table;
    bool more;
    memcpy(b->rest, cells, table->column_count * sizeof *cells);
    do {
        const char *begin = out;
        more = false;
        for (size_t i = 0; i < b->to; i = next_column(b, i)) {
            size_t width = b->width[i], length = b->rest[i] ? line_length(b->rest[i], width) : width;
            if (i > 0) out = (char *)memcpy(out, gap, sizeof gap - 1) + sizeof gap - 1;
            out = put_cell(out, b->rest[i], length, width, table->align[i]);
            b->rest[i] = b->rest[i] ? next_line(b->rest[i], width) : "";
            more = more || *b->rest[i];
        }
        while (out > begin && out[-1] == ' ') out--;
        *out++ = '\n';
    } while (more);
    return out;
}

/* The least width of a column: that of its widest cell, or less if its cells may be broken. */
static size_t least_width(const sa_table *table, const size_t *widest, size_t column)
{
    bool breaks = table->align[column] == SA_TABLE_LEFT && widest[column] > LEAST_BROKEN_COLUMN;
    return breaks ? LEAST_BROKEN_COLUMN : widest[column];
}

/* The column that is broken first: the widest of those aligned left. column_count: none is. */
static size_t widest_left(const sa_table *table, const size_t *widest)
{
    size_t found = table->column_count;
    for (size_t i = 0; i < table->column_count; i++)
        if (table->align[i] == SA_TABLE_LEFT && (found == table->column_count || widest[i] > widest[found])) found = i;
    return found;
}

/* Sets the block that begins with column `from`: as many columns as fit, one at least. Only the widest left-aligned column is
 * broken, and the first one where even two columns do not fit otherwise; what the others leave widens them. */
static void set_block(block *b, const size_t *widest, size_t from)
{
    const sa_table *table = b->table;
    size_t limit = table->width_limit, broken = widest_left(table, widest), total;
    memcpy(b->width, widest, table->column_count * sizeof *widest);
    b->from = b->to = from;
    if (limit > 0 && broken < table->column_count) b->width[broken] = least_width(table, widest, broken);
    if (limit > 0 && from < table->column_count && b->width[0] + sizeof gap - 1 + b->width[from] > limit) {
        b->width[0] = least_width(table, widest, 0);
        b->width[from] = least_width(table, widest, from);
    }
    total = b->width[0];
    for (; b->to < table->column_count; b->to++) {
        size_t more = sizeof gap - 1 + b->width[b->to];
        if (b->to > from && limit > 0 && total + more > limit) break;
        total += more;
    }
    for (size_t i = 0; i < b->to; i = next_column(b, i)) {
        size_t wanted = widest[i] - b->width[i], left = total < limit ? limit - total : 0;
        b->width[i] += wanted < left ? wanted : left;
        total += wanted < left ? wanted : left;
    }
}

/* Bytes of the block's text; SIZE_MAX: too many. */
static size_t block_bytes(const block *b, size_t rows)
{
    const sa_table *table = b->table;
    size_t row_bytes = sizeof gap, lines = 0, total;
    for (size_t i = 0; i < b->to; i = next_column(b, i)) row_bytes += b->width[i] + sizeof gap;
    for (size_t row = 0; row < rows; row++) {
        size_t most = 1;
        for (size_t i = 0; i < b->to; i = next_column(b, i)) {
            size_t count = line_count(table->cell[row * table->column_count + i], b->width[i]);
            if (count > most) most = count;
        }
        lines += most;
    }
    return sa_size_mul(row_bytes, lines, &total) ? total : SIZE_MAX;
}

static sa_status format_blocks(block *b, const size_t *widest, char **text)
{
    const sa_table *table = b->table;
    size_t columns = table->column_count, rows = table->cell_count / columns, used = 0;
    char *all = NULL;
    for (size_t from = 1; from <= 1 || from < columns;) {
        set_block(b, widest, from);
        size_t bytes = block_bytes(b, rows), total;
        char *grown = bytes < SIZE_MAX && sa_size_add(used + 2, bytes, &total) ? realloc(all, total) : NULL;
        if (!grown) {
            free(all);
            SA_FAIL(SA_NOMEM, "out of memory for a table of %zu rows", rows);
        }
        all = grown;
        char *out = all + used;
        if (used > 0) *out++ = '\n';
        for (size_t row = 0; row < rows; row++)
            if (row != 1 || table->has_units) out = format_row(b, table->cell + row * columns, out);
        *out = '\0';
        used = (size_t)(out - all);
        from = b->to > from ? b->to : from + 1;
    }
    *text = all;
    return SA_OK;
}

sa_status sa_table_format(const sa_table *table, char **text)
{
    size_t columns = table->column_count;
    if (table->out_of_memory) SA_FAIL(SA_NOMEM, "out of memory for the cells of a table");
    if (table->cell_count % columns != 0)
        SA_FAIL(SA_INVALID, "the last row of a table has %zu of %zu cells", table->cell_count % columns, columns);
    size_t *widest = calloc(columns, sizeof *widest);
    block b = {table, calloc(columns, sizeof *b.width), calloc(columns, sizeof *b.rest), 0, 0};
    sa_status status = SA_OK;
    for (size_t i = 0; widest && i < table->cell_count; i++) {
        size_t length = table->cell[i] ? strlen(table->cell[i]) : 0;
        if (length > widest[i % columns]) widest[i % columns] = length;
    }
    if (!widest || !b.width || !b.rest) status = sa_error_set(SA_NOMEM, "out of memory for a table of %zu columns", columns);
    else status = format_blocks(&b, widest, text);
    free(widest);
    free(b.width);
    free(b.rest);
    return status;
}
