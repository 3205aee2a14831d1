/* One input image of a net, from one file or from several whose channels are stacked (colour and depth), as the DenseImageData
 * source makes it, but without a label and at any size. */
#ifndef SA_DATA_NET_IMAGE_H
#define SA_DATA_NET_IMAGE_H

#include "data/picture.h"

#include <stddef.h>

typedef struct sa_net_image_form {
    int32_t channels;
    int32_t height, width; /* resized to this (bilinear); 0: the files' own size */
    const float *mean;     /* (channels) */
    float scale;           /* (v - mean) * scale */
} sa_net_image_form;

/* Looks at the heads of files, in order, until they give the channels that are wanted: a net of 3 takes one colour or grey file,
 * one of 1 one file as grey; else colour files give 3 (4 if the net wants 4 and the file has alpha), grey ones 1. *used: how many
 * files are taken, of path (count). SA_INVALID: they do not come out, or their sizes differ; else as sa_image_read_info. */
SA_CHECKED sa_status sa_net_image_look(const char *const *path, size_t count, int32_t channels, size_t *used, int32_t *height,
                                       int32_t *width);
/* Reads the `used` files into data (channels, height, width). *first is the first file's picture at its own size, the caller's. */
SA_CHECKED sa_status sa_net_image_read(const char *const *path, size_t used, const sa_net_image_form *form, float *data,
                                       sa_picture *first);

#endif
