/* Pictures on the host: the form between a decoded file and a training batch, and how they are resized. Samples have 16 bits; those
 * of 8-bit files are 0..255. */
#ifndef SA_DATA_PICTURE_H
#define SA_DATA_PICTURE_H

#include "core/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sa_picture {
    int32_t channels; /* 1 (grey), 3 (red, green, blue) or 4 (and alpha) */
    int32_t height, width;
    uint16_t *pixels; /* (height, width, channels); owned: sa_picture_free */
} sa_picture;

/* Sizes must be positive. SA_NOMEM names them. */
SA_CHECKED sa_status sa_picture_alloc(int32_t channels, int32_t height, int32_t width, sa_picture *picture);
void sa_picture_free(sa_picture *picture); /* also clears it; NULL and a cleared picture are allowed */

/* Replace the picture by its resized self; nothing happens at equal sizes. On SA_NOMEM the picture is unchanged.
 * Bilinear: pixel centres at half-integers, borders repeated, in the fixed-point arithmetic of OpenCV's INTER_LINEAR on 8-bit
 * images, to the bit; exactly half in both directions is the mean of four. Nearest: source index floor(i * in / out), as OpenCV's
 * INTER_NEAREST. */
SA_CHECKED sa_status sa_picture_resize_bilinear(sa_picture *picture, int32_t height, int32_t width);
SA_CHECKED sa_status sa_picture_resize_nearest(sa_picture *picture, int32_t height, int32_t width);

/* Where a net's image is taken from a picture. */
typedef struct sa_picture_window {
    int32_t top, left, height, width;
    bool mirrored;
} sa_picture_window;

/* out: (channels, window height, window width) = (v - mean) * scale, mean: (channels). A colour picture gives blue, green, red and
 * alpha; a grey one gives as many channels as are asked for. */
void sa_picture_to_planes(const sa_picture *picture, sa_picture_window window, int32_t channels, const float *mean, float scale,
                          float *out);

/* Colour (alpha is dropped) to luminance, in place: 0.299 R + 0.587 G + 0.114 B. A grey picture stays as it is. */
void sa_picture_to_grey(sa_picture *picture);

#ifdef __cplusplus
}
#endif
#endif
