/* The data source that a DenseImageData layer of a net describes. */
#ifndef SA_NET_NET_DATA_H
#define SA_NET_NET_DATA_H

#include "data/dense_image.h"
#include "program/layer.h"

/* Strings are borrowed from the layer and data_root (may be NULL). */
sa_dense_image_config sa_net_dense_image_config(const sa_layer *layer, const char *data_root, uint64_t seed);

#endif
