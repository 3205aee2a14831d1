/* Which parameters of a net a set of weights gives, by Caffe's rules (Net::CopyTrainedLayersFrom): layers by name alone, every blob
 * of a layer or none, shapes equal. */
#ifndef SA_NET_NET_WEIGHTS_H
#define SA_NET_NET_WEIGHTS_H

#include "data/weights/weights.h"
#include "net/net.h"

typedef struct sa_net_weights {
    int layer_count;
    const sa_weight_blob *(*blob)[SA_LAYER_PARAMS_MAX]; /* (layer_count), owned; NULL: not in the file */
    size_t given_count;                                 /* parameters that the file gives */
    char only_in_file[512], only_in_net[512]; /* names of layers with parameters, "a, b, ..."; cut where they are too many */
    size_t only_in_file_count, only_in_net_count;
} sa_net_weights;

/* Nothing is copied: errors come before anything has changed. Where a name comes twice in the file, the last one counts.
 * SA_INVALID: a layer has another number of blobs, another shape or another number of values, with both. *match is owned by the
 * caller and points into weights. path is for messages. */
SA_CHECKED sa_status sa_net_weights_match(const sa_net *net, const sa_weights *weights, const char *path, sa_net_weights *match);
void sa_net_weights_free(sa_net_weights *match);

/* A set with a layer for each of the net's, Splits and layers without parameters included, as Caffe writes it; values are not set.
 */
SA_CHECKED sa_status sa_net_weights_create(const sa_net *net, sa_weights **weights);

#endif
