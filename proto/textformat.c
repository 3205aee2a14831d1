/* A recursive-descent reader for protobuf's text format.
 *
 * One pass over the bytes, no separate token list. The depth limit bounds the recursion, of reading and of freeing; the size limit
 * bounds everything else. It checks the form only; names and values are judged by proto/fields.c. */
#include "proto/textformat.h"

#include "core/input_file.h"
#include "proto/tree.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    sa_proto_document *document; /* being built */
    const char *at, *end;
    int line;
    int depth;
} reader;

#define READER_FAIL(r, line, ...) return sa_proto_error((r)->document, (line), SA_PARSE, NULL, __VA_ARGS__)

static sa_status read_message(reader *r, sa_proto_message *message, char closer);

/* ctype.h depends on the locale and is undefined for negative chars; the format is ASCII. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static sa_status out_of_memory(const reader *r)
{
    return sa_proto_error(r->document, r->line, SA_NOMEM, NULL, "out of memory while reading");
}

static void skip_space(reader *r)
{
    for (; r->at < r->end; r->at++) {
        char c = *r->at;
        if (c == '#') {
            while (r->at < r->end && *r->at != '\n') r->at++;
            if (r->at == r->end) return;
            c = '\n';
        }
        if (c == '\n') r->line++;
        else if (c != ' ' && c != '\t' && c != '\r' && c != '\f' && c != '\v') return;
    }
}

/* The next byte after white space and comments; '\0' at the end (a NUL byte in the text was refused beforehand). */
static char peek(reader *r)
{
    skip_space(r);
    return r->at < r->end ? *r->at : '\0';
}

static bool accept(reader *r, char wanted)
{
    if (peek(r) != wanted || r->at == r->end) return false;
    r->at++;
    return true;
}

/* An error that names the byte found where something else was expected. */
static sa_status unexpected(reader *r, const char *expected)
{
    char c = peek(r);
    if (r->at == r->end) READER_FAIL(r, r->line, "the file ends where %s is expected", expected);
    if (c > ' ' && c < 127) READER_FAIL(r, r->line, "unexpected '%c' where %s is expected", c, expected);
    READER_FAIL(r, r->line, "unexpected byte 0x%02x where %s is expected", (unsigned char)c, expected);
}

/* A number or an identifier; which of them is right depends on the field. `-` may stand apart from its number. */
static sa_status read_token(reader *r, char **text)
{
    bool negative = accept(r, '-');
    char first = peek(r);
    if (!is_letter(first) && !is_digit(first) && first != '.') return unexpected(r, "a value");
    const char *begin = r->at;
    for (r->at++; r->at < r->end; r->at++) {
        char c = *r->at, before = r->at[-1];
        bool exponent_sign = (c == '+' || c == '-') && (before == 'e' || before == 'E') && !is_letter(first);
        if (!is_letter(c) && !is_digit(c) && c != '.' && !exponent_sign) break;
    }
    size_t length = (size_t)(r->at - begin);
    char *token = malloc(length + 2);
    if (!token) return out_of_memory(r);
    if (negative) token[0] = '-';
    memcpy(token + negative, begin, length);
    token[negative + length] = '\0';
    *text = token;
    return SA_OK;
}

static int hex_value(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The escape after a backslash at **at, which moves behind it; *byte gets its value. The closing quote bounds the look-ahead. */
static sa_status read_escape(reader *r, const char **at, const char *quote, char *byte)
{
    static const char letters[] = "abfnrtv\\'\"?", values[] = "\a\b\f\n\r\t\v\\'\"?";
    char c = *(*at)++;
    const char *found = memchr(letters, c, sizeof letters - 1);
    unsigned value = 0;
    if (found) {
        *byte = values[found - letters];
        return SA_OK;
    }
    if (c >= '0' && c <= '7') {
        value = (unsigned)(c - '0');
        for (int i = 0; i < 2 && *at < quote && **at >= '0' && **at <= '7'; i++) value = value * 8 + (unsigned)(*(*at)++ - '0');
    } else if ((c == 'x' || c == 'X') && *at < quote && hex_value(**at) >= 0) {
        for (int i = 0; i < 2 && *at < quote && hex_value(**at) >= 0; i++) value = value * 16 + (unsigned)hex_value(*(*at)++);
    } else {
        READER_FAIL(r, r->line, "unknown escape '\\%.1s' in a string", c > ' ' && c < 127 ? &c : "?");
    }
    if (value == 0 || value > 255) READER_FAIL(r, r->line, "an escape in a string gives %u, not a byte from 1 to 255", value);
    *byte = (char)(unsigned char)value;
    return SA_OK;
}

/* One quoted piece, appended to *text, which holds *length bytes. */
static sa_status read_string_piece(reader *r, char **text, size_t *length)
{
    char mark = *r->at++;
    const char *quote = r->at;
    while (quote < r->end && *quote != mark && *quote != '\n') quote += *quote == '\\' && quote + 1 < r->end ? 2 : 1;
    if (quote >= r->end || *quote != mark) READER_FAIL(r, r->line, "a string is not closed before the end of its line");
    char *longer = realloc(*text, *length + (size_t)(quote - r->at) + 1);
    if (!longer) return out_of_memory(r);
    *text = longer;
    while (r->at < quote) {
        char byte = *r->at++;
        if (byte == '\\') SA_TRY(read_escape(r, &r->at, quote, &byte));
        longer[(*length)++] = byte;
    }
    longer[*length] = '\0';
    r->at++;
    return SA_OK;
}

static sa_status read_string(reader *r, char **text)
{
    char *joined = NULL;
    size_t length = 0;
    sa_status status = SA_OK;
    while (status == SA_OK && (peek(r) == '"' || peek(r) == '\'')) status = read_string_piece(r, &joined, &length);
    if (status != SA_OK) {
        free(joined);
        return status;
    }
    *text = joined;
    return SA_OK;
}

/* Appends an empty field. */
static sa_status add_field(reader *r, sa_proto_message *message, const char *name, size_t name_length, int line,
                           sa_proto_field **added)
{
    return sa_proto_append(message, name, name_length, line, added) == SA_OK ? SA_OK : out_of_memory(r);
}

static sa_status read_submessage(reader *r, sa_proto_field *field)
{
    if (++r->depth > SA_PROTO_MAX_DEPTH) READER_FAIL(r, r->line, "messages are nested more than %d deep", SA_PROTO_MAX_DEPTH);
    char closer = *r->at++ == '{' ? '}' : '>';
    field->kind = SA_PROTO_MESSAGE;
    field->message = calloc(1, sizeof *field->message);
    if (!field->message) return out_of_memory(r);
    field->message->line = field->line;
    SA_TRY(read_message(r, field->message, closer));
    r->depth--;
    return SA_OK;
}

/* One value, scalar or message, into an empty field. */
static sa_status read_value(reader *r, sa_proto_field *field, bool colon)
{
    char c = peek(r);
    if (c == '{' || c == '<') return read_submessage(r, field);
    if (!colon) READER_FAIL(r, field->line, "field '%.64s' has no value: ':' or '{' must follow its name", field->name);
    if (c == '"' || c == '\'') {
        field->kind = SA_PROTO_STRING;
        return read_string(r, &field->text);
    }
    field->kind = SA_PROTO_TOKEN;
    return read_token(r, &field->text);
}

/* `name: [a, b]`: a field for each element. */
static sa_status read_list(reader *r, sa_proto_message *message, const char *name, size_t name_length, bool colon)
{
    r->at++;
    if (accept(r, ']')) return SA_OK;
    do {
        sa_proto_field *field;
        skip_space(r);
        SA_TRY(add_field(r, message, name, name_length, r->line, &field));
        SA_TRY(read_value(r, field, colon));
    } while (accept(r, ','));
    if (!accept(r, ']')) return unexpected(r, "',' or ']'");
    return SA_OK;
}

static sa_status read_field(reader *r, sa_proto_message *message)
{
    int line = r->line;
    const char *name = r->at;
    if (*name == '[') READER_FAIL(r, line, "extension names in brackets are not supported");
    if (!is_letter(*name)) return unexpected(r, "a field name");
    while (r->at < r->end && (is_letter(*r->at) || is_digit(*r->at))) r->at++;
    size_t name_length = (size_t)(r->at - name);
    bool colon = accept(r, ':');
    if (peek(r) == '[') {
        SA_TRY(read_list(r, message, name, name_length, colon));
    } else {
        sa_proto_field *field;
        SA_TRY(add_field(r, message, name, name_length, line, &field));
        SA_TRY(read_value(r, field, colon));
    }
    if (!accept(r, ',')) (void)accept(r, ';');
    return SA_OK;
}

/* Fields up to closer, which is consumed; '\0' stands for the end of the text. */
static sa_status read_message(reader *r, sa_proto_message *message, char closer)
{
    for (;;) {
        char c = peek(r);
        if (r->at == r->end) {
            if (closer == '\0') return SA_OK;
            READER_FAIL(r, r->line, "the file ends inside the message that line %d opens: '%c' is missing", message->line, closer);
        }
        if (c == closer) {
            r->at++;
            return SA_OK;
        }
        if (c == '}' || c == '>') {
            if (closer == '\0') READER_FAIL(r, r->line, "'%c' closes nothing", c);
            READER_FAIL(r, r->line, "'%c' where the message that line %d opens needs '%c'", c, message->line, closer);
        }
        SA_TRY(read_field(r, message));
    }
}

static int line_of(const char *text, const char *position)
{
    int line = 1;
    for (const char *at = text; at < position; at++) line += *at == '\n';
    return line;
}

static sa_status parse_into(sa_proto_document *document, const char *text, size_t length)
{
    if (length > SA_PROTO_MAX_BYTES)
        return sa_proto_error(document, 1, SA_PARSE, NULL,
                              "the file has more than %d bytes, the limit for a text file of this kind", SA_PROTO_MAX_BYTES);
    const char *nul = length ? memchr(text, '\0', length) : NULL;
    if (nul)
        return sa_proto_error(document, line_of(text, nul), SA_PARSE, NULL, "the file contains a NUL byte; it is not a text file");
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        length -= 3;
    }
    reader r = {.document = document, .at = text, .end = text + length, .line = 1};
    document->root.line = 1;
    return read_message(&r, &document->root, '\0');
}

sa_status sa_proto_parse_text(const char *path, const char *text, size_t length, sa_proto_document **document)
{
    sa_proto_document *parsed = calloc(1, sizeof *parsed);
    if (parsed) parsed->path = strdup(path);
    if (!parsed || !parsed->path) {
        free(parsed);
        SA_FAIL(SA_NOMEM, "%s: out of memory while reading", path);
    }
    sa_status status = parse_into(parsed, text ? text : "", length);
    if (status != SA_OK) {
        sa_proto_free(parsed);
        return status;
    }
    *document = parsed;
    return SA_OK;
}

sa_status sa_proto_parse_file(const char *path, sa_proto_document **document)
{
    char *text;
    size_t length;
    SA_TRY(sa_input_text_read(path, SA_PROTO_MAX_BYTES, &text, &length));
    sa_status status = sa_proto_parse_text(path, text, length, document);
    free(text);
    return status;
}

void sa_proto_free(sa_proto_document *document)
{
    if (!document) return;
    sa_proto_free_fields(&document->root);
    free(document->path);
    free(document);
}

const sa_proto_field *sa_proto_find(const sa_proto_message *message, const char *name)
{
    for (size_t i = 0; i < message->count; i++)
        if (strcmp(message->field[i].name, name) == 0) return &message->field[i];
    return NULL;
}

sa_status sa_proto_error(const sa_proto_document *document, int line, sa_status status, const char *where, const char *format, ...)
{
    char cause[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cause, sizeof cause, format, arguments);
    va_end(arguments);
    if (where) return sa_error_set(status, "%s:%d: %s: %s", document->path, line, where, cause);
    return sa_error_set(status, "%s:%d: %s", document->path, line, cause);
}
