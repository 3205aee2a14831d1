/* A net's memory layer by layer: what Caffe allocates for each, and what is alive in the arena while its ops run. */
#ifndef SA_CLI_LAYER_TABLE_H
#define SA_CLI_LAYER_TABLE_H

#include "core/device.h"
#include "report/caffe_memory.h"

#include <cjson/cJSON.h>
#include <stdio.h>

typedef struct sa_layer_bytes {
    size_t caffe_bytes; /* GPU mode: tops, their gradients, private buffers, parameters */
    size_t alive_bytes; /* the most that is alive during one of its ops; 0: it has none, or the net is not planned */
} sa_layer_bytes;

typedef struct sa_layer_table {
    const sa_net *net;    /* borrowed */
    const char *strategy; /* NULL: the net cannot be planned here */
    size_t peak_bytes;    /* the largest alive_bytes */
    sa_layer_bytes *row;  /* (net->layer_count), owned */
} sa_layer_table;

/* Under the strategy that is the default of `plan`. */
SA_CHECKED sa_status sa_layer_table_create(const sa_net *net, const sa_caffe_memory *caffe, const sa_device *device,
                                           sa_layer_table *table);
void sa_layer_table_free(sa_layer_table *table); /* zeroed ones are allowed */

SA_CHECKED sa_status sa_layer_table_print(FILE *out, const sa_layer_table *table);
/* An array, the caller's: one object per layer. */
cJSON *sa_layer_table_json(const sa_layer_table *table);

#endif
