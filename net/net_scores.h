/* Which blob of a net holds its class scores: what a trained net is for.
 *
 * They are what the last loss over classes reads; without a loss, what the Softmax or ArgMax at the net's end reads; without those,
 * the last layer's first top. */
#ifndef SA_NET_NET_SCORES_H
#define SA_NET_NET_SCORES_H

#include "net/net.h"
#include "net/net_spec.h"

/* Leaves only the layers that the scores are made by, and cuts off masks that no longer have a reader. */
void sa_net_spec_keep_scores(sa_net_spec *spec);
/* Sets net->scores_blob; the net has no Splits yet. SA_INVALID: there is no blob that could be scores. */
SA_CHECKED sa_status sa_net_find_scores(sa_net *net);

/* What the scores are compared with: the input whose labels a loss or an accuracy sees beside them, else the second top of a
 * data layer. *rule: the loss's, else the accuracy's; classes is always set. -1: the net has no labels. */
int sa_net_scores_label(const sa_net *net, sa_label_rule *rule);

#endif
