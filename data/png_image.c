/* Decoding PNG with libpng's low-level interface. libpng reports errors by longjmp; it lands in decode() and goes no further. */
#include "data/image_decode.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>

enum { MAX_SIDE = 1 << 24, CAUSE_BYTES = 160 };

/* On the heap and reached by a pointer that does not change, so that its members survive the longjmp. */
typedef struct decoder {
    const sa_image_request *request;
    png_structp png;
    png_infop info;
    png_bytep *rows; /* (height) pointers into picture.pixels */
    sa_picture picture;
    sa_status status; /* set before a jump that is not libpng's own */
    char cause[CAUSE_BYTES];
} decoder;

static void on_error(png_structp png, png_const_charp cause)
{
    decoder *d = png_get_error_ptr(png);
    snprintf(d->cause, sizeof d->cause, "%s", cause);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp cause)
{
    (void)png;
    (void)cause; /* libpng's default would print it */
}

static void on_read(png_structp png, png_bytep bytes, png_size_t byte_count)
{
    decoder *d = png_get_io_ptr(png);
    if (fread(bytes, 1, byte_count, d->request->stream) != byte_count) png_error(png, "the file is truncated");
}

/* Leaves decode() with a status and message of our own. */
static void refuse(decoder *d, sa_status status, const char *cause)
{
    d->status = status;
    png_error(d->png, cause);
}

static sa_image_info head(const decoder *d)
{
    int type = png_get_color_type(d->png, d->info);
    return (sa_image_info){.height = (int32_t)png_get_image_height(d->png, d->info),
                           .width = (int32_t)png_get_image_width(d->png, d->info),
                           .colours = type & PNG_COLOR_MASK_COLOR ? 3 : 1,
                           .bits = png_get_bit_depth(d->png, d->info),
                           .alpha = (type & PNG_COLOR_MASK_ALPHA) || png_get_valid(d->png, d->info, PNG_INFO_tRNS),
                           .palette = type == PNG_COLOR_TYPE_PALETTE};
}

static void check_label(decoder *d, const sa_image_info *info)
{
    if (info->palette) return;
    if (info->colours != 1)
        refuse(d, SA_UNSUPPORTED, "a colour PNG as label (its colours are not classes; 8-bit grey or palette is needed)");
    if (info->bits != 8)
        refuse(d, SA_UNSUPPORTED,
               info->bits == 16 ? "a 16-bit label (8-bit grey is needed)" : "a label of fewer than 8 bits (8-bit grey is needed)");
}

/* True: samples come as 16 bits in the machine's order. */
static bool set_transforms(decoder *d, const sa_image_info *info)
{
    bool deep = (d->request->want & SA_IMAGE_DEEP) && info->bits == 16 && info->colours == 1;
    bool alpha = (d->request->want & SA_IMAGE_ALPHA) && info->colours == 3 && !info->palette;
    if (!deep) png_set_strip_16(d->png);
    else if (*(const uint8_t *)&(const uint16_t){1} == 1) png_set_swap(d->png);
    if (d->request->label && info->palette) {
        png_set_packing(d->png); /* the index itself */
    } else {
        png_set_expand(d->png); /* palette to RGB, 1, 2 and 4 bits to 8 */
        if (!alpha) png_set_strip_alpha(d->png);
    }
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    return deep;
}

/* Bytes in the second half of the picture's memory become its samples, front to back: no byte is overwritten before it is read. */
static void widen(sa_picture *picture, size_t count)
{
    const uint8_t *byte = (const uint8_t *)picture->pixels + count;
    for (size_t i = 0; i < count; i++) {
        uint16_t sample = byte[i];
        picture->pixels[i] = sample;
    }
}

/* libpng's shades of grey, which it takes with its defaults (png_set_rgb_to_gray): weights of 15 bits, cut off. */
static void to_grey(sa_picture *picture)
{
    if (picture->channels == 1) return;
    size_t count = (size_t)picture->height * (size_t)picture->width;
    const uint16_t *in = picture->pixels;
    for (size_t i = 0; i < count; i++, in += picture->channels)
        picture->pixels[i] = (uint16_t)((9797u * in[0] + 19234u * in[1] + 3737u * in[2]) >> 15);
    picture->channels = 1;
}

static void read_pixels(decoder *d, const sa_image_info *info)
{
    bool deep = set_transforms(d, info);
    int channels = png_get_channels(d->png, d->info);
    size_t row_bytes = png_get_rowbytes(d->png, d->info);
    size_t count = (size_t)channels * (size_t)info->height * (size_t)info->width;
    d->status = sa_picture_alloc(channels, info->height, info->width, &d->picture);
    if (d->status != SA_OK) png_error(d->png, sa_error_message());
    d->rows = malloc((size_t)info->height * sizeof *d->rows);
    if (!d->rows) refuse(d, SA_NOMEM, "out of memory for its rows");
    png_bytep first = (png_bytep)d->picture.pixels + (deep ? 0 : count);
    for (size_t y = 0; y < (size_t)info->height; y++) d->rows[y] = first + y * row_bytes;
    png_read_image(d->png, d->rows);
    png_read_end(d->png, NULL); /* the checksums at the end too */
    if (!deep) widen(&d->picture, count);
    if (d->request->want & SA_IMAGE_GREY) to_grey(&d->picture);
}

static sa_status decode(decoder *d)
{
    const sa_image_request *request = d->request;
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
    if (d->png) d->info = png_create_info_struct(d->png);
    if (!d->info) SA_FAIL(SA_NOMEM, "'%s': out of memory for the PNG decoder", request->path);
    if (setjmp(png_jmpbuf(d->png))) {
        sa_status status = d->status == SA_OK ? SA_PARSE : d->status;
        SA_FAIL(status, "'%s': %s%s", request->path, d->status == SA_OK ? "damaged PNG: " : "", d->cause);
    }
    png_set_read_fn(d->png, d, on_read);
    png_set_user_limits(d->png, MAX_SIDE, MAX_SIDE);
    png_read_info(d->png, d->info);
    const sa_image_info info = head(d);
    if ((size_t)info.width * (size_t)info.height > sa_image_max_pixels) refuse(d, SA_UNSUPPORTED, "more than 2^28 pixels");
    if (request->label) check_label(d, &info);
    if (request->picture) read_pixels(d, &info);
    if (request->info) *request->info = info;
    return SA_OK;
}

sa_status sa_png_decode(const sa_image_request *request)
{
    decoder *d = calloc(1, sizeof *d);
    if (!d) SA_FAIL(SA_NOMEM, "'%s': out of memory for the PNG decoder", request->path);
    d->request = request;
    sa_status status = decode(d);
    if (status == SA_OK && request->picture) *request->picture = d->picture;
    else sa_picture_free(&d->picture);
    png_destroy_read_struct(&d->png, &d->info, NULL);
    free(d->rows);
    free(d);
    return status;
}
