/* Field tables: the schema of a message as data, and the one decoder that fills a C struct from a parse tree.
 *
 * A table row names a field, its type and where it goes. Unknown fields, wrong types, out-of-range numbers, unknown enum names and
 * repeated singular fields are SA_PARSE errors that say "path:line: <where>: cause". */
#ifndef SA_PROTO_FIELDS_H
#define SA_PROTO_FIELDS_H

#include "proto/textformat.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum sa_field_type {
    SA_FIELD_INT32,   /* int32_t */
    SA_FIELD_UINT32,  /* uint32_t */
    SA_FIELD_INT64,   /* int64_t */
    SA_FIELD_FLOAT,   /* float */
    SA_FIELD_BOOL,    /* bool: true/false/t/f/1/0 */
    SA_FIELD_ENUM,    /* int32_t, by name */
    SA_FIELD_STRING,  /* char[max], NUL-terminated; too long is an error */
    SA_FIELD_MESSAGE, /* a nested struct with its own table */
    SA_FIELD_IGNORED, /* known to Caffe, of no meaning here: accepted and dropped, whatever its value */
    SA_FIELD_REFUSED, /* known to Caffe, not supported here: SA_UNSUPPORTED with the row's `note` */
} sa_field_type;

typedef struct sa_enum_name {
    const char *name; /* NULL ends the list */
    int32_t value;
} sa_enum_name;

typedef struct sa_field {
    const char *name; /* NULL ends the table */
    sa_field_type type;
    size_t offset;        /* of the value (repeated: of element 0) in the struct */
    size_t max;           /* STRING: bytes of one element with the NUL; else unused */
    size_t element_bytes; /* repeated: distance of elements; 0: singular */
    int32_t element_max;  /* repeated: capacity of the array; more is an error */
    size_t count_offset;  /* repeated: of an int32_t count; singular: of a bool "given" if has_given */
    bool has_given;
    const sa_enum_name *names;      /* ENUM */
    const struct sa_field *message; /* MESSAGE: its table */
    const char *note;               /* REFUSED: why */
} sa_field;

/* Row builders: SA_F(struct, member, "name", TYPE), ... */
#define SA_F_SINGLE(S, member, text, TYPE)                                     \
    {                                                                          \
        .name = (text), .type = SA_FIELD_##TYPE, .offset = offsetof(S, member) \
    }
#define SA_F_GIVEN(S, member, given, text, TYPE)                                                                    \
    {                                                                                                               \
        .name = (text), .type = SA_FIELD_##TYPE, .offset = offsetof(S, member), .count_offset = offsetof(S, given), \
        .has_given = true                                                                                           \
    }
#define SA_F_ENUM(S, member, text, table)                                                      \
    {                                                                                          \
        .name = (text), .type = SA_FIELD_ENUM, .offset = offsetof(S, member), .names = (table) \
    }
#define SA_F_STRING(S, member, text)                                                                            \
    {                                                                                                           \
        .name = (text), .type = SA_FIELD_STRING, .offset = offsetof(S, member), .max = sizeof(((S *)0)->member) \
    }
#define SA_F_MESSAGE(S, member, text, table)                                                        \
    {                                                                                               \
        .name = (text), .type = SA_FIELD_MESSAGE, .offset = offsetof(S, member), .message = (table) \
    }
/* repeated: S has `T member[MAX]` and `int32_t count` */
#define SA_F_REPEATED(S, member, count, text, TYPE)                                                                           \
    {                                                                                                                         \
        .name = (text), .type = SA_FIELD_##TYPE, .offset = offsetof(S, member), .element_bytes = sizeof(((S *)0)->member[0]), \
        .max = sizeof(((S *)0)->member[0]), .element_max = (int32_t)(sizeof(((S *)0)->member) / sizeof(((S *)0)->member[0])), \
        .count_offset = offsetof(S, count)                                                                                    \
    }
#define SA_F_REPEATED_MESSAGE(S, member, count, text, table)                                                                   \
    {                                                                                                                          \
        .name = (text), .type = SA_FIELD_MESSAGE, .offset = offsetof(S, member), .element_bytes = sizeof(((S *)0)->member[0]), \
        .element_max = (int32_t)(sizeof(((S *)0)->member) / sizeof(((S *)0)->member[0])), .count_offset = offsetof(S, count),  \
        .message = (table)                                                                                                     \
    }
#define SA_F_IGNORED(text)                       \
    {                                            \
        .name = (text), .type = SA_FIELD_IGNORED \
    }
#define SA_F_REFUSED(text, why)                                 \
    {                                                           \
        .name = (text), .type = SA_FIELD_REFUSED, .note = (why) \
    }
#define SA_F_END     \
    {                \
        .name = NULL \
    }

/* Fills *out, which holds the defaults already, from message. `where` ("layer 'conv1' (Convolution)") goes into errors. Fields
 * named in `skip` (NULL-terminated, may be NULL) are left to the caller. On failure *out may be partly filled. */
SA_CHECKED sa_status sa_fields_decode(const sa_proto_document *document, const sa_proto_message *message, const sa_field *table,
                                      const char *where, const char *const *skip, void *out);

/* A parse error at a line: "path:line: where: cause"; returns status. */
sa_status sa_proto_error(const sa_proto_document *document, int line, sa_status status, const char *where, const char *format, ...)
    SA_PRINTF(5, 6);

#endif
