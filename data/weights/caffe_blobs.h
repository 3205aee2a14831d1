/* Caffe's small binary files of blobs: means (.binaryproto) and the states of its solvers (.solverstate). Both need protobuf-c; a
 * build without it refuses with the remedy (no_caffe_blobs.c). Files are untrusted: sizes are checked against the values. */
#ifndef SA_DATA_WEIGHTS_CAFFE_BLOBS_H
#define SA_DATA_WEIGHTS_CAFFE_BLOBS_H

#include "data/weights/weights.h"

/* A mean over images: BlobProto of three axes (channels, height, width), with ones in front. *mean is malloc'd. SA_PARSE. */
SA_CHECKED sa_status sa_mean_file_read(const char *path, int32_t shape[3], float **mean);

typedef struct sa_solverstate {
    int64_t iter; /* updates done */
    int32_t current_step;
    char *learned_net; /* the caffemodel, as the state names it; owned; "": none */
    size_t history_count;
    sa_weight_blob *history; /* (history_count), owned: one per learnable parameter, in order of the net */
} sa_solverstate;

/* SA_IO, SA_PARSE. *state is owned by the caller. */
SA_CHECKED sa_status sa_solverstate_read(const char *path, sa_solverstate *state);
void sa_solverstate_free(sa_solverstate *state); /* a zeroed one is allowed */

#endif
