/* The formats of weights files. Private to data/weights/. */
#ifndef SA_DATA_WEIGHTS_FORMATS_H
#define SA_DATA_WEIGHTS_FORMATS_H

#include "data/weights/weights.h"

/* bytes (byte_count) is the whole file. path is for messages. The set is empty and gets the content. */
SA_CHECKED sa_status sa_weights_parse_caffemodel(const char *path, const char *bytes, size_t byte_count, sa_weights *weights);
SA_CHECKED sa_status sa_weights_parse_safetensors(const char *path, const char *bytes, size_t byte_count, sa_weights *weights);
SA_CHECKED sa_status sa_weights_parse_snapshot(const char *path, const char *bytes, size_t byte_count, sa_weights *weights);
SA_CHECKED sa_status sa_weights_parse_hdf5(const char *path, const char *bytes, size_t byte_count, sa_weights *weights);

SA_CHECKED sa_status sa_weights_write_caffemodel(const char *path, const sa_weights *weights);
SA_CHECKED sa_status sa_weights_write_safetensors(const char *path, const sa_weights *weights);
SA_CHECKED sa_status sa_weights_write_snapshot(const char *path, const sa_weights *weights);

/* The blob "<layer>.<index>" of array formats: the layer is made at its first blob; indices must come in order. */
SA_CHECKED sa_status sa_weights_add_array(const char *path, sa_weights *weights, const char *name, int32_t axes, const int64_t *dim,
                                          size_t count, sa_weight_blob **blob);

#endif
