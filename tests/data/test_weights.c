/* Weights files: what a real Caffe wrote and what it refuses (tests/golden_weights), conversion between the formats, damaged files.
 */
#include "core/output_file.h"
#include "data/npy.h"
#include "data/weights/weights.h"
#include "data/whole_file.h"
#include "net/net_weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER "tests/golden_weights/"

static char scratch[64];

static int make_scratch(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/sa_weights_XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static int remove_scratch(void **state)
{
    static const char *const names[] = {"a.caffemodel", "a.safetensors", "a.sasnap", "b.caffemodel", "b.safetensors", "b.sasnap"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", scratch, names[i]);
        unlink(path);
    }
    return rmdir(scratch);
}

static const char *in_scratch(const char *name)
{
    static char path[2][128];
    static int next;
    next = !next;
    snprintf(path[next], sizeof path[next], "%s/%s", scratch, name);
    return path[next];
}

static sa_net *load_net(const char *name)
{
    char path[256];
    sa_net *net = NULL;
    snprintf(path, sizeof path, FOLDER "%s/net.prototxt", name);
    if (sa_net_load(path, NULL, &net) != SA_OK) fail_msg("%s", sa_error_message());
    return net;
}

/* Is a parameter in a comma-separated list? */
static bool is_listed(const char *list, const char *name)
{
    char copy[256], *rest = copy;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *word; (word = strsep(&rest, ","));)
        if (!strcmp(word, name)) return true;
    return false;
}

/* Every parameter that is not left alone has the bits of param/<layer>.<i>.npy. */
static void check_parameters(const char *folder, const sa_net *net, const sa_net_weights *match, const char *file,
                             const char *left_alone)
{
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].param_count; i++) {
            char path[512], name[160];
            sa_npy array;
            snprintf(name, sizeof name, "%s.%d", net->layer[l].name, i);
            snprintf(path, sizeof path, FOLDER "%s/param/%s.npy", folder, name);
            if (net->layer[l].param[i].is_shared) continue;
            if (is_listed(left_alone, name)) {
                if (match->blob[l][i]) fail_msg("%s: '%s' should be left alone", file, name);
                continue;
            }
            if (!match->blob[l][i]) fail_msg("%s: '%s' is missing", file, name);
            if (sa_npy_read_float32(path, &array) != SA_OK) fail_msg("%s", sa_error_message());
            assert_int_equal(array.count, match->blob[l][i]->count);
            if (memcmp(array.data, match->blob[l][i]->values, array.count * sizeof(float)) != 0)
                fail_msg("%s: '%s' differs", file, name);
            sa_npy_free(&array);
        }
}

static sa_status read_and_match(const sa_net *net, const char *path, sa_weights **weights, sa_net_weights *match)
{
    SA_TRY(sa_weights_read(path, weights));
    sa_status status = sa_net_weights_match(net, *weights, path, match);
    if (status != SA_OK) sa_weights_free(*weights);
    return status;
}

/* What our message says for each kind of error of Caffe's. */
static const char *message_of(const char *kind)
{
    static const char *const MESSAGES[][2] = {{"shape", "in the file and"},
                                              {"value_count", "values in the file; its shape"},
                                              {"blob_count", "parameters in the file and"},
                                              {"parse", "not a weights file"},
                                              {"both_formats", "both the old and the new format"},
                                              {"v0_bottom", "which no earlier layer makes"}};
    for (size_t i = 0; i < sizeof MESSAGES / sizeof MESSAGES[0]; i++)
        if (!strcmp(kind, MESSAGES[i][0])) return MESSAGES[i][1];
    fail_msg("error of kind '%s'", kind);
    return "";
}

static void check_row(const char *file, const char *folder, const char *expected, const char *left_alone)
{
    char path[256];
    sa_weights *weights = NULL;
    sa_net_weights match;
    sa_net *net = load_net(folder);
    snprintf(path, sizeof path, FOLDER "variants/%s", file);
    sa_status status = read_and_match(net, path, &weights, &match);
    if (!strcmp(expected, "ok")) {
        if (status != SA_OK) fail_msg("%s: %s", file, sa_error_message());
        check_parameters(folder, net, &match, file, left_alone);
        sa_net_weights_free(&match);
        sa_weights_free(weights);
    } else {
        if (status == SA_OK) fail_msg("%s should be refused: %s", file, expected);
        if (!strstr(sa_error_message(), message_of(expected + strlen("error:")))) fail_msg("%s: %s", expected, sa_error_message());
    }
    sa_net_free(net);
}

/* A build without libhdf5 says so. */
static bool reads_hdf5(void)
{
    sa_weights *weights = NULL;
    sa_status status = sa_weights_read(FOLDER "conv/weights.caffemodel.h5", &weights);
    sa_weights_free(weights);
    if (status != SA_OK && status != SA_UNSUPPORTED) fail_msg("%s", sa_error_message());
    return status == SA_OK;
}

static void files_are_read_as_caffe_reads_them(void **state)
{
    (void)state;
    char line[512], file[128], folder[64], expected[64], left_alone[128];
    int rows = 0, hdf5_rows = 0;
    FILE *table = fopen(FOLDER "variants/expected.tsv", "r");
    assert_non_null(table);
    assert_non_null(fgets(line, sizeof line, table));
    while (fgets(line, sizeof line, table)) {
        assert_int_equal(sscanf(line, "%127[^\t]\t%63[^\t]\t%63[^\t]\t%127[^\t]", file, folder, expected, left_alone), 4);
        if (!strcmp(folder, "deconv_group_prelu")) continue; /* the net is not here */
        if (strstr(file, ".h5")) {
            hdf5_rows += reads_hdf5();
            if (!reads_hdf5()) continue;
        }
        check_row(file, folder, expected, left_alone);
        rows++;
    }
    fclose(table);
    assert_int_equal(rows, 46 + hdf5_rows);
    assert_true(hdf5_rows == 0 || hdf5_rows == 11);
}

static void hdf5_and_other_files_are_named(void **state)
{
    (void)state;
    sa_weights *weights = NULL;
    const char *path = in_scratch("a.caffemodel");
    assert_int_equal(sa_output_file_put(path, "\x89HDF\r\n\x1a\n....", 12), SA_OK);
    bool read = reads_hdf5();
    assert_int_equal(sa_weights_read(path, &weights), read ? SA_PARSE : SA_UNSUPPORTED);
    assert_non_null(strstr(sa_error_message(), read ? "a.caffemodel: a damaged HDF5 file" : "snapshot_format: BINARYPROTO"));
    assert_int_equal(sa_output_file_put(path, "PK\x03\x04....", 8), SA_OK);
    assert_int_equal(sa_weights_read(path, &weights), SA_PARSE);
    assert_non_null(strstr(sa_error_message(), "as PyTorch writes"));
}

/* ---- conversion ---- */

static void assert_same_weights(const sa_weights *a, const sa_weights *b)
{
    size_t k = 0;
    for (size_t l = 0; l < a->layer_count; l++) {
        const sa_weight_layer *x = &a->layer[l];
        if (x->blob_count == 0) continue; /* formats of arrays have no layers without */
        while (k < b->layer_count && b->layer[k].blob_count == 0) k++;
        assert_true(k < b->layer_count);
        const sa_weight_layer *y = &b->layer[k++];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->blob_count, y->blob_count);
        for (size_t i = 0; i < x->blob_count; i++) {
            assert_int_equal(x->blob[i].axes, y->blob[i].axes);
            assert_memory_equal(x->blob[i].dim, y->blob[i].dim, (size_t)x->blob[i].axes * sizeof x->blob[i].dim[0]);
            assert_int_equal(x->blob[i].count, y->blob[i].count);
            assert_memory_equal(x->blob[i].values, y->blob[i].values, x->blob[i].count * sizeof(float));
        }
    }
}

static sa_weights *read_ok(const char *path)
{
    sa_weights *weights = NULL;
    if (sa_weights_read(path, &weights) != SA_OK) fail_msg("%s", sa_error_message());
    return weights;
}

static void bits_survive_every_way_between_formats(void **state)
{
    (void)state;
    static const char *const ENDINGS[] = {"caffemodel", "safetensors", "sasnap"};
    static const char *const SOURCES[] = {FOLDER "conv/weights.caffemodel", FOLDER "conv_bn/weights.caffemodel",
                                          FOLDER "ip_shared/weights.caffemodel"};
    for (size_t s = 0; s < sizeof SOURCES / sizeof SOURCES[0]; s++) {
        sa_weights *source = read_ok(SOURCES[s]);
        for (int from = 0; from < 3; from++)
            for (int to = 0; to < 3; to++) {
                char a[32], b[32];
                snprintf(a, sizeof a, "a.%s", ENDINGS[from]);
                snprintf(b, sizeof b, "b.%s", ENDINGS[to]);
                if (sa_weights_write(in_scratch(a), source) != SA_OK) fail_msg("%s", sa_error_message());
                sa_weights *first = read_ok(in_scratch(a));
                assert_int_equal(first->format, from);
                assert_same_weights(source, first);
                if (sa_weights_write(in_scratch(b), first) != SA_OK) fail_msg("%s", sa_error_message());
                sa_weights *second = read_ok(in_scratch(b));
                assert_same_weights(source, second);
                sa_weights_free(first);
                sa_weights_free(second);
            }
        sa_weights_free(source);
    }
}

static void old_shapes_come_back_from_safetensors(void **state)
{
    (void)state;
    sa_weights *old = read_ok(FOLDER "variants/conv_legacy_dims.caffemodel");
    assert_int_equal(sa_weights_write(in_scratch("a.safetensors"), old), SA_OK);
    sa_weights *again = read_ok(in_scratch("a.safetensors"));
    const sa_weight_layer *layer = sa_weights_find(again, "conv1");
    assert_true(layer->blob[0].legacy && layer->blob[1].legacy && layer->blob[1].axes == 4);
    assert_string_equal(layer->type, "Convolution");
    assert_string_equal(again->net_name, old->net_name);
    sa_weights_free(old);
    sa_weights_free(again);
}

/* As PyTorch's users name and order them: bias before weight. */
static void names_of_pytorch_are_read(void **state)
{
    (void)state;
    static const char HEADER[] = "{\"c.bias\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},"
                                 "\"c.weight\":{\"dtype\":\"F16\",\"shape\":[2,1,1,2],\"data_offsets\":[4,12]}}";
    const uint16_t data[6] = {0x3f80, 0xc000, 0x3c00, 0xbc00, 0x0001, 0x7bff};
    unsigned char bytes[sizeof HEADER - 1 + 8 + sizeof data];
    const uint64_t length = sizeof HEADER - 1;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, HEADER, sizeof HEADER - 1);
    memcpy(bytes + 8 + sizeof HEADER - 1, data, sizeof data);
    assert_int_equal(sa_output_file_put(in_scratch("a.safetensors"), bytes, sizeof bytes), SA_OK);
    sa_weights *w = read_ok(in_scratch("a.safetensors"));
    assert_int_equal(w->layer_count, 1);
    assert_int_equal(w->layer[0].blob_count, 2);
    const float weight[] = {1, -1, 0x1p-24f, 65504}, bias[] = {1, -2};
    assert_memory_equal(w->layer[0].blob[0].values, weight, sizeof weight);
    assert_memory_equal(w->layer[0].blob[1].values, bias, sizeof bias);
    sa_weights_free(w);
}

/* ---- damage ---- */

static void truncated_and_changed_files_never_crash(void **state)
{
    (void)state;
    static const char *const ENDINGS[] = {"caffemodel", "safetensors", "sasnap"};
    sa_weights *source = read_ok(FOLDER "conv/weights.caffemodel");
    for (int f = 0; f < 3; f++) {
        char name[32], *bytes;
        size_t count;
        int refused = 0;
        snprintf(name, sizeof name, "a.%s", ENDINGS[f]);
        assert_int_equal(sa_weights_write(in_scratch(name), source), SA_OK);
        assert_int_equal(sa_whole_file_read(in_scratch(name), &bytes, &count), SA_OK);
        for (size_t i = 0; i < count; i += 7) {
            sa_weights *weights = NULL;
            char saved = bytes[i];
            bytes[i] = (char)(i % 3 ? ~saved : saved ^ 1);
            size_t length = i % 2 ? count : i;
            assert_int_equal(sa_output_file_put(in_scratch("b.sasnap"), bytes, length), SA_OK);
            if (sa_weights_read(in_scratch("b.sasnap"), &weights) == SA_OK) sa_weights_free(weights);
            else refused++;
            bytes[i] = saved;
        }
        assert_true(refused > 20);
        free(bytes);
    }
    sa_weights_free(source);
}

static void what_a_format_cannot_hold_is_refused(void **state)
{
    (void)state;
    sa_weights *w = NULL;
    sa_weight_layer *layer;
    sa_weight_blob *blob;
    const int64_t dim[] = {3};
    assert_int_equal(sa_weights_create("n", &w), SA_OK);
    assert_int_equal(sa_weights_add_layer(w, "twice", "T", &layer), SA_OK);
    assert_int_equal(sa_weights_add_blob(layer, 1, dim, 3, &blob), SA_OK);
    memset(blob->values, 0, 3 * sizeof(float));
    assert_int_equal(sa_weights_write(in_scratch("a.txt"), w), SA_INVALID);
    assert_non_null(strstr(sa_error_message(), "must end in .caffemodel, .safetensors or .sasnap"));
    assert_int_equal(sa_weights_add_layer(w, "twice", "T", &layer), SA_OK);
    assert_int_equal(sa_weights_add_blob(layer, 1, dim, 3, &blob), SA_OK);
    memset(blob->values, 0, 3 * sizeof(float));
    assert_int_equal(sa_weights_write(in_scratch("a.safetensors"), w), SA_INVALID);
    assert_non_null(strstr(sa_error_message(), "two layers are called 'twice'"));
    assert_int_equal(sa_weights_write(in_scratch("a.caffemodel"), w), SA_OK);
    sa_weights_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_as_caffe_reads_them),
        cmocka_unit_test(hdf5_and_other_files_are_named),
        cmocka_unit_test(bits_survive_every_way_between_formats),
        cmocka_unit_test(old_shapes_come_back_from_safetensors),
        cmocka_unit_test(names_of_pytorch_are_read),
        cmocka_unit_test(truncated_and_changed_files_never_crash),
        cmocka_unit_test(what_a_format_cannot_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
