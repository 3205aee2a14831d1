/* Layer types that are not known here: told all at once, each as what it is. */
#ifndef SA_NET_UNKNOWN_TYPES_H
#define SA_NET_UNKNOWN_TYPES_H

#include "net/net_spec.h"

/* SA_UNSUPPORTED if a layer of this phase has an unknown type: "path:line: layer 'x' (Type): cause", then the others with their
 * lines. layer: (count), all of the file that the phase includes. */
SA_CHECKED sa_status sa_check_layer_types(const sa_proto_document *document, const sa_layer_spec *layer, int count);

#endif
