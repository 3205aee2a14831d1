/* Colours of classes. */
#ifndef SA_DATA_PALETTE_H
#define SA_DATA_PALETTE_H

#include "core/status.h"

#include <stdint.h>

enum { SA_PALETTE_COLOURS_MAX = 256 };

typedef struct sa_palette {
    int count;
    uint8_t colour[SA_PALETTE_COLOURS_MAX][3]; /* red, green, blue */
} sa_palette;

/* CamVid's colours for its 11 classes and void (SegNet's tutorial); the classes beyond have the colours of PASCAL VOC's scheme. */
void sa_palette_default(sa_palette *palette);
/* A line per class: red, green and blue as numbers 0..255, separated by blanks or commas; what follows is the class's name. Empty
 * lines and such that begin with '#' are skipped. SA_PARSE: "path:line: cause"; the statuses of reading. */
SA_CHECKED sa_status sa_palette_read(const char *path, sa_palette *palette);

#endif
