/* The decoder for field tables: one loop over a message's fields, one function for each type of value. It knows no layer and no
 * solver; the tables do. */
#include "proto/fields.h"

#include "core/closest.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct decoder {
    const sa_proto_document *document;
    const char *where;
    const char *owner; /* the nested message being decoded, NULL at the top */
} decoder;

#define DECODER_FAIL(d, field, status, ...) return sa_proto_error((d)->document, (field)->line, (status), (d)->where, __VA_ARGS__)

static sa_status decode_message(const decoder *d, const sa_proto_message *message, const sa_field *table, const char *const *skip,
                                void *out);

static size_t row_count(const sa_field *table)
{
    size_t count = 0;
    while (table[count].name) count++;
    assert(count <= SA_FIELDS_MAX_ROWS);
    return count;
}

static sa_status fail_unknown_field(const decoder *d, const sa_proto_field *field, const sa_field *table)
{
    const char *names[SA_FIELDS_MAX_ROWS];
    char hint[SA_HINT_BYTES];
    size_t count = row_count(table);
    for (size_t i = 0; i < count; i++) names[i] = table[i].name;
    sa_closest_hint(field->name, names, count, hint);
    if (d->owner) DECODER_FAIL(d, field, SA_PARSE, "unknown field '%.64s' in '%s'%s", field->name, d->owner, hint);
    DECODER_FAIL(d, field, SA_PARSE, "unknown field '%.64s'%s", field->name, hint);
}

static sa_status expect_kind(const decoder *d, const sa_proto_field *field, sa_proto_kind kind, const char *expected)
{
    if (field->kind == kind) return SA_OK;
    if (field->kind == SA_PROTO_MESSAGE) DECODER_FAIL(d, field, SA_PARSE, "'%s' needs %s, not a message", field->name, expected);
    DECODER_FAIL(d, field, SA_PARSE, "'%s' needs %s, not %s%.64s%s", field->name, expected,
                 field->kind == SA_PROTO_STRING ? "\"" : "", field->text, field->kind == SA_PROTO_STRING ? "\"" : "");
}

static sa_status check_range(const decoder *d, const sa_proto_field *field, const sa_field *row, double value)
{
    if (!row->bounded || (value >= row->low && value <= row->high)) return SA_OK;
    if (row->note) DECODER_FAIL(d, field, SA_UNSUPPORTED, "'%s: %.64s' is not supported: %s", field->name, field->text, row->note);
    if (value < row->low)
        DECODER_FAIL(d, field, SA_PARSE, "'%s' is %.64s; it must be at least %.10g", field->name, field->text, row->low);
    DECODER_FAIL(d, field, SA_PARSE, "'%s' is %.64s; it must be at most %.10g", field->name, field->text, row->high);
}

/* Decimal, 0x hexadecimal and 0 octal, as protobuf reads integers. */
static sa_status decode_whole(const decoder *d, const sa_proto_field *field, const sa_field *row, int64_t low, int64_t high,
                              int64_t *value)
{
    SA_TRY(expect_kind(d, field, SA_PROTO_TOKEN, "a whole number"));
    char *end;
    errno = 0;
    long long whole = strtoll(field->text, &end, 0);
    bool too_far = errno == ERANGE || whole < low || whole > high;
    if (*end || end == field->text)
        DECODER_FAIL(d, field, SA_PARSE, "'%s' needs a whole number, not %.64s", field->name, field->text);
    SA_TRY(check_range(d, field, row, (double)whole)); /* a row's own limits make the better message; strtoll clamps */
    if (too_far && low == 0 && field->text[0] == '-')
        DECODER_FAIL(d, field, SA_PARSE, "'%s' is %.64s; it must not be negative", field->name, field->text);
    if (too_far)
        DECODER_FAIL(d, field, SA_PARSE, "'%s' is %.64s; it must be from %" PRId64 " to %" PRId64, field->name, field->text, low,
                     high);
    *value = whole;
    return SA_OK;
}

/* Through double and then to float, as protobuf does; a suffix f is allowed. No float field of a net has a use for inf or nan. */
static sa_status decode_real(const decoder *d, const sa_proto_field *field, const sa_field *row, float *value)
{
    SA_TRY(expect_kind(d, field, SA_PROTO_TOKEN, "a number"));
    const char *first = field->text + (field->text[0] == '-');
    char *end;
    double number = strtod(field->text, &end);
    bool finite_form = (*first >= '0' && *first <= '9') || *first == '.';
    if (finite_form && (*end == 'f' || *end == 'F')) end++;
    if (*end || end == field->text || strpbrk(field->text, "xX"))
        DECODER_FAIL(d, field, SA_PARSE, "'%s' needs a number, not %.64s", field->name, field->text);
    if (!finite_form || !isfinite((float)number))
        DECODER_FAIL(d, field, SA_PARSE, "'%s' is %.64s; it must be finite and fit in a float", field->name, field->text);
    SA_TRY(check_range(d, field, row, number));
    *value = (float)number;
    return SA_OK;
}

static sa_status decode_bool(const decoder *d, const sa_proto_field *field, const sa_field *row, bool *value)
{
    static const char *const names[] = {"false", "f", "False", "0", "true", "t", "True", "1"};
    SA_TRY(expect_kind(d, field, SA_PROTO_TOKEN, "true or false"));
    for (int i = 0; i < 8; i++) {
        if (strcmp(field->text, names[i]) != 0) continue;
        SA_TRY(check_range(d, field, row, i >= 4));
        *value = i >= 4;
        return SA_OK;
    }
    DECODER_FAIL(d, field, SA_PARSE, "'%s' needs true or false, not %.64s", field->name, field->text);
}

static sa_status fail_unknown_name(const decoder *d, const sa_proto_field *field, const sa_field *row)
{
    const char *names[SA_FIELDS_MAX_ROWS];
    char known[256] = "", hint[SA_HINT_BYTES];
    size_t count = 0, used = 0;
    for (; count < SA_FIELDS_MAX_ROWS && row->names[count].name; count++) {
        names[count] = row->names[count].name;
        if (row->names[count].note) continue;
        int written = snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", names[count]);
        used += (size_t)written < sizeof known - used ? (size_t)written : 0;
    }
    sa_closest_hint(field->text, names, count, hint);
    DECODER_FAIL(d, field, SA_PARSE, "'%s' cannot be %.64s; it is one of %s%s", field->name, field->text, known, hint);
}

/* An enum's bare name, or its number as protobuf allows; a choice's quoted name. */
static sa_status decode_name(const decoder *d, const sa_proto_field *field, const sa_field *row, int32_t *value)
{
    bool quoted = row->type == SA_FIELD_CHOICE;
    if (quoted) SA_TRY(expect_kind(d, field, SA_PROTO_STRING, "a name in quotes"));
    else SA_TRY(expect_kind(d, field, SA_PROTO_TOKEN, "a name without quotes"));
    for (const sa_enum_name *name = row->names; name->name; name++) {
        char number[16];
        snprintf(number, sizeof number, "%d", (int)name->value);
        if (strcmp(field->text, name->name) != 0 && (quoted || strcmp(field->text, number) != 0)) continue;
        if (name->note)
            DECODER_FAIL(d, field, SA_UNSUPPORTED, "'%s: %s' is not supported: %s", field->name, name->name, name->note);
        *value = name->value;
        return SA_OK;
    }
    return fail_unknown_name(d, field, row);
}

static sa_status decode_string(const decoder *d, const sa_proto_field *field, const sa_field *row, char *value)
{
    SA_TRY(expect_kind(d, field, SA_PROTO_STRING, "a string in quotes"));
    size_t length = strlen(field->text);
    if (row->discarded) return SA_OK;
    if (length >= row->max)
        DECODER_FAIL(d, field, SA_PARSE, "'%s' has %zu bytes; at most %zu are supported", field->name, length, row->max - 1);
    memcpy(value, field->text, length + 1);
    return SA_OK;
}

/* Decodes one value into at, the address of the member or of an array element. */
static sa_status decode_value(const decoder *d, const sa_proto_field *field, const sa_field *row, void *at)
{
    int64_t whole;
    switch (row->type) {
    case SA_FIELD_INT32:
        SA_TRY(decode_whole(d, field, row, INT32_MIN, INT32_MAX, &whole));
        *(int32_t *)at = (int32_t)whole;
        return SA_OK;
    case SA_FIELD_UINT32:
        SA_TRY(decode_whole(d, field, row, 0, UINT32_MAX, &whole));
        *(uint32_t *)at = (uint32_t)whole;
        return SA_OK;
    case SA_FIELD_INT64: return decode_whole(d, field, row, INT64_MIN, INT64_MAX, at);
    case SA_FIELD_FLOAT: return decode_real(d, field, row, at);
    case SA_FIELD_BOOL: return decode_bool(d, field, row, at);
    case SA_FIELD_ENUM:
    case SA_FIELD_CHOICE: return decode_name(d, field, row, at);
    case SA_FIELD_STRING: return decode_string(d, field, row, at);
    case SA_FIELD_MESSAGE: {
        decoder inner = {.document = d->document, .where = d->where, .owner = field->name};
        SA_TRY(expect_kind(d, field, SA_PROTO_MESSAGE, "a message in braces"));
        return decode_message(&inner, field->message, row->message, NULL, at);
    }
    case SA_FIELD_IGNORED: return SA_OK;
    case SA_FIELD_REFUSED: DECODER_FAIL(d, field, SA_UNSUPPORTED, "'%s' is not supported: %s", field->name, row->note);
    }
    assert(!"unknown field type");
    return SA_OK;
}

/* Finds the place of the value: the member, the next element of the array, or a scratch for discarded values. */
static sa_status decode_field(const decoder *d, const sa_proto_field *field, const sa_field *row, bool seen, char *out)
{
    union {
        int64_t whole;
        float real;
        bool truth;
        int32_t name;
    } scratch;
    if (row->type == SA_FIELD_IGNORED || row->type == SA_FIELD_REFUSED || row->discarded)
        return decode_value(d, field, row, &scratch);
    if (!row->element_bytes) {
        if (seen) DECODER_FAIL(d, field, SA_PARSE, "'%s' is given twice", field->name);
        SA_TRY(decode_value(d, field, row, out + row->offset));
        if (row->has_given) *(bool *)(void *)(out + row->count_offset) = true;
        return SA_OK;
    }
    int32_t *count = (void *)(out + row->count_offset);
    if (*count >= row->element_max && row->limit_note)
        DECODER_FAIL(d, field, SA_UNSUPPORTED, "'%s' is given more than %d times: %s", field->name, (int)row->element_max,
                     row->limit_note);
    if (*count >= row->element_max)
        DECODER_FAIL(d, field, SA_PARSE, "'%s' is given more than %d times, the limit here", field->name, (int)row->element_max);
    SA_TRY(decode_value(d, field, row, out + row->offset + (size_t)*count * row->element_bytes));
    ++*count;
    return SA_OK;
}

static bool is_listed(const char *name, const char *const *list)
{
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0) return true;
    return false;
}

static sa_status decode_message(const decoder *d, const sa_proto_message *message, const sa_field *table, const char *const *skip,
                                void *out)
{
    bool seen[SA_FIELDS_MAX_ROWS] = {false};
    size_t rows = row_count(table);
    for (size_t i = 0; i < message->count; i++) {
        const sa_proto_field *field = &message->field[i];
        size_t row = 0;
        if (is_listed(field->name, skip)) continue;
        while (row < rows && strcmp(table[row].name, field->name) != 0) row++;
        if (row == rows) return fail_unknown_field(d, field, table);
        SA_TRY(decode_field(d, field, &table[row], seen[row], out));
        seen[row] = true;
    }
    return SA_OK;
}

sa_status sa_fields_decode(const sa_proto_document *document, const sa_proto_message *message, const sa_field *table,
                           const char *where, const char *const *skip, void *out)
{
    decoder d = {.document = document, .where = where};
    return decode_message(&d, message, table, skip, out);
}

sa_status sa_fields_decode_child(const sa_proto_document *document, const sa_proto_message *message, const char *name,
                                 const sa_field *table, const char *where, void *out, bool *given)
{
    decoder d = {.document = document, .where = where};
    const sa_field row = {.name = name, .type = SA_FIELD_MESSAGE, .message = table};
    bool found = false;
    for (size_t i = 0; i < message->count; i++) {
        if (strcmp(message->field[i].name, name) != 0) continue;
        SA_TRY(decode_field(&d, &message->field[i], &row, found, out));
        found = true;
    }
    if (given) *given = found;
    return SA_OK;
}
