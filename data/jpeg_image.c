/* Decoding JPEG with libjpeg (slow integer DCT, smooth chroma: its defaults, as OpenCV's). libjpeg reports errors by a function
 * that must not return; it jumps into decode() and goes no further. What it only warns of, damaged data, is an error here. */
#include "data/image_decode.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

/* On the heap and reached by a pointer that does not change, so that its members survive the longjmp. */
typedef struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf jump;
    const sa_image_request *request;
    sa_picture picture;
    JSAMPLE *row;
    sa_status status; /* set before a jump that is not libjpeg's own */
    char cause[JMSG_LENGTH_MAX];
} decoder;

static void on_error(j_common_ptr jpeg)
{
    decoder *d = jpeg->client_data;
    jpeg->err->format_message(jpeg, d->cause);
    longjmp(d->jump, 1);
}

/* level -1: a warning of damaged data; others trace. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0) on_error(jpeg);
}

static void refuse(decoder *d, sa_status status, const char *cause)
{
    d->status = status;
    snprintf(d->cause, sizeof d->cause, "%s", cause);
    longjmp(d->jump, 1);
}

static void read_head(decoder *d)
{
    struct jpeg_decompress_struct *j = &d->jpeg;
    jpeg_read_header(j, TRUE);
    if ((size_t)j->image_width * (size_t)j->image_height > sa_image_max_pixels) refuse(d, SA_UNSUPPORTED, "more than 2^28 pixels");
    if (j->num_components != 1 && j->num_components != 3)
        refuse(d, SA_UNSUPPORTED, "a JPEG of four colours (CMYK); convert it to RGB");
    if (d->request->label)
        refuse(d, SA_UNSUPPORTED, "a JPEG as label (its compression changes the classes; 8-bit grey or palette PNG is needed)");
}

static void read_pixels(decoder *d)
{
    struct jpeg_decompress_struct *j = &d->jpeg;
    j->out_color_space = j->num_components == 1 || (d->request->want & SA_IMAGE_GREY) ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(j);
    size_t row = (size_t)j->output_width * (size_t)j->output_components;
    d->status = sa_picture_alloc(j->output_components, (int32_t)j->output_height, (int32_t)j->output_width, &d->picture);
    if (d->status != SA_OK) refuse(d, d->status, sa_error_message());
    d->row = malloc(row * sizeof *d->row);
    if (!d->row) refuse(d, SA_NOMEM, "out of memory for a row");
    while (j->output_scanline < j->output_height) {
        uint16_t *out = d->picture.pixels + (size_t)j->output_scanline * row;
        jpeg_read_scanlines(j, &d->row, 1);
        for (size_t i = 0; i < row; i++) out[i] = d->row[i];
    }
    jpeg_finish_decompress(j);
}

static sa_status decode(decoder *d)
{
    if (setjmp(d->jump)) {
        sa_status status = d->status == SA_OK ? SA_PARSE : d->status;
        SA_FAIL(status, "'%s': %s%s", d->request->path, d->status == SA_OK ? "damaged JPEG: " : "", d->cause);
    }
    d->jpeg.err = jpeg_std_error(&d->errors);
    d->jpeg.client_data = d;
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    jpeg_create_decompress(&d->jpeg);
    d->jpeg.client_data = d; /* creating clears it on some versions */
    jpeg_stdio_src(&d->jpeg, d->request->stream);
    read_head(d);
    if (d->request->picture) read_pixels(d);
    return SA_OK;
}

sa_status sa_jpeg_decode(const sa_image_request *request)
{
    decoder *d = calloc(1, sizeof *d);
    if (!d) SA_FAIL(SA_NOMEM, "'%s': out of memory for the JPEG decoder", request->path);
    d->request = request;
    sa_status status = decode(d);
    if (status == SA_OK && request->info)
        *request->info = (sa_image_info){.height = (int32_t)d->jpeg.image_height,
                                         .width = (int32_t)d->jpeg.image_width,
                                         .colours = d->jpeg.num_components,
                                         .bits = 8,
                                         .jpeg = true};
    if (status == SA_OK && request->picture) *request->picture = d->picture;
    else sa_picture_free(&d->picture);
    jpeg_destroy_decompress(&d->jpeg);
    free(d->row);
    free(d);
    return status;
}
