/* The data sources that data layers of a net describe. */
#ifndef SA_NET_NET_DATA_H
#define SA_NET_NET_DATA_H

#include "data/caffe/caffe_source.h"
#include "data/dense_image.h"
#include "data/hdf5/hdf5_source.h"
#include "program/layer.h"

/* Strings are borrowed from the layer and data_root (may be NULL). */
sa_dense_image_config sa_net_dense_image_config(const sa_layer *layer, const char *data_root, uint64_t seed);

/* Whether batches can be read for the layer, and how: Data (LMDB) and ImageData. Strings as above. */
bool sa_net_reads_caffe_data(const sa_layer *layer);
sa_caffe_source_config sa_net_caffe_source_config(const sa_layer *layer, bool test_phase, const char *data_root, uint64_t seed);

/* HDF5Data: the dataset of one top. Strings as above, and the top's name. */
sa_hdf5_config sa_net_hdf5_config(const sa_layer *layer, const sa_blob *top, const char *data_root, uint64_t seed);

#endif
