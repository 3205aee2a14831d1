/* A layer's own parameter messages. Caffe lets any layer hold any message; a type reads its own and leaves the rest. */
#include "net/net_parts.h"

sa_status sa_net_decode_layer_messages(const sa_proto_document *document, const sa_layer_spec *spec, const sa_layer_type *type,
                                       const char *where, void *config)
{
    if (type->config_field)
        SA_TRY(sa_fields_decode_child(document, spec->message, type->config_field, type->config_table, where, config, NULL));
    if (!type->extra_field) return SA_OK;
    return sa_fields_decode_child(document, spec->message, type->extra_field, type->extra_table, where,
                                  (char *)config + type->extra_offset, NULL);
}
