/* Layer types that a caller wants treated as something else: types of one net. */
#ifndef SA_NET_TREATED_TYPES_H
#define SA_NET_TREATED_TYPES_H

#include "net/net.h"

/* Makes net->treated of the options; before layers are built, since they point to it. */
SA_CHECKED sa_status sa_net_treat_types(sa_net *net, const sa_net_options *options);
/* NULL: the type is not treated. */
const sa_layer_type *sa_net_treated_type(const sa_net *net, const char *name);

#endif
