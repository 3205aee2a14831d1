/* A data source over a list of PNG and JPEG files: Caffe-SegNet's DenseImageData, extended.
 *
 * A line of the list holds `image label` or `image1 image2 ... label`. Channels of all images are stacked in order, a colour image
 * as blue, green, red. One image on a line: is_color gives 3 channels (grey replicated, the high byte of 16 bits), else 1
 * (luminance). Several: each gives what its file has (grey, e.g. depth, 1, with all of its bits; colour 3), or 1 each without
 * is_color. Alpha is a channel of its own only if mean_value counts it. An image's pixel is (v - mean) * scale; a label's is its
 * byte or palette index. All images of the list must have the same sizes after resizing and cropping, since the net's shapes are
 * fixed.
 *
 * Order, windows and mirroring depend on (seed, epoch, index) only. A file is opened when it is needed, again in every epoch. */
#ifndef SA_DATA_DENSE_IMAGE_H
#define SA_DATA_DENSE_IMAGE_H

#include "data/data_source.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sa_dense_image_config {
    const char *source;      /* the list file; below data_root unless absolute */
    const char *root_folder; /* put in front of every name as it is, as Caffe does; may be NULL */
    const char *data_root;   /* folder for what is then still a relative path; may be NULL */
    int32_t batch_size;
    bool shuffle; /* a new order in every epoch */
    bool is_color;
    bool mirror;                       /* a coin for every entry; its images and label alike */
    uint32_t rand_skip;                /* start at a random entry below this; 0: at the first */
    int32_t new_height, new_width;     /* resize images (bilinear) and label (nearest); both or none (0) */
    int32_t label_height, label_width; /* resize the label to this instead; both or none; not with a crop */
    int32_t crop_height, crop_width;   /* a random window after resizing; both or none */
    const float *mean_value;           /* (mean_count): none, one for all channels, or one for each */
    int32_t mean_count;
    float scale;
    uint64_t seed;
} sa_dense_image_config;

/* batch 1, is_color, scale 1; all else off. */
sa_dense_image_config sa_dense_image_defaults(void);

/* Reads the whole list and the heads of its first entry, which give the shape. Nothing of config is kept by reference. *source is
 * owned by the caller: sa_data_source_close. Statuses: SA_INVALID (config), those of sa_list_file_read and of the image files, as
 * "list.txt:12: cause"; an image of another size or channel count than the first is SA_INVALID. */
SA_CHECKED sa_status sa_dense_image_open(const sa_dense_image_config *config, sa_data_source **source);

#ifdef __cplusplus
}
#endif
#endif
