/* Good prototxt: every form of the text format, the field tables, the nets' and solvers' files as they are found in the wild. */
#include "core/closest.h"
#include "layers/messages.h"
#include "net/net.h"
#include "net/net_spec.h"
#include "net/solver_config.h"
#include "tests/support/read_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const sa_state_spec TEST = {.phase = SA_PHASE_TEST, .phase_given = true};

static sa_proto_document *parse(const char *text)
{
    sa_proto_document *document = NULL;
    if (sa_proto_parse_text("good.prototxt", text, strlen(text), &document) != SA_OK) print_error("%s\n", sa_error_message());
    assert_non_null(document);
    return document;
}

static void assert_ok(sa_status status)
{
    if (status != SA_OK) print_error("%s\n", sa_error_message());
    assert_int_equal(status, SA_OK);
}

/* Equal to the bit but for `ulps` units in the last place; false for NaN. */
static bool close_floats(float a, float b, int ulps)
{
    float step = nextafterf(fabsf(b), INFINITY) - fabsf(b);
    return fabsf(a - b) <= (float)ulps * step;
}

static void all_forms_of_the_text_format(void **state)
{
    (void)state;
    sa_proto_document *document =
        parse("\xef\xbb\xbf# comment\na: 1, b: 'x' ; c { d: -0.5 }\r\ne: { f: MAX }\ng < h: true >\n"
              "i: [1, 2,\n 3] j [ { k: 1 }, < k: 2 > ] l: 'a#b' \"\\x41\\102\\n\" 'c' m: [] n: - inf o: .5e-3f");
    static const struct {
        const char *name, *text;
        int line;
    } expected[] = {{"a", "1", 2},        {"b", "x", 2},    {"c", NULL, 2},    {"e", NULL, 3}, {"g", NULL, 4},
                    {"i", "1", 5},        {"i", "2", 5},    {"i", "3", 6},     {"j", NULL, 6}, {"j", NULL, 6},
                    {"l", "a#bAB\nc", 6}, {"n", "-inf", 6}, {"o", ".5e-3f", 6}};
    size_t count = sizeof expected / sizeof expected[0];
    assert_int_equal(document->root.count, count);
    for (size_t i = 0; i < count; i++) {
        const sa_proto_field *field = &document->root.field[i];
        assert_string_equal(field->name, expected[i].name);
        assert_int_equal(field->line, expected[i].line);
        if (expected[i].text) assert_string_equal(field->text, expected[i].text);
        else assert_int_equal(field->kind, SA_PROTO_MESSAGE);
    }
    assert_string_equal(sa_proto_find(&document->root, "c")->message->field[0].text, "-0.5");
    assert_null(sa_proto_find(&document->root, "d"));
    sa_proto_free(document);
    sa_proto_free(parse(""));
}

typedef struct numbers {
    int32_t whole, many[3], many_count, colour;
    uint32_t natural;
    int64_t wide;
    float real;
    bool truth, given;
} numbers;

static void every_type_of_field(void **state)
{
    (void)state;
    static const sa_enum_name colours[] = {SA_ENUM("RED", 3), SA_ENUM("BLUE", 7), SA_ENUM_END};
    static const sa_field table[] = {
        SA_F_GIVEN(numbers, whole, given, "whole", INT32),
        SA_F_SINGLE(numbers, natural, "natural", UINT32),
        SA_F_SINGLE(numbers, wide, "wide", INT64),
        SA_F_SINGLE(numbers, real, "real", FLOAT),
        SA_F_SINGLE(numbers, truth, "truth", BOOL),
        SA_F_ENUM(numbers, colour, "colour", colours),
        SA_F_REPEATED(numbers, many, many_count, "many", INT32),
        SA_F_IGNORED("noise"),
        SA_F_END,
    };
    static const char *const skip[] = {"skipped", NULL};
    numbers n = {.whole = 5};
    sa_proto_document *document = parse("natural: 4294967295 wide: -9223372036854775808 real: 1e-3f truth: t colour: 7 many: 0x10\n"
                                        "many: [010, -1] noise { anything: 1 } noise: 'goes' skipped: 1");
    assert_ok(sa_fields_decode(document, &document->root, table, "test", skip, &n));
    sa_proto_free(document);
    assert_false(n.given);
    assert_int_equal(n.whole, 5);
    assert_true(n.natural == UINT32_MAX && n.wide == INT64_MIN && n.truth && n.real == 1e-3f);
    assert_int_equal(n.colour, 7);
    assert_int_equal(n.many_count, 3);
    assert_true(n.many[0] == 16 && n.many[1] == 8 && n.many[2] == -1);
}

static void hints_need_one_near_name(void **state)
{
    (void)state;
    static const char *const names[] = {"kernel_size", "kernel_h", "kernel_w", "pad", NULL};
    assert_string_equal(sa_closest_name("kernel_sise", names, 5), "kernel_size");
    assert_string_equal(sa_closest_name("kernle_size", names, 5), "kernel_size");
    assert_string_equal(sa_closest_name("pda", names, 5), "pad");
    assert_null(sa_closest_name("kernel_x", names, 5)); /* kernel_h or kernel_w? */
    assert_null(sa_closest_name("foo", names, 5));
    assert_null(sa_closest_name("", names, 5));
}

/* What SegNet files of the wild contain, in one text; see also shipped_nets_are_sound. */
static const char wild[] =
    "name: \"segnet\"\n"
    "layer {\n  name: \"data\"\n  type: \"DenseImageData\"\n  top: \"data\"\n  top: \"label\"\n  dense_image_data_param {\n"
    "    source: \"/SegNet/CamVid/train.txt\"\t# Change this\n    batch_size: 4   \t\n    shuffle: true new_height: 360 new_width: "
    "480 } }\n"
    "layer { bottom: \"data\" top: \"conv1\" name: \"conv1\" type: \"Convolution\" param { lr_mult: 1 decay_mult: 1 }\n"
    "  param { lr_mult: 2 decay_mult: 0 } convolution_param { weight_filler { type: \"msra\" } bias_filler { type: \"constant\" "
    "value: 0 }\n"
    "  num_output: 2 pad: 1 kernel_size: 3 } }\n"
    "layer { name: \"drop\" type: \"Dropout\" bottom: \"conv1\" top: \"conv1\" dropout_param { dropout_ratio: 0.5 "
    "sample_weights_test: "
    "true } }\n"
    "layer { name: \"loss\" type: \"SoftmaxWithLoss\" bottom: \"conv1\" bottom: \"label\" top: \"loss\" softmax_param {engine: "
    "CAFFE}\n"
    "  loss_param: { weight_by_label_freqs: true ignore_label: 11 class_weighting: 0.2595 class_weighting: 7.3614 } }\n"
    "layer { name: \"accuracy\" type: \"Accuracy\" bottom: \"conv1\" bottom: \"label\" top: \"accuracy\" include { phase: TEST } "
    "}\n"
    "layer { name: \"prob\" type: \"Softmax\" bottom: \"conv1\" top: \"prob\" exclude { phase: TRAIN } }\n";

static void layers_and_phases(void **state)
{
    (void)state;
    sa_net_spec *train = NULL, *test = NULL;
    sa_proto_document *document = parse(wild);
    assert_ok(sa_net_spec_read(document, NULL, &train));
    assert_ok(sa_net_spec_read(document, &TEST, &test));
    assert_string_equal(train->name, "segnet");
    assert_int_equal(train->layer_count, 4);
    assert_int_equal(test->layer_count, 6);
    assert_string_equal(test->layer[5].type, "Softmax");
    const sa_layer_spec *conv = &train->layer[1];
    assert_int_equal(conv->line, 11);
    assert_string_equal(conv->bottom[0], "data");
    assert_int_equal(conv->param_count, 2);
    assert_true(conv->param[1].lr_mult == 2 && conv->param[1].decay_mult == 0 && conv->param[2].lr_mult == 1);
    sa_net_spec_free(train);
    sa_net_spec_free(test);
    sa_proto_free(document);
    assert_ok(read_text(TEXT_NET, "wild.prototxt", wild, strlen(wild)));
}

static void rules_with_levels_and_stages(void **state)
{
    (void)state;
    sa_net_spec *spec = NULL;
    sa_proto_document *document = parse("state { level: 2 stage: 's' }\n"
                                        "layer { name: 'a' type: 'ReLU' include { min_level: 3 } include { max_level: 2 } }\n"
                                        "layer { name: 'b' type: 'ReLU' include { stage: 's' not_stage: 't' } }\n"
                                        "layer { name: 'c' type: 'ReLU' include { stage: ['s', 't'] } }\n"
                                        "layer { name: 'd' type: 'ReLU' exclude { not_stage: 't' } }\n"
                                        "layer { name: 'e' type: 'ReLU' exclude { min_level: 3 } exclude { phase: TEST } }\n");
    assert_ok(sa_net_spec_read(document, NULL, &spec));
    assert_int_equal(spec->layer_count, 3);
    assert_string_equal(spec->layer[0].name, "a");
    assert_string_equal(spec->layer[1].name, "b");
    assert_string_equal(spec->layer[2].name, "e");
    sa_net_spec_free(spec);
    sa_proto_free(document);
}

static void deploy_headers(void **state)
{
    (void)state;
    static const char *const texts[] = {"input: 'data' input_dim: 8 input_dim: 3 input_dim: 360 input_dim: 480",
                                        "input: 'data' input_shape { dim: [8, 3, 360, 480] }"};
    for (int i = 0; i < 2; i++) {
        char text[256];
        sa_net *net = NULL;
        snprintf(text, sizeof text, "%s layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'r' }", texts[i]);
        sa_proto_document *document = parse(text);
        assert_ok(sa_net_from_document(document, NULL, &net));
        assert_int_equal(net->layer_count, 2);
        assert_string_equal(net->layer[0].name, "input");
        assert_string_equal(net->blob[0].name, "data");
        assert_int_equal(net->blob[0].shape.axes, 4);
        assert_int_equal(net->blob[0].shape.dim[0], 8);
        assert_int_equal(net->blob[0].shape.dim[3], 480);
        sa_net_free(net);
        sa_proto_free(document);
    }
}

static void window_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sa_window_param expected;
    } rows[] = {
        {"kernel_size: 7", {7, 7, 1, 1, 0, 0}},
        {"kernel_size: 7 pad: 3 stride: 2", {7, 7, 2, 2, 3, 3}},
        {"kernel_size: 3 kernel_size: 5 pad: [1, 2]", {3, 5, 1, 1, 1, 2}},
        {"kernel_h: 3 kernel_w: 5 stride_h: 2 stride_w: 1 pad_h: 0 pad_w: 4", {3, 5, 2, 1, 0, 4}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sa_conv_param conv;
        sa_window_param window;
        sa_proto_document *document = parse(rows[i].text);
        sa_conv_param_init(&conv);
        assert_ok(sa_fields_decode(document, &document->root, sa_conv_fields, "conv", NULL, &conv));
        assert_ok(sa_window_param_resolve(&conv.kernel, &conv.stride, &conv.pad, &window));
        assert_memory_equal(&window, &rows[i].expected, sizeof window);
        sa_proto_free(document);
    }
}

static void upsample_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t height, width;
    } rows[] = {
        {"", 46, 60},
        {"scale: 2 pad_out_h: true", 45, 60},
        {"scale: 2 pad_out_w: true", 46, 59},
        {"scale_h: 3 scale_w: 2", 69, 60},
        {"scale: 2 upsample_h: 45 upsample_w: 61", 45, 61},
        {"upsample_h: 45", 46, 60}, /* half a size is none, as in Caffe */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sa_upsample_param upsample;
        int32_t height = 0, width = 0;
        sa_proto_document *document = parse(rows[i].text);
        sa_upsample_param_init(&upsample);
        assert_ok(sa_fields_decode(document, &document->root, sa_upsample_fields, "up", NULL, &upsample));
        assert_ok(sa_upsample_param_size(&upsample, 23, 30, &height, &width));
        assert_int_equal(height, rows[i].height);
        assert_int_equal(width, rows[i].width);
        sa_proto_free(document);
    }
}

static void old_style_dummy_data(void **state)
{
    (void)state;
    sa_dummy_data_param dummy;
    sa_shape_param shape;
    sa_proto_document *document = parse("num: 2 num: 2 channels: 4 channels: 1 height: 16 width: 24");
    sa_dummy_data_param_init(&dummy);
    assert_ok(sa_fields_decode(document, &document->root, sa_dummy_data_fields, "dummy", NULL, &dummy));
    assert_ok(sa_dummy_data_param_shape(&dummy, 1, 2, &shape));
    assert_true(shape.count == 4 && shape.dim[0] == 2 && shape.dim[1] == 1 && shape.dim[2] == 16 && shape.dim[3] == 24);
    sa_proto_free(document);
}

/* Exactly as Caffe's files; the defaults of caffe.proto stand where a field is absent. */
static void defaults_are_caffes(void **state)
{
    (void)state;
    sa_conv_param conv;
    sa_bn_param bn;
    sa_lrn_param lrn;
    sa_loss_param loss;
    sa_dense_image_data_param dense;
    sa_conv_param_init(&conv);
    sa_bn_param_init(&bn);
    sa_lrn_param_init(&lrn);
    sa_loss_param_init(&loss);
    sa_dense_image_data_param_init(&dense);
    assert_true(conv.bias_term && conv.bias_filler.type == SA_FILLER_CONSTANT && conv.weight_filler.std == 1);
    assert_true(bn.scale_filler.value == 0 && bn.bn_mode == SA_BN_LEARN);
    assert_true(lrn.local_size == 5 && lrn.alpha == 1 && lrn.beta == 0.75f && lrn.k == 1);
    assert_true(loss.normalize && !loss.weight_by_label_freqs && !loss.ignore_label_given);
    assert_true(dense.is_color && !dense.shuffle && dense.new_height == 0);
}

static sa_solver_config read_solver(const char *text)
{
    sa_solver_config config;
    sa_proto_document *document = parse(text);
    assert_ok(sa_solver_config_read(document, &config));
    sa_proto_free(document);
    return config;
}

static void solver_files(void **state)
{
    (void)state;
    sa_solver_config c =
        read_solver("net: \"/SegNet/Models/segnet_basic_train.prototxt\"  \t\t# Change this\ntest_initialization: false\n"
                    "test_iter: 1\ntest_interval: 10000000\nbase_lr: 0.1\nlr_policy: \"step\"\ngamma: 1.0\n"
                    "stepsize: 10000000\ndisplay: 20\nmomentum: 0.9\nmax_iter: 10000\nweight_decay: 0.0005\n"
                    "snapshot: 1000\nsnapshot_prefix: \"/SegNet/x\"\nsolver_mode: GPU\nclip_gradients: -1 type: 'SGD'");
    assert_string_equal(c.net, "/SegNet/Models/segnet_basic_train.prototxt");
    assert_string_equal(c.snapshot_prefix, "/SegNet/x");
    assert_true(c.base_lr == 0.1f && c.gamma == 1 && c.momentum == 0.9f && c.weight_decay == 0.0005f);
    assert_true(c.max_iter == 10000 && c.display == 20 && c.snapshot == 1000 && c.average_loss == 1 && c.random_seed == -1);
    assert_true(c.snapshot_after_train && c.solver_mode == SA_SOLVER_GPU && c.lr_policy == SA_LR_STEP);
}

/* Rates worked out by hand in float32; the step row is that of the reference Caffe run. */
static void learning_rates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t step[5];
        float rate[5];
    } rows[] = {
        {"lr_policy: 'fixed'", {0, 1, 10, 100, 4000000000u}, {0.1f, 0.1f, 0.1f, 0.1f, 0.1f}},
        {"lr_policy: 'step' gamma: 0.5 stepsize: 2", {0, 1, 2, 3, 4}, {0.1f, 0.1f, 0.05f, 0.05f, 0.025f}},
        {"lr_policy: 'exp' gamma: 0.5", {0, 1, 2, 3, 10}, {0.1f, 0.05f, 0.025f, 0.0125f, 9.765625e-5f}},
        {"lr_policy: 'inv' gamma: 0.25 power: 2", {0, 4, 12, 28, 60}, {0.1f, 0.025f, 0.00625f, 0.0015625f, 3.90625e-4f}},
        {"lr_policy: 'multistep' gamma: 0.5 stepvalue: [2, 3]", {0, 1, 2, 3, 9}, {0.1f, 0.1f, 0.05f, 0.025f, 0.025f}},
        {"lr_policy: 'poly' power: 2 max_iter: 8", {0, 2, 4, 6, 9}, {0.1f, 0.05625f, 0.025f, 0.00625f, 0}},
        {"lr_policy: 'sigmoid' gamma: -1 stepsize: 3",
         {0, 3, 4, 5, 6},
         {0.0952574127f, 0.05f, 0.0268941421f, 0.0119202922f, 0.00474258732f}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "net: 'n' base_lr: 0.1 %s", rows[i].text);
        sa_solver_config config = read_solver(text);
        for (int k = 0; k < 5; k++) {
            float rate = sa_solver_rate(&config, rows[i].step[k]);
            if (!close_floats(rate, rows[i].rate[k], 2)) print_error("%s: step %u: %.9g\n", text, rows[i].step[k], (double)rate);
            assert_true(close_floats(rate, rows[i].rate[k], 2));
        }
    }
}

/* Caffe's poly subtracts in float32: far from the exact value near the end. */
static void poly_rate_subtracts_in_float(void **state)
{
    (void)state;
    sa_solver_config config = read_solver("net: 'n' base_lr: 1 lr_policy: 'poly' power: 1 max_iter: 1000000");
    assert_true(sa_solver_rate(&config, 999999) == 1.0f - 999999.0f / 1000000.0f);
    assert_false(close_floats(sa_solver_rate(&config, 999999), 1e-6f, 100));
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void the_net_is_found_beside_the_solver(void **state)
{
    (void)state;
    char folder[] = "/tmp/sa_solver_XXXXXX", net[64], solver[64], message[512];
    sa_solver_config config;
    assert_non_null(mkdtemp(folder));
    snprintf(net, sizeof net, "%s/n.prototxt", folder);
    snprintf(solver, sizeof solver, "%s/s.prototxt", folder);
    write_file(solver, "# one line\nnet: 'n.prototxt' base_lr: 1 lr_policy: 'fixed'");
    assert_int_equal(sa_solver_config_load(solver, &config), SA_IO);
    snprintf(message, sizeof message,
             "%s:2: solver: net file 'n.prototxt' cannot be read, neither from the working directory nor beside the solver file",
             solver);
    assert_string_equal(sa_error_message(), message);
    write_file(net, "");
    assert_ok(sa_solver_config_load(solver, &config));
    assert_string_equal(config.net, net);
    unlink(net);
    unlink(solver);
    rmdir(folder);
}

/* Run from the root of the source tree, as `make test` does. */
static void shipped_nets_are_sound(void **state)
{
    (void)state;
    static const struct {
        const char *net;
        int layers;
    } rows[] = {{"old", 33}, {"new", 38}, {"segnet_basic_camvid", 33}, {"segnet_vgg16_camvid", 89}, {"bayesian_segnet_camvid", 95}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[128];
        sa_proto_document *document = NULL;
        sa_net_spec *spec = NULL;
        snprintf(path, sizeof path, "nets/%s.prototxt", rows[i].net);
        assert_ok(sa_proto_parse_file(path, &document));
        assert_ok(sa_net_spec_read(document, NULL, &spec));
        assert_string_equal(spec->name, rows[i].net);
        assert_int_equal(spec->layer_count, rows[i].layers);
        sa_net_spec_free(spec);
        sa_proto_free(document);
    }
    static const char *const solvers[] = {"old", "new", "segnet_basic_camvid"};
    for (int i = 0; i < 3; i++) {
        char path[128], net[128];
        sa_solver_config config;
        snprintf(path, sizeof path, "nets/%s_solver.prototxt", solvers[i]);
        snprintf(net, sizeof net, "nets/%s.prototxt", solvers[i]);
        assert_ok(sa_solver_config_load(path, &config));
        assert_string_equal(config.net, net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_forms_of_the_text_format),
        cmocka_unit_test(every_type_of_field),
        cmocka_unit_test(hints_need_one_near_name),
        cmocka_unit_test(layers_and_phases),
        cmocka_unit_test(rules_with_levels_and_stages),
        cmocka_unit_test(deploy_headers),
        cmocka_unit_test(window_forms),
        cmocka_unit_test(upsample_sizes),
        cmocka_unit_test(old_style_dummy_data),
        cmocka_unit_test(defaults_are_caffes),
        cmocka_unit_test(solver_files),
        cmocka_unit_test(learning_rates),
        cmocka_unit_test(poly_rate_subtracts_in_float),
        cmocka_unit_test(the_net_is_found_beside_the_solver),
        cmocka_unit_test(shipped_nets_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
