/* BN statistics: the golden net of three batches (tests/golden_weights/segnet_bn), then `bn-stats` on images, and a net whose
 * layers are not all in place. */
#include "cli/bn_stats_run.h"
#include "cli/session_weights.h"
#include "data/npy.h"
#include "net/bn_statistics.h"
#include "net/net_upgrade.h"
#include "proto/text_write.h"
#include "tests/support/data_files.h"
#include "tests/support/tiny_net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static sa_device *device;

static const char *golden(const char *name)
{
    static char path[8192];
    snprintf(path, sizeof path, "%s/tests/golden_weights/segnet_bn/%s", scratch_start_folder(), name);
    return path;
}

static sa_npy read_golden(const char *format, ...)
{
    char name[256];
    sa_npy array;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    assert_ok(sa_npy_read_float32(golden(name), &array));
    return array;
}

/* Within 1e-5 of the rms. */
static void assert_near(const char *what, const float *value, const sa_npy *expected)
{
    const float *e = expected->data;
    double square = 0;
    for (size_t i = 0; i < expected->count; i++) square += (double)e[i] * (double)e[i];
    double bound = 1e-5 * sqrt(square / (double)expected->count);
    for (size_t i = 0; i < expected->count; i++)
        if (!(fabs((double)value[i] - (double)e[i]) <= bound))
            fail_msg("%s: value %zu is %.9g, %.9g is expected", what, i, (double)value[i], (double)e[i]);
}

static void assert_weights(const char *folder, const sa_weights *weights)
{
    static const char *const LAYERS[] = {"conv1", "conv1_bn", "conv2", "conv2_bn"};
    for (int l = 0; l < 4; l++)
        for (int i = 0; i < 2; i++) {
            char name[128];
            snprintf(name, sizeof name, "%s/%s.%d.npy", folder, LAYERS[l], i);
            sa_npy expected = read_golden("%s", name);
            const sa_weight_layer *layer = sa_weights_find(weights, LAYERS[l]);
            assert_non_null(layer);
            assert_int_equal(layer->blob[i].count, expected.count);
            assert_near(name, layer->blob[i].values, &expected);
            sa_npy_free(&expected);
        }
}

static sa_session *open_session(const sa_net *net, const char *strategy_name)
{
    sa_session *session;
    sa_strategy strategy;
    const sa_session_options options = {.seed = 1};
    assert_ok(sa_strategy_parse(strategy_name, &strategy));
    assert_ok(sa_session_create(net, &strategy, device, &options, &session));
    return session;
}

static void run_golden(sa_session *session, const sa_net *net, int batch)
{
    sa_npy data = read_golden("in/iter%d/data.npy", batch);
    assert_ok(sa_session_set_input(session, sa_net_blob_index(net, "data"), data.data));
    assert_ok(sa_session_run(session, 0, 0, NULL));
    sa_npy_free(&data);
}

/* The net gives these outputs, which the golden net computed with its BN layers. */
static void assert_outputs(const char *net_path, const char *weights, const char *folder)
{
    sa_net *net;
    assert_ok(sa_net_load(net_path, &(sa_net_options){.forward_only = true}, &net));
    sa_session *session = open_session(net, "fastest");
    assert_ok(sa_session_load_weights(session, net, weights, "test", NULL));
    for (int batch = 0; batch < 3; batch++) {
        float out[512];
        sa_npy expected = read_golden("%s/iter%d/conv2.npy", folder, batch);
        run_golden(session, net, batch);
        assert_true(expected.count <= 512);
        assert_ok(sa_session_get_output(session, sa_net_blob_index(net, "conv2"), out));
        assert_near(folder, out, &expected);
        sa_npy_free(&expected);
    }
    sa_session_destroy(session);
    sa_net_free(net);
}

static void assert_averages(const sa_bn_statistics *s)
{
    for (int l = 0; l < s->layer_count; l++) {
        float mean[8], variance[8];
        if (s->layer[l].channels == 0) continue;
        assert_true(s->layer[l].channels <= 8);
        for (int c = 0; c < s->layer[l].channels; c++) {
            mean[c] = (float)(s->layer[l].mean[c] / (double)s->batches);
            variance[c] = (float)(s->layer[l].variance[c] / (double)s->batches);
        }
        sa_npy expected = read_golden("bn/average/%s.mean.npy", s->net->layer[l].name);
        assert_near("mean", mean, &expected);
        sa_npy_free(&expected);
        expected = read_golden("bn/average/%s.var.npy", s->net->layer[l].name);
        assert_near("variance", variance, &expected);
        sa_npy_free(&expected);
    }
}

static void write_absorbed(sa_weights *weights)
{
    sa_proto_document *document;
    char *text;
    int absorbed, left;
    assert_ok(sa_proto_parse_file(golden("learn.prototxt"), &document));
    assert_ok(sa_net_upgrade(document));
    assert_ok(sa_bn_absorb(document, weights, &absorbed, &left));
    assert_int_equal(absorbed, 2);
    assert_int_equal(left, 0);
    assert_ok(sa_proto_write_text(&document->root, "# folded\n", &text));
    write_text("absorbed.prototxt", text);
    assert_null(strstr(text, "\"BN\""));
    free(text);
    sa_proto_free(document);
    assert_weights("param_absorbed", weights);
    assert_ok(sa_weights_write("absorbed.caffemodel", weights));
}

/* The same under every strategy: bands tell their channels in parts. */
static void golden_statistics(void **state)
{
    static const char *const STRATEGIES[] = {"caffe", "fastest", "caffe+lean+fuse+banded=1"};
    static const char *const FILES[] = {"segnet_bn.caffemodel", "segnet_bn_legacy_dims.caffemodel", "segnet_bn.caffemodel"};
    (void)state;
    for (int k = 0; k < 3; k++) {
        sa_net *net;
        sa_bn_statistics statistics;
        sa_weights *weights;
        assert_ok(sa_net_load(golden("learn.prototxt"), &(sa_net_options){.test_phase = true, .forward_only = true}, &net));
        sa_session *session = open_session(net, STRATEGIES[k]);
        assert_ok(sa_session_load_weights(session, net, golden(FILES[k]), "test", NULL));
        assert_ok(sa_bn_statistics_create(net, &statistics));
        sa_bn_statistics_watch(&statistics, session);
        for (int batch = 0; batch < 3; batch++) {
            run_golden(session, net, batch);
            sa_bn_statistics_end_batch(&statistics);
        }
        assert_averages(&statistics);
        assert_ok(sa_weights_read(golden(FILES[k]), &weights));
        assert_ok(sa_bn_statistics_fold(&statistics, weights));
        assert_weights("param_inference", weights);
        assert_ok(sa_weights_write("folded.caffemodel", weights));
        assert_outputs(golden("inference.prototxt"), "folded.caffemodel", "out_inference");
        write_absorbed(weights);
        assert_outputs("absorbed.prototxt", "absorbed.caffemodel", "out_absorbed");
        sa_weights_free(weights);
        sa_bn_statistics_free(&statistics);
        sa_session_destroy(session);
        sa_net_free(net);
    }
}

/* ------------------------------------------------------------------ what can be absorbed --------------------------- */

static const char MIXED[] =
    "name: 'mixed \"net\"'\n"
    "layer { name: 'in' type: 'DummyData' top: 'data' dummy_data_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } } }\n"
    "layer { name: 'first' type: 'BN' bottom: 'data' top: 'norm' bn_param { scale_filler { value: 2 } } }\n"
    "layer { name: 'a' type: 'Convolution' bottom: 'norm' top: 'a' convolution_param { num_output: 3 kernel_size: 3 bias_term: "
    "false\n"
    "  weight_filler { type: 'msra' } } }\n"
    "layer { name: 'a_bn' type: 'BN' bottom: 'a' top: 'b' bn_param { bn_mode: INFERENCE scale_filler { value: 3 } shift_filler { "
    "value: "
    "0.5 } } }\n"
    "layer { name: 'c' type: 'Convolution' bottom: 'b' top: 'c' convolution_param { num_output: 2 kernel_size: 1\n"
    "  weight_filler { type: 'msra' } } }\n"
    "layer { name: 'c_bn' type: 'BN' bottom: 'c' top: 'd' }\n"
    "layer { name: 'quiet' type: 'Silence' bottom: 'c' }\n";

static int index_of_top(const sa_net *net)
{
    return sa_net_blob_index(net, "d");
}

static void run_mixed(const char *path, const char *weights, float out[32])
{
    sa_net *net;
    float data[72];
    for (int i = 0; i < 72; i++) data[i] = (float)(i % 7) - 2.0f;
    assert_ok(sa_net_load(path, &(sa_net_options){.forward_only = true, .bn = SA_BN_STORED}, &net));
    sa_session *session = open_session(net, "fastest");
    if (weights) assert_ok(sa_session_load_weights(session, net, weights, "test", NULL));
    else assert_ok(sa_session_save_weights(session, net, "mixed.safetensors"));
    assert_ok(sa_session_set_input(session, sa_net_blob_index(net, "data"), data));
    assert_ok(sa_session_run(session, 0, 0, NULL));
    assert_ok(sa_session_get_output(session, index_of_top(net), out));
    sa_session_destroy(session);
    sa_net_free(net);
}

/* One BN stands on the input, one's convolution has another reader: both stay. The third goes, with a new name for its value and a
 * bias for its convolution. */
static void only_what_can_be_absorbed(void **state)
{
    float before[32], after[32];
    sa_proto_document *document;
    sa_weights *weights;
    char *text;
    int absorbed, left;
    (void)state;
    write_text("mixed.prototxt", MIXED);
    run_mixed("mixed.prototxt", NULL, before);
    assert_ok(sa_proto_parse_file("mixed.prototxt", &document));
    assert_ok(sa_weights_read("mixed.safetensors", &weights));
    assert_ok(sa_bn_absorb(document, weights, &absorbed, &left));
    assert_int_equal(absorbed, 1);
    assert_int_equal(left, 2);
    assert_ok(sa_bn_set_inference(document));
    assert_ok(sa_proto_write_text(&document->root, "", &text));
    assert_null(strstr(text, "a_bn"));
    assert_non_null(strstr(text, "name: \"mixed \\\"net\\\"\"\n"));
    write_text("mixed_absorbed.prototxt", text);
    free(text);
    sa_proto_free(document);
    assert_ok(sa_weights_write("mixed_absorbed.safetensors", weights));
    sa_weights_free(weights);
    run_mixed("mixed_absorbed.prototxt", "mixed_absorbed.safetensors", after);
    for (int i = 0; i < 32; i++) assert_true(fabsf(before[i] - after[i]) <= 1e-4f * (1 + fabsf(before[i])));
}

/* BatchNorm's running sums become the means over the batches; stored statistics then normalise as the batch's do, but for the
 * variance's M / (M - 1). The MVN's statistics are its own. */
static void running_sums(void **state)
{
    enum { M = 2 * 4 * 8 }; /* elements per channel */
    static const char TEXT[] = "name: 'sums' input: 'data' input_dim: [2, 3, 4, 8]\n"
                               "layer { name: 'mvn' type: 'MVN' bottom: 'data' top: 'mvn' }\n"
                               "layer { name: 'conv' type: 'Convolution' bottom: 'mvn' top: 'conv' convolution_param { num_output: "
                               "2 kernel_size: 3 pad: 1 "
                               "weight_filler { type: 'xavier' } } }\n"
                               "layer { name: 'bn' type: 'BatchNorm' bottom: 'conv' top: 'bn' }\n";
    float out[2][2 * 2 * 4 * 8], data[2 * 3 * 4 * 8];
    sa_bn_statistics statistics;
    sa_weights *weights = NULL;
    (void)state;
    write_text("sums.prototxt", TEXT);
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++) data[i] = (float)(i * i % 37);
    for (int form = 0; form < 2; form++) {
        sa_net *net;
        const sa_net_options options = {.test_phase = true, .forward_only = true, .bn = form ? SA_BN_STORED : SA_BN_BATCH};
        assert_ok(sa_net_load("sums.prototxt", &options, &net));
        sa_session *session = open_session(net, "fastest");
        if (form) assert_ok(sa_session_load_weights(session, net, "sums2.caffemodel", "test", NULL));
        else assert_ok(sa_bn_statistics_create(net, &statistics));
        if (!form) sa_bn_statistics_watch(&statistics, session);
        for (int batch = 0; batch < 2; batch++) {
            assert_ok(sa_session_set_input(session, sa_net_blob_index(net, "data"), data));
            assert_ok(sa_session_run(session, 0, 0, NULL));
            if (!form) sa_bn_statistics_end_batch(&statistics);
        }
        assert_ok(sa_session_get_output(session, sa_net_blob_index(net, "bn"), out[form]));
        if (!form) {
            assert_int_equal(statistics.bn_count, 1);
            assert_ok(sa_session_save_weights(session, net, "sums.caffemodel"));
            assert_ok(sa_weights_read("sums.caffemodel", &weights));
            const sa_weight_layer *bn = sa_weights_find(weights, "bn");
            assert_true(fabsf(bn->blob[2].values[0] - 1.999f) < 1e-6f); /* two passes: 1 + 0.999 */
            const float mean = bn->blob[0].values[1] / 1.999f, variance = bn->blob[1].values[1] / 1.999f;
            assert_ok(sa_bn_statistics_fold(&statistics, weights));
            assert_true(bn->blob[2].values[0] == 1.0f);
            assert_true(fabsf(bn->blob[0].values[1] - mean) < 1e-5f && fabsf(bn->blob[1].values[1] - variance) < 1e-4f * variance);
            assert_ok(sa_weights_write("sums2.caffemodel", weights));
            sa_weights_free(weights);
            sa_bn_statistics_free(&statistics);
        }
        sa_session_destroy(session);
        sa_net_free(net);
    }
    for (size_t i = 0; i < sizeof out[0] / sizeof out[0][0]; i++) {
        const double want = (double)out[0][i] * sqrt((M - 1.0) / M);
        if (!(fabs((double)out[1][i] - want) < 1e-4 * (1 + fabs(want))))
            fail_msg("value %zu: %g, not %g", i, (double)out[1][i], want);
    }
}

/* ------------------------------------------------------------------ the command ------------------------------------ */

enum { IMAGES = 5, CLASSES = 4 };

static uint8_t label_sample(int32_t y, int32_t x, int32_t c)
{
    (void)c;
    return (uint8_t)((x / 4 + y / 4) % CLASSES);
}

static void make_list(void)
{
    char list[256] = "";
    for (int i = 0; i < IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "i%d.png", i);
        make_png(name, 2, 8, 16, 24);
        snprintf(list + strlen(list), sizeof list - strlen(list), "i%d.png l.png\n", i);
    }
    write_png("l.png", &(png_spec){0, 8, 0, 16, 24, label_sample});
    write_text("list.txt", list);
}

/* All images are one picture, so the statistics are those of any batch, and stored statistics give the classes that the batch's do.
 */
static void the_command(void **state)
{
    sa_bn_stats_result r;
    float batch[CLASSES * 16 * 24] = {0}, folded[CLASSES * 16 * 24] = {0};
    (void)state;
    make_list();
    write_tiny_net("tiny", TINY_IMAGES(""), CLASSES);
    for (int form = 0; form < 3; form++) {
        sa_net *net;
        const sa_net_options options = {.test_phase = true, .forward_only = true, .scores = SA_SCORES_ALONE};
        assert_ok(sa_net_load(form ? "folded.prototxt" : "net.prototxt", &options, &net));
        sa_session *session = open_session(net, "fastest");
        if (form == 0) assert_ok(sa_session_save_weights(session, net, "w.caffemodel"));
        else assert_ok(sa_session_load_weights(session, net, "folded.safetensors", "test", NULL));
        float data[2 * 3 * 16 * 24], *out = form ? folded : batch, both[2 * CLASSES * 16 * 24];
        for (int n = 0; n < 2; n++)
            for (int c = 0; c < 3; c++)
                for (int y = 0; y < 16; y++)
                    for (int x = 0; x < 24; x++) data[((n * 3 + c) * 16 + y) * 24 + x] = (float)mixed_sample(y, x, 2 - c);
        assert_ok(sa_session_set_input(session, sa_net_blob_index(net, "data"), data));
        assert_ok(sa_session_run(session, 0, 0, NULL));
        assert_ok(sa_session_get_output(session, net->scores_blob, both));
        memcpy(out, both, sizeof batch);
        sa_session_destroy(session);
        sa_net_free(net);
        for (size_t i = 0; form && i < sizeof batch / sizeof batch[0]; i++)
            if (!(fabsf(batch[i] - folded[i]) <= 2e-4f * (1 + fabsf(batch[i])))) fail_msg("form %d, value %zu differs", form, i);
        if (form == 2) break;
        const sa_bn_stats_options o = {.forward = {.path = "net.prototxt",
                                                   .weights = "w.caffemodel",
                                                   .strategy = "fastest",
                                                   .conv = "auto",
                                                   .net = {.device = "cpu", .threads = 1}},
                                       .save_weights = "folded.safetensors",
                                       .save_net = "folded.prototxt",
                                       .absorb = form == 1};
        assert_ok(sa_bn_stats_run(&o, &r));
        assert_int_equal(r.batches, 3); /* 5 / 2 + 5 % 2 */
        assert_int_equal(r.images, IMAGES);
        assert_int_equal(r.bn_layers, 3);
        assert_int_equal(r.absorbed, form == 1 ? 3 : 0);
        assert_int_equal(r.measured_bytes, r.inference_bytes);
    }
}

static void refusals(void **state)
{
    sa_bn_stats_result r;
    sa_net *net;
    (void)state;
    sa_bn_stats_options o = {.forward = {.path = "net.prototxt",
                                         .weights = "w.caffemodel",
                                         .strategy = "fastest",
                                         .conv = "auto",
                                         .net = {.device = "cpu", .threads = 1}},
                             .save_weights = "refused.weights"};
    assert_int_equal(sa_bn_stats_run(&o, &r), SA_INVALID); /* no such format */
    o.save_weights = "refused.sasnap";
    write_tiny_net("tiny", TINY_SYNTHETIC, CLASSES);
    assert_int_equal(sa_bn_stats_run(&o, &r), SA_UNSUPPORTED);
    write_text("plain.prototxt",
               "layer { name: 'in' type: 'DummyData' top: 'data' dummy_data_param { shape { dim: 1 dim: 2 dim: 4 dim: 4 } } }\n"
               "layer { name: 'relu' type: 'ReLU' bottom: 'data' top: 'out' }\n");
    assert_ok(sa_net_load("plain.prototxt", NULL, &net));
    sa_bn_statistics statistics;
    assert_int_equal(sa_bn_statistics_create(net, &statistics), SA_INVALID);
    sa_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_statistics), cmocka_unit_test(only_what_can_be_absorbed),
        cmocka_unit_test(running_sums),      cmocka_unit_test(the_command),
        cmocka_unit_test(refusals),
    };
    if (sa_device_open_cpu(1, &device) != SA_OK) return 1;
    int failed = cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
    sa_device_close(device);
    return failed;
}
