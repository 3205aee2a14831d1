/* Snapshots: round trip, every single damaged byte, every truncation, snapshots of another net, and that nothing is half-done. */
#include "data/snapshot.h"
#include "tests/support/data_files.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { WEIGHTS = 12, BIASES = 2 };

typedef struct net_arrays {
    float weight[WEIGHTS], weight_history[WEIGHTS], bias[BIASES], bias_history[BIASES];
    sa_snapshot_array arrays[2];
} net_arrays;

static void make_arrays(net_arrays *net, float start)
{
    for (int i = 0; i < WEIGHTS; i++) {
        net->weight[i] = start + (float)i;
        net->weight_history[i] = -start - 0.5f * (float)i;
    }
    for (int i = 0; i < BIASES; i++) {
        net->bias[i] = start * 100 + (float)i;
        net->bias_history[i] = 1e-40f * (float)i;
    }
    net->arrays[0] = (sa_snapshot_array){"conv1.0", {2, 3, 1, 2}, 4, WEIGHTS, net->weight, net->weight_history};
    net->arrays[1] = (sa_snapshot_array){"conv1.1", {2}, 1, BIASES, net->bias, net->bias_history};
}

static const sa_snapshot_state saved_state = {"segnet", 1234567890123, 42, {UINT64_MAX, 5, 17}};

static void save_one(net_arrays *net)
{
    make_arrays(net, 1.25f);
    assert_ok(sa_snapshot_save("s.snap", &saved_state, net->arrays, 2));
}

static void assert_same_values(const net_arrays *a, const net_arrays *b)
{
    assert_memory_equal(a->weight, b->weight, sizeof a->weight);
    assert_memory_equal(a->weight_history, b->weight_history, sizeof a->weight_history);
    assert_memory_equal(a->bias, b->bias, sizeof a->bias);
    assert_memory_equal(a->bias_history, b->bias_history, sizeof a->bias_history);
}

static void round_trip(void **state)
{
    (void)state;
    net_arrays saved, loaded;
    sa_snapshot_state read;
    save_one(&saved);
    make_arrays(&loaded, 7);
    assert_ok(sa_snapshot_load("s.snap", "segnet", 0, loaded.arrays, 2, &read));
    assert_same_values(&saved, &loaded);
    assert_string_equal(read.net_name, "segnet");
    assert_true(read.step == saved_state.step && read.seed == 42);
    assert_true(read.position.seed == UINT64_MAX && read.position.epoch == 5 && read.position.index == 17);
    /* arrays are found by name, in any order; any net name */
    make_arrays(&loaded, 7);
    sa_snapshot_array swapped[2] = {loaded.arrays[1], loaded.arrays[0]};
    assert_ok(sa_snapshot_load("s.snap", NULL, 0, swapped, 2, &read));
    assert_same_values(&saved, &loaded);
    assert_ok(sa_snapshot_save("s.snap", &saved_state, NULL, 0));
    assert_ok(sa_snapshot_load("s.snap", "segnet", 0, NULL, 0, &read));
}

/* Loading must fail with this status and message (NULL: any) and leave every output as it was. */
static void expect_refusal(const char *net_name, net_arrays *net, size_t array_count, sa_status status, const char *message)
{
    net_arrays before = *net;
    sa_snapshot_state read = {.step = 99};
    sa_status result = sa_snapshot_load("s.snap", net_name, 0, net->arrays, array_count, &read);
    if (result == SA_OK) fail_msg("a bad snapshot was loaded");
    if (message) {
        assert_int_equal(result, status);
        assert_string_equal(sa_error_message(), message);
    }
    assert_int_equal(read.step, 99);
    assert_same_values(&before, net);
}

/* Solvers with two histories, and scalars: shapes without axes. */
static void two_histories_and_a_scalar(void **state)
{
    (void)state;
    float weight = 3, history = 4, second = 5, read[3] = {0};
    const sa_snapshot_array saved = {"p.0", {0}, 0, 1, &weight, &history, &second},
                            loaded = {"p.0", {0}, 0, 1, &read[0], &read[1], &read[2]};
    const sa_snapshot_array single = {"p.0", {0}, 0, 1, &read[0], &read[1], NULL};
    const sa_snapshot_state adam = {.net_name = "scalar", .step = 9, .solver = 5};
    sa_snapshot_state found;
    assert_ok(sa_snapshot_save("two.snap", &adam, &saved, 1));
    assert_ok(sa_snapshot_load("two.snap", "scalar", 5, &loaded, 1, &found));
    assert_true(read[0] == 3 && read[1] == 4 && read[2] == 5 && found.solver == 5 && found.step == 9);
    assert_int_equal(sa_snapshot_load("two.snap", "scalar", 4, &loaded, 1, &found), SA_INVALID);
    assert_string_equal(sa_error_message(), "two.snap: a snapshot of the solver Adam, not of AdaDelta");
    assert_int_equal(sa_snapshot_load("two.snap", "scalar", 0, &single, 1, &found), SA_INVALID);
    assert_string_equal(sa_error_message(), "two.snap: a snapshot of the solver Adam, not of SGD");
}

static void every_damaged_byte_is_refused(void **state)
{
    (void)state;
    net_arrays net;
    size_t byte_count;
    save_one(&net);
    make_arrays(&net, 7);
    char *bytes = read_bytes("s.snap", &byte_count);
    for (size_t i = 0; i < byte_count; i++) {
        static const char masks[] = {1, 0x20, (char)0x80, (char)0xff};
        for (size_t m = 0; m < sizeof masks; m++) {
            bytes[i] ^= masks[m];
            write_bytes("s.snap", bytes, byte_count);
            expect_refusal("segnet", &net, 2, SA_OK, NULL);
            bytes[i] ^= masks[m];
        }
    }
    for (size_t length = 0; length < byte_count; length++) {
        write_bytes("s.snap", bytes, length);
        expect_refusal("segnet", &net, 2, SA_OK, NULL);
    }
    free(bytes);
}

static void damage_is_named(void **state)
{
    (void)state;
    net_arrays net;
    size_t byte_count;
    char message[128];
    save_one(&net);
    make_arrays(&net, 7);
    char *bytes = read_bytes("s.snap", &byte_count);
    write_bytes("s.snap", bytes, byte_count - 1);
    snprintf(message, sizeof message, "s.snap: truncated: %zu bytes, %zu were written", byte_count - 1, byte_count);
    expect_refusal("segnet", &net, 2, SA_PARSE, message);
    write_bytes("s.snap", bytes, 20);
    expect_refusal("segnet", &net, 2, SA_PARSE, "s.snap: truncated: only 20 bytes");
    write_bytes("s.snap", bytes, byte_count + 1); /* read_bytes leaves room for one more */
    snprintf(message, sizeof message, "s.snap: too long: %zu bytes, %zu were written", byte_count + 1, byte_count);
    expect_refusal("segnet", &net, 2, SA_PARSE, message);
    bytes[100] ^= 1;
    write_bytes("s.snap", bytes, byte_count);
    expect_refusal("segnet", &net, 2, SA_PARSE, "s.snap: damaged snapshot: the checksum does not match");
    bytes[8] = 3;
    write_bytes("s.snap", bytes, byte_count);
    expect_refusal("segnet", &net, 2, SA_UNSUPPORTED, "s.snap: snapshot version 3.0, this program reads 1.0 and 2");
    write_text("s.snap", "layer { name: 'conv1' }");
    expect_refusal("segnet", &net, 2, SA_PARSE, "s.snap: not a snapshot file");
    remove("s.snap");
    expect_refusal("segnet", &net, 2, SA_IO, "s.snap: cannot open: No such file or directory");
    free(bytes);
}

static void other_nets_are_refused(void **state)
{
    (void)state;
    net_arrays net;
    save_one(&net);
    make_arrays(&net, 7);
    expect_refusal("vgg", &net, 2, SA_INVALID, "s.snap: a snapshot of net 'segnet', not of 'vgg'");
    expect_refusal("segnet", &net, 1, SA_INVALID, "s.snap: it holds 'conv1.1', which the net does not have");
    net.arrays[0].name = "conv2.0";
    expect_refusal("segnet", &net, 2, SA_INVALID, "s.snap: it holds 'conv1.0', which the net does not have");
    net.arrays[0].name = "conv1.0";
    net.arrays[0].shape[0] = 3;
    net.arrays[0].shape[1] = 2;
    expect_refusal("segnet", &net, 2, SA_INVALID,
                   "s.snap: 'conv1.0' has shape 2x3x1x2 (4 axes) in it, but 3x2x1x2 (4 axes) in the net");
    make_arrays(&net, 7);
    net.arrays[1].axes = 2;
    net.arrays[1].shape[1] = 1;
    expect_refusal("segnet", &net, 2, SA_INVALID,
                   "s.snap: 'conv1.1' has shape 2x1x1x1 (1 axes) in it, but 2x1x1x1 (2 axes) in the net");
    make_arrays(&net, 7);
    assert_ok(sa_snapshot_save("s.snap", &saved_state, net.arrays, 1));
    expect_refusal("segnet", &net, 2, SA_INVALID, "s.snap: param 'conv1.1' is missing");
    sa_snapshot_array twice[2] = {net.arrays[0], net.arrays[0]};
    assert_ok(sa_snapshot_save("s.snap", &saved_state, twice, 2));
    expect_refusal("segnet", &net, 2, SA_INVALID, "s.snap: 'conv1.0' is in it twice");
}

static size_t count_files(const char *folder)
{
    size_t count = 0;
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    while (readdir(stream)) count++;
    closedir(stream);
    return count - 2; /* . and .. */
}

/* A save that fails leaves the old file and no temporary one. */
static void failed_saves_leave_nothing(void **state)
{
    (void)state;
    net_arrays net;
    make_arrays(&net, 1);
    mkdir("out", 0777);
    mkdir("out/taken", 0777);
    assert_int_equal(sa_snapshot_save("out/taken", &saved_state, net.arrays, 2), SA_IO);
    assert_string_equal(sa_error_message(), "out/taken: cannot write: it is a folder");
    assert_int_equal(count_files("out"), 1);
    assert_int_equal(sa_snapshot_save("none/s.snap", &saved_state, net.arrays, 2), SA_IO);
    assert_string_equal(sa_error_message(), "none/s.snap: cannot write: its folder none: No such file or directory");
    assert_ok(sa_snapshot_save("out/s.snap", &saved_state, net.arrays, 2));
    net.arrays[1].count = 3;
    assert_int_equal(sa_snapshot_save("out/s.snap", &saved_state, net.arrays, 2), SA_INVALID);
    assert_string_equal(sa_error_message(), "snapshot: 'conv1.1' has 3 elements, its shape says 2");
    net.arrays[1].count = 2;
    net.arrays[1].axes = 5;
    assert_int_equal(sa_snapshot_save("out/s.snap", &saved_state, net.arrays, 2), SA_INVALID);
    assert_int_equal(count_files("out"), 2);
    net_arrays loaded;
    sa_snapshot_state read;
    make_arrays(&loaded, 7);
    assert_ok(sa_snapshot_load("out/s.snap", "segnet", 0, loaded.arrays, 2, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(two_histories_and_a_scalar),
        cmocka_unit_test(every_damaged_byte_is_refused),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(other_nets_are_refused),
        cmocka_unit_test(failed_saves_leave_nothing),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
