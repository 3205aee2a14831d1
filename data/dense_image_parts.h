/* What the files of the DenseImageData source share. Private to data/. */
#ifndef SA_DATA_DENSE_IMAGE_PARTS_H
#define SA_DATA_DENSE_IMAGE_PARTS_H

#include "data/dense_image.h"
#include "data/image_file.h"
#include "data/list_file.h"

typedef struct sa_dense_image {
    sa_data_source base;
    sa_dense_image_config config; /* without its pointers */
    char *root_folder, *data_root;
    float *mean;            /* (channels), zeros without mean_value */
    int32_t *slot_channels; /* (images a line): channels each image of a line gives */
    sa_list_file list;
    size_t measured; /* the entry that the shape is from */
    uint32_t *order; /* (list.count): entry at each index of the epoch that it was made for */
    bool order_made;
    uint64_t order_seed, order_epoch;
    bool keep_alpha;     /* RGBA files give four channels: the config has a mean for the fourth */
    size_t *batch_entry; /* (batch_size): entries of the last batch */
} sa_dense_image;

/* Slots 0, 1, .. of an entry are its images, the last one is the label. */
const char *sa_dense_slot_name(const sa_dense_image *d, size_t entry, size_t slot);
/* malloc'd path of a listed name; NULL: out of memory */
char *sa_dense_slot_path(const sa_dense_image *d, size_t entry, size_t slot);
/* What sa_image_read of an image's slot is to keep, and the picture that comes of a file with this head, resized: no pixels. */
sa_image_want sa_dense_want(const sa_dense_image *d, const sa_image_info *info);
sa_picture sa_dense_geometry(const sa_dense_image *d, size_t slot, const sa_image_info *info);
/* Checks a picture against the net's shape and against the first image of its line (NULL: it is the first). */
SA_CHECKED sa_status sa_dense_check_size(const sa_dense_image *d, size_t entry, size_t slot, const sa_picture *picture,
                                         const sa_picture *first);

/* The source's `survey`. */
SA_CHECKED sa_status sa_dense_survey(const sa_data_source *source, sa_data_survey *survey);

#endif
