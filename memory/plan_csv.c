/* Reads static-allocation instances from CSV. Writing is in plan_csv_write.c. */
#include "memory/plan_csv.h"

#include "core/clock.h"
#include "core/growing_array.h"
#include "core/hash.h"
#include "core/input_file.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum column { ID, LOWER, UPPER, SIZE, OFFSET, COLUMNS } column;
enum { CLOCK_ROWS = 4096 };                           /* between two looks at the clock */
static const size_t TEXT_BYTES_MAX = (size_t)1 << 30; /* some 10^7 buffers */
static const char *const column_names[COLUMNS] = {"id", "lower", "upper", "size", "offset"};

typedef struct reader {
    const char *path;
    double deadline_seconds;
    size_t line;           /* where the row being read begins, from 1 */
    size_t lines_passed;   /* up to `at` */
    char *at;              /* of the whole text: what is not read yet; the rows before it are cut into fields in place */
    char *fields[COLUMNS]; /* of the row, in the file's order */
    int field_count;
    column columns[COLUMNS]; /* what each field is */
    int column_count;
    sa_buffer *buffers;
    size_t *offsets;
    size_t count;
} reader;

/* Cuts a field off the text: up to a comma or the end of the line, or quoted, with "" for a quote and line breaks in it. Returns
 * what followed: ',', '\n', or '\0' at the end of the text. */
static sa_status cut_field(reader *in, char **field, char *after)
{
    char *from = in->at, *to = from;
    *field = from;
    if (*from == '"') {
        for (from++; *from && (*from != '"' || from[1] == '"'); from++) {
            if (*from == '"') from++;
            in->lines_passed += *from == '\n';
            *to++ = *from;
        }
        if (*from++ != '"') SA_FAIL(SA_PARSE, "%s:%zu: a quote is not closed", in->path, in->line);
    } else {
        while (*from && *from != ',' && *from != '\n' && !(*from == '\r' && (from[1] == '\n' || !from[1]))) *to++ = *from++;
    }
    while (*from == '\r') from++;
    if (*from && *from != ',' && *from != '\n') SA_FAIL(SA_PARSE, "%s:%zu: '%c' after a closing quote", in->path, in->line, *from);
    *after = *from;
    in->at = *from ? from + 1 : from;
    *to = '\0';
    return SA_OK;
}

static sa_status cut_row(reader *in)
{
    char after = ',';
    for (in->field_count = 0; after == ',';) {
        if (in->field_count == COLUMNS) SA_FAIL(SA_PARSE, "%s:%zu: more than %d fields", in->path, in->line, COLUMNS);
        SA_TRY(cut_field(in, &in->fields[in->field_count], &after));
        in->field_count++;
    }
    in->lines_passed++;
    return SA_OK;
}

static sa_status read_header(reader *in)
{
    bool seen[COLUMNS] = {false};
    in->column_count = in->field_count;
    for (int f = 0; f < in->field_count; f++) {
        int which = 0;
        while (which < COLUMNS && strcmp(in->fields[f], column_names[which]) != 0) which++;
        if (which == COLUMNS) {
            SA_FAIL(SA_PARSE, "%s:%zu: unknown column '%s'; the columns are id,lower,upper,size and, if wanted, offset", in->path,
                    in->line, in->fields[f]);
        }
        if (seen[which]) SA_FAIL(SA_PARSE, "%s:%zu: column '%s' comes twice", in->path, in->line, in->fields[f]);
        seen[which] = true;
        in->columns[f] = (column)which;
    }
    for (int which = ID; which < OFFSET; which++) {
        if (!seen[which]) SA_FAIL(SA_PARSE, "%s:%zu: column '%s' is missing", in->path, in->line, column_names[which]);
    }
    return SA_OK;
}

static sa_status read_number(const reader *in, column which, const char *text, bool negative_allowed, long long *number)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || (*text != '-' && (*text < '0' || *text > '9'))) {
        SA_FAIL(SA_PARSE, "%s:%zu: %s '%s' is no whole number", in->path, in->line, column_names[which], text);
    }
    if (errno == ERANGE) SA_FAIL(SA_PARSE, "%s:%zu: %s %s is out of range", in->path, in->line, column_names[which], text);
    if (value < 0 && !negative_allowed) {
        SA_FAIL(SA_PARSE, "%s:%zu: %s %s is negative", in->path, in->line, column_names[which], text);
    }
    *number = value;
    return SA_OK;
}

static sa_status grow(reader *in)
{
    sa_buffer *buffers = sa_array_room(in->buffers, in->count, sizeof *buffers);
    if (buffers) in->buffers = buffers;
    size_t *offsets = sa_array_room(in->offsets, in->count, sizeof *offsets);
    if (offsets) in->offsets = offsets;
    if (!buffers || !offsets) SA_FAIL(SA_NOMEM, "%s: no memory for %zu buffers", in->path, in->count + 1);
    return SA_OK;
}

static sa_status read_row(reader *in)
{
    if (in->field_count != in->column_count) {
        SA_FAIL(SA_PARSE, "%s:%zu: %d fields, but the header has %d", in->path, in->line, in->field_count, in->column_count);
    }
    SA_TRY(grow(in));
    long long numbers[COLUMNS] = {0};
    const char *id = "";
    for (int f = 0; f < in->field_count; f++) {
        column which = in->columns[f];
        if (which == ID) id = in->fields[f];
        else SA_TRY(read_number(in, which, in->fields[f], which == LOWER || which == UPPER, &numbers[which]));
    }
    sa_buffer *buffer = &in->buffers[in->count];
    *buffer = (sa_buffer){.kind = SA_BUFFER_ACTIVATION,
                          .size_bytes = (size_t)numbers[SIZE],
                          .alignment_bytes = 1,
                          .begin = numbers[LOWER],
                          .end = numbers[UPPER]};
    if (*id == '\0') SA_FAIL(SA_PARSE, "%s:%zu: the id is empty", in->path, in->line);
    if (strlen(id) >= sizeof buffer->name) {
        SA_FAIL(SA_PARSE, "%s:%zu: id '%s' is longer than %zu characters", in->path, in->line, id, sizeof buffer->name - 1);
    }
    strcpy(buffer->name, id);
    if (buffer->size_bytes == 0) SA_FAIL(SA_PARSE, "%s:%zu: buffer '%s' has size 0", in->path, in->line, id);
    if (buffer->begin >= buffer->end) {
        SA_FAIL(SA_PARSE, "%s:%zu: buffer '%s': lower %lld is not below upper %lld", in->path, in->line, id, numbers[LOWER],
                numbers[UPPER]);
    }
    in->offsets[in->count++] = (size_t)numbers[OFFSET];
    return SA_OK;
}

static sa_status check_ids(const reader *in)
{
    size_t slots = 64;
    while (slots < 2 * in->count) slots *= 2;
    const sa_buffer **slot = calloc(slots, sizeof *slot); /* open addressing, at most half full */
    if (!slot) SA_FAIL(SA_NOMEM, "%s: no memory for %zu buffers", in->path, in->count);
    sa_status status = SA_OK;
    for (size_t i = 0; i < in->count && status == SA_OK; i++) {
        const char *name = in->buffers[i].name;
        size_t at = (size_t)sa_hash_text(name) & (slots - 1);
        while (slot[at] && strcmp(slot[at]->name, name) != 0) at = (at + 1) & (slots - 1);
        if (slot[at]) status = sa_error_set(SA_PARSE, "%s: id '%s' comes twice", in->path, name);
        slot[at] = &in->buffers[i];
    }
    free(slot);
    return status;
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static sa_status read_rows(reader *in)
{
    if (strncmp(in->at, "\xEF\xBB\xBF", 3) == 0) in->at += 3;
    for (;;) {
        for (; is_line_end(*in->at); in->at++) in->lines_passed += *in->at == '\n';
        if (!*in->at) break;
        in->line = in->lines_passed + 1;
        if (in->count % CLOCK_ROWS == 0 && sa_clock_seconds() > in->deadline_seconds)
            SA_FAIL(SA_INVALID, "%s: the time was up after reading %zu rows", in->path, in->count);
        SA_TRY(cut_row(in));
        SA_TRY(in->column_count == 0 ? read_header(in) : read_row(in));
    }
    if (in->column_count == 0) SA_FAIL(SA_PARSE, "%s:1: no header line id,lower,upper,size", in->path);
    return check_ids(in);
}

static sa_status read_text(reader *in, char *text, size_t length)
{
    const char *zero = memchr(text, '\0', length);
    size_t line = 1;
    if (length > TEXT_BYTES_MAX) SA_FAIL(SA_PARSE, "%s: larger than %zu bytes", in->path, TEXT_BYTES_MAX);
    for (const char *at = text; zero && at < zero; at++) line += *at == '\n';
    if (zero) SA_FAIL(SA_PARSE, "%s:%zu: a zero byte; is it a text?", in->path, line);
    in->at = text;
    return read_rows(in);
}

sa_status sa_plan_csv_read(const char *path, sa_buffer **buffers, size_t *count, size_t **offset_bytes)
{
    return sa_plan_csv_read_until(path, INFINITY, buffers, count, offset_bytes);
}

sa_status sa_plan_csv_read_until(const char *path, double deadline_seconds, sa_buffer **buffers, size_t *count,
                                 size_t **offset_bytes)
{
    reader in = {.path = path, .deadline_seconds = deadline_seconds};
    char *text;
    size_t length;
    SA_TRY(sa_input_text_read(path, TEXT_BYTES_MAX, &text, &length));
    sa_status status = read_text(&in, text, length);
    free(text);
    if (status != SA_OK) {
        free(in.buffers);
        free(in.offsets);
        return status;
    }
    bool has_offsets = false;
    for (int f = 0; f < in.column_count; f++) has_offsets |= in.columns[f] == OFFSET;
    *buffers = in.buffers;
    *count = in.count;
    if (offset_bytes && has_offsets) {
        *offset_bytes = in.offsets;
    } else {
        free(in.offsets);
        if (offset_bytes) *offset_bytes = NULL;
    }
    return SA_OK;
}
