/* Reader for protobuf's text format, as Caffe's prototxt files use it: a parse tree with line numbers, no schema.
 *
 * Understood: `name: value`, `name { ... }`, `name: { ... }`, `name < ... >`, `name: [a, b]`, ',' and ';' between fields, '#'
 * comments, '...' and "..." strings with C escapes and concatenation, numbers, identifiers, a UTF-8 byte order mark. Depth and
 * size are limited. It does not know which fields exist or what their values mean: that is proto/fields.h. */
#ifndef SA_PROTO_TEXTFORMAT_H
#define SA_PROTO_TEXTFORMAT_H

#include "core/status.h"

#include <stddef.h>

enum {
    SA_PROTO_MAX_DEPTH = 64,             /* nested messages; bounds the recursion of every reader of a tree */
    SA_PROTO_MAX_BYTES = 4 * 1024 * 1024 /* of a file; the largest known net files have some 200 kB */
};

typedef struct sa_proto_message sa_proto_message;

typedef enum sa_proto_kind { SA_PROTO_TOKEN, SA_PROTO_STRING, SA_PROTO_MESSAGE } sa_proto_kind;

typedef struct sa_proto_field {
    char *name;
    int line;
    sa_proto_kind kind;
    char *text; /* TOKEN: the bare token ("-0.5", "MAX", "true"); STRING: the unescaped bytes, none of them NUL; else NULL */
    sa_proto_message *message; /* MESSAGE */
} sa_proto_field;

struct sa_proto_message {
    int line;
    size_t count;
    sa_proto_field *field; /* in file order; a list `name: [a, b]` gives two fields */
};

typedef struct sa_proto_document {
    char *path; /* as given; for messages */
    sa_proto_message root;
} sa_proto_document;

/* SA_IO: cannot be read; SA_PARSE: "path:line: cause". *document is owned by the caller. */
SA_CHECKED sa_status sa_proto_parse_file(const char *path, sa_proto_document **document);
SA_CHECKED sa_status sa_proto_parse_text(const char *path, const char *text, size_t length, sa_proto_document **document);
void sa_proto_free(sa_proto_document *document); /* NULL is allowed */

/* The first field called name, or NULL. Borrowed from the document. */
const sa_proto_field *sa_proto_find(const sa_proto_message *message, const char *name);

/* Sets the message "path:line: where: cause" (without "where: " if where is NULL) and returns status. */
sa_status sa_proto_error(const sa_proto_document *document, int line, sa_status status, const char *where, const char *format, ...)
    SA_PRINTF(5, 6);

#endif
