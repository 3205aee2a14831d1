/* PNG, JPEG and BMP files to pictures; through libpng and libjpeg. Messages name the file: "x.png: cannot open: ...", "'x.png':
 * cause".
 */
#ifndef SA_DATA_IMAGE_FILE_H
#define SA_DATA_IMAGE_FILE_H

#include "data/picture.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the head of a file says. */
typedef struct sa_image_info {
    int32_t height, width;
    int32_t colours; /* 1: grey, 3: colour or palette */
    int32_t bits;    /* per sample, or per index of a palette */
    bool alpha, palette, jpeg;
} sa_image_info;

typedef enum sa_image_want {
    SA_IMAGE_PLAIN = 0,
    SA_IMAGE_ALPHA = 1, /* keep the fourth channel of an RGBA file */
    SA_IMAGE_DEEP = 2,  /* keep the 16 bits of a grey file */
    SA_IMAGE_GREY = 4,  /* one channel, in each format's own shades of grey (as OpenCV reads it) */
} sa_image_want;

/* Reads the head alone. Statuses as below. */
SA_CHECKED sa_status sa_image_read_info(const char *path, sa_image_info *info);

/* The same of a file in memory; name is for messages. */
SA_CHECKED sa_status sa_image_bytes_info(const char *name, const void *bytes, size_t count, sa_image_info *info);

/* Like sa_image_read, of a file in memory; BMP is read too. */
SA_CHECKED sa_status sa_image_bytes_read(const char *name, const void *bytes, size_t count, sa_image_want want,
                                         sa_picture *picture);

/* An image: grey gives 1 channel, colour and palette 3. Unless wanted, alpha is dropped and 16 bits are cut to the high byte (those
 * of colour files always); fewer than 8 bits are stretched to 0..255; gamma, colour profiles and EXIF orientation are left alone.
 * *picture is owned by the caller. SA_IO: cannot be opened; SA_PARSE: neither PNG nor JPEG, damaged or truncated; SA_UNSUPPORTED:
 * more than 2^28 pixels, a JPEG of four colours (CMYK). */
SA_CHECKED sa_status sa_image_read(const char *path, sa_image_want want, sa_picture *picture);

/* A label: the grey byte is the class, or the index of a palette file, whatever its colours. SA_UNSUPPORTED: colour files, since
 * Caffe would make luminance of them and not classes; grey files of any depth but 8; JPEGs, which do not keep values. */
SA_CHECKED sa_status sa_image_read_label(const char *path, sa_picture *picture);

#ifdef __cplusplus
}
#endif
#endif
