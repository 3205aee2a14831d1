/* The DenseImageData source: channels, sizes, windows, order and resuming, on files this test writes; CamVid if it is there. */
#include "data/dense_image.h"
#include "tests/support/data_files.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Red tells the column, green the row, blue is 200; as grey: both in one. */
static uint8_t coordinates(int32_t y, int32_t x, int32_t c)
{
    return (uint8_t)(c == 0 ? x : c == 1 ? y : 200);
}

static uint8_t label_coordinates(int32_t y, int32_t x, int32_t c)
{
    (void)c;
    return (uint8_t)(y * 16 + x);
}

typedef struct batch {
    sa_data_source *source;
    float *data, *label;
    size_t data_count, label_count;
} batch;

static batch open_batch(const sa_dense_image_config *config)
{
    batch b;
    assert_ok(sa_dense_image_open(config, &b.source));
    const sa_data_shape *s = &b.source->shape;
    b.data_count = (size_t)s->images * (size_t)s->channels * (size_t)s->height * (size_t)s->width;
    b.label_count = (size_t)s->images * (size_t)s->label_height * (size_t)s->label_width;
    b.data = malloc(b.data_count * sizeof(float));
    b.label = malloc(b.label_count * sizeof(float));
    return b;
}

static void close_batch(batch *b)
{
    sa_data_source_close(b->source);
    free(b->data);
    free(b->label);
}

static void assert_shape(const batch *b, sa_data_shape expected)
{
    assert_memory_equal(&b->source->shape, &expected, sizeof expected);
}

static void channels_by_kind(void **state)
{
    (void)state;
    static const float mean[4] = {10, 20, 30, 40};
    sa_dense_image_config config = CONFIG(.scale = 0.5f, .mean_value = mean, .mean_count = 3);
    make_png("rgb.png", PNG_COLOR_TYPE_RGB, 8, 6, 8);
    make_png("deep.png", PNG_COLOR_TYPE_GRAY, 16, 6, 8);
    write_png("label.png", &(png_spec){PNG_COLOR_TYPE_GRAY, 8, 0, 6, 8, label_coordinates});
    write_text("l.txt", "rgb.png label.png\n");
    batch b = open_batch(&config); /* blue, green, red */
    assert_shape(&b, (sa_data_shape){1, 3, 6, 8, 6, 8});
    assert_ok(sa_data_source_next(b.source, b.data, b.label));
    for (int32_t i = 0; i < 48; i++) {
        for (int32_t c = 0; c < 3; c++)
            assert_true(b.data[c * 48 + i] == ((float)mixed_sample(i / 8, i % 8, 2 - c) - mean[c]) * 0.5f);
        assert_true(b.label[i] == (float)label_coordinates(i / 8, i % 8, 0));
    }
    close_batch(&b);

    config.is_color = false; /* luminance */
    config.mean_count = 1;
    b = open_batch(&config);
    assert_shape(&b, (sa_data_shape){1, 1, 6, 8, 6, 8});
    assert_ok(sa_data_source_next(b.source, b.data, b.label));
    for (int32_t i = 0; i < 48; i++) {
        int32_t y = i / 8, x = i % 8;
        double grey = 0.299 * mixed_sample(y, x, 0) + 0.587 * mixed_sample(y, x, 1) + 0.114 * mixed_sample(y, x, 2);
        assert_true(fabs(b.data[i] - (grey - 10) * 0.5) <= 0.26);
    }
    close_batch(&b);

    config.is_color = true; /* grey replicated, its high byte as in Caffe */
    config.mean_count = 0;
    write_text("l.txt", "deep.png label.png\n");
    b = open_batch(&config);
    assert_shape(&b, (sa_data_shape){1, 3, 6, 8, 6, 8});
    assert_ok(sa_data_source_next(b.source, b.data, b.label));
    for (int32_t i = 0; i < 144; i++) assert_true(b.data[i] == (float)mixed_sample(i % 48 / 8, i % 8, 0) * 0.5f);
    close_batch(&b);

    config.mean_count = 4; /* RGB and depth stacked */
    write_text("l.txt", "rgb.png deep.png label.png\n");
    b = open_batch(&config);
    assert_shape(&b, (sa_data_shape){1, 4, 6, 8, 6, 8});
    assert_ok(sa_data_source_next(b.source, b.data, b.label));
    for (int32_t i = 0; i < 48; i++) {
        assert_true(b.data[i] == ((float)mixed_sample(i / 8, i % 8, 2) - 10) * 0.5f);
        assert_true(b.data[3 * 48 + i] == ((float)(mixed_sample(i / 8, i % 8, 0) * 256 + 99) - 40) * 0.5f); /* all 16 bits */
    }
    close_batch(&b);
}

static void sizes_of_label_and_data(void **state)
{
    (void)state;
    sa_dense_image_config config = CONFIG(.batch_size = 2);
    make_png("rgb.png", PNG_COLOR_TYPE_RGB, 8, 6, 8);
    make_png("wide.png", PNG_COLOR_TYPE_RGB, 8, 6, 10);
    make_png("label.png", PNG_COLOR_TYPE_GRAY, 8, 6, 8);
    make_png("small.png", PNG_COLOR_TYPE_GRAY, 8, 3, 4);
    write_text("l.txt", "rgb.png small.png\n");
    batch b = open_batch(&config); /* a label of its own size */
    assert_shape(&b, (sa_data_shape){2, 3, 6, 8, 3, 4});
    assert_ok(sa_data_source_next(b.source, b.data, b.label));
    assert_int_equal(sa_data_source_position(b.source).epoch, 2);
    close_batch(&b);
    config.new_height = 12;
    config.new_width = 10;
    write_text("l.txt", "wide.png small.png\nrgb.png label.png\n");
    b = open_batch(&config);
    assert_shape(&b, (sa_data_shape){2, 3, 12, 10, 12, 10});
    assert_ok(sa_data_source_next(b.source, b.data, b.label));
    for (int32_t i = 0; i < 120; i++) {
        int32_t y = i / 10, x = i % 10;
        assert_true(b.label[i] == (float)mixed_sample(y * 3 / 12, x * 4 / 10, 0));
        assert_true(b.label[120 + i] == (float)mixed_sample(y * 6 / 12, x * 8 / 10, 0));
    }
    close_batch(&b);
    config.label_height = 5;
    config.label_width = 7;
    b = open_batch(&config);
    assert_shape(&b, (sa_data_shape){2, 3, 12, 10, 5, 7});
    assert_ok(sa_data_source_next(b.source, b.data, b.label));
    close_batch(&b);
}

/* Windows of image and label are the same, mirrored alike, lie inside and vary. */
static void crop_and_mirror(void **state)
{
    (void)state;
    sa_dense_image_config config = CONFIG(.crop_height = 4, .crop_width = 5, .mirror = true, .seed = 3);
    write_png("rgb.png", &(png_spec){PNG_COLOR_TYPE_RGB, 8, 0, 9, 11, coordinates});
    write_png("label.png", &(png_spec){PNG_COLOR_TYPE_GRAY, 8, 0, 9, 11, label_coordinates});
    write_text("l.txt", "rgb.png label.png\n");
    batch b = open_batch(&config);
    assert_shape(&b, (sa_data_shape){1, 3, 4, 5, 4, 5});
    int mirrored = 0, tops[6] = {0}, lefts[7] = {0};
    for (int draw = 0; draw < 400; draw++) {
        assert_ok(sa_data_source_next(b.source, b.data, b.label));
        bool flip = b.data[2 * 20] > b.data[2 * 20 + 1]; /* red is the column */
        int32_t top = (int32_t)b.data[20], left = (int32_t)b.data[2 * 20 + (flip ? 4 : 0)];
        assert_true(top >= 0 && top <= 5 && left >= 0 && left <= 6);
        for (int32_t i = 0; i < 20; i++) {
            int32_t y = top + i / 5, x = left + (flip ? 4 - i % 5 : i % 5);
            assert_true(b.data[i] == 200 && b.data[20 + i] == (float)y && b.data[40 + i] == (float)x);
            assert_true(b.label[i] == (float)label_coordinates(y, x, 0));
        }
        mirrored += flip;
        tops[top]++;
        lefts[left]++;
    }
    assert_in_range(mirrored, 160, 240);
    for (int i = 0; i < 6; i++) assert_true(tops[i] > 30);
    for (int i = 0; i < 7; i++) assert_true(lefts[i] > 25);
    close_batch(&b);
}

static uint8_t entry_number;

static uint8_t entry_sample(int32_t y, int32_t x, int32_t c)
{
    (void)y;
    (void)x;
    (void)c;
    return entry_number;
}

enum { ENTRIES = 7 };

/* Seven entries, image and label filled with their number; the files are below the list.s folder, prefixed. */
static void make_numbered_list(void)
{
    char list[512] = "", name[32];
    mkdir("root", 0777);
    mkdir("root/sub", 0777);
    for (entry_number = 0; entry_number < ENTRIES; entry_number++) {
        snprintf(name, sizeof name, "root/sub/pre_%d.png", entry_number);
        write_png(name, &(png_spec){PNG_COLOR_TYPE_GRAY, 8, 0, 2, 3, entry_sample});
        snprintf(list + strlen(list), sizeof list - strlen(list), "%d.png %d.png\n", entry_number, entry_number);
    }
    write_text("root/l.txt", list);
}

static void order_of_entries(void **state)
{
    (void)state;
    sa_dense_image_config config = CONFIG(.data_root = "root", .root_folder = "sub/pre_");
    make_numbered_list();
    batch b = open_batch(&config);
    for (int i = 0; i < 2 * ENTRIES + 1; i++) { /* in order, wrapping */
        assert_int_equal(sa_data_source_position(b.source).epoch, i / ENTRIES);
        assert_ok(sa_data_source_next(b.source, b.data, b.label));
        assert_true(b.label[0] == (float)(i % ENTRIES) && b.data[0] == b.label[0]);
    }
    close_batch(&b);
    config.shuffle = true;
    int orders[3][ENTRIES];
    b = open_batch(&config);
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen = 0;
        for (int i = 0; i < ENTRIES; i++) {
            assert_ok(sa_data_source_next(b.source, b.data, b.label));
            orders[epoch][i] = (int)b.label[0];
            seen |= 1 << orders[epoch][i];
        }
        assert_int_equal(seen, (1 << ENTRIES) - 1); /* each entry once an epoch */
    }
    assert_memory_not_equal(orders[0], orders[1], sizeof orders[0]);
    assert_memory_not_equal(orders[1], orders[2], sizeof orders[0]);
    close_batch(&b);
    config.shuffle = false;
    config.rand_skip = 5;
    int starts = 0;
    for (config.seed = 0; config.seed < 60; config.seed++) {
        b = open_batch(&config);
        assert_ok(sa_data_source_next(b.source, b.data, b.label));
        starts |= 1 << (int)b.label[0];
        close_batch(&b);
    }
    assert_int_equal(starts, 31);
}

static void resume_gives_the_same_stream(void **state)
{
    (void)state;
    sa_dense_image_config config = CONFIG(.data_root = "root", .root_folder = "sub/pre_", .shuffle = true, .mirror = true,
                                          .crop_height = 1, .crop_width = 2, .seed = 11);
    config.batch_size = 3;
    make_numbered_list();
    batch a = open_batch(&config);
    config.seed = 99; /* the position brings its seed along */
    batch b = open_batch(&config);
    for (int step = 0; step < 12; step++) {
        sa_data_position position = sa_data_source_position(a.source);
        assert_ok(sa_data_source_next(a.source, a.data, a.label));
        assert_ok(sa_data_source_restore(b.source, position));
        assert_ok(sa_data_source_next(b.source, b.data, b.label));
        assert_memory_equal(a.data, b.data, a.data_count * sizeof(float));
        assert_memory_equal(a.label, b.label, a.label_count * sizeof(float));
    }
    assert_int_equal(sa_data_source_position(a.source).epoch, 36 / ENTRIES);
    assert_int_equal(sa_data_source_position(a.source).index, 36 % ENTRIES);
    assert_int_equal(sa_data_source_restore(a.source, (sa_data_position){0, 0, ENTRIES}), SA_INVALID);
    assert_string_equal(sa_error_message(), "root/l.txt: position 7, the list has 7 entries");
    close_batch(&a);
    close_batch(&b);
}

/* ---- CamVid ---- */

static void camvid(void **state)
{
    (void)state;
    char root[8192];
    const char *shared = getenv("SA_SHARED");
    if (shared) snprintf(root, sizeof root, "%s/data/camvid", shared);
    else snprintf(root, sizeof root, "%s/../shared/data/camvid", scratch_start_folder());
    if (access(root, R_OK) != 0) {
        print_message("SKIP: no CamVid images at %s (SA_SHARED names the folder that holds data/camvid)\n", root);
        skip();
    }
    sa_dense_image_config config = CONFIG(.source = "train.txt", .data_root = root);
    config.batch_size = 4;
    batch b = open_batch(&config);
    assert_shape(&b, (sa_data_shape){4, 3, 360, 480, 360, 480});
    assert_int_equal(b.source->entry_count, 367);
    assert_ok(sa_data_source_next(b.source, b.data, b.label));
    size_t classes[12] = {0};
    for (size_t i = 0; i < b.label_count; i++) {
        assert_true(b.label[i] >= 0 && b.label[i] <= 11);
        classes[(int)b.label[i]]++;
    }
    assert_true(classes[0] > 0 && classes[1] > 0 && classes[3] > 0); /* sky, building, road */
    double sums[3] = {0};
    for (int c = 0; c < 3; c++)
        for (size_t i = 0; i < 360 * 480; i++) sums[c] += b.data[(size_t)c * 360 * 480 + i];
    /* blue, green, red of train/0001TP_006690.png, from another decoder */
    static const double expected[3] = {8575628, 8159316, 7033023};
    for (int c = 0; c < 3; c++) assert_true(sums[c] == expected[c]);
    close_batch(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_by_kind), cmocka_unit_test(sizes_of_label_and_data),      cmocka_unit_test(crop_and_mirror),
        cmocka_unit_test(order_of_entries), cmocka_unit_test(resume_gives_the_same_stream), cmocka_unit_test(camvid),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
