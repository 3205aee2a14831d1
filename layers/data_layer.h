/* The configuration of Caffe's data layers: what the prototxt says, and what the net finds in the data. */
#ifndef SA_LAYERS_DATA_LAYER_H
#define SA_LAYERS_DATA_LAYER_H

#include "layers/messages.h"
#include "program/layer.h"

typedef struct sa_data_layer_config {
    char source[SA_PARAM_PATH_BYTES], root_folder[SA_PARAM_PATH_BYTES];
    int32_t backend; /* SA_DATA_LEVELDB, SA_DATA_LMDB */
    int32_t batch_size, prefetch, crop_size, new_height, new_width;
    bool is_color, force_color, force_gray;
    char mean_file[SA_PARAM_PATH_BYTES];
    bool shuffle, mirror, in_order; /* in_order: the caller's choice, see sa_net_options.list_in_order */
    uint32_t rand_skip;
    float scale;
    float mean_value[SA_PARAM_MEAN_VALUES_MAX];
    int32_t mean_value_count;
    /* One image before the crop: as declared (MemoryData) or as found in the data, which the net looks at before setup; 0: not
     * known. */
    int32_t channels, height, width;
    size_t hdf5_bytes;     /* HDF5Data: the datasets of the first file, as float32 */
    char why_unknown[400]; /* the net's reason, for the message */
} sa_data_layer_config;

enum { SA_DATA_LEVELDB, SA_DATA_LMDB };

#endif
