/* Shapes of inputs that the caller gives instead of the prototxt: single ones by name, a plane, a batch. Private to net/. */
#ifndef SA_NET_INPUT_SHAPES_H
#define SA_NET_INPUT_SHAPES_H

#include "net/net.h"

/* The first image input of the net leads: the other inputs follow its batch and plane. Zeroed at the start. */
typedef struct sa_input_lead {
    bool known;
    sa_shape was, is;
} sa_input_lead;

/* Changes the tops of an input layer that was just set up; other layers: nothing. SA_INVALID: an input that cannot follow. */
SA_CHECKED sa_status sa_net_reshape_inputs(sa_net *net, const sa_layer *layer, const sa_net_options *options, sa_input_lead *lead);
/* SA_INVALID if options name an input that the net does not have. */
SA_CHECKED sa_status sa_net_check_input_names(const sa_net *net, const sa_net_options *options);

#endif
