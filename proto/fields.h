/* Field tables: the schema of a message as data, and the one decoder that fills a C struct from a parse tree.
 *
 * A table row names a field, its type and where it goes. Unknown fields, wrong types, out-of-range or non-finite numbers, unknown
 * enum names and repeated singular fields are SA_PARSE errors that say "path:line: <where>: cause". What Caffe knows and segarena
 * does not do is SA_UNSUPPORTED with a reason. Conditions between fields are left to whoever knows what they mean. */
#ifndef SA_PROTO_FIELDS_H
#define SA_PROTO_FIELDS_H

#include "proto/textformat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sa_field_type {
    SA_FIELD_INT32,   /* int32_t */
    SA_FIELD_UINT32,  /* uint32_t */
    SA_FIELD_INT64,   /* int64_t */
    SA_FIELD_FLOAT,   /* float */
    SA_FIELD_BOOL,    /* bool: true/false/t/f/1/0 */
    SA_FIELD_ENUM,    /* int32_t, by bare name: MAX */
    SA_FIELD_CHOICE,  /* int32_t, by quoted name: "step" (a string for Caffe, of which few values mean something) */
    SA_FIELD_STRING,  /* char[max], NUL-terminated; too long is an error */
    SA_FIELD_MESSAGE, /* a nested struct with its own table */
    SA_FIELD_IGNORED, /* known to Caffe, of no meaning here: accepted and dropped, whatever its value */
    SA_FIELD_REFUSED, /* known to Caffe, not supported here: SA_UNSUPPORTED with the row's `note` */
} sa_field_type;

typedef struct sa_enum_name {
    const char *name; /* NULL ends the list */
    int32_t value;
    const char *note; /* not NULL: known to Caffe, SA_UNSUPPORTED here for this reason */
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
    const sa_enum_name *names;      /* ENUM, CHOICE */
    const struct sa_field *message; /* MESSAGE: its table */
    const char *note;               /* REFUSED: why; bounded: why other values are SA_UNSUPPORTED (NULL: they are SA_PARSE) */
    const char *limit_note;         /* repeated: why no more are taken, SA_UNSUPPORTED; NULL: more are SA_PARSE */
    bool bounded;                   /* numbers and BOOL: low <= value <= high is required; both are inclusive */
    double low, high;
    bool discarded; /* checked, then dropped: no offset; may repeat */
} sa_field;

enum { SA_FIELDS_MAX_ROWS = 128 }; /* of one table */

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
#define SA_F_CHOICE(S, member, text, table)                                                      \
    {                                                                                            \
        .name = (text), .type = SA_FIELD_CHOICE, .offset = offsetof(S, member), .names = (table) \
    }
#define SA_F_STRING(S, member, text)                                                                            \
    {                                                                                                           \
        .name = (text), .type = SA_FIELD_STRING, .offset = offsetof(S, member), .max = sizeof(((S *)0)->member) \
    }
#define SA_F_MESSAGE(S, member, text, table)                                                        \
    {                                                                                               \
        .name = (text), .type = SA_FIELD_MESSAGE, .offset = offsetof(S, member), .message = (table) \
    }
#define SA_F_ENUM_GIVEN(S, member, given, text, table)                                                            \
    {                                                                                                             \
        .name = (text), .type = SA_FIELD_ENUM, .offset = offsetof(S, member), .count_offset = offsetof(S, given), \
        .has_given = true, .names = (table)                                                                       \
    }
#define SA_F_MESSAGE_GIVEN(S, member, given, text, table)                                                            \
    {                                                                                                                \
        .name = (text), .type = SA_FIELD_MESSAGE, .offset = offsetof(S, member), .count_offset = offsetof(S, given), \
        .has_given = true, .message = (table)                                                                        \
    }
/* a number with limits */
#define SA_F_RANGE(S, member, text, TYPE, least, most)                                                                          \
    {                                                                                                                           \
        .name = (text), .type = SA_FIELD_##TYPE, .offset = offsetof(S, member), .bounded = true, .low = (least), .high = (most) \
    }
#define SA_F_RANGE_GIVEN(S, member, given, text, TYPE, least, most)                                                 \
    {                                                                                                               \
        .name = (text), .type = SA_FIELD_##TYPE, .offset = offsetof(S, member), .count_offset = offsetof(S, given), \
        .has_given = true, .bounded = true, .low = (least), .high = (most)                                          \
    }
/* a number that may have one value only here; nothing is stored */
#define SA_F_ONLY(text, TYPE, value, why)                                                                         \
    {                                                                                                             \
        .name = (text), .type = SA_FIELD_##TYPE, .bounded = true, .low = (value), .high = (value), .note = (why), \
        .discarded = true                                                                                         \
    }
/* an enum whose value does not matter here, but whose names are checked (and refused by their notes) */
#define SA_F_ENUM_CHECKED(text, table)                                             \
    {                                                                              \
        .name = (text), .type = SA_FIELD_ENUM, .names = (table), .discarded = true \
    }
#define SA_F_CHOICE_CHECKED(text, table)                                             \
    {                                                                                \
        .name = (text), .type = SA_FIELD_CHOICE, .names = (table), .discarded = true \
    }
/* repeated: S has `T member[MAX]` and `int32_t count` */
#define SA_F_REPEATED(S, member, count, text, TYPE)                                                                           \
    {                                                                                                                         \
        .name = (text), .type = SA_FIELD_##TYPE, .offset = offsetof(S, member), .element_bytes = sizeof(((S *)0)->member[0]), \
        .max = sizeof(((S *)0)->member[0]), .element_max = (int32_t)(sizeof(((S *)0)->member) / sizeof(((S *)0)->member[0])), \
        .count_offset = offsetof(S, count)                                                                                    \
    }
#define SA_F_REPEATED_RANGE(S, member, count, text, TYPE, least, most)                                                        \
    {                                                                                                                         \
        .name = (text), .type = SA_FIELD_##TYPE, .offset = offsetof(S, member), .element_bytes = sizeof(((S *)0)->member[0]), \
        .element_max = (int32_t)(sizeof(((S *)0)->member) / sizeof(((S *)0)->member[0])), .count_offset = offsetof(S, count), \
        .bounded = true, .low = (least), .high = (most)                                                                       \
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

/* Rows of an enum's names: SA_ENUM("MAX", 0), SA_ENUM_REFUSED("AVE", 1, "why"), SA_ENUM_END */
#define SA_ENUM(text, number)             \
    {                                     \
        .name = (text), .value = (number) \
    }
#define SA_ENUM_REFUSED(text, number, why)               \
    {                                                    \
        .name = (text), .value = (number), .note = (why) \
    }
#define SA_ENUM_END  \
    {                \
        .name = NULL \
    }

/* Fills *out, which holds the defaults already, from message. `where` ("layer 'conv1' (Convolution)") goes into errors. Fields
 * named in `skip` (NULL-terminated, may be NULL) are left to the caller. On failure *out may be partly filled. */
SA_CHECKED sa_status sa_fields_decode(const sa_proto_document *document, const sa_proto_message *message, const sa_field *table,
                                      const char *where, const char *const *skip, void *out);

/* The same for the message's one field called name ("convolution_param"); without such a field *out keeps its defaults. *given
 * (may be NULL) tells whether there was one. */
SA_CHECKED sa_status sa_fields_decode_child(const sa_proto_document *document, const sa_proto_message *message, const char *name,
                                            const sa_field *table, const char *where, void *out, bool *given);

#endif
