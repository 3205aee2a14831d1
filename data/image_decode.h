/* The decoders behind image_file.h, one per format. Private to data/. */
#ifndef SA_DATA_IMAGE_DECODE_H
#define SA_DATA_IMAGE_DECODE_H

#include "data/image_file.h"

#include <stdio.h>

/* stream: at the file's start, stays the caller's. picture NULL: the head alone. label: refuse what is no label, keep palette
 * indices. Either out-parameter may be NULL. */
typedef struct sa_image_request {
    const char *path; /* for messages */
    FILE *stream;
    sa_image_want want;
    bool label;
    sa_image_info *info;
    sa_picture *picture;
} sa_image_request;

static const size_t sa_image_max_pixels = (size_t)1 << 28;

SA_CHECKED sa_status sa_png_decode(const sa_image_request *request);
SA_CHECKED sa_status sa_jpeg_decode(const sa_image_request *request);
SA_CHECKED sa_status sa_bmp_decode(const sa_image_request *request);

#endif
