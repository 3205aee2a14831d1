/* Decoding BMP: uncompressed files of 24 or 32 bits (blue, green, red), or of 8 bits with a palette, bottom row first or last. */
#include "data/image_decode.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_HEAD = 14, INFO_HEAD = 40, HEAD_BYTES = FILE_HEAD + INFO_HEAD, COLOURS = 256 };

typedef struct head {
    uint32_t pixels_at, info_bytes, compression, colours;
    int32_t width, height; /* negative: the first row is the top one */
    uint32_t bits;
} head;

static uint32_t word(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static sa_status read_head(const sa_image_request *r, head *h)
{
    uint8_t bytes[HEAD_BYTES];
    if (fread(bytes, 1, HEAD_BYTES, r->stream) != HEAD_BYTES)
        SA_FAIL(SA_PARSE, "'%s': damaged BMP: the file is truncated", r->path);
    *h = (head){.pixels_at = word(bytes + 10),
                .info_bytes = word(bytes + 14),
                .width = (int32_t)word(bytes + 18),
                .height = (int32_t)word(bytes + 22),
                .bits = word(bytes + 28) & 0xffff,
                .compression = word(bytes + 30),
                .colours = word(bytes + 46)};
    int64_t height = h->height < 0 ? -(int64_t)h->height : h->height;
    bool bits = h->bits == 24 || h->bits == 32 || h->bits == 8;
    if (h->info_bytes < INFO_HEAD || h->compression != 0 || !bits)
        SA_FAIL(SA_UNSUPPORTED,
                "'%s': a BMP of a kind that is not read (uncompressed ones of 8, 24 or 32 bits are); convert it to PNG", r->path);
    if (h->width < 1 || height < 1) SA_FAIL(SA_PARSE, "'%s': damaged BMP: no size", r->path);
    if ((size_t)h->width * (size_t)height > sa_image_max_pixels) SA_FAIL(SA_UNSUPPORTED, "'%s': more than 2^28 pixels", r->path);
    if (r->label) SA_FAIL(SA_UNSUPPORTED, "'%s': a BMP as label (8-bit grey or palette PNG is needed)", r->path);
    return SA_OK;
}

static sa_status read_palette(const sa_image_request *r, const head *h, uint8_t palette[COLOURS][4])
{
    uint32_t count = h->colours == 0 || h->colours > COLOURS ? COLOURS : h->colours;
    memset(palette, 0, COLOURS * 4);
    if (fseek(r->stream, (long)FILE_HEAD + (long)h->info_bytes, SEEK_SET) != 0 || fread(palette, 4, count, r->stream) != count)
        SA_FAIL(SA_PARSE, "'%s': damaged BMP: its palette is truncated", r->path);
    return SA_OK;
}

/* OpenCV's shades of grey of a BMP: weights of 14 bits, rounded. */
static uint16_t grey(unsigned red, unsigned green, unsigned blue)
{
    return (uint16_t)((4899 * red + 9617 * green + 1868 * blue + (1 << 13)) >> 14);
}

static void convert_row(const head *h, const uint8_t *row, uint8_t palette[COLOURS][4], bool to_grey, uint16_t *out)
{
    size_t step = h->bits / 8;
    for (int32_t x = 0; x < h->width; x++, row += step) {
        const uint8_t *colour = h->bits == 8 ? palette[row[0]] : row; /* blue, green, red */
        if (to_grey) {
            *out++ = grey(colour[2], colour[1], colour[0]);
            continue;
        }
        for (int c = 2; c >= 0; c--) *out++ = colour[c];
    }
}

static sa_status read_pixels(const sa_image_request *r, const head *h, sa_picture *picture)
{
    uint8_t palette[COLOURS][4];
    int32_t height = h->height < 0 ? -h->height : h->height;
    size_t row_bytes = ((size_t)h->width * h->bits / 8 + 3) / 4 * 4;
    bool to_grey = (r->want & SA_IMAGE_GREY) != 0;
    if (h->bits == 8) SA_TRY(read_palette(r, h, palette));
    if (fseek(r->stream, (long)h->pixels_at, SEEK_SET) != 0) SA_FAIL(SA_PARSE, "'%s': damaged BMP: no pixels", r->path);
    SA_TRY(sa_picture_alloc(to_grey ? 1 : 3, height, h->width, picture));
    uint8_t *row = malloc(row_bytes);
    sa_status status = row ? SA_OK : sa_error_set(SA_NOMEM, "'%s': out of memory for a row", r->path);
    for (int32_t y = 0; y < height && status == SA_OK; y++) {
        int32_t at = h->height < 0 ? y : height - 1 - y;
        if (fread(row, 1, row_bytes, r->stream) != row_bytes)
            status = sa_error_set(SA_PARSE, "'%s': damaged BMP: the file is truncated", r->path);
        else convert_row(h, row, palette, to_grey, picture->pixels + (size_t)at * (size_t)h->width * (size_t)picture->channels);
    }
    free(row);
    if (status != SA_OK) sa_picture_free(picture);
    return status;
}

sa_status sa_bmp_decode(const sa_image_request *r)
{
    head h;
    sa_picture picture = {.channels = 0};
    SA_TRY(read_head(r, &h));
    if (r->picture) SA_TRY(read_pixels(r, &h, &picture));
    if (r->picture) *r->picture = picture;
    if (r->info)
        *r->info = (sa_image_info){.height = h.height < 0 ? -h.height : h.height, .width = h.width, .colours = 3, .bits = 8};
    return SA_OK;
}
