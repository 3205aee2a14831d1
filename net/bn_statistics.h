/* SegNet's batch normalisation for inference: the statistics of its BN layers over many batches, folded into their scale and shift,
 * and on request into the convolutions below.
 *
 * The rules are those of the SegNet tutorial's scripts (compute_bn_statistics and the absorber): plain means of the batches' means
 * and of their biased variances; scale' = scale / sqrt(var + 1e-9), shift' = shift - scale' * mean. BVLC Caffe's BatchNorm keeps
 * statistics as they are: there the means become its running sums, of weight 1. */
#ifndef SA_NET_BN_STATISTICS_H
#define SA_NET_BN_STATISTICS_H

#include "data/weights/weights.h"
#include "net/session.h"

typedef struct sa_bn_layer_sums {
    int32_t channels;        /* 0: not a BN layer that normalises by the batch */
    size_t count;            /* elements per channel */
    double *mean, *variance; /* (channels), sums over the batches; owned */
} sa_bn_layer_sums;

typedef struct sa_bn_statistics {
    const sa_net *net; /* borrowed */
    size_t batches;
    int layer_count, bn_count;
    sa_bn_layer_sums *layer; /* (layer_count), owned */
} sa_bn_statistics;

/* SA_INVALID: the net has no BN layer that normalises by the batch. */
SA_CHECKED sa_status sa_bn_statistics_create(const sa_net *net, sa_bn_statistics *statistics);
void sa_bn_statistics_free(sa_bn_statistics *statistics); /* a zeroed one is allowed */
/* Adds what every batch that the session runs from now on has in its BN layers: takes the session's probe. */
void sa_bn_statistics_watch(sa_bn_statistics *statistics, sa_session *session);
/* A batch is complete. */
void sa_bn_statistics_end_batch(sa_bn_statistics *statistics);
/* Folds the means over the batches into the BN layers' two blobs; BatchNorm layers get them as their running sums. SA_INVALID: the
 * weights lack a BN layer of the net. */
SA_CHECKED sa_status sa_bn_statistics_fold(const sa_bn_statistics *statistics, sa_weights *weights);

/* Sets bn_mode: INFERENCE in every BN layer of a net's document. The document is of today's format (sa_net_upgrade). */
SA_CHECKED sa_status sa_bn_set_inference(sa_proto_document *document);
/* Folds BN layers whose scale and shift are all (INFERENCE mode) into the convolutions below: weight * scale, bias * scale + shift,
 * in double precision. Such a layer leaves the document, and its blobs become 0, so that nobody takes them for a trained layer. A
 * BN layer stays where its input is not made by a convolution, where others read that too, or where the weights have no such layer.
 * A convolution without a bias gets one. *absorbed, *left: BN layers folded, and those that stay. */
SA_CHECKED sa_status sa_bn_absorb(sa_proto_document *document, sa_weights *weights, int *absorbed, int *left);

#endif
