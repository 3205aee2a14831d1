/* Scratch folder and files for tests; PNG files are written with libpng, independent of the reader under test. */
#include "tests/support/data_files.h"

#include <ftw.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char start_folder[4096], scratch_folder[4096];

int scratch_enter(void **state)
{
    (void)state;
    const char *root = getenv("TMPDIR");
    snprintf(scratch_folder, sizeof scratch_folder, "%s/segarena_test.XXXXXX", root && root[0] == '/' ? root : "/tmp");
    if (!getcwd(start_folder, sizeof start_folder) || !mkdtemp(scratch_folder)) return -1;
    return chdir(scratch_folder);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *position)
{
    (void)info;
    (void)kind;
    (void)position;
    return remove(path);
}

int scratch_leave(void **state)
{
    (void)state;
    if (chdir(start_folder) != 0) return -1;
    return nftw(scratch_folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_start_folder(void)
{
    return start_folder;
}

void write_bytes(const char *name, const void *bytes, size_t byte_count)
{
    FILE *stream = fopen(name, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, byte_count, stream), byte_count);
    assert_int_equal(fclose(stream), 0);
}

void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

char *read_bytes(const char *name, size_t *byte_count)
{
    FILE *stream = fopen(name, "rb");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    long size = ftell(stream);
    assert_true(size >= 0);
    rewind(stream);
    char *bytes = malloc((size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, stream), size);
    fclose(stream);
    *byte_count = (size_t)size;
    return bytes;
}

static int samples_per_pixel(int color_type)
{
    if (color_type == PNG_COLOR_TYPE_PALETTE) return 1;
    return (color_type & PNG_COLOR_MASK_COLOR ? 3 : 1) + (color_type & PNG_COLOR_MASK_ALPHA ? 1 : 0);
}

/* One row, one sample a byte (two for 16 bits); libpng packs fewer bits. */
static void fill_row(const png_spec *spec, int32_t y, png_bytep row)
{
    int samples = samples_per_pixel(spec->color_type);
    for (int32_t x = 0; x < spec->width; x++) {
        for (int c = 0; c < samples; c++) {
            *row++ = spec->sample(y, x, c);
            if (spec->bit_depth == 16) *row++ = 99;
        }
    }
}

void write_png(const char *name, const png_spec *spec)
{
    FILE *stream = fopen(name, "wb");
    assert_non_null(stream);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    if (setjmp(png_jmpbuf(png))) fail_msg("libpng cannot write %s", name);
    png_init_io(png, stream);
    png_set_IHDR(png, info, (png_uint_32)spec->width, (png_uint_32)spec->height, spec->bit_depth, spec->color_type,
                 spec->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
    png_color palette[256];
    for (int i = 0; i < 256; i++) palette[i] = (png_color){(png_byte)i, (png_byte)(255 - i), (png_byte)(i / 2)};
    if (spec->color_type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 1 << spec->bit_depth);
    png_write_info(png, info);
    png_set_packing(png);
    png_set_interlace_handling(png);
    size_t row_bytes = (size_t)spec->width * (size_t)samples_per_pixel(spec->color_type) * (spec->bit_depth == 16 ? 2 : 1);
    png_bytep bytes = malloc(row_bytes * (size_t)spec->height);
    png_bytep *rows = malloc(sizeof *rows * (size_t)spec->height);
    for (int32_t y = 0; y < spec->height; y++) {
        rows[y] = bytes + row_bytes * (size_t)y;
        fill_row(spec, y, rows[y]);
    }
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(rows);
    free(bytes);
    assert_int_equal(fclose(stream), 0);
}

uint8_t mixed_sample(int32_t y, int32_t x, int32_t c)
{
    return (uint8_t)(y * 31 + x * 7 + c * 90 + y * x);
}

uint8_t one_bit_sample(int32_t y, int32_t x, int32_t c)
{
    return (uint8_t)((y + x + c) & 1);
}

void make_png(const char *name, int color_type, int bit_depth, int32_t height, int32_t width)
{
    write_png(name, &(png_spec){color_type, bit_depth, 0, height, width, bit_depth == 1 ? one_bit_sample : mixed_sample});
}
