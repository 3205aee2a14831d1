/* PNG decoding, resizing and list files, on files this test writes: what is read, and every way of being wrong. */
#include "data/dense_image.h"
#include "data/image_file.h"
#include "data/list_file.h"
#include "data/picture.h"
#include "tests/support/data_files.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* ---- PNG ---- */

static void png_kinds(void **state)
{
    (void)state;
    static const struct {
        int color_type, bit_depth, interlaced, channels;
    } kinds[] = {{PNG_COLOR_TYPE_GRAY, 8, 0, 1},      {PNG_COLOR_TYPE_GRAY, 8, 1, 1},       {PNG_COLOR_TYPE_GRAY, 16, 0, 1},
                 {PNG_COLOR_TYPE_GRAY, 16, 1, 1},     {PNG_COLOR_TYPE_GRAY, 1, 0, 1},       {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0, 1},
                 {PNG_COLOR_TYPE_RGB, 8, 0, 3},       {PNG_COLOR_TYPE_RGB, 8, 1, 3},        {PNG_COLOR_TYPE_RGB, 16, 0, 3},
                 {PNG_COLOR_TYPE_RGB_ALPHA, 8, 0, 3}, {PNG_COLOR_TYPE_RGB_ALPHA, 16, 1, 3}, {PNG_COLOR_TYPE_PALETTE, 8, 0, 3}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        png_spec spec = {kinds[i].color_type, kinds[i].bit_depth, kinds[i].interlaced, 13, 17, mixed_sample};
        if (spec.bit_depth == 1) spec.sample = one_bit_sample;
        sa_picture picture;
        write_png("a.png", &spec);
        assert_ok(sa_image_read("a.png", SA_IMAGE_PLAIN, &picture));
        assert_int_equal(picture.channels, kinds[i].channels);
        assert_int_equal(picture.height, 13);
        assert_int_equal(picture.width, 17);
        const uint16_t *pixel = picture.pixels;
        for (int32_t y = 0; y < 13; y++) {
            for (int32_t x = 0; x < 17; x++) {
                for (int32_t c = 0; c < picture.channels; c++) {
                    int expected = spec.sample(y, x, c), index = spec.sample(y, x, 0);
                    if (spec.bit_depth == 1) expected *= 255;
                    if (spec.color_type == PNG_COLOR_TYPE_PALETTE) expected = c == 0 ? index : c == 1 ? 255 - index : index / 2;
                    assert_int_equal(*pixel++, expected);
                }
            }
        }
        sa_picture_free(&picture);
    }
}

/* Every truncation and a flipped byte in the compressed data are refused; nothing is leaked or returned. */
static void png_damaged(void **state)
{
    (void)state;
    size_t byte_count;
    make_png("a.png", PNG_COLOR_TYPE_RGB, 8, 9, 11);
    char *bytes = read_bytes("a.png", &byte_count);
    for (size_t length = 0; length < byte_count; length++) {
        sa_picture picture = {.channels = 77};
        write_bytes("b.png", bytes, length);
        assert_int_equal(sa_image_read("b.png", SA_IMAGE_PLAIN, &picture), SA_PARSE);
        assert_string_equal(sa_error_message(),
                            length < 8 ? "'b.png': not a PNG, JPEG or BMP file" : "'b.png': damaged PNG: the file is truncated");
        assert_int_equal(picture.channels, 77);
    }
    for (size_t i = 8; i < byte_count; i++) {
        sa_picture picture = {.channels = 77};
        bytes[i] ^= 0x10;
        write_bytes("b.png", bytes, byte_count);
        assert_int_not_equal(sa_image_read("b.png", SA_IMAGE_PLAIN, &picture), SA_OK);
        assert_int_equal(picture.channels, 77);
        bytes[i] ^= 0x10;
    }
    free(bytes);
}

/* ---- resizing ---- */

/* The exact bilinear value in double precision, half-pixel centres, borders repeated. */
static double exact_bilinear(const sa_picture *p, double y, double x, int32_t c)
{
    y = fmin(fmax(y, 0), p->height - 1);
    x = fmin(fmax(x, 0), p->width - 1);
    double sum = 0;
    for (int corner = 0; corner < 4; corner++) {
        int32_t row = (int32_t)y + (corner >> 1), column = (int32_t)x + (corner & 1);
        double weight = (1 - fabs(y - row)) * (1 - fabs(x - column));
        if (weight > 0) sum += weight * p->pixels[(row * p->width + column) * p->channels + c];
    }
    return sum;
}

static void resize_matches_reference(void **state)
{
    (void)state;
    static const int32_t sizes[][2] = {{1, 1}, {5, 9}, {23, 31}, {46, 62}, {24, 30}, {100, 7}};
    for (int32_t channels = 1; channels <= 3; channels += 2) {
        make_png("a.png", channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, 8, 23, 31);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            int32_t height = sizes[i][0], width = sizes[i][1];
            sa_picture in, linear, nearest;
            assert_ok(sa_image_read("a.png", SA_IMAGE_PLAIN, &in));
            assert_ok(sa_image_read("a.png", SA_IMAGE_PLAIN, &linear));
            assert_ok(sa_image_read("a.png", SA_IMAGE_PLAIN, &nearest));
            assert_ok(sa_picture_resize_bilinear(&linear, height, width));
            assert_ok(sa_picture_resize_nearest(&nearest, height, width));
            assert_int_equal(linear.height, height);
            assert_int_equal(linear.width, width);
            for (int32_t at = 0; at < height * width * channels; at++) {
                int32_t c = at % channels, x = at / channels % width, y = at / channels / width;
                double exact = exact_bilinear(&in, (y + 0.5) * 23 / height - 0.5, (x + 0.5) * 31 / width - 0.5, c);
                assert_true(fabs(linear.pixels[at] - exact) <= 0.75); /* half a level of rounding, a quarter of weights */
                int32_t from = ((y * 23 / height) * 31 + x * 31 / width) * channels + c;
                assert_int_equal(nearest.pixels[at], in.pixels[from]);
            }
            sa_picture_free(&in);
            sa_picture_free(&linear);
            sa_picture_free(&nearest);
        }
    }
}

/* ---- list files and errors ---- */

static void list_forms(void **state)
{
    (void)state;
    sa_list_file list;
    write_text("l.txt", "\n a.png\tb.png  \r\n\n  \t\nc.png d.png"); /* blank lines, CRLF, no newline at the end */
    assert_ok(sa_list_file_read("l.txt", &list));
    assert_int_equal(list.count, 2);
    assert_int_equal(list.names_per_line, 2);
    static const char *const names[] = {"a.png", "b.png", "c.png", "d.png"};
    for (size_t i = 0; i < 4; i++) assert_string_equal(list.name[i], names[i]);
    assert_int_equal(list.line[0], 2);
    assert_int_equal(list.line[1], 5);
    sa_list_file_free(&list);
}

static void make_error_files(void)
{
    size_t byte_count;
    make_png("rgb.png", PNG_COLOR_TYPE_RGB, 8, 6, 8);
    make_png("grey.png", PNG_COLOR_TYPE_GRAY, 8, 6, 8);
    make_png("label.png", PNG_COLOR_TYPE_GRAY, 8, 6, 8);
    make_png("wide.png", PNG_COLOR_TYPE_RGB, 8, 6, 10);
    make_png("small.png", PNG_COLOR_TYPE_GRAY, 8, 3, 4);
    make_png("palette.png", PNG_COLOR_TYPE_PALETTE, 8, 6, 8);
    make_png("deep.png", PNG_COLOR_TYPE_GRAY, 16, 6, 8);
    make_png("bits.png", PNG_COLOR_TYPE_GRAY, 1, 6, 8);
    write_text("text.png", "this is text");
    write_text("empty.png", "");
    mkdir("folder", 0777);
    char *bytes = read_bytes("rgb.png", &byte_count);
    write_bytes("cut.png", bytes, byte_count - 30);
    bytes[byte_count - 13] ^= 1; /* the last byte of the IDAT chunk's checksum, before the 12 bytes of IEND */
    write_bytes("crc.png", bytes, byte_count);
    free(bytes);
}

static sa_status run_config(const sa_dense_image_config *config)
{
    sa_data_source *source;
    sa_status status = sa_dense_image_open(config, &source);
    if (status != SA_OK) return status;
    const sa_data_shape *s = &source->shape;
    float *data = malloc(sizeof(float) * (size_t)(s->images * s->channels * s->height * s->width));
    float *label = malloc(sizeof(float) * (size_t)(s->images * s->label_height * s->label_width));
    for (int i = 0; i < 2 && status == SA_OK; i++) {
        sa_data_position before = sa_data_source_position(source);
        status = sa_data_source_next(source, data, label);
        sa_data_position after = sa_data_source_position(source);
        assert_true(status == SA_OK || (before.epoch == after.epoch && before.index == after.index));
    }
    free(data);
    free(label);
    sa_data_source_close(source);
    return status;
}

static void list_errors(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        sa_status status;
        const char *message;
    } cases[] = {
        {"", SA_PARSE, "l.txt: the list is empty"},
        {" \n\t\r\n", SA_PARSE, "l.txt: the list is empty"},
        {"rgb.png\n", SA_PARSE, "l.txt:1: only one name, an image and a label are needed"},
        {"rgb.png label.png\nrgb.png\n", SA_PARSE, "l.txt:2: only one name, an image and a label are needed"},
        {"rgb.png label.png\n\nrgb.png grey.png label.png\n", SA_PARSE, "l.txt:3: 3 names, where line 1 has 2"},
        {"x.png label.png\n", SA_IO, "l.txt:1: x.png: cannot open: No such file or directory"},
        {"\nrgb.png y.png\n", SA_IO, "l.txt:2: y.png: cannot open: No such file or directory"},
        {"rgb.png label.png\nz.png label.png\n", SA_IO, "l.txt:2: z.png: cannot open: No such file or directory"},
        {"folder label.png\n", SA_IO, "l.txt:1: folder: it is a folder; a file is needed"},
        {"text.png label.png\n", SA_PARSE, "l.txt:1: 'text.png': not a PNG, JPEG or BMP file"},
        {"rgb.png empty.png\n", SA_PARSE, "l.txt:1: 'empty.png': not a PNG, JPEG or BMP file"},
        {"cut.png label.png\n", SA_PARSE, "l.txt:1: 'cut.png': damaged PNG: the file is truncated"},
        {"crc.png label.png\n", SA_PARSE, "l.txt:1: 'crc.png': damaged PNG: IDAT: CRC error"},
        {"rgb.png rgb.png\n", SA_UNSUPPORTED,
         "l.txt:1: 'rgb.png': a colour PNG as label (its colours are not classes; 8-bit grey or palette is needed)"},
        {"rgb.png deep.png\n", SA_UNSUPPORTED, "l.txt:1: 'deep.png': a 16-bit label (8-bit grey is needed)"},
        {"rgb.png bits.png\n", SA_UNSUPPORTED, "l.txt:1: 'bits.png': a label of fewer than 8 bits (8-bit grey is needed)"},
        {"rgb.png label.png\nwide.png label.png\n", SA_INVALID,
         "l.txt:2: 'wide.png' is 6x10, but the net's data is 6x8 as in line 1 (give new_height and new_width to resize)"},
        {"rgb.png label.png\nrgb.png small.png\n", SA_INVALID,
         "l.txt:2: 'small.png' is 3x4, but the net's label is 6x8 as in line 1 (give new_height and new_width to resize)"},
        {"rgb.png small.png label.png\n", SA_INVALID, "l.txt:1: 'small.png' is 3x4, but 'rgb.png' of the same line is 6x8"},
        {"rgb.png grey.png label.png\nrgb.png rgb.png label.png\n", SA_INVALID,
         "l.txt:2: 'rgb.png' gives 3 channels, but image 2 of line 1 gives 1"},
    };
    make_error_files();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sa_dense_image_config config = sa_dense_image_defaults();
        config.source = "l.txt";
        write_text("l.txt", cases[i].list);
        assert_int_equal(run_config(&config), cases[i].status);
        assert_string_equal(sa_error_message(), cases[i].message);
    }
    sa_list_file list;
    write_bytes("l.txt", "rgb.png label.png\nrgb\0.png label.png\n", 37);
    assert_int_equal(sa_list_file_read("l.txt", &list), SA_PARSE);
    assert_string_equal(sa_error_message(), "l.txt:2: a NUL byte: not a text file");
    char longest[4200];
    memset(longest, 'n', sizeof longest);
    write_bytes("l.txt", longest, sizeof longest);
    assert_int_equal(sa_list_file_read("l.txt", &list), SA_PARSE);
    assert_string_equal(sa_error_message(), "l.txt:1: a name of 4200 bytes, at most 4096 are allowed");
}

static void config_errors(void **state)
{
    (void)state;
    static const float two_means[2] = {1, 2}, infinite_mean[1] = {INFINITY};
    const struct {
        sa_dense_image_config config;
        const char *message;
    } cases[] = {
        {{.batch_size = 1}, "dense_image_data: no source is given"},
        {CONFIG(.source = "no.txt"), "no.txt: cannot open: No such file or directory"},
        {CONFIG(.data_root = "sub"), "sub/l.txt: cannot open: No such file or directory"},
        {CONFIG(.root_folder = "pre_"), "l.txt:1: pre_rgb.png: cannot open: No such file or directory"},
        {CONFIG(.batch_size = 0), "l.txt: batch_size 0, at least 1 is needed"},
        {CONFIG(.new_height = 4), "l.txt: new_height 4 and new_width 0: give both or neither"},
        {CONFIG(.crop_width = -4), "l.txt: crop_height 0 and crop_width -4: give both or neither"},
        {CONFIG(.label_width = 2), "l.txt: label_height 0 and label_width 2: give both or neither"},
        {CONFIG(.label_height = 2, .label_width = 2, .crop_height = 2, .crop_width = 2),
         "l.txt: a crop needs a label of the image's size, so label_height cannot be given"},
        {CONFIG(.scale = NAN), "l.txt: scale is not finite"},
        {CONFIG(.mean_value = two_means, .mean_count = 2), "l.txt: 2 mean_value entries for 3 channels (give none, one or 3)"},
        {CONFIG(.mean_value = infinite_mean, .mean_count = 1), "l.txt: mean_value 0 is not finite"},
        {CONFIG(.rand_skip = 1000000000, .seed = 1), "l.txt: rand_skip 1000000000 came to "},
        {CONFIG(.crop_height = 7, .crop_width = 8), "l.txt:1: 'rgb.png' is 6x8, smaller than the crop of 7x8"},
        {CONFIG(.source = "small.txt", .crop_height = 2, .crop_width = 2),
         "small.txt:1: 'small.png' is 3x4, but 'rgb.png' of the same line is 6x8"},
    };
    make_error_files();
    write_text("l.txt", "rgb.png label.png\n");
    write_text("small.txt", "rgb.png small.png\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_not_equal(run_config(&cases[i].config), SA_OK);
        assert_memory_equal(sa_error_message(), cases[i].message, strlen(cases[i].message));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_kinds),  cmocka_unit_test(png_damaged), cmocka_unit_test(resize_matches_reference),
        cmocka_unit_test(list_forms), cmocka_unit_test(list_errors), cmocka_unit_test(config_errors),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
