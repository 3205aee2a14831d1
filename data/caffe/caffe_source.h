/* A data source over what Caffe's Data layers (LMDB databases) and ImageData layers (lists of images with a class) read, image for
 * image as Caffe does it: order of records, decoding, resizing, transform_param, and with the same random_seed the same crops,
 * mirrors and orders, as if the layer were the first in the net to draw.
 *
 * Random numbers are counted, not kept: a position is restored by drawing as many again. */
#ifndef SA_DATA_CAFFE_CAFFE_SOURCE_H
#define SA_DATA_CAFFE_CAFFE_SOURCE_H

#include "data/caffe/decoded.h"
#include "data/data_source.h"

typedef struct sa_caffe_source_config {
    bool is_list;            /* ImageData; else an LMDB database */
    const char *source;      /* the list or the database's folder; below data_root unless absolute */
    const char *root_folder; /* put in front of a list's names as it is */
    const char *data_root;   /* folder for what is then still a relative path; may be NULL */
    int32_t batch_size;
    sa_decode_colour colour;
    int32_t new_height, new_width; /* lists: both or none */
    bool shuffle;                  /* lists */
    uint32_t rand_skip;            /* lists: begin at a random line below this */
    bool in_order;                 /* no order, start or mirror by chance, whatever is above */
    bool test_phase;               /* crops from the middle, not by chance */
    bool mirror;
    int32_t crop_size;
    const char *mean_file; /* NULL or "": none */
    const float *mean_value;
    int32_t mean_count;
    float scale;
    uint64_t seed; /* the solver's random_seed */
} sa_caffe_source_config;

/* Opens it and decodes the first record, which gives the shape; labels are (images, 1, 1, 1). Nothing of config is kept by
 * reference. *source is owned by the caller: sa_data_source_close. Every record of a batch must have the first one's shape. */
SA_CHECKED sa_status sa_caffe_source_open(const sa_caffe_source_config *config, sa_data_source **source);

#endif
