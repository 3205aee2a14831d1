/* Encoding PNG into memory, then the file at once. libpng reports errors by longjmp; it lands in encode() and goes no further. */
#include "data/png_write.h"

#include "core/input_file.h"
#include "core/output_file.h"

#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* On the heap and reached by a pointer that does not change, so that its members survive the longjmp. */
typedef struct encoder {
    const sa_png_image *image;
    png_structp png;
    png_infop info;
    size_t count, capacity;
    unsigned char *bytes; /* (count) */
    bool no_memory;
    char cause[160];
} encoder;

static void on_error(png_structp png, png_const_charp cause)
{
    encoder *e = png_get_error_ptr(png);
    snprintf(e->cause, sizeof e->cause, "%s", cause);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp cause)
{
    (void)png;
    (void)cause; /* libpng's default would print it */
}

static void on_write(png_structp png, png_bytep bytes, png_size_t count)
{
    encoder *e = png_get_io_ptr(png);
    if (e->count + count > e->capacity) {
        size_t capacity = 2 * e->capacity + count + 4096;
        unsigned char *grown = realloc(e->bytes, capacity);
        e->no_memory = !grown;
        if (!grown) png_error(png, "out of memory");
        e->bytes = grown;
        e->capacity = capacity;
    }
    memcpy(e->bytes + e->count, bytes, count);
    e->count += count;
}

static void on_flush(png_structp png)
{
    (void)png;
}

static void write_image(encoder *e)
{
    const sa_png_image *image = e->image;
    png_color colour[SA_PALETTE_COLOURS_MAX];
    char key[] = "Software", name[] = "segarena";
    size_t row_bytes = (size_t)image->width * (image->palette ? 1 : 3);
    png_set_write_fn(e->png, e, on_write, on_flush);
    png_set_IHDR(e->png, e->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 image->palette ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    for (int i = 0; image->palette && i < image->palette->count; i++) {
        const uint8_t *c = image->palette->colour[i];
        colour[i] = (png_color){c[0], c[1], c[2]};
    }
    if (image->palette) png_set_PLTE(e->png, e->info, colour, image->palette->count);
    png_text software = {.compression = PNG_TEXT_COMPRESSION_NONE, .key = key, .text = name, .text_length = strlen(name)};
    png_set_text(e->png, e->info, &software, 1);
    png_write_info(e->png, e->info);
    for (int32_t y = 0; y < image->height; y++) png_write_row(e->png, image->pixels + (size_t)y * row_bytes);
    png_write_end(e->png, NULL);
}

static sa_status encode(encoder *e, const char *path)
{
    e->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, e, on_error, on_warning);
    if (e->png) e->info = png_create_info_struct(e->png);
    if (!e->info) SA_FAIL(SA_NOMEM, "%s: out of memory for the PNG encoder", path);
    if (setjmp(png_jmpbuf(e->png))) SA_FAIL(e->no_memory ? SA_NOMEM : SA_IO, "%s: cannot encode: %s", path, e->cause);
    write_image(e);
    return SA_OK;
}

sa_status sa_png_write(const char *path, const sa_png_image *image)
{
    encoder *e = calloc(1, sizeof *e);
    if (!e) SA_FAIL(SA_NOMEM, "%s: out of memory for the PNG encoder", path);
    e->image = image;
    sa_status status = encode(e, path);
    if (status == SA_OK) status = sa_output_file_put(path, e->bytes, e->count);
    png_destroy_write_struct(&e->png, &e->info);
    free(e->bytes);
    free(e);
    return status;
}

/* The text stands behind the palette, of at most 768 bytes. */
bool sa_png_is_own(const char *path)
{
    static const char TEXT[] = "tEXtSoftware\0segarena";
    unsigned char head[1536];
    FILE *file;
    if (sa_input_file_open(path, &file) != SA_OK) {
        sa_error_clear();
        return false;
    }
    size_t bytes = fread(head, 1, sizeof head, file);
    fclose(file);
    return bytes > 8 && !png_sig_cmp(head, 0, 8) && memmem(head, bytes, TEXT, sizeof TEXT - 1);
}
