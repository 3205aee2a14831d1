/* What segarena cannot take of a net file, collected so that all of it is told at once. */
#ifndef SA_NET_UNSUPPORTED_H
#define SA_NET_UNSUPPORTED_H

#include "net/net.h"
#include "net/net_spec.h"

/* The layer's cause, on a line of the file. Beyond SA_UNSUPPORTED_MAX they are only counted. */
void sa_unsupported_add(sa_unsupported_list *list, const sa_layer_spec *layer, int line, const char *what);
/* Whether something of this layer is on the list. */
bool sa_unsupported_has(const sa_unsupported_list *list, const sa_layer_spec *layer);
/* Adds the error that is set, and clears it: "path:line: layer 'x' (Type): cause", or a bare cause. */
void sa_unsupported_add_error(sa_unsupported_list *list, const sa_proto_document *document, const sa_layer_spec *layer);
/* SA_OK for an empty list, else SA_UNSUPPORTED: the first with its place, then the others in short, in the order of their lines.
 * Copies the list to *out, if that is not NULL. */
SA_CHECKED sa_status sa_unsupported_fail(sa_unsupported_list *list, const char *path, sa_unsupported_list *out);

#endif
