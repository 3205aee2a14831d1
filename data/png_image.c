/* Decoding PNG with libpng's low-level interface. libpng reports errors by longjmp; it lands in decode() and goes no further. */
#include "data/png_image.h"

#include "core/checked.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNATURE_BYTES = 8, MAX_SIDE = 1 << 24, CAUSE_BYTES = 160 };
static const size_t max_pixels = (size_t)1 << 28;

/* On the heap and reached by a pointer that does not change, so that its members survive the longjmp. */
typedef struct decoder {
    const char *path;
    FILE *stream;
    bool label;
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
    if (fread(bytes, 1, byte_count, d->stream) != byte_count) png_error(png, "the file is truncated");
}

/* Leaves decode() with a status and message of our own. */
static void refuse(decoder *d, sa_status status, const char *cause)
{
    d->status = status;
    png_error(d->png, cause);
}

static void check_label(decoder *d, int color_type, int depth)
{
    if (color_type == PNG_COLOR_TYPE_PALETTE)
        refuse(d, SA_UNSUPPORTED, "a palette PNG as label (its colours are not classes; 8-bit grey is needed)");
    if (color_type & PNG_COLOR_MASK_COLOR)
        refuse(d, SA_UNSUPPORTED, "a colour PNG as label (its colours are not classes; 8-bit grey is needed)");
    if (depth != 8)
        refuse(d, SA_UNSUPPORTED,
               depth == 16 ? "a 16-bit label (8-bit grey is needed)" : "a label of fewer than 8 bits (8-bit grey is needed)");
}

static void read_pixels(decoder *d)
{
    png_read_info(d->png, d->info);
    size_t width = png_get_image_width(d->png, d->info), height = png_get_image_height(d->png, d->info);
    if (width * height > max_pixels) refuse(d, SA_UNSUPPORTED, "more than 2^28 pixels");
    int color_type = png_get_color_type(d->png, d->info);
    if (d->label) check_label(d, color_type, png_get_bit_depth(d->png, d->info));
    png_set_strip_16(d->png);
    png_set_expand(d->png); /* palette to RGB, 1, 2 and 4 bits to 8 */
    png_set_strip_alpha(d->png);
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    size_t row_bytes = png_get_rowbytes(d->png, d->info);
    d->status = sa_picture_alloc(png_get_channels(d->png, d->info), (int32_t)height, (int32_t)width, &d->picture);
    if (d->status != SA_OK) png_error(d->png, sa_error_message());
    d->rows = malloc(height * sizeof *d->rows);
    if (!d->rows) refuse(d, SA_NOMEM, "out of memory for its rows");
    for (size_t y = 0; y < height; y++) d->rows[y] = d->picture.pixels + y * row_bytes;
    png_read_image(d->png, d->rows);
    png_read_end(d->png, NULL); /* the checksums at the end too */
}

static sa_status decode(decoder *d)
{
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
    if (d->png) d->info = png_create_info_struct(d->png);
    if (!d->info) SA_FAIL(SA_NOMEM, "'%s': out of memory for the PNG decoder", d->path);
    if (setjmp(png_jmpbuf(d->png))) {
        sa_status status = d->status == SA_OK ? SA_PARSE : d->status;
        SA_FAIL(status, "'%s': %s%s", d->path, d->status == SA_OK ? "damaged PNG: " : "", d->cause);
    }
    png_set_read_fn(d->png, d, on_read);
    png_set_sig_bytes(d->png, SIGNATURE_BYTES);
    png_set_user_limits(d->png, MAX_SIDE, MAX_SIDE);
    read_pixels(d);
    return SA_OK;
}

static sa_status read_stream(const char *path, FILE *stream, bool label, sa_picture *picture)
{
    png_byte signature[SIGNATURE_BYTES];
    size_t got = fread(signature, 1, SIGNATURE_BYTES, stream);
    if (got == 0 && ferror(stream)) SA_FAIL(SA_IO, "cannot read '%s': %s", path, strerror(errno));
    if (got != SIGNATURE_BYTES || png_sig_cmp(signature, 0, SIGNATURE_BYTES) != 0) SA_FAIL(SA_PARSE, "'%s': not a PNG file", path);
    decoder *d = calloc(1, sizeof *d);
    if (!d) SA_FAIL(SA_NOMEM, "'%s': out of memory for the PNG decoder", path);
    d->path = path;
    d->stream = stream;
    d->label = label;
    sa_status status = decode(d);
    if (status == SA_OK) *picture = d->picture;
    else sa_picture_free(&d->picture);
    png_destroy_read_struct(&d->png, &d->info, NULL);
    free(d->rows);
    free(d);
    return status;
}

static sa_status read_file(const char *path, bool label, sa_picture *picture)
{
    FILE *stream = fopen(path, "rb");
    if (!stream) SA_FAIL(SA_IO, "cannot open '%s': %s", path, strerror(errno));
    sa_status status = read_stream(path, stream, label, picture);
    fclose(stream);
    return status;
}

sa_status sa_png_read_image(const char *path, sa_picture *picture)
{
    return read_file(path, false, picture);
}

sa_status sa_png_read_label(const char *path, sa_picture *picture)
{
    return read_file(path, true, picture);
}
