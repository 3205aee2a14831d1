/* One image between its record and the batch: Caffe's decoding (OpenCV's order of channels and shades of grey) and its data
 * transformer. */
#ifndef SA_DATA_CAFFE_DECODED_H
#define SA_DATA_CAFFE_DECODED_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sa_decode_colour { SA_DECODE_NATIVE, SA_DECODE_COLOUR, SA_DECODE_GREY } sa_decode_colour;

typedef struct sa_decoded {
    int32_t label;
    int32_t channels, height, width;
    float *values;   /* (channels, height, width): blue, green, red (and alpha) of images; owned */
    size_t capacity; /* of values; grows */
} sa_decoded;

void sa_decoded_free(sa_decoded *decoded); /* a zeroed one is allowed */
/* Room for the values of the shape that is set. SA_NOMEM. */
SA_CHECKED sa_status sa_decoded_reserve(sa_decoded *decoded);

/* A PNG, JPEG or BMP file in memory, resized to (height, width) if they are not 0. NATIVE: the channels that the file has, 16 bits
 * are refused; COLOUR: 3, grey repeated, alpha dropped; GREY: 1. name is for messages. */
SA_CHECKED sa_status sa_decoded_image(const char *name, const void *bytes, size_t count, sa_decode_colour colour, int32_t height,
                                      int32_t width, sa_decoded *decoded);
/* A record of a database, Caffe's Datum (lmdb/lmdb_file.h): bytes, floats, or such a file. */
SA_CHECKED sa_status sa_decoded_datum(const char *name, const void *bytes, size_t count, sa_decode_colour colour,
                                      sa_decoded *decoded);

/* Caffe's transform_param. */
typedef struct sa_transform {
    float scale;
    const float *mean_value; /* (mean_count): none, one for all channels, or one each */
    int32_t mean_count;
    const float *mean;     /* NULL, or (mean_shape): of a mean_file */
    int32_t mean_shape[3]; /* channels, height, width of an image before the crop */
    int32_t crop;          /* 0: none */
} sa_transform;

/* Whether an image of this shape can be transformed so. SA_INVALID with the cause. */
SA_CHECKED sa_status sa_transform_check(const sa_transform *transform, const sa_decoded *decoded);
/* out: (channels, height or crop, width or crop): (v - mean) * scale, in float32, from row `top` and column `left` on. */
void sa_transform_apply(const sa_transform *transform, const sa_decoded *decoded, int32_t top, int32_t left, bool mirrored,
                        float *out);

#endif
