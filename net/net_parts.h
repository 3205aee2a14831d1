/* The steps of building a net that have files of their own. Private to net/. */
#ifndef SA_NET_NET_PARTS_H
#define SA_NET_NET_PARTS_H

#include "net/net.h"
#include "net/net_spec.h"

/* Decodes a layer's own messages (convolution_param, ...) into config; other layers' messages are errors. */
SA_CHECKED sa_status sa_net_decode_layer_messages(const sa_proto_document *document, const sa_layer_spec *spec,
                                                  const sa_layer_type *type, const char *where, void *config);
/* Moves the Splits, appended behind the first `layers` layers, to their places behind their producers, renumbers, finds the
 * readers. */
SA_CHECKED sa_status sa_net_sort_splits(sa_net *net, int layers);
/* DenseImageData: the size of its images, from the first line of its list; finds the folder that lists are relative to
 * (net->data_root). Without a list, what the prototxt says, or assumed sizes. Other layers: nothing. */
SA_CHECKED sa_status sa_net_complete_data_layer(sa_net *net, sa_layer *layer, const sa_net_options *options);
/* shared_params.c: finds whom parameter i of a layer of the file is shared with, while layers are built in the file's order.
 * SA_INVALID: factors that contradict each other. */
SA_CHECKED sa_status sa_net_share_param(sa_net *net, const sa_net_spec *net_spec, const sa_layer_spec *spec, int i);
/* Gives all that share a parameter its owner's factors, once all layers are there. */
void sa_net_settle_shared(sa_net *net);
/* SA_INVALID: the layer, which is set up, shares a parameter of another shape. */
SA_CHECKED sa_status sa_net_check_shared(const sa_net *net, const sa_layer *layer);
/* needs_backward, needs_grad: Caffe's rules (Net::Init). */
SA_CHECKED sa_status sa_net_decide_gradients(sa_net *net, const sa_net_options *options);

#endif
