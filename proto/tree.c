/* Fields of a parse tree: growing, moving, freeing. */
#include "proto/tree.h"

#include "core/growing_array.h"

#include <stdlib.h>
#include <string.h>

static void free_value(sa_proto_field *field)
{
    if (field->message) sa_proto_free_fields(field->message);
    free(field->message);
    free(field->name);
    free(field->text);
    *field = (sa_proto_field){0};
}

void sa_proto_free_fields(sa_proto_message *message)
{
    for (size_t i = 0; i < message->count; i++) free_value(&message->field[i]);
    free(message->field);
    *message = (sa_proto_message){.line = message->line};
}

sa_status sa_proto_append(sa_proto_message *message, const char *name, size_t name_length, int line, sa_proto_field **field)
{
    sa_proto_field *longer = sa_array_room(message->field, message->count, sizeof *longer);
    if (!longer) SA_FAIL(SA_NOMEM, "out of memory for a field");
    message->field = longer;
    char *copy = malloc(name_length + 1);
    if (!copy) SA_FAIL(SA_NOMEM, "out of memory for a field");
    memcpy(copy, name, name_length);
    copy[name_length] = '\0';
    *field = &message->field[message->count++];
    **field = (sa_proto_field){.name = copy, .line = line};
    return SA_OK;
}

sa_status sa_proto_append_text(sa_proto_message *message, const char *name, int line, sa_proto_kind kind, const char *text)
{
    char *copy = strdup(text);
    sa_proto_field *field;
    if (!copy) SA_FAIL(SA_NOMEM, "out of memory for a field");
    sa_status status = sa_proto_append(message, name, strlen(name), line, &field);
    if (status != SA_OK) {
        free(copy);
        return status;
    }
    field->kind = kind;
    field->text = copy;
    return SA_OK;
}

sa_status sa_proto_append_message(sa_proto_message *message, const char *name, int line, sa_proto_message **child)
{
    sa_proto_message *made = calloc(1, sizeof *made);
    sa_proto_field *field;
    if (!made) SA_FAIL(SA_NOMEM, "out of memory for a message");
    made->line = line;
    sa_status status = sa_proto_append(message, name, strlen(name), line, &field);
    if (status != SA_OK) {
        free(made);
        return status;
    }
    field->kind = SA_PROTO_MESSAGE;
    field->message = made;
    *child = made;
    return SA_OK;
}

sa_status sa_proto_child(sa_proto_message *message, const char *name, int line, sa_proto_message **child)
{
    for (size_t i = 0; i < message->count; i++) {
        sa_proto_field *field = &message->field[i];
        if (sa_proto_is_gone(field) || strcmp(field->name, name) != 0 || field->kind != SA_PROTO_MESSAGE) continue;
        *child = field->message;
        return SA_OK;
    }
    return sa_proto_append_message(message, name, line, child);
}

bool sa_proto_is_gone(const sa_proto_field *field)
{
    return field->name == NULL;
}

void sa_proto_drop(sa_proto_field *field)
{
    free_value(field);
}

sa_status sa_proto_move(sa_proto_field *from, sa_proto_message *to, const char *name)
{
    sa_proto_field value = *from, *moved;
    const char *own = name ? name : value.name;
    SA_TRY(sa_proto_append(to, own, strlen(own), value.line, &moved));
    moved->kind = value.kind;
    moved->text = value.text;
    moved->message = value.message;
    free(value.name);
    *from = (sa_proto_field){0};
    return SA_OK;
}

void sa_proto_sweep(sa_proto_message *message)
{
    size_t kept = 0;
    for (size_t i = 0; i < message->count; i++)
        if (!sa_proto_is_gone(&message->field[i])) message->field[kept++] = message->field[i];
    message->count = kept;
}
