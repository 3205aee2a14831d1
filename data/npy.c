/* Reader and writer of .npy version 1.0: magic, version, 16-bit header length, a Python dict as text, the raw array. */
#include "data/npy.h"

#include "core/checked.h"
#include "core/output_file.h"
#include "data/whole_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the array is written as it lies in memory");

enum { PREFIX_BYTES = 10, HEADER_ALIGNMENT = 64, HEADER_MAX = 1024 };
static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};
static const struct {
    const char *descr;
    size_t bytes;
} types[] = {[SA_NPY_FLOAT32] = {"<f4", 4}, [SA_NPY_FLOAT64] = {"<f8", 8}, [SA_NPY_INT32] = {"<i4", 4}};

size_t sa_npy_type_bytes(sa_npy_type type)
{
    return types[type].bytes;
}

/* The dict's text, read left to right. */
typedef struct cursor {
    const char *path; /* for messages */
    const char *at;
    const char *end;
} cursor;

static void skip_spaces(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

/* Takes the character if it comes next. */
static bool accept(cursor *c, char wanted)
{
    skip_spaces(c);
    if (c->at >= c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

static sa_status expect(cursor *c, char wanted)
{
    if (accept(c, wanted)) return SA_OK;
    if (c->at >= c->end) SA_FAIL(SA_PARSE, "%s: bad header: ends where '%c' is expected", c->path, wanted);
    SA_FAIL(SA_PARSE, "%s: bad header: '%c' expected, found byte 0x%02x", c->path, wanted, (unsigned char)*c->at);
}

/* A quoted string without escapes: all that the three keys and the types need. */
static sa_status read_string(cursor *c, char *text, size_t text_bytes)
{
    char quote = accept(c, '"') ? '"' : '\'';
    if (quote == '\'') SA_TRY(expect(c, '\''));
    const char *close = memchr(c->at, quote, (size_t)(c->end - c->at));
    if (!close) SA_FAIL(SA_PARSE, "%s: bad header: a string without its closing quote", c->path);
    size_t length = (size_t)(close - c->at);
    if (length >= text_bytes) SA_FAIL(SA_PARSE, "%s: bad header: a string of %zu characters", c->path, length);
    memcpy(text, c->at, length);
    text[length] = '\0';
    c->at = close + 1;
    return SA_OK;
}

static sa_status read_type(cursor *c, sa_npy *array)
{
    char descr[32];
    skip_spaces(c);
    if (c->at < c->end && *c->at == '[') SA_FAIL(SA_UNSUPPORTED, "%s: structured arrays are not supported", c->path);
    SA_TRY(read_string(c, descr, sizeof descr));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(descr, types[i].descr) == 0) {
            array->type = (sa_npy_type)i;
            return SA_OK;
        }
    }
    SA_FAIL(SA_UNSUPPORTED, "%s: type '%s' is not supported (only '<f4', '<f8', '<i4')", c->path, descr);
}

static sa_status read_order(cursor *c)
{
    skip_spaces(c);
    size_t left = (size_t)(c->end - c->at);
    if (left >= 4 && memcmp(c->at, "True", 4) == 0) SA_FAIL(SA_UNSUPPORTED, "%s: Fortran order is not supported", c->path);
    if (left < 5 || memcmp(c->at, "False", 5) != 0) SA_FAIL(SA_PARSE, "%s: bad header: fortran_order is not a bool", c->path);
    c->at += 5;
    return SA_OK;
}

static sa_status read_number(cursor *c, size_t *number)
{
    skip_spaces(c);
    size_t value = 0;
    const char *begin = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (!sa_size_mul(value, 10, &value) || !sa_size_add(value, (size_t)(*c->at - '0'), &value))
            SA_FAIL(SA_PARSE, "%s: bad header: a number in the shape is too large", c->path);
    }
    if (c->at == begin) SA_FAIL(SA_PARSE, "%s: bad header: the shape holds something that is not a number", c->path);
    *number = value;
    return SA_OK;
}

static sa_status read_shape(cursor *c, sa_npy *array)
{
    SA_TRY(expect(c, '('));
    array->axes = 0;
    array->count = 1;
    bool comma = false;
    while (!accept(c, ')')) {
        if (array->axes > 0 && !comma) SA_FAIL(SA_PARSE, "%s: bad header: ',' or ')' expected in the shape", c->path);
        if (array->axes == SA_NPY_MAX_AXES) SA_FAIL(SA_UNSUPPORTED, "%s: more than %d axes", c->path, SA_NPY_MAX_AXES);
        size_t *length = &array->shape[array->axes++];
        SA_TRY(read_number(c, length));
        if (!sa_size_mul(array->count, *length, &array->count))
            SA_FAIL(SA_PARSE, "%s: bad header: the shape's element count overflows", c->path);
        comma = accept(c, ',');
    }
    if (array->axes == 1 && !comma) SA_FAIL(SA_PARSE, "%s: bad header: a shape of one axis is written (n,)", c->path);
    return SA_OK;
}

/* {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } with the keys in any order */
static sa_status read_dict(cursor *c, sa_npy *array)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    bool seen[3] = {false, false, false};
    SA_TRY(expect(c, '{'));
    while (!accept(c, '}')) {
        char key[32];
        SA_TRY(read_string(c, key, sizeof key));
        size_t which = 0;
        while (which < 3 && strcmp(key, keys[which]) != 0) which++;
        if (which == 3) SA_FAIL(SA_PARSE, "%s: bad header: unknown key '%s'", c->path, key);
        if (seen[which]) SA_FAIL(SA_PARSE, "%s: bad header: key '%s' appears twice", c->path, key);
        seen[which] = true;
        SA_TRY(expect(c, ':'));
        if (which == 0) SA_TRY(read_type(c, array));
        if (which == 1) SA_TRY(read_order(c));
        if (which == 2) SA_TRY(read_shape(c, array));
        if (!accept(c, ',')) {
            SA_TRY(expect(c, '}'));
            break;
        }
    }
    for (size_t i = 0; i < 3; i++)
        if (!seen[i]) SA_FAIL(SA_PARSE, "%s: bad header: key '%s' is missing", c->path, keys[i]);
    skip_spaces(c);
    if (c->at != c->end) SA_FAIL(SA_PARSE, "%s: bad header: text after the closing '}'", c->path);
    return SA_OK;
}

/* Fills everything of *array but data. *data_offset is where the array starts in the file. */
static sa_status read_header(const char *path, const char *bytes, size_t byte_count, sa_npy *array, size_t *data_offset)
{
    if (byte_count < PREFIX_BYTES || memcmp(bytes, magic, sizeof magic) != 0) SA_FAIL(SA_PARSE, "%s: not a .npy file", path);
    const unsigned char *prefix = (const unsigned char *)bytes;
    if (prefix[6] != 1 || prefix[7] != 0)
        SA_FAIL(SA_UNSUPPORTED, "%s: .npy version %d.%d is not supported (only 1.0)", path, prefix[6], prefix[7]);
    size_t header_bytes = (size_t)prefix[8] | (size_t)prefix[9] << 8;
    if (header_bytes > byte_count - PREFIX_BYTES)
        SA_FAIL(SA_PARSE, "%s: truncated: a header of %zu bytes, %zu are there", path, header_bytes, byte_count - PREFIX_BYTES);
    cursor c = {path, bytes + PREFIX_BYTES, bytes + PREFIX_BYTES + header_bytes};
    SA_TRY(read_dict(&c, array));
    *data_offset = PREFIX_BYTES + header_bytes;
    return SA_OK;
}

static sa_status parse(const char *path, char *bytes, size_t byte_count, sa_npy *array)
{
    sa_npy parsed = {.axes = 0};
    size_t offset = 0, data_bytes = 0;
    SA_TRY(read_header(path, bytes, byte_count, &parsed, &offset));
    if (!sa_size_mul(parsed.count, types[parsed.type].bytes, &data_bytes))
        SA_FAIL(SA_PARSE, "%s: bad header: the array's size overflows", path);
    if (byte_count - offset < data_bytes)
        SA_FAIL(SA_PARSE, "%s: truncated: the array has %zu bytes, %zu are there", path, data_bytes, byte_count - offset);
    if (byte_count - offset > data_bytes)
        SA_FAIL(SA_PARSE, "%s: %zu bytes too many after the array", path, byte_count - offset - data_bytes);
    parsed.data = malloc(data_bytes > 0 ? data_bytes : 1);
    if (!parsed.data) SA_FAIL(SA_NOMEM, "%s: out of memory for %zu bytes", path, data_bytes);
    memcpy(parsed.data, bytes + offset, data_bytes);
    *array = parsed;
    return SA_OK;
}

sa_status sa_npy_read(const char *path, sa_npy *array)
{
    char *bytes;
    size_t byte_count;
    SA_TRY(sa_whole_file_read(path, &bytes, &byte_count));
    sa_status status = parse(path, bytes, byte_count, array);
    free(bytes);
    return status;
}

sa_status sa_npy_read_float32(const char *path, sa_npy *array)
{
    sa_npy read;
    SA_TRY(sa_npy_read(path, &read));
    sa_npy_type type = read.type;
    if (type != SA_NPY_FLOAT32) {
        sa_npy_free(&read);
        SA_FAIL(SA_UNSUPPORTED, "%s: type '%s' where '<f4' (float32) is wanted", path, types[type].descr);
    }
    *array = read;
    return SA_OK;
}

void sa_npy_free(sa_npy *array)
{
    if (!array) return;
    free(array->data);
    memset(array, 0, sizeof *array);
}

/* The prefix and the dict, padded with spaces to a multiple of 64 as NumPy does. Returns its bytes. */
static size_t format_header(sa_npy_type type, int axes, const size_t *shape, char header[HEADER_MAX])
{
    size_t at = PREFIX_BYTES;
    at += (size_t)snprintf(header + at, HEADER_MAX - at, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[type].descr);
    for (int i = 0; i < axes; i++)
        at += (size_t)snprintf(header + at, HEADER_MAX - at, "%s%zu%s", i > 0 ? " " : "", shape[i],
                               i + 1 < axes || axes == 1 ? "," : "");
    at += (size_t)snprintf(header + at, HEADER_MAX - at, "), }");
    size_t total = (at + 1 + HEADER_ALIGNMENT - 1) / HEADER_ALIGNMENT * HEADER_ALIGNMENT;
    memset(header + at, ' ', total - at);
    header[total - 1] = '\n';
    memcpy(header, magic, sizeof magic);
    header[6] = 1;
    header[7] = 0;
    header[8] = (char)((total - PREFIX_BYTES) & 255);
    header[9] = (char)((total - PREFIX_BYTES) >> 8);
    return total;
}

sa_status sa_npy_write(const char *path, sa_npy_type type, int axes, const size_t *shape, const void *data)
{
    size_t data_bytes = types[type].bytes;
    if (axes < 0 || axes > SA_NPY_MAX_AXES)
        SA_FAIL(SA_INVALID, "%s: %d axes, at most %d can be written", path, axes, SA_NPY_MAX_AXES);
    for (int i = 0; i < axes; i++)
        if (!sa_size_mul(data_bytes, shape[i], &data_bytes)) SA_FAIL(SA_INVALID, "%s: the array's size overflows", path);
    char header[HEADER_MAX]; /* 32 axes of at most 20 digits fit */
    size_t header_bytes = format_header(type, axes, shape, header);
    sa_output_file *file;
    SA_TRY(sa_output_file_open(path, &file));
    sa_status status;
    SA_TRY_GOTO(status, fail, sa_output_file_write(file, header, header_bytes));
    SA_TRY_GOTO(status, fail, sa_output_file_write(file, data, data_bytes));
    return sa_output_file_commit(file);
fail:
    sa_output_file_abandon(file);
    return status;
}
