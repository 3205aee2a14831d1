/* DenseImageData's configuration as the net completes it: what the prototxt says, and what the first image of the list says. */
#ifndef SA_LAYERS_INPUT_H
#define SA_LAYERS_INPUT_H

#include "layers/messages.h"
#include "program/layer.h"

typedef struct sa_dense_image_config_layer {
    sa_dense_image_data_param param; /* first: the field table fills it */
    sa_transform_param transform;
    int32_t channels, height, width;   /* of the stacked images; from the list's first line, set before setup */
    int32_t label_height, label_width; /* 0: as the data */
} sa_dense_image_config_layer;

#endif
