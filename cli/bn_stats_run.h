/* SegNet's BN statistics over the training list, folded for inference: shared by `segarena bn-stats` and its tests. */
#ifndef SA_CLI_BN_STATS_RUN_H
#define SA_CLI_BN_STATS_RUN_H

#include "cli/forward.h"

typedef struct sa_bn_stats_options {
    sa_forward_options forward;
    const char *list;         /* NULL: the net's own, of the TRAIN phase */
    const char *save_weights; /* the folded weights */
    const char *save_net;     /* NULL, or where the net goes that they are for */
    bool absorb, json;
    FILE *progress; /* NULL: none */
} sa_bn_stats_options;

typedef struct sa_bn_stats_result {
    char net[SA_NAME_MAX];
    size_t images, batches;
    int bn_layers, absorbed, left; /* BN layers with statistics; of the net's, those in convolutions now and those that stay */
    size_t inference_bytes, measured_bytes, caffe_bytes;
} sa_bn_stats_result;

/* Runs images / batch + images % batch batches of the TRAIN phase's data through the TEST net, as the tutorial's script does. Files
 * are written at the end, each whole or not at all. */
SA_CHECKED sa_status sa_bn_stats_run(const sa_bn_stats_options *options, sa_bn_stats_result *result);

#endif
