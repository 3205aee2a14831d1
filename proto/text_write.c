/* Parse trees as text: a field per line, messages indented by two blanks. */
#include "proto/text_write.h"

#include <stdio.h>
#include <stdlib.h>

/* As the text format wants it between quotes: the reader undoes it. */
static void write_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') fprintf(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f) fprintf(out, "\\%03o", *c);
        else fputc(*c, out);
    }
    fputc('"', out);
}

/* Depth is limited by the reader that made the tree. */
static void write_message(FILE *out, const sa_proto_message *message, int depth)
{
    for (size_t i = 0; i < message->count; i++) {
        const sa_proto_field *field = &message->field[i];
        fprintf(out, "%*s%s", 2 * depth, "", field->name);
        switch (field->kind) {
        case SA_PROTO_TOKEN: fprintf(out, ": %s\n", field->text); break;
        case SA_PROTO_STRING:
            fputs(": ", out);
            write_string(out, field->text);
            fputc('\n', out);
            break;
        case SA_PROTO_MESSAGE:
            fputs(" {\n", out);
            write_message(out, field->message, depth + 1);
            fprintf(out, "%*s}\n", 2 * depth, "");
            break;
        }
    }
}

sa_status sa_proto_write_text(const sa_proto_message *message, const char *head, char **text)
{
    char *made = NULL;
    size_t size;
    FILE *out = open_memstream(&made, &size);
    if (!out) SA_FAIL(SA_NOMEM, "no memory for the text of a net");
    fputs(head, out);
    write_message(out, message, 0);
    int bad = ferror(out);
    if (fclose(out) != 0 || bad) {
        free(made);
        SA_FAIL(SA_NOMEM, "no memory for the text of a net");
    }
    *text = made;
    return SA_OK;
}
