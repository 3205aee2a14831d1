/* Evaluation: the golden figures of SegNet's script, then `test` on a small net over a list with a last batch of its own size. */
#include "cli/session_weights.h"
#include "cli/test_run.h"
#include "data/class_map.h"
#include "data/image_file.h"
#include "data/npy.h"
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

/* ------------------------------------------------------------------ golden figures --------------------------------- */

static sa_npy read_golden(const char *folder, const char *name)
{
    char path[8192];
    sa_npy array;
    snprintf(path, sizeof path, "%s/tests/golden_eval/%s/%s.npy", scratch_start_folder(), folder, name);
    assert_ok(sa_npy_read(path, &array));
    return array;
}

static double value_at(const sa_npy *array, size_t i)
{
    if (array->type == SA_NPY_FLOAT32) return (double)((const float *)array->data)[i];
    return array->type == SA_NPY_FLOAT64 ? ((const double *)array->data)[i] : (double)((const int32_t *)array->data)[i];
}

static void assert_close(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-6)) fail_msg("%.9f, %.9f is expected", value, expected);
}

static void add_image(const char *folder, int n, sa_confusion *c)
{
    char name[32];
    uint16_t map[12 * 16];
    snprintf(name, sizeof name, "label%d", n);
    sa_npy label = read_golden(folder, name);
    snprintf(name, sizeof name, "pred%d", n);
    sa_npy prediction = read_golden(folder, name);
    assert_int_equal(label.count, 12 * 16);
    assert_int_equal(prediction.count, 12 * 16);
    for (size_t i = 0; i < prediction.count; i++) map[i] = (uint16_t)value_at(&prediction, i);
    sa_confusion_add(c, label.count, label.data, map);
    sa_npy_free(&label);
    sa_npy_free(&prediction);
}

static void check_arrays(const char *folder, const sa_confusion *c)
{
    sa_npy matrix = read_golden(folder, "confusion"), accuracy = read_golden(folder, "class_accuracy"),
           iou = read_golden(folder, "iou");
    assert_int_equal(matrix.count, (size_t)c->classes * (size_t)c->classes);
    for (size_t i = 0; i < matrix.count; i++) assert_int_equal(c->cell[i], (uint64_t)value_at(&matrix, i));
    for (int32_t i = 0; i < c->classes; i++) {
        assert_close(sa_confusion_class_accuracy(c, i), value_at(&accuracy, (size_t)i));
        assert_close(sa_confusion_iou(c, i), value_at(&iou, (size_t)i));
    }
    sa_npy_free(&matrix);
    sa_npy_free(&accuracy);
    sa_npy_free(&iou);
}

static void golden_figures(void **state)
{
    char path[8192], row[512], folder[64];
    int rows = 0;
    (void)state;
    snprintf(path, sizeof path, "%s/tests/golden_eval/expected.tsv", scratch_start_folder());
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    assert_non_null(fgets(row, sizeof row, stream));
    while (fgets(row, sizeof row, stream)) {
        int classes, void_label;
        double global, average, mean_iou;
        sa_confusion c;
        assert_int_equal(sscanf(row, "%63s %d %d %lf %lf %lf", folder, &classes, &void_label, &global, &average, &mean_iou), 6);
        assert_ok(sa_confusion_create(classes, true, void_label, &c));
        add_image(folder, 0, &c);
        add_image(folder, 1, &c);
        assert_close(sa_confusion_global_accuracy(&c), global);
        assert_close(sa_confusion_class_average(&c), average);
        assert_close(sa_confusion_mean_iou(&c), mean_iou);
        check_arrays(folder, &c);
        sa_confusion_free(&c);
        rows++;
    }
    fclose(stream);
    assert_int_equal(rows, 3);
}

/* Labels that are no class lower the global accuracy alone; so do predictions that are none; void hides both. */
static void strays(void **state)
{
    static const float label[] = {0, 0, 1, 7, 9, 9};
    static const uint16_t prediction[] = {0, 5, 1, 1, 0, 5};
    sa_confusion c;
    (void)state;
    assert_ok(sa_confusion_create(2, true, 9, &c));
    assert_true(isnan(sa_confusion_global_accuracy(&c)));
    sa_confusion_add(&c, 6, label, prediction);
    assert_int_equal(c.pixels, 4);
    assert_close(sa_confusion_global_accuracy(&c), 0.5);
    assert_close(sa_confusion_class_average(&c), 1);
    assert_close(sa_confusion_mean_iou(&c), 1);
    assert_int_equal(c.stray_pixels, 1);
    assert_int_equal(c.stray_label, 7);
    char *csv = sa_confusion_csv(&c);
    assert_string_equal(csv, "label,0,1\n0,1,0\n1,0,1\n");
    free(csv);
    sa_confusion_free(&c);
}

/* ------------------------------------------------------------------ class maps ------------------------------------- */

static void class_maps(void **state)
{
    enum { PIXELS = 2500 };
    static float scores[3 * PIXELS];
    static uint16_t map[PIXELS];
    (void)state;
    for (size_t i = 0; i < PIXELS; i++)
        for (size_t c = 0; c < 3; c++) scores[c * PIXELS + i] = c == i % 3 ? 2.0f : -1.0f;
    scores[1] = scores[PIXELS + 1] = scores[2 * PIXELS + 1] = 0.5f; /* the first of equals */
    assert_ok(sa_class_map(scores, 3, PIXELS, map));
    for (size_t i = 0; i < PIXELS; i++) assert_int_equal(map[i], i == 1 ? 0 : i % 3);
    sa_class_probabilities(scores, 3, PIXELS);
    assert_close((double)scores[1], 1.0 / 3);
    assert_close((double)scores[0], exp(3.0) / (exp(3.0) + 2));
    scores[2 * PIXELS + 2400] = NAN;
    assert_int_equal(sa_class_map(scores, 3, PIXELS, map), SA_NUMERIC);
    static const uint16_t small[4] = {1, 2, 3, 4};
    uint16_t large[9];
    sa_class_map_resize(small, 2, 2, large, 3, 3);
    static const uint16_t expected[9] = {1, 1, 2, 1, 1, 2, 3, 3, 4};
    assert_memory_equal(large, expected, sizeof expected);
}

/* ------------------------------------------------------------------ a whole list ----------------------------------- */

enum { IMAGES = 5, HEIGHT = 16, WIDTH = 24, CLASSES = 4 };

/* Class 11, void, in some places: labels of mixed_sample's pattern. */
static uint8_t label_sample(int32_t y, int32_t x, int32_t c)
{
    (void)c;
    return (x + y) % 5 == 4 ? 11 : (uint8_t)((x / 4 + y / 4) % CLASSES);
}

static void write_images(void)
{
    char list[512] = "", name[32];
    for (int i = 0; i < IMAGES; i++) {
        snprintf(name, sizeof name, "i%d.png", i);
        make_png(name, 2, 8, HEIGHT, WIDTH);
        snprintf(list + strlen(list), sizeof list - strlen(list), "i%d.png l.png\n", i);
    }
    write_png("l.png", &(png_spec){0, 8, 0, HEIGHT, WIDTH, label_sample});
    write_text("list.txt", list);
}

/* Biases that differ, so that no two scores are equal: Caffe's Accuracy prefers the last of equals, a class map the first. */
static void set_biases(const sa_net *net, sa_session *session)
{
    float bias[16];
    for (int i = 0; i < 16; i++) bias[i] = 0.01f * (float)(i * i + 1);
    for (int l = 0; l < net->layer_count; l++)
        if (net->layer[l].param_count == 2) assert_ok(sa_session_set_param(session, l, 1, bias));
}

static void write_weights(const char *name)
{
    sa_net *net;
    sa_device *device;
    sa_session *session;
    sa_strategy strategy;
    const sa_session_options options = {.seed = 9};
    assert_ok(sa_net_load("net.prototxt", &(sa_net_options){.forward_only = true}, &net));
    assert_ok(sa_device_open_cpu(1, &device));
    assert_ok(sa_strategy_parse("fastest", &strategy));
    assert_ok(sa_session_create(net, &strategy, device, &options, &session));
    set_biases(net, session);
    assert_ok(sa_session_save_weights(session, net, name));
    sa_session_destroy(session);
    sa_device_close(device);
    sa_net_free(net);
}

static sa_test_options options_of(int batch, sa_bn_choice bn)
{
    return (sa_test_options){.forward = {.path = "net.prototxt",
                                         .weights = "w.safetensors",
                                         .strategy = "fastest",
                                         .conv = "direct",
                                         .bn = bn,
                                         .net = {.device = "cpu", .threads = 1, .batch = batch}}};
}

static void assert_same_matrix(const sa_confusion *a, const sa_confusion *b)
{
    assert_memory_equal(a->cell, b->cell, (size_t)(a->classes * a->classes) * sizeof *a->cell);
}

/* With stored statistics an image's classes do not depend on its batch, so every batch size has to give the same matrix. */
static void every_image_once(void **state)
{
    static const int BATCHES[] = {1, 2, 3, 5, 8};
    sa_test_result first = {0}, r;
    (void)state;
    write_tiny_net("tiny", TINY_IMAGES(""), CLASSES);
    write_images();
    write_weights("w.safetensors");
    uint64_t pixels = 0;
    for (int32_t y = 0; y < HEIGHT; y++)
        for (int32_t x = 0; x < WIDTH; x++) pixels += label_sample(y, x, 0) != 11;
    for (size_t i = 0; i < sizeof BATCHES / sizeof BATCHES[0]; i++) {
        sa_test_options o = options_of(BATCHES[i], SA_BN_STORED);
        if (sa_test_run(&o, &r) != SA_OK) fail_msg("batch %d: %s", BATCHES[i], sa_error_message());
        assert_int_equal(r.images, IMAGES);
        assert_int_equal(r.confusion.pixels, IMAGES * pixels);
        assert_int_equal(r.measured_bytes, r.inference_bytes);
        assert_true(r.inference_bytes < r.caffe_bytes);
        assert_int_equal(r.outputs.count, 2);
        /* images of equally many labelled pixels: the mean of Accuracy is the global accuracy */
        double accuracy = (double)r.outputs.value[r.outputs.output[1].begin];
        assert_true(fabs(accuracy - sa_confusion_global_accuracy(&r.confusion)) < 1e-5);
        if (i == 0) first = r;
        else assert_same_matrix(&r.confusion, &first.confusion);
        if (i > 0) sa_test_result_free(&r);
    }
    sa_test_result_free(&first);
}

static void files_and_choices(void **state)
{
    sa_test_result stored, batch, other;
    (void)state;
    sa_test_options o = options_of(2, SA_BN_STORED);
    o.confusion = "matrix.csv";
    assert_ok(sa_test_run(&o, &stored));
    size_t count;
    char *csv = read_bytes("matrix.csv", &count), *expected = sa_confusion_csv(&stored.confusion);
    csv[count] = '\0';
    assert_string_equal(csv, expected);
    free(csv);
    free(expected);
    o = options_of(2, SA_BN_BATCH);
    assert_ok(sa_test_run(&o, &batch));
    assert_true(memcmp(batch.confusion.cell, stored.confusion.cell, CLASSES * CLASSES * sizeof *batch.confusion.cell) != 0);
    /* another list, another void */
    write_text("short.txt", "i0.png l.png\n");
    o.list = "short.txt";
    o.void_given = true;
    o.void_label = 2;
    assert_ok(sa_test_run(&o, &other));
    assert_int_equal(other.images, 1);
    assert_int_equal(sa_confusion_class_pixels(&other.confusion, 2), 0);
    assert_true(other.confusion.stray_pixels > 0);
    assert_int_equal(other.confusion.stray_label, 11);
    sa_test_result_free(&stored);
    sa_test_result_free(&batch);
    sa_test_result_free(&other);
}

/* A class per image: the matrix counts images, and its accuracy is that of the Accuracy layer. */
static void classes_of_images(void **state)
{
    sa_test_result r;
    (void)state;
    write_text("net.prototxt", "layer { name: 'data' type: 'ImageData' top: 'data' top: 'label'\n"
                               "  image_data_param { source: 'classes.txt' batch_size: 2 } }\n"
                               "layer { name: 'score' type: 'Convolution' bottom: 'data' top: 'score'\n"
                               "  convolution_param { num_output: 4 kernel_h: 16 kernel_w: 24 weight_filler { type: 'msra' } } }\n"
                               "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'score' bottom: 'label' top: 'loss' }\n"
                               "layer { name: 'accuracy' type: 'Accuracy' bottom: 'score' bottom: 'label' top: 'accuracy' }\n");
    write_images();
    write_text("classes.txt", "i0.png 0\ni1.png 1\ni2.png 2\ni3.png 3\ni4.png 1\n");
    write_weights("w.safetensors");
    sa_test_options o = options_of(2, SA_BN_AS_FILE);
    assert_ok(sa_test_run(&o, &r));
    assert_int_equal(r.images, IMAGES);
    assert_int_equal(r.confusion.classes, 4);
    assert_int_equal(r.confusion.pixels, IMAGES);
    assert_int_equal(sa_confusion_class_pixels(&r.confusion, 1), 2);
    double accuracy = (double)r.outputs.value[r.outputs.output[1].begin];
    assert_true(fabs(accuracy - sa_confusion_global_accuracy(&r.confusion)) < 1e-6);
    sa_test_result_free(&r);
}

static void refusals(void **state)
{
    sa_test_result r;
    (void)state;
    sa_test_options o = options_of(2, SA_BN_STORED);
    o.list = "missing.txt";
    assert_int_not_equal(sa_test_run(&o, &r), SA_OK);
    o = options_of(2, SA_BN_STORED);
    o.forward.net.height = o.forward.net.width = 32;
    assert_int_equal(sa_test_run(&o, &r), SA_UNSUPPORTED);
    assert_non_null(strstr(sa_error_message(), "another size"));
    write_tiny_net("tiny", TINY_SYNTHETIC, CLASSES);
    o = options_of(0, SA_BN_STORED);
    assert_int_equal(sa_test_run(&o, &r), SA_UNSUPPORTED);
    assert_non_null(strstr(sa_error_message(), "no list"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_figures),    cmocka_unit_test(strays),
        cmocka_unit_test(class_maps),        cmocka_unit_test(every_image_once),
        cmocka_unit_test(files_and_choices), cmocka_unit_test(refusals),
        cmocka_unit_test(classes_of_images),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
