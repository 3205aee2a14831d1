/* Writing 8-bit PNG files, through libpng: the same bytes for the same pixels. */
#ifndef SA_DATA_PNG_WRITE_H
#define SA_DATA_PNG_WRITE_H

#include "core/status.h"
#include "data/palette.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sa_png_image {
    int32_t height, width;
    const sa_palette *palette; /* pixels: (height, width) indices into it; NULL: (height, width, 3), red, green, blue */
    const uint8_t *pixels;
} sa_png_image;

/* Replaces the file as a whole. A text chunk names segarena as its software. SA_IO: it cannot be written; SA_NOMEM. */
SA_CHECKED sa_status sa_png_write(const char *path, const sa_png_image *image);

/* Whether a regular file is a PNG that sa_png_write has made. */
bool sa_png_is_own(const char *path);

#endif
