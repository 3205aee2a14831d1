/* Changing a parse tree: appending, moving and renaming fields. Readers of a tree need only proto/textformat.h. */
#ifndef SA_PROTO_TREE_H
#define SA_PROTO_TREE_H

#include "proto/textformat.h"

#include <stdbool.h>

/* Appends a field without a value. name need not end in a NUL. *field is borrowed and moves with the next change of the message.
 * SA_NOMEM: without a place; nothing was appended. */
SA_CHECKED sa_status sa_proto_append(sa_proto_message *message, const char *name, size_t name_length, int line,
                                     sa_proto_field **field);
/* Appends `name: text`; kind is SA_PROTO_TOKEN or SA_PROTO_STRING. The text is copied. */
SA_CHECKED sa_status sa_proto_append_text(sa_proto_message *message, const char *name, int line, sa_proto_kind kind,
                                          const char *text);
/* Appends `name { }`. *child is borrowed; it stays where it is. */
SA_CHECKED sa_status sa_proto_append_message(sa_proto_message *message, const char *name, int line, sa_proto_message **child);
/* The first message called name, appended if there is none. */
SA_CHECKED sa_status sa_proto_child(sa_proto_message *message, const char *name, int line, sa_proto_message **child);

/* Moves *from to the end of `to`, another message than the one that holds it, under a new name (NULL: its own). What is left is
 * gone: sa_proto_sweep removes it. */
SA_CHECKED sa_status sa_proto_move(sa_proto_field *from, sa_proto_message *to, const char *name);
/* Marks a field as gone; sa_proto_sweep removes it. */
void sa_proto_drop(sa_proto_field *field);
/* Removes the fields that were moved or dropped; the others keep their order. */
void sa_proto_sweep(sa_proto_message *message);

/* Was the field moved away or dropped? */
bool sa_proto_is_gone(const sa_proto_field *field);

/* Frees what the message holds, not the message. */
void sa_proto_free_fields(sa_proto_message *message);

#endif
