/* HDF5Data: shapes and batches of files that the test writes; rows in order and shuffled, positions, a training; what is wrong with
 * files is said. */
#include "data/hdf5/hdf5_source.h"
#include "net/feed.h"
#include "net/net.h"
#include "net/session.h"
#include "report/caffe_memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char NET[] = "name: 'h5' layer { name: 'data' type: 'HDF5Data' top: 'data' top: 'label' hdf5_data_param { source: "
                          "'list.txt' batch_size: 4 %s } }\n"
                          "layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip' inner_product_param { num_output: 3 "
                          "weight_filler { type: 'xavier' "
                          "} } }\n"
                          "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }\n";

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void write_net(const char *options)
{
    char text[sizeof NET + 64];
    snprintf(text, sizeof text, NET, options);
    write_text("net.prototxt", text);
}

static int enter(void **state)
{
    static char folder[] = "/tmp/sa_hdf5_XXXXXX";
    *state = folder;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %.40s", (const char *)*state);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

#ifdef SA_HAVE_HDF5
#include <hdf5.h>

enum { C = 2, H = 3, W = 5, ROW = C * H * W, ROWS_A = 5, ROWS_B = 6, ROWS = ROWS_A + ROWS_B };

static float value_of(int row, int i)
{
    return (float)row + (float)i / 64.0f;
}

static void add_set(hid_t file, const char *name, int rank, const hsize_t *dim, hid_t type, const void *values)
{
    hid_t space = H5Screate_simple(rank, dim, NULL),
          set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

/* Rows first .. first + rows - 1; labels are row % 3, as integers. */
static void write_file(const char *path, int first, int rows, int labels)
{
    float data[ROWS * ROW];
    int label[ROWS];
    const hsize_t dim[] = {(hsize_t)rows, C, H, W}, label_dim[] = {(hsize_t)labels};
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < ROW; i++) data[r * ROW + i] = value_of(first + r, i);
    for (int r = 0; r < labels; r++) label[r] = (first + r) % 3;
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    add_set(file, "data", 4, dim, H5T_NATIVE_FLOAT, data);
    add_set(file, "label", 1, label_dim, H5T_NATIVE_INT, label);
    H5Fclose(file);
}

static void write_files(void)
{
    write_file("a.h5", 0, ROWS_A, ROWS_A);
    write_file("b.h5", ROWS_A, ROWS_B, ROWS_B);
    write_text("list.txt", "a.h5\nb.h5\n");
}

static sa_data_source *open_source(const char *dataset, bool shuffle)
{
    const sa_hdf5_config config = {.source = "list.txt", .dataset = dataset, .batch_size = 4, .shuffle = shuffle, .seed = 7};
    sa_data_source *source;
    if (sa_hdf5_source_open(&config, &source) != SA_OK) fail_msg("%s", sa_error_message());
    assert_int_equal(source->entry_count, ROWS);
    return source;
}

static int row_in(const float *values)
{
    const int row = (int)values[0];
    for (int i = 0; i < ROW; i++) assert_true(values[i] == value_of(row, i));
    return row;
}

static void rows_come_in_order(void **state)
{
    (void)state;
    float data[4 * ROW], label[4];
    write_files();
    sa_data_source *images = open_source("data", false), *labels = open_source("label", false);
    assert_int_equal(images->shape.channels, C);
    assert_int_equal(images->shape.width, W);
    for (int n = 0; n < 6 * ROWS; n += 4) {
        assert_int_equal(sa_data_source_next(images, data, NULL), SA_OK);
        assert_int_equal(sa_data_source_next(labels, NULL, label), SA_OK);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(row_in(data + i * ROW), (n + i) % ROWS);
            assert_true(label[i] == (float)((n + i) % ROWS % 3));
        }
    }
    sa_data_source_close(images);
    sa_data_source_close(labels);
}

/* An epoch has every row once, epochs differ, labels stay with their rows, and a position is taken up exactly. */
static void rows_are_shuffled(void **state)
{
    (void)state;
    int order[3 * ROWS + 4], differ = 0;
    float data[4 * ROW], label[4];
    write_files();
    sa_data_source *images = open_source("data", true), *labels = open_source("label", true);
    sa_data_position later = {0};
    for (int n = 0; n < 3 * ROWS; n += 4) {
        if (n == 16) later = sa_data_source_position(images);
        assert_int_equal(sa_data_source_next(images, data, NULL), SA_OK);
        assert_int_equal(sa_data_source_next(labels, NULL, label), SA_OK);
        for (int i = 0; i < 4; i++) {
            order[n + i] = row_in(data + i * ROW);
            assert_true(label[i] == (float)(order[n + i] % 3));
        }
    }
    for (int e = 0; e < 3; e++) {
        int seen = 0;
        for (int i = 0; i < ROWS; i++) seen |= 1 << order[e * ROWS + i];
        assert_int_equal(seen, (1 << ROWS) - 1);
    }
    for (int i = 0; i < ROWS; i++) differ += (order[i] != i) + (order[i] != order[ROWS + i]);
    assert_true(differ > ROWS / 2);
    assert_int_equal(sa_data_source_restore(images, later), SA_OK);
    assert_int_equal(sa_data_source_next(images, data, NULL), SA_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(row_in(data + i * ROW), order[16 + i]);
    later.index = ROWS;
    assert_int_equal(sa_data_source_restore(images, later), SA_INVALID);
    sa_data_source_close(images);
    sa_data_source_close(labels);
}

/* Shapes from the files, the loss of a step from their rows, and what Caffe keeps of the file. */
static void a_net_trains(void **state)
{
    (void)state;
    float loss;
    sa_device *device;
    sa_net *net;
    sa_feed *feed;
    sa_session *session;
    sa_strategy strategy;
    sa_caffe_memory m;
    const sa_session_options options = {.program = {.training = true}, .seed = 1};
    write_files();
    write_net("");
    if (sa_net_load("net.prototxt", NULL, &net) != SA_OK) fail_msg("%s", sa_error_message());
    char text[SA_SHAPE_TEXT_BYTES];
    assert_string_equal(sa_shape_text(&net->blob[sa_net_blob_index(net, "data")].shape, text), "4x2x3x5");
    assert_string_equal(sa_shape_text(&net->blob[sa_net_blob_index(net, "label")].shape, text), "4");
    assert_int_equal(sa_caffe_memory_create(net, NULL, &m), SA_OK);
    size_t kept = 0;
    for (size_t i = 0; i < m.item_count; i++)
        if (strstr(m.item[i].name, "hdf_blobs_")) kept += m.item[i].cpu_bytes;
    assert_int_equal(kept, 4 * ROWS_A * (ROW + 1));
    sa_caffe_memory_free(&m);
    assert_int_equal(sa_device_open_cpu(1, &device), SA_OK);
    assert_int_equal(sa_strategy_parse("caffe", &strategy), SA_OK);
    assert_int_equal(sa_session_create(net, &strategy, device, &options, &session), SA_OK);
    if (sa_feed_open(net, NULL, 3, &feed) != SA_OK) fail_msg("%s", sa_error_message());
    assert_false(sa_feed_is_synthetic(feed));
    for (int step = 0; step < 4; step++) {
        assert_int_equal(sa_feed_next(feed, session), SA_OK);
        assert_int_equal(sa_session_run(session, 0.0f, (uint32_t)step, NULL), SA_OK);
        assert_int_equal(sa_session_get_output(session, sa_net_blob_index(net, "loss"), &loss), SA_OK);
        assert_true(isfinite(loss) && loss > 0);
    }
    assert_int_equal(sa_feed_position(feed).epoch, 16 / ROWS);
    assert_int_equal(sa_feed_position(feed).index, 16 % ROWS);
    sa_feed_close(feed);
    sa_session_destroy(session);
    sa_device_close(device);
    sa_net_free(net);
}

static void refused(const char *dataset, sa_status expected, const char *says)
{
    const sa_hdf5_config config = {.source = "list.txt", .dataset = dataset, .batch_size = 4};
    sa_data_source *source;
    assert_int_equal(sa_hdf5_source_open(&config, &source), expected);
    if (!strstr(sa_error_message(), says)) fail_msg("%s", sa_error_message());
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    write_files();
    refused("depth", SA_PARSE, "list.txt:1: a.h5: it has no dataset 'depth'");
    write_text("list.txt", "a.h5\n\nmissing.h5\n");
    refused("data", SA_IO, "list.txt:3: missing.h5: cannot open");
    write_text("list.txt", "a.h5\nlist.txt\n");
    refused("data", SA_PARSE, "list.txt:2: list.txt: no HDF5 file, or a damaged one");
    write_text("list.txt", "");
    refused("data", SA_PARSE, "empty");
    write_text("list.txt", "a.h5 b.h5\n");
    refused("data", SA_PARSE, "one name per line");
    assert_int_equal(truncate("b.h5", 900), 0);
    write_text("list.txt", "a.h5\nb.h5\n");
    refused("data", SA_PARSE, "list.txt:2: b.h5");
    assert_int_equal(unlink("list.txt"), 0);
    refused("data", SA_IO, "list.txt");
    write_net("");
    sa_net *net;
    assert_int_equal(sa_net_load("net.prototxt", NULL, &net), SA_UNSUPPORTED);
    assert_non_null(strstr(sa_error_message(), "list.txt"));
    assert_non_null(strstr(sa_error_message(), "--input data=N,C,H,W --input label=N,C,H,W"));
}

static void tops_have_as_many_rows(void **state)
{
    (void)state;
    sa_net *net;
    sa_feed *feed;
    write_file("a.h5", 0, ROWS_A, ROWS_A - 1);
    write_text("list.txt", "a.h5\n");
    write_net("shuffle: true");
    if (sa_net_load("net.prototxt", NULL, &net) != SA_OK) fail_msg("%s", sa_error_message());
    assert_int_equal(sa_feed_open(net, NULL, 3, &feed), SA_INVALID);
    assert_non_null(strstr(sa_error_message(), "'label' has 4 rows, 'data' 5"));
    sa_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_order),    cmocka_unit_test(rows_are_shuffled),      cmocka_unit_test(a_net_trains),
        cmocka_unit_test(what_is_wrong_is_said), cmocka_unit_test(tops_have_as_many_rows),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
#else

/* Shapes have to be given; the message says what is missing. */
static void the_build_says_what_is_missing(void **state)
{
    (void)state;
    sa_net *net;
    write_net("");
    write_text("list.txt", "a.h5\n");
    assert_int_equal(sa_net_load("net.prototxt", NULL, &net), SA_UNSUPPORTED);
    assert_non_null(strstr(sa_error_message(), "libhdf5-dev"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_build_says_what_is_missing)};
    return cmocka_run_group_tests(tests, enter, leave);
}
#endif
