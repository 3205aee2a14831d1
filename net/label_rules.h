/* Which blobs of a net hold class numbers, and what the layers that read them allow. */
#ifndef SA_NET_LABEL_RULES_H
#define SA_NET_LABEL_RULES_H

#include "net/net.h"

/* The input blob that `blob` is made of by layers of one bottom and no parameters (Splits, poolings, ...); -1: of something else.
 */
int sa_net_input_origin(const sa_net *net, int blob);
/* The label rule of a layer, and the blob it is about (a version, the layer's own bottom). False: it reads no labels. */
bool sa_net_label_rule(const sa_net *net, const sa_layer *layer, sa_label_rule *rule, int *blob);
enum { SA_LABEL_WARNING_BYTES = 480 };
/* A loss that sees a single class is always 0: true if there is one, with what to say of it: the
 * loss, the layer that makes the class, and the remedy. */
bool sa_net_single_class_warning(const sa_net *net, char text[SA_LABEL_WARNING_BYTES]);

#endif
