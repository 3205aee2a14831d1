/* Tests on the way of a training: when they run, that they measure what `test` measures, change nothing, keep the best state; the
 * log of a resumed run; the picture. */
#include "cli/test_run.h"
#include "cli/train_run.h"
#include "tests/support/data_files.h"
#include "tests/support/tiny_net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST_LAYER                                                                                   \
    "layer { name: 'data' type: 'DenseImageData' top: 'data' top: 'label' include { phase: TEST }\n" \
    "  dense_image_data_param { source: 'val.txt' batch_size: 2 shuffle: true mirror: true } }\n"
#define TRAIN_LAYER                                                                                   \
    "layer { name: 'data' type: 'DenseImageData' top: 'data' top: 'label' include { phase: TRAIN }\n" \
    "  dense_image_data_param { source: 'list.txt' batch_size: 2 shuffle: true } }\n"
#define TESTS "lr_policy: 'fixed' test_iter: 2 test_interval: 3 "

static uint8_t label_sample(int32_t y, int32_t x, int32_t c)
{
    (void)y;
    (void)c;
    return (uint8_t)(x / 8);
}

static void write_data(void)
{
    const png_spec label = {0, 8, 0, 16, 24, label_sample};
    make_png("a.png", 2, 8, 16, 24);
    write_png("b.png", &(png_spec){2, 8, 0, 16, 24, label_sample});
    write_png("label.png", &label);
    write_text("list.txt", "a.png label.png\nb.png label.png\na.png label.png\n");
    write_text("val.txt", "b.png label.png\na.png label.png\na.png label.png\na.png label.png\n");
    write_tiny_net("tiny", TRAIN_LAYER TEST_LAYER, 3);
}

static sa_train_options options_of(int steps)
{
    return (sa_train_options){.solver = "solver.prototxt", .strategy = "fastest", .conv = "direct", .threads = 1, .steps = steps};
}

static sa_train_result trained(const sa_train_options *options)
{
    sa_train_result result;
    assert_ok(sa_train_run(options, &result));
    return result;
}

static double cell(const sa_curve *curve, size_t row, const char *name)
{
    for (int c = 0; c < curve->column_count; c++)
        if (!strcmp(curve->column[c].name, name)) return curve->value[row * (size_t)curve->column_count + (size_t)c];
    fail_msg("no column %s", name);
    return 0;
}

/* Steps 0, 3, 6 (Caffe: Solver::Step, Solver::Solve); none before the first step without test_initialization. */
static void when_they_run(void **state)
{
    sa_train_options o = options_of(7);
    (void)state;
    write_data();
    write_tiny_solver(TESTS);
    sa_train_result r = trained(&o);
    assert_int_equal(r.tests.row_count, 3);
    for (size_t i = 0; i < 3; i++) assert_true(cell(&r.tests, i, "step") == 3.0 * (double)i);
    assert_true(r.test_bytes > 0 && r.test_measured_bytes == r.test_bytes);
    assert_string_equal(r.best_measure, "mean IoU");
    sa_train_result_free(&r);
    write_tiny_solver(TESTS "test_initialization: false");
    r = trained(&o);
    assert_int_equal(r.tests.row_count, 2);
    sa_train_result_free(&r);
    o.steps = 2; /* no test comes in this run: the test net is not even opened */
    write_tiny_solver(TESTS "test_initialization: false test_net: 'net.prototxt' test_state { stage: 'none' }");
    r = trained(&o);
    assert_int_equal(r.tests.row_count, 0);
    assert_int_equal(r.test_bytes, 0);
    sa_train_result_free(&r);
}

/* The same bits of state with tests and without. */
static void they_change_nothing(void **state)
{
    sa_train_options o = options_of(5);
    (void)state;
    write_tiny_solver("lr_policy: 'fixed'");
    sa_train_result plain = trained(&o);
    write_tiny_solver(TESTS);
    sa_train_result tested = trained(&o);
    assert_int_equal(plain.tests.row_count, 0);
    assert_true(plain.state_hash == tested.state_hash);
    sa_train_result_free(&plain);
    sa_train_result_free(&tested);
}

/* `test` with the snapshot of that step, on the same images in the same batches. */
static void they_measure_what_test_measures(void **state)
{
    sa_train_options o = options_of(6);
    (void)state;
    write_tiny_solver(TESTS);
    o.snapshot = "six.sasnap";
    sa_train_result r = trained(&o);
    sa_test_result t;
    const sa_test_options test = {.forward = {.path = "net.prototxt",
                                              .weights = "six.sasnap",
                                              .strategy = "fastest",
                                              .conv = "direct",
                                              .net = {.device = "cpu", .threads = 1}}};
    assert_ok(sa_test_run(&test, &t));
    assert_int_equal(t.images, 4);
    assert_true(cell(&r.tests, 2, "test_global_accuracy") == sa_confusion_global_accuracy(&t.confusion));
    assert_true(cell(&r.tests, 2, "test_class_average") == sa_confusion_class_average(&t.confusion));
    assert_true(cell(&r.tests, 2, "test_mean_iou") == sa_confusion_mean_iou(&t.confusion));
    assert_true(cell(&r.tests, 2, "test_loss") == (double)t.outputs.value[0]);
    sa_test_result_free(&t);
    sa_train_result_free(&r);
}

static double best_of(const sa_train_result *r, uint64_t *step)
{
    double best = -1;
    for (size_t i = 0; i < r->tests.row_count; i++) {
        double value = cell(&r->tests, i, "test_mean_iou"), at = cell(&r->tests, i, "step");
        if (at == 0 || value <= best) continue;
        best = value;
        *step = (uint64_t)at;
    }
    return best;
}

/* The best state is in its file; a resumed run knows how good it is. */
static void the_best_state_is_kept(void **state)
{
    uint64_t step = 0;
    sa_train_options o = options_of(12);
    (void)state;
    write_tiny_solver(TESTS);
    o.snapshot = "last.sasnap";
    sa_train_result r = trained(&o);
    double best = best_of(&r, &step);
    assert_true(r.has_best && r.best_value == best && r.best_step == step);
    assert_string_equal(r.best_snapshot, "last_best.sasnap");
    sa_train_result_free(&r);
    o.resume = "last.sasnap";
    o.steps = 13;
    r = trained(&o);
    assert_true(r.has_best && r.best_value >= best);
    if (r.best_value == best) assert_true(r.best_step == step);
    sa_train_result_free(&r);
}

/* A run in two parts leaves the log of a run in one. */
static void the_log_goes_on(void **state)
{
    size_t whole_bytes, parts_bytes;
    sa_train_options o = options_of(8);
    (void)state;
    write_tiny_solver(TESTS);
    o.log_file = "whole.csv";
    sa_train_result r = trained(&o);
    sa_train_result_free(&r);
    o.log_file = "parts.csv";
    o.snapshot = "part.sasnap";
    o.steps = 5;
    r = trained(&o);
    sa_train_result_free(&r);
    FILE *more = fopen("parts.csv", "a"); /* rows of steps that are done again, the last one cut off by a kill */
    assert_non_null(more);
    fputs("6,1,1,1,,,,,\n7,1", more);
    fclose(more);
    o.resume = "part.sasnap";
    o.plot = "curve.svg";
    o.steps = 8;
    r = trained(&o);
    sa_train_result_free(&r);
    char *whole = read_bytes("whole.csv", &whole_bytes), *parts = read_bytes("parts.csv", &parts_bytes);
    assert_int_equal(whole_bytes, parts_bytes);
    assert_memory_equal(whole, parts, whole_bytes);
    static const char HEAD[] = "step,rate,loss,accuracy,test_loss,test_accuracy,test_global_accuracy,test_class_average,"
                               "test_mean_iou\n0,,,,";
    assert_memory_equal(whole, HEAD, sizeof HEAD - 1);
    free(whole);
    free(parts);
    o.steps = 9;
    write_text("parts.csv", "step,rate,loss,other\n1,2,3,4\n");
    sa_train_result none;
    assert_int_equal(sa_train_run(&o, &none), SA_INVALID);
    assert_string_equal(sa_error_message(), "parts.csv: its columns are those of another training; give --log another file");
}

/* Every element of the picture is closed, and every series is in it. */
static void the_picture(void **state)
{
    static const char *const PARTS[] = {"<svg ",
                                        "</svg>",
                                        "Learning rate",
                                        "test mean IoU",
                                        "test global accuracy",
                                        ">test loss<",
                                        "best: step ",
                                        "prefers-color-scheme:dark"};
    size_t bytes, depth = 0;
    (void)state;
    char *text = read_bytes("curve.svg", &bytes);
    char *svg = malloc(bytes + 1);
    assert_non_null(svg);
    memcpy(svg, text, bytes);
    svg[bytes] = '\0';
    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++)
        if (!strstr(svg, PARTS[i])) fail_msg("the picture has no '%s'", PARTS[i]);
    for (const char *at = svg; (at = strchr(at, '<')); at++) {
        const char *end = strchr(at, '>');
        assert_non_null(end);
        if (at[1] == '/') depth--;
        else if (end[-1] != '/') depth++;
    }
    assert_int_equal(depth, 0);
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "http://www.w3.org/1999")); /* nothing from elsewhere */
    free(text);
    free(svg);
}

/* A curve of one row, of equal values, of nothing. */
static void odd_curves(void **state)
{
    static const char *const TEXTS[] = {"step,loss\n1,2\n", "step,rate,loss\n0,,\n", "step,loss,test_mean_iou\n1,3,\n2,3,0.5\n",
                                        "step,accuracy\n5,0\n6,0\n", "step,rate\n"};
    (void)state;
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        sa_curve curve;
        write_text("odd.csv", TEXTS[i]);
        assert_ok(sa_curve_read("odd.csv", &curve));
        char *svg = sa_curve_svg(&curve, "a < b & c", -1);
        assert_non_null(svg);
        assert_non_null(strstr(svg, "a &lt; b &amp; c"));
        if (strstr(svg, "nan") || strstr(svg, "inf")) fail_msg("%s: %s", TEXTS[i], svg);
        free(svg);
        sa_curve_free(&curve);
    }
    static const struct {
        const char *text, *message;
    } BAD[] = {{"", "bad.csv:1: not a learning curve: no line in it"},
               {"loss,step\n", "bad.csv:1: not a learning curve: its first column is to be 'step'"},
               {"step,loss\n1,2,3\n", "bad.csv:2: a row of 2 numbers, split by commas, is expected"},
               {"step,loss\n1,x\n", "bad.csv:2: a row of 2 numbers, split by commas, is expected"},
               {"step,loss\n,1\n", "bad.csv:2: a row of 2 numbers, split by commas, is expected"}};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        sa_curve curve;
        write_text("bad.csv", BAD[i].text);
        assert_int_equal(sa_curve_read("bad.csv", &curve), SA_PARSE);
        assert_string_equal(sa_error_message(), BAD[i].message);
    }
}

/* A net of its own for the test, two of them, one that does not fit. */
static void test_nets(void **state)
{
    sa_train_result r;
    sa_train_options o = options_of(3);
    (void)state;
    size_t bytes;
    char *net = read_bytes("net.prototxt", &bytes), *copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, net, bytes);
    copy[bytes] = '\0';
    write_text("test.prototxt", copy);
    write_tiny_solver("lr_policy: 'fixed' test_iter: 2 test_iter: 1 test_interval: 3 test_net: 'test.prototxt'");
    r = trained(&o);
    assert_true(cell(&r.tests, 1, "test_loss") > 0 && cell(&r.tests, 1, "test2_loss") > 0);
    assert_true(cell(&r.tests, 1, "test_loss") != cell(&r.tests, 1, "test2_loss")); /* 4 images, 2 images */
    sa_train_result_free(&r);
    char *wide = strstr(copy, "kernel_size: 5 pad: 2");
    assert_non_null(wide);
    memcpy(wide, "kernel_size: 7 pad: 3", 21);
    write_text("test.prototxt", copy);
    assert_int_equal(sa_train_run(&o, &r), SA_INVALID);
    assert_string_equal(sa_error_message(), "test net 1 of the solver: test.prototxt: parameter 0 of layer 'conv1' is 8x3x7x7 for "
                                            "the test and 8x3x5x5 in training");
    free(net);
    free(copy);
    write_tiny_solver("lr_policy: 'fixed' test_iter: 2");
    assert_int_equal(sa_train_run(&o, &r), SA_PARSE);
    assert_non_null(strstr(sa_error_message(), "'test_iter' needs a 'test_interval'"));
}

/* Tests take their part of a budget. */
static void the_budget_holds_for_both(void **state)
{
    sa_train_result r;
    sa_train_options o = options_of(3);
    (void)state;
    write_tiny_solver(TESTS);
    r = trained(&o);
    size_t both = r.arena_bytes + r.test_bytes;
    sa_train_result_free(&r);
    o.budget_bytes = both - 4096;
    o.costs = "builtin";
    r = trained(&o);
    assert_true(r.arena_bytes + r.test_bytes <= o.budget_bytes);
    sa_train_result_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_they_run),
        cmocka_unit_test(they_change_nothing),
        cmocka_unit_test(they_measure_what_test_measures),
        cmocka_unit_test(the_best_state_is_kept),
        cmocka_unit_test(the_log_goes_on),
        cmocka_unit_test(the_picture),
        cmocka_unit_test(odd_curves),
        cmocka_unit_test(test_nets),
        cmocka_unit_test(the_budget_holds_for_both),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
