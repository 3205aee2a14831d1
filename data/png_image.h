/* PNG files to 8-bit pictures, through libpng. Messages name the file: "cannot open 'x.png': ...", "'x.png': cause". */
#ifndef SA_DATA_PNG_IMAGE_H
#define SA_DATA_PNG_IMAGE_H

#include "data/picture.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An image: grey gives 1 channel, colour and palette 3; alpha is dropped, 16 bits are cut to the high byte, fewer than 8 are
 * stretched to 0..255; gamma and colour profiles are left alone. *picture is owned by the caller.
 * SA_IO: cannot be opened; SA_PARSE: not a PNG, damaged or truncated; SA_UNSUPPORTED: more than 2^28 pixels. */
SA_CHECKED sa_status sa_png_read_image(const char *path, sa_picture *picture);

/* A label: the grey byte is the class. Colour and palette files are SA_UNSUPPORTED, since Caffe would make luminance of them and
 * not classes; so are grey files of any depth but 8. */
SA_CHECKED sa_status sa_png_read_label(const char *path, sa_picture *picture);

#ifdef __cplusplus
}
#endif
#endif
