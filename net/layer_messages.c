/* A layer's own parameter messages. Caffe lets any layer hold any message; a type reads its own and leaves the rest. */
#include "net/net_parts.h"

#include <string.h>

static sa_status decode_one(const sa_proto_document *document, const sa_layer_spec *spec, const char *field, const sa_field *table,
                            const char *where, void *out)
{
    const sa_proto_field *found = NULL;
    for (size_t i = 0; field && i < spec->message->count; i++) {
        const sa_proto_field *f = &spec->message->field[i];
        if (strcmp(f->name, field)) continue;
        if (found) return sa_proto_error(document, f->line, SA_PARSE, where, "'%s' is given twice, first at line %d", field, found->line);
        if (f->kind != SA_PROTO_MESSAGE) return sa_proto_error(document, f->line, SA_PARSE, where, "'%s' needs a message { ... }", field);
        found = f;
    }
    return found ? sa_fields_decode(document, found->message, table, where, NULL, out) : SA_OK;
}

sa_status sa_net_decode_layer_messages(const sa_proto_document *document, const sa_layer_spec *spec, const sa_layer_type *type,
                                       const char *where, void *config)
{
    SA_TRY(decode_one(document, spec, type->config_field, type->config_table, where, config));
    return decode_one(document, spec, type->extra_field, type->extra_table, where, (char *)config + type->extra_offset);
}
