/* `predict` on images that the test makes: class maps are the highest scores of a session run by hand, whatever the number of
 * threads, for images of several sizes in one arena; what cannot be done is said before anything is written. */
#include "cli/predict_run.h"
#include "cli/session_weights.h"
#include "data/image_file.h"
#include "data/npy.h"
#include "data/palette.h"
#include "data/png_write.h"
#include "tests/support/data_files.h"
#include "tests/support/tiny_net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLASSES = 4 };

typedef struct given {
    char *name;
    int32_t height, width;
} given;

static const given IMAGES[] = {{"small.png", 8, 12}, {"large.png", 24, 32}, {"again.png", 8, 12}};
enum { COUNT = sizeof IMAGES / sizeof IMAGES[0] };

static char *NAMES[] = {"small.png", "large.png", "again.png"};

static uint8_t other_sample(int32_t y, int32_t x, int32_t c)
{
    return (uint8_t)(255 - mixed_sample(x, y, c));
}

static void make_files(const char *data_layer)
{
    write_tiny_net("tiny", data_layer, CLASSES);
    make_png("small.png", 2, 8, 8, 12);
    make_png("large.png", 2, 8, 24, 32);
    write_png("again.png", &(png_spec){2, 8, 0, 8, 12, other_sample});
}

static sa_net *load(const given *image, sa_bn_choice bn)
{
    sa_net *net;
    const sa_net_options options = {.test_phase = true,
                                    .forward_only = true,
                                    .scores = SA_SCORES_ALONE,
                                    .bn = bn,
                                    .batch = 1,
                                    .height = image->height,
                                    .width = image->width};
    assert_ok(sa_net_load("net.prototxt", &options, &net));
    return net;
}

static sa_session *open_session(const sa_net *net, sa_device *device)
{
    sa_session *session;
    sa_strategy strategy;
    const sa_session_options options = {.seed = 9};
    assert_ok(sa_strategy_parse("caffe", &strategy));
    strategy.conv = SA_CONV_OPTION_DIRECT;
    assert_ok(sa_session_create(net, &strategy, device, &options, &session));
    return session;
}

static void write_weights(void)
{
    sa_device *device;
    assert_ok(sa_device_open_cpu(1, &device));
    sa_net *net = load(&IMAGES[0], SA_BN_AS_FILE);
    sa_session *session = open_session(net, device);
    assert_ok(sa_session_save_weights(session, net, "w.caffemodel"));
    sa_session_destroy(session);
    sa_net_free(net);
    sa_device_close(device);
}

static sa_predict_options options_of(const char *output, int threads)
{
    return (sa_predict_options){.forward = {.path = "net.prototxt",
                                            .weights = "w.caffemodel",
                                            .strategy = "fastest",
                                            .conv = "direct",
                                            .net = {.device = "cpu", .threads = threads}},
                                .image = NAMES,
                                .image_count = COUNT,
                                .output = output,
                                .overlay = true,
                                .probabilities = true};
}

/* (classes, pixels), by a session of the image's own; the weights are those that its fillers made. */
static float *scores_by_hand(const given *image, float mean, float scale)
{
    sa_device *device;
    sa_picture picture;
    assert_ok(sa_device_open_cpu(1, &device));
    sa_net *net = load(image, SA_BN_AS_FILE);
    sa_session *session = open_session(net, device);
    size_t pixels = (size_t)image->height * (size_t)image->width;
    float *data = malloc(3 * pixels * sizeof *data), *scores = malloc(CLASSES * pixels * sizeof *scores);
    assert_ok(sa_image_read(image->name, SA_IMAGE_PLAIN, &picture));
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++) data[c * pixels + i] = ((float)picture.pixels[3 * i + 2 - c] - mean) * scale; /* BGR */
    assert_ok(sa_session_set_input(session, sa_net_blob_index(net, "data"), data));
    assert_ok(sa_session_run(session, 0, 0, NULL));
    assert_ok(sa_session_get_output(session, net->scores_blob, scores));
    sa_picture_free(&picture);
    free(data);
    sa_session_destroy(session);
    sa_net_free(net);
    sa_device_close(device);
    return scores;
}

static void path_of(const char *folder, const given *image, const char *ending, char path[128])
{
    snprintf(path, 128, "%s/%.*s%s", folder, (int)strcspn(image->name, "."), image->name, ending);
}

static size_t best_of(const float *scores, size_t pixels, size_t i)
{
    size_t best = 0;
    for (size_t c = 1; c < CLASSES; c++)
        if (scores[c * pixels + i] > scores[best * pixels + i]) best = c;
    return best;
}

static void check_image(const char *folder, const given *image, float mean, float scale)
{
    char path[128];
    sa_picture classes, colours, source;
    sa_npy probabilities;
    float *scores = scores_by_hand(image, mean, scale);
    size_t pixels = (size_t)image->height * (size_t)image->width, seen = 0;
    path_of(folder, image, ".png", path);
    assert_ok(sa_image_read_label(path, &classes)); /* an index is a class */
    assert_ok(sa_image_read(path, SA_IMAGE_PLAIN, &colours));
    assert_ok(sa_image_read(image->name, SA_IMAGE_PLAIN, &source));
    path_of(folder, image, ".npy", path);
    assert_ok(sa_npy_read_float32(path, &probabilities));
    assert_int_equal(classes.height, image->height);
    assert_int_equal(classes.width, image->width);
    assert_int_equal(probabilities.count, CLASSES * pixels);
    for (size_t i = 0; i < pixels; i++) {
        const float *p = probabilities.data;
        double sum = 0;
        size_t best = best_of(scores, pixels, i);
        assert_int_equal(classes.pixels[i], best);
        assert_int_equal(best_of(p, pixels, i), best);
        for (size_t c = 0; c < CLASSES; c++) sum += (double)p[c * pixels + i];
        assert_true(fabs(sum - 1) < 1e-5);
        seen |= 1u << best;
    }
    assert_true(seen & (seen - 1)); /* more than one class */
    sa_picture overlay;
    path_of(folder, image, "_overlay.png", path);
    assert_ok(sa_image_read(path, SA_IMAGE_PLAIN, &overlay));
    for (size_t i = 0; i < 3 * pixels; i++) assert_int_equal(overlay.pixels[i], (source.pixels[i] + colours.pixels[i] + 1) / 2);
    sa_picture_free(&overlay);
    sa_picture_free(&classes);
    sa_picture_free(&colours);
    sa_picture_free(&source);
    sa_npy_free(&probabilities);
    free(scores);
}

static void assert_same_files(const char *a, const char *b)
{
    static const char *const ENDINGS[] = {".png", "_overlay.png", ".npy"};
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < 3; k++) {
            char path[128];
            size_t size[2];
            path_of(a, &IMAGES[i], ENDINGS[k], path);
            char *one = read_bytes(path, &size[0]);
            path_of(b, &IMAGES[i], ENDINGS[k], path);
            char *two = read_bytes(path, &size[1]);
            assert_int_equal(size[0], size[1]);
            assert_memory_equal(one, two, size[0]);
            free(one);
            free(two);
        }
}

#define DEPLOY_INPUT                                                                                                      \
    "layer { name: 'data' type: 'Input' top: 'data' top: 'label' input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 }\n" \
    "  shape { dim: 1 dim: 1 dim: 16 dim: 16 } } }\n"

static void images_of_several_sizes(void **state)
{
    sa_predict_result r;
    (void)state;
    make_files(DEPLOY_INPUT);
    write_weights();
    sa_predict_options o = options_of("one", 1);
    assert_ok(sa_predict_run(&o, &r));
    assert_int_equal(r.images, COUNT);
    assert_int_equal(r.sizes, 2);
    assert_int_equal(r.classes, CLASSES);
    assert_int_equal(r.measured_bytes, r.inference_bytes);
    for (int i = 0; i < COUNT; i++) check_image("one", &IMAGES[i], 0, 1);
    o = options_of("two", 2);
    assert_ok(sa_predict_run(&o, &r));
    assert_same_files("one", "two");
    o.output = "three";
    o.forward.strategy = "smallest";
    assert_ok(sa_predict_run(&o, &r));
    assert_same_files("one", "three");
}

/* transform_param counts; labels on the lines of a list do not. */
static void the_data_layer_s_transform(void **state)
{
    sa_predict_result r;
    (void)state;
    make_files(
        "layer { name: 'data' type: 'DenseImageData' top: 'data' top: 'label' transform_param { scale: 0.5 mean_value: 100 }\n"
        "  dense_image_data_param { source: 'not_there.txt' batch_size: 2 shuffle: true } }\n");
    write_text("images.txt", "small.png no_label.png\nlarge.png no_label.png\nagain.png no_label.png\n");
    sa_predict_options o = options_of("transformed", 1);
    o.image = NULL;
    o.image_count = 0;
    o.list = "images.txt";
    assert_ok(sa_predict_run(&o, &r));
    for (int i = 0; i < COUNT; i++) check_image("transformed", &IMAGES[i], 100, 0.5f);
    write_text("images.txt", "small.png\n");
    assert_ok(sa_predict_run(&o, &r));
    assert_int_equal(r.images, 1);
}

/* Of a Data layer too; a mean image counts by the mean of each channel, since images have other sizes. */
static void a_data_layer_s_mean_file(void **state)
{
    unsigned char mean[10 + 3 * 16] = {0x08, 1, 0x10, 3, 0x18, 2, 0x20, 2, 0x2a, 3 * 16};
    static const float VALUES[4] = {90, 110, 60, 140};
    sa_predict_result r;
    (void)state;
    for (size_t c = 0; c < 3; c++) memcpy(mean + 10 + c * sizeof VALUES, VALUES, sizeof VALUES);
    write_bytes("mean.binaryproto", mean, sizeof mean);
    make_files(
        "layer { name: 'data' type: 'Data' top: 'data' top: 'label' data_param { source: 'none' batch_size: 2 backend: LMDB }\n"
        "  transform_param { scale: 0.5 crop_size: 8 mean_file: 'mean.binaryproto' } }\n");
    sa_predict_options o = options_of("averaged", 1);
    sa_status status = sa_predict_run(&o, &r);
    if (status == SA_UNSUPPORTED) return; /* a build without protobuf-c says so */
    assert_ok(status);
    for (int i = 0; i < COUNT; i++) check_image("averaged", &IMAGES[i], 100, 0.5f);
}

/* Byte order marks, and lines that end in LF, CRLF or CR alone, as in lists and nets. */
static void palettes_are_read(void **state)
{
    static const char *const TEXT[] = {"1 2 3\n4 5 6", "\xEF\xBB\xBF# mine\n1,2,3 sky\r\n\r\n4 5 6\r\n",
                                       "\xEF\xBB\xBF"
                                       "1 2 3\r4 5 6\r"};
    sa_palette palette;
    (void)state;
    make_png("small.png", 2, 8, 8, 12);
    for (size_t i = 0; i < sizeof TEXT / sizeof TEXT[0]; i++) {
        write_text("read.txt", TEXT[i]);
        assert_ok(sa_palette_read("read.txt", &palette));
        assert_int_equal(palette.count, 2);
        assert_memory_equal(palette.colour, ((uint8_t[2][3]){{1, 2, 3}, {4, 5, 6}}), 6);
    }
    write_text("read.txt", "1 2 3\n4 5 256\n");
    assert_int_equal(sa_palette_read("read.txt", &palette), SA_PARSE);
    assert_string_equal(sa_error_message(), "read.txt:2: three numbers from 0 to 255 are expected: red, green, blue");
    assert_int_equal(sa_palette_read("small.png", &palette), SA_PARSE);
    assert_string_equal(sa_error_message(), "small.png: no palette: a text of a line per class is expected");
}

static void resized_and_coloured(void **state)
{
    sa_predict_result r;
    sa_picture classes, colours;
    (void)state;
    make_files(DEPLOY_INPUT);
    write_text("colours.txt", "# mine\n1 2 3 sky\n4,5,6\n\n7 8 9\n10\t11\t12\n");
    sa_predict_options o = options_of("resized", 1);
    o.forward.net.height = o.forward.net.width = 16;
    o.palette = "colours.txt";
    assert_ok(sa_predict_run(&o, &r));
    assert_int_equal(r.sizes, 1);
    assert_ok(sa_image_read_label("resized/large.png", &classes));
    assert_ok(sa_image_read("resized/large.png", SA_IMAGE_PLAIN, &colours));
    assert_int_equal(classes.height, 24);
    assert_int_equal(classes.width, 32);
    for (size_t i = 0; i < 24 * 32; i++)
        for (size_t c = 0; c < 3; c++) assert_int_equal(colours.pixels[3 * i + c], 3 * classes.pixels[i] + c + 1);
    sa_picture_free(&classes);
    sa_picture_free(&colours);
}

static void assert_refused(const sa_predict_options *o, const char *text)
{
    sa_predict_result r;
    struct stat status;
    if (sa_predict_run(o, &r) == SA_OK) fail_msg("%s: it is taken", text);
    if (!strstr(sa_error_message(), text)) fail_msg("'%s' is not in: %s", text, sa_error_message());
    assert_int_not_equal(stat("refused", &status), 0); /* nothing was written */
}

static void refusals(void **state)
{
    (void)state;
    make_files(DEPLOY_INPUT);
    sa_predict_options o = options_of("refused", 1);
    o.image = (char *[]){"small.png", "nowhere.png", "net.prototxt"};
    assert_refused(&o, "2 of 3 images cannot be used");
    assert_int_equal(mkdir("more", 0777), 0);
    make_png("more/small.png", 2, 8, 8, 12);
    o.image = (char *[]){"small.png", "large.png", "more/small.png"};
    assert_refused(&o, "would both go to 'refused/small.png'");
    o = options_of(".", 1);
    assert_refused(&o, "would replace it");
    o = options_of("refused", 1);
    make_png("odd.png", 2, 8, 9, 13);
    o.image = (char *[]){"odd.png"};
    o.image_count = 1;
    assert_refused(&o, "--size HxW resizes");
    o = options_of("refused", 1);
    o.palette = "colours.txt";
    write_text("colours.txt", "1 2 3\n4 5 6\n");
    assert_refused(&o, "4 classes, but the palette has 2 colours");
    write_text("colours.txt", "1 2 3\n4 256 6\n");
    assert_refused(&o, "colours.txt:2: three numbers");
}

/* Somebody's labels lie where results would go: none is replaced. What a run has written, the next one replaces. */
static void only_results_are_replaced(void **state)
{
    (void)state;
    struct stat before, after;
    sa_predict_result r;
    make_files(DEPLOY_INPUT);
    sa_predict_options o = options_of("mine", 1);
    o.probabilities = o.overlay = true;
    o.image = (char *[]){"small.png"};
    o.image_count = 1;
    assert_int_equal(mkdir("mine", 0777), 0);
    static const char *const RESULTS[] = {"mine/small.png", "mine/small_overlay.png", "mine/small.npy"};
    for (size_t i = 0; i < sizeof RESULTS / sizeof RESULTS[0]; i++) {
        if (i < 2) make_png(RESULTS[i], 2, 8, 8, 12);
        else write_text(RESULTS[i], "\x93NUMPY and more");
        assert_int_equal(stat(RESULTS[i], &before), 0);
        assert_refused(&o, "is there and not the result of an earlier run");
        assert_int_equal(stat(RESULTS[i], &after), 0);
        assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size);
        assert_int_equal(unlink(RESULTS[i]), 0);
    }
    for (int run = 0; run < 2; run++) {
        if (sa_predict_run(&o, &r) != SA_OK) fail_msg("%s", sa_error_message());
        assert_true(sa_png_is_own(RESULTS[0]) && sa_png_is_own(RESULTS[1]));
    }
    assert_false(sa_png_is_own("small.png") || sa_png_is_own("net.prototxt") || sa_png_is_own("nowhere.png"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_of_several_sizes),   cmocka_unit_test(the_data_layer_s_transform),
        cmocka_unit_test(a_data_layer_s_mean_file),  cmocka_unit_test(palettes_are_read),
        cmocka_unit_test(resized_and_coloured),      cmocka_unit_test(refusals),
        cmocka_unit_test(only_results_are_replaced),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
