/* The field tables of a net file, for net_spec.c alone. */
#ifndef SA_NET_NET_SPEC_FIELDS_H
#define SA_NET_NET_SPEC_FIELDS_H

#include "net/net_spec.h"

/* The net-level fields besides `layer`, as they stand in the file. */
typedef struct sa_net_header {
    char name[SA_SPEC_NAME_BYTES];
    sa_state_spec state;
    bool force_backward;
} sa_net_header;

extern const sa_field sa_net_header_fields[];
extern const sa_field sa_layer_spec_fields[]; /* of sa_layer_spec */

#endif
