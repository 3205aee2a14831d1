/* What people's data sets have in them: marks and line ends of other systems, JPEG, palettes, 16 bits, alpha; and the look at the
 * whole list before the first step. */
#include "data/dense_image.h"
#include "data/image_file.h"
#include "data/list_file.h"
#include "tests/support/data_files.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jpeglib.h>

/* ---- lists ---- */

static void line_ends_and_marks(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a.png b.png\nc.png d.png\n",
        "a.png b.png\r\nc.png d.png\r\n",
        "a.png b.png\rc.png d.png\r",
        "a.png b.png\rc.png d.png",
        "\xef\xbb\xbf"
        "a.png b.png\r\nc.png d.png",
        "\xef\xbb\xbf"
        "a.png b.png\rc.png d.png\r",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        sa_list_file list;
        write_text("l.txt", texts[i]);
        assert_ok(sa_list_file_read("l.txt", &list));
        assert_int_equal(list.count, 2);
        assert_int_equal(list.names_per_line, 2);
        assert_string_equal(list.name[0], "a.png");
        assert_string_equal(list.name[3], "d.png");
        assert_int_equal(list.line[0], 1);
        assert_int_equal(list.line[1], 2);
        sa_list_file_free(&list);
    }
    sa_list_file list;
    write_text("l.txt", "\r\r\na.png b.png\r\nc.png\r\n"); /* three lines, then the faulty one */
    assert_int_equal(sa_list_file_read("l.txt", &list), SA_PARSE);
    assert_string_equal(sa_error_message(), "l.txt:4: only one name, an image and a label are needed");
}

/* ---- JPEG ---- */

static void write_jpeg(const char *name, int channels, int32_t height, int32_t width)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    FILE *stream = fopen(name, "wb");
    assert_non_null(stream);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, stream);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = channels;
    jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    JSAMPLE row[4 * 64], *rows[1] = {row};
    while (jpeg.next_scanline < jpeg.image_height) {
        for (int32_t x = 0; x < width; x++)
            for (int c = 0; c < channels; c++) row[x * channels + c] = (JSAMPLE)(40 + 60 * c + 2 * x + (int)jpeg.next_scanline);
        jpeg_write_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    assert_int_equal(fclose(stream), 0);
}

static void jpeg_is_read(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        sa_picture picture;
        sa_image_info info;
        write_jpeg("a.jpg", channels, 9, 21);
        assert_ok(sa_image_read_info("a.jpg", &info));
        assert_true(info.jpeg && info.height == 9 && info.width == 21 && info.colours == channels && info.bits == 8);
        assert_ok(sa_image_read("a.jpg", SA_IMAGE_PLAIN, &picture));
        assert_int_equal(picture.channels, channels);
        for (int32_t i = 0; i < 9 * 21 * channels; i++) {
            int wanted = 40 + 60 * (i % channels) + 2 * (i / channels % 21) + i / channels / 21;
            assert_true(abs((int)picture.pixels[i] - wanted) <= 6);
        }
        sa_picture_free(&picture);
    }
}

static void jpeg_damaged(void **state)
{
    (void)state;
    size_t count;
    sa_picture picture = {.channels = 77};
    write_jpeg("a.jpg", 3, 9, 21);
    char *bytes = read_bytes("a.jpg", &count);
    for (size_t length = 0; length < count; length++) {
        write_bytes("b.jpg", bytes, length);
        assert_int_equal(sa_image_read("b.jpg", SA_IMAGE_PLAIN, &picture), SA_PARSE);
        assert_memory_equal(sa_error_message(), "'b.jpg': ", 9);
        assert_int_equal(picture.channels, 77);
    }
    free(bytes);
    assert_int_equal(sa_image_read_label("a.jpg", &picture), SA_UNSUPPORTED);
    assert_string_equal(sa_error_message(),
                        "'a.jpg': a JPEG as label (its compression changes the classes; 8-bit grey or palette PNG is needed)");
    write_jpeg("c.jpg", 4, 9, 21);
    assert_int_equal(sa_image_read("c.jpg", SA_IMAGE_PLAIN, &picture), SA_UNSUPPORTED);
    assert_string_equal(sa_error_message(), "'c.jpg': a JPEG of four colours (CMYK); convert it to RGB");
    write_bytes("d.tif", "II*\0abcdefgh", 12);
    assert_int_equal(sa_image_read("d.tif", SA_IMAGE_PLAIN, &picture), SA_PARSE);
    assert_string_equal(sa_error_message(), "'d.tif': a TIFF file; PNG, JPEG and BMP are read (convert it: mogrify -format png)");
}

/* ---- PNG of every kind ---- */

static void palette_label_is_its_index(void **state)
{
    (void)state;
    sa_picture label;
    static const int depths[] = {8, 1};
    for (int i = 0; i < 2; i++) {
        png_spec spec = {PNG_COLOR_TYPE_PALETTE, depths[i], i, 5, 7, i ? one_bit_sample : mixed_sample};
        write_png("p.png", &spec);
        assert_ok(sa_image_read_label("p.png", &label));
        assert_int_equal(label.channels, 1);
        for (int32_t k = 0; k < 35; k++) assert_int_equal(label.pixels[k], spec.sample(k / 7, k % 7, 0));
        sa_picture_free(&label);
    }
}

typedef struct batch {
    sa_data_source *source;
    float data[4 * 5 * 7], label[5 * 7];
} batch;

static void load(batch *b, const sa_dense_image_config *config)
{
    assert_ok(sa_dense_image_open(config, &b->source));
    const sa_data_shape *s = &b->source->shape;
    assert_true(s->images * s->channels * s->height * s->width <= 4 * 5 * 7 && s->label_height * s->label_width <= 5 * 7);
    assert_ok(sa_data_source_next(b->source, b->data, b->label));
}

/* Blue, green, red, alpha where there are four means; else alpha is dropped. */
static void alpha_where_the_means_want_it(void **state)
{
    (void)state;
    static const float mean[4] = {1, 2, 3, 4};
    static const int from[4] = {2, 1, 0, 3};
    make_png("rgba.png", PNG_COLOR_TYPE_RGB_ALPHA, 8, 5, 7);
    make_png("label.png", PNG_COLOR_TYPE_GRAY, 8, 5, 7);
    write_text("l.txt", "rgba.png label.png\n");
    for (int means = 3; means <= 4; means++) {
        sa_dense_image_config config = CONFIG(.mean_value = mean, .mean_count = means);
        batch b;
        load(&b, &config);
        assert_int_equal(b.source->shape.channels, means);
        for (int i = 0; i < 35 * means; i++)
            assert_true(b.data[i] == (float)mixed_sample(i % 35 / 7, i % 7, from[i / 35]) - mean[i / 35]);
        sa_data_source_close(b.source);
    }
}

/* 16 bits through luminance, resizing, mean and scale. */
static void sixteen_bits_are_numbers(void **state)
{
    (void)state;
    static const float mean[1] = {1000};
    make_png("deep.png", PNG_COLOR_TYPE_GRAY, 16, 5, 7);
    make_png("label.png", PNG_COLOR_TYPE_GRAY, 8, 5, 7);
    write_text("l.txt", "deep.png label.png\n");
    sa_dense_image_config config = CONFIG(.mean_value = mean, .mean_count = 1);
    config.is_color = false;
    config.scale = 0.5f;
    batch b;
    load(&b, &config);
    for (int i = 0; i < 35; i++) assert_true(b.data[i] == ((float)(mixed_sample(i / 7, i % 7, 0) * 256 + 99) - 1000.0f) * 0.5f);
    sa_data_source_close(b.source);
    config.new_height = 1;
    config.new_width = 1;
    load(&b, &config);
    assert_true(b.data[0] == ((float)(mixed_sample(2, 3, 0) * 256 + 99) - 1000.0f) * 0.5f);
    sa_data_source_close(b.source);
}

/* ---- the survey ---- */

static void survey_of(const sa_dense_image_config *config, sa_data_survey *survey)
{
    sa_data_source *source;
    assert_ok(sa_dense_image_open(config, &source));
    assert_ok(source->functions->survey(source, survey));
    survey->list = NULL; /* goes with the source */
    sa_data_source_close(source);
}

static uint8_t three_classes(int32_t y, int32_t x, int32_t c)
{
    (void)c;
    return (uint8_t)((y + x) % 3);
}

static uint8_t one_odd_pixel(int32_t y, int32_t x, int32_t c)
{
    return y == 3 && x == 6 ? 200 : three_classes(y, x, c);
}

static void every_bad_entry_is_listed(void **state)
{
    (void)state;
    make_png("a.png", PNG_COLOR_TYPE_RGB, 8, 5, 7);
    make_png("wide.png", PNG_COLOR_TYPE_RGB, 8, 5, 8);
    make_png("deep.png", PNG_COLOR_TYPE_RGB, 16, 5, 7);
    make_png("alpha.png", PNG_COLOR_TYPE_RGB_ALPHA, 8, 5, 7);
    png_spec label = {PNG_COLOR_TYPE_GRAY, 8, 0, 5, 7, three_classes};
    write_png("l.png", &label);
    label.sample = one_odd_pixel;
    write_png("odd.png", &label);
    write_text("text.png", "nothing");
    write_text("l.txt",
               "a.png l.png\nwide.png l.png\nno.png l.png\ndeep.png l.png\ntext.png l.png\na.png odd.png\nalpha.png l.png\n");
    sa_dense_image_config config = CONFIG(.batch_size = 1);
    sa_data_survey s = {.classes = 3, .has_ignore = true, .ignore_label = 9};
    survey_of(&config, &s);
    assert_int_equal(s.entries, 7);
    assert_int_equal(s.bad_entries, 4);
    assert_string_equal(
        s.problems, "l.txt:2: 'wide.png' is 5x8, but the net's data is 5x7 as in line 1 (give new_height and new_width to "
                    "resize)\n"
                    "l.txt:3: no.png: cannot open: No such file or directory\n"
                    "l.txt:5: 'text.png': not a PNG, JPEG or BMP file\n"
                    "l.txt:6: 'odd.png': label 200 at row 3, column 6 is none of the 3 classes; loss_param { ignore_label: 200 } "
                    "would leave such pixels out\n");
    assert_true(s.cut_images == 1 && !strcmp(s.cut_name, "deep.png") && s.alpha_images == 1 && !strcmp(s.alpha_name, "alpha.png"));
    assert_true(s.label_seen[0] && s.label_seen[1] && s.label_seen[2] && !s.label_seen[9]);
    free(s.problems);
    s = (sa_data_survey){.classes = 3, .has_ignore = true, .ignore_label = 200};
    config.new_height = 5;
    config.new_width = 7; /* sizes no longer matter */
    survey_of(&config, &s);
    assert_int_equal(s.bad_entries, 2);
    assert_true(s.label_seen[200]);
    free(s.problems);
}

/* A first entry that cannot be read is one problem among others: the shape is then from the first that can. */
static void shape_of_the_first_that_can_be_read(void **state)
{
    (void)state;
    make_png("a.png", PNG_COLOR_TYPE_RGB, 8, 5, 7);
    make_png("wide.png", PNG_COLOR_TYPE_RGB, 8, 5, 8);
    png_spec label = {PNG_COLOR_TYPE_GRAY, 8, 0, 5, 7, three_classes};
    write_png("l.png", &label);
    write_text("l.txt", "no.png l.png\na.png l.png\nno2.png l.png\nwide.png l.png\n");
    sa_dense_image_config config = CONFIG(.batch_size = 1);
    sa_data_survey s = {.classes = 3};
    survey_of(&config, &s);
    assert_int_equal(s.bad_entries, 3);
    assert_string_equal(s.problems, "l.txt:1: no.png: cannot open: No such file or directory\n"
                                    "l.txt:3: no2.png: cannot open: No such file or directory\n"
                                    "l.txt:4: 'wide.png' is 5x8, but the net's data is 5x7 as in line 2 (give new_height and "
                                    "new_width to resize)\n");
    free(s.problems);
    sa_data_source *source;
    write_text("l.txt", "no.png l.png\nno2.png l.png\n");
    assert_int_equal(sa_dense_image_open(&config, &source), SA_IO);
    assert_string_equal(sa_error_message(), "l.txt:1: no.png: cannot open: No such file or directory");
}

static bool look_twice(void *context, size_t done, size_t entries)
{
    int *calls = context;
    assert_int_equal(entries, 3);
    assert_int_equal(done, *calls);
    return ++*calls <= 2;
}

static void a_look_can_be_ended(void **state)
{
    (void)state;
    make_png("a.png", PNG_COLOR_TYPE_RGB, 8, 5, 7);
    png_spec label = {PNG_COLOR_TYPE_GRAY, 8, 0, 5, 7, three_classes};
    write_png("l.png", &label);
    write_text("l.txt", "a.png l.png\na.png l.png\na.png l.png\n");
    sa_dense_image_config config = CONFIG(.batch_size = 1);
    int calls = 0;
    sa_data_survey s = {.look = look_twice, .look_context = &calls};
    sa_data_source *source;
    assert_ok(sa_dense_image_open(&config, &source));
    assert_int_equal(source->functions->survey(source, &s), SA_INVALID);
    assert_string_equal(sa_error_message(), "interrupted after looking at 2 of the 3 entries of l.txt");
    sa_data_source_close(source);
}

/* Problems of a long list are counted, and the first 20 told. */
static void long_lists_of_problems_are_cut(void **state)
{
    (void)state;
    char list[2048] = "a.png l.png\n";
    for (int i = 0; i < 50; i++) snprintf(list + strlen(list), sizeof list - strlen(list), "x%d.png l.png\n", i);
    write_text("l.txt", list);
    sa_dense_image_config config = CONFIG(.batch_size = 1);
    sa_data_survey s = {.classes = 3};
    int lines = 0;
    survey_of(&config, &s);
    for (const char *at = s.problems; *at; at++) lines += *at == '\n';
    assert_int_equal(s.bad_entries, 50);
    assert_int_equal(lines, 20);
    free(s.problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends_and_marks),
        cmocka_unit_test(jpeg_is_read),
        cmocka_unit_test(jpeg_damaged),
        cmocka_unit_test(palette_label_is_its_index),
        cmocka_unit_test(alpha_where_the_means_want_it),
        cmocka_unit_test(sixteen_bits_are_numbers),
        cmocka_unit_test(every_bad_entry_is_listed),
        cmocka_unit_test(long_lists_of_problems_are_cut),
        cmocka_unit_test(shape_of_the_first_that_can_be_read),
        cmocka_unit_test(a_look_can_be_ended),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
