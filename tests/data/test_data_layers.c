/* Shapes of Caffe's data layers: from databases and lists, from their parameters, or from the caller; and what prefetching takes.
 */
#include "net/net.h"
#include "report/caffe_memory.h"

#include "tests/support/data_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char databases[1024]; /* the folder of those that Caffe wrote */

static sa_status load(const char *layer, const sa_net_options *options, sa_net **net)
{
    write_text("net.prototxt", layer);
    return sa_net_load("net.prototxt", options, net);
}

/* "2x3x12x16 2" */
static void shapes_of(const sa_net *net, char *text, size_t bytes)
{
    size_t length = 0;
    text[0] = '\0';
    for (int i = 0; i < net->layer[0].top_count; i++) {
        char shape[SA_SHAPE_TEXT_BYTES];
        length += (size_t)snprintf(text + length, bytes - length, "%s%s", i ? " " : "",
                                   sa_shape_text(&net->blob[net->layer[0].top[i]].shape, shape));
    }
}

static void expect_shapes(const char *layer, const sa_net_options *options, const char *expected, bool assumed)
{
    sa_net *net;
    char text[256];
    if (load(layer, options, &net) != SA_OK) fail_msg("%s: %s", layer, sa_error_message());
    shapes_of(net, text, sizeof text);
    if (strcmp(text, expected) || net->shapes_assumed != assumed)
        fail_msg("%s: %s%s, expected %s", layer, text, net->shapes_assumed ? " (assumed)" : "", expected);
    sa_net_free(net);
}

#define DATA(database, param, transform)                                                                                      \
    "layer { name: 'd' type: 'Data' top: 'x' top: 'l' data_param { source: '" database "' backend: LMDB batch_size: 4 " param \
    " } transform_param { " transform " } }"

/* Databases and shapes are Caffe's: db_graypng, db_rgba and db_jpg420 hold encoded images. */
static void databases_say_their_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *layer, *shapes;
    } ROWS[] = {{DATA("db_raw", "", ""), "4x3x12x16 4"},
                {DATA("db_raw", "", "crop_size: 10"), "4x3x10x10 4"},
                {DATA("db_raw", "crop_size: 10", ""), "4x3x12x16 4"}, /* the old place, which Caffe ignores */
                {DATA("db_raw", "", "force_gray: true"), "4x3x12x16 4"},
                {DATA("db_graypng", "", ""), "4x1x12x16 4"},
                {DATA("db_graypng", "", "force_color: true"), "4x3x12x16 4"},
                {DATA("db_rgba", "", ""), "4x4x12x16 4"},
                {DATA("db_rgba", "", "force_gray: true"), "4x1x12x16 4"},
                {DATA("db_jpg420", "", ""), "4x3x12x16 4"}};
    const sa_net_options options = {.data_root = databases};
    sa_net *net;
    if (load(ROWS[0].layer, &options, &net) != SA_OK && strstr(sa_error_message(), "cannot read LMDB")) {
        print_message("SKIP: %s\n", sa_error_message());
        skip();
    } else {
        sa_net_free(net);
    }
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) expect_shapes(ROWS[i].layer, &options, ROWS[i].shapes, false);
}

static void a_database_that_is_cut_off_is_told(void **state)
{
    (void)state;
    static const char layer[] = DATA("cut", "", "");
    char name[1100];
    size_t byte_count;
    sa_net *net;
    snprintf(name, sizeof name, "%s/db_raw/data.mdb", databases);
    char *bytes = read_bytes(name, &byte_count);
    if (system("mkdir cut")) fail();
    write_bytes("cut/data.mdb", bytes, byte_count - 4096);
    free(bytes);
    assert_int_equal(load(layer, NULL, &net), SA_UNSUPPORTED);
    assert_true(strstr(sa_error_message(), "is cut off") || strstr(sa_error_message(), "cannot read LMDB"));
}

/* Measured in Caffe: 4 x 9216 + 4 x 16 bytes for this layer, 2304 more for the mean. */
static void prefetched_batches_and_the_mean_count(void **state)
{
    (void)state;
    static const struct {
        const char *layer;
        size_t cpu_bytes, gpu_bytes;
    } ROWS[] = {{DATA("db_raw", "", ""), 4 * 9216 + 4 * 16, 4 * 9216 + 4 * 16},
                {DATA("db_raw", "prefetch: 1", ""), 9216 + 16, 9216 + 16},
                {DATA("db_raw", "", "crop_size: 10 mean_file: 'm'"), 4 * 4800 + 4 * 16 + 2304, 4 * 4800 + 4 * 16}};
    const sa_input_shape input = {"x", {4, {4, 3, 12, 16}}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const sa_net_options options = {.data_root = databases, .input = &input, .input_count = i < 2};
        sa_net *net;
        sa_caffe_memory m;
        if (load(ROWS[i].layer, &options, &net) != SA_OK) fail_msg("%s", sa_error_message());
        bool read = i < 2 || !net->shapes_assumed; /* the mean's size is in the database */
        assert_int_equal(sa_caffe_memory_create(net, NULL, &m), SA_OK);
        if (read) {
            assert_int_equal(m.kind[SA_CAFFE_KIND_PRIVATE].cpu_bytes, ROWS[i].cpu_bytes);
            assert_int_equal(m.kind[SA_CAFFE_KIND_PRIVATE].gpu_bytes, ROWS[i].gpu_bytes);
        }
        sa_caffe_memory_free(&m);
        sa_net_free(net);
    }
}

static void lists_and_parameters_say_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *layer, *shapes;
    } ROWS[] = {
        {"layer { name: 'd' type: 'ImageData' top: 'x' top: 'l' image_data_param { source: 'list.txt' batch_size: 2 } }",
         "2x3x24x32 2"},
        {"layer { name: 'd' type: 'ImageData' top: 'x' top: 'l' image_data_param { source: 'list.txt' batch_size: 2 is_color: false"
         " } transform_param { crop_size: 8 } }",
         "2x1x8x8 2"},
        {"layer { name: 'd' type: 'ImageData' top: 'x' top: 'l' image_data_param { source: 'none.txt' batch_size: 2 new_height: 5"
         " new_width: 6 } }",
         "2x3x5x6 2"},
        {"layer { name: 'd' type: 'ImageSegData' top: 'x' top: 'l' top: 's' image_data_param { source: 'seg.txt' batch_size: 2"
         " root_folder: 'sub/' } }",
         "2x3x20x10 2x1x20x10 2x1x1x2"},
        {"layer { name: 'd' type: 'ImageSegData' top: 'x' top: 'l' image_data_param { source: 'none.txt' batch_size: 2 }"
         " transform_param { crop_size: 321 } }",
         "2x3x321x321 2x1x321x321"},
        {"layer { name: 'd' type: 'WindowData' top: 'x' top: 'l' window_data_param { source: 'windows.txt' batch_size: 2 }"
         " transform_param { crop_size: 7 } }",
         "2x1x7x7 2"},
        {"layer { name: 'd' type: 'MemoryData' top: 'x' top: 'l' memory_data_param { batch_size: 2 channels: 1 height: 5 width: 6 }"
         " }",
         "2x1x5x6 2"},
    };
    make_png("a b.png", 2, 8, 24, 32);
    if (system("mkdir sub")) fail();
    make_png("sub/c.png", 0, 8, 20, 10);
    write_text("list.txt", "\xef\xbb\xbf"
                           "a b.png 3\r\nnone.png 1\n");
    write_text("seg.txt", "c.png c_label.png\n");
    write_text("windows.txt", "# 0\nsomewhere.jpg\n1\n300\n400\n2\n");
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) expect_shapes(ROWS[i].layer, NULL, ROWS[i].shapes, false);
}

static void what_is_not_known_is_asked_for(void **state)
{
    (void)state;
    sa_net *net = NULL;
    const sa_net_options sized = {.height = 30, .width = 40};
    const sa_input_shape shapes[] = {{"x", {4, {2, 3, 8, 8}}}, {"l", {1, {2}}}};
    const sa_net_options given = {.input = shapes, .input_count = 2};
    static const char *const UNKNOWN[] = {
        DATA("nowhere", "", ""),
        "layer { name: 'd' type: 'Data' top: 'x' data_param { source: 'db' batch_size: 4 } }",
        "layer { name: 'd' type: 'ImageData' top: 'x' top: 'l' image_data_param { source: 'none.txt' batch_size: 2 } }",
        "layer { name: 'd' type: 'MemoryData' top: 'x' top: 'l' memory_data_param { batch_size: 2 } }",
        "layer { name: 'd' type: 'HDF5Data' top: 'x' top: 'l' hdf5_data_param { source: 'h' batch_size: 2 } }",
        "layer { name: 'd' type: 'Python' top: 'x' top: 'l' python_param { module: 'm' layer: 'L' } }"};
    for (size_t i = 0; i < sizeof UNKNOWN / sizeof UNKNOWN[0]; i++) {
        assert_int_equal(load(UNKNOWN[i], NULL, &net), SA_UNSUPPORTED);
        assert_non_null(strstr(sa_error_message(), " not known: "));
        assert_non_null(strstr(sa_error_message(), "--input x=N,C,H,W"));
        if (strstr(UNKNOWN[i], "'l'")) expect_shapes(UNKNOWN[i], &given, "2x3x8x8 2", false);
    }
    /* a plane without a database: three channels are a guess, unless the images are made grey */
    expect_shapes(DATA("nowhere", "", "crop_size: 9"), NULL, "4x3x9x9 4", true);
    expect_shapes(DATA("nowhere", "", "crop_size: 9 force_gray: true"), NULL, "4x1x9x9 4", false);
    expect_shapes(DATA("nowhere", "", ""), &sized, "4x3x30x40 4", true);
}

static int enter(void **state)
{
    if (scratch_enter(state)) return -1;
    snprintf(databases, sizeof databases, "%s/tests/data_layers", scratch_start_folder());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_parameters_say_shapes),
        cmocka_unit_test(what_is_not_known_is_asked_for),
        cmocka_unit_test(prefetched_batches_and_the_mean_count),
        cmocka_unit_test(a_database_that_is_cut_off_is_told),
        cmocka_unit_test(databases_say_their_shapes),
    };
    return cmocka_run_group_tests(tests, enter, scratch_leave);
}
