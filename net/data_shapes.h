/* Looking at the files that data layers read, for the shapes of their tops. Private to net/. */
#ifndef SA_NET_DATA_SHAPES_H
#define SA_NET_DATA_SHAPES_H

#include "net/net.h"

/* Sets net->data_root, unless it is set: the caller's folder, or that of the net's file if `source` is found there and not from the
 * working directory. */
SA_CHECKED sa_status sa_net_find_data_root(sa_net *net, const char *source, const char *data_root);

/* A layer whose type has a data_file: gives its tops the shapes that the options name, and completes its configuration before
 * setup. What cannot be read is noted (net->note, net->shapes_assumed, why_unknown of the configuration), not an error. */
SA_CHECKED sa_status sa_net_complete_file_layer(sa_net *net, sa_layer *layer, const sa_net_options *options);

#endif
