/* Layer types and parameters that are not supported here: told all at once, each as what it is. */
#ifndef SA_NET_UNKNOWN_TYPES_H
#define SA_NET_UNKNOWN_TYPES_H

#include "net/net.h"
#include "net/net_spec.h"

/* Adds to the list what layers have an unknown type that the options do not treat, or a parameter that is refused. SA_INVALID: a
 * type to be treated is not there. */
SA_CHECKED sa_status sa_check_layer_types(const sa_proto_document *document, const sa_net_spec *spec, const sa_net_options *options,
                                          sa_unsupported_list *list);

#endif
