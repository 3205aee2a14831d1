/* Nets as long as is promised (4,096 layers), and what Caffe takes: nothing may go deeper into the stack, or take more than about n
 * log n, with the length of a net. Times are CPU time, with bounds far above what is needed and far below what quadratic walks
 * took: explain of 1,000 convolutions 54 s, plan of 4,090 layers 50 s. */
#include "net/session.h"
#include "report/caffe_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { TEXT_BYTES = 1 << 20 };

static sa_device *device;
static char text[TEXT_BYTES];
static size_t length;

static void put(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    length += (size_t)vsnprintf(text + length, sizeof text - length, format, arguments);
    va_end(arguments);
    assert_true(length < sizeof text);
}

static void begin(int classes)
{
    length = 0;
    put("input: ['data', 'label'] input_shape { dim: [1, 3, 8, 8] } input_shape { dim: [1, 1, 8, 8] }\n"
        "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'x0' convolution_param { num_output: %d kernel_size: 1 } }\n",
        classes);
}

/* A chain of `count` layers whose types take turns, and a loss. */
static void chain(int count, const char *const *types)
{
    int type_count = 0;
    while (types[type_count]) type_count++;
    begin(4);
    for (int i = 0; i < count; i++) {
        const char *type = types[i % type_count];
        put("layer { name: 'l%d' type: '%s' bottom: 'x%d' top: 'x%d' %s }\n", i, type, i, i + 1,
            !strcmp(type, "Convolution") ? "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }" : "");
    }
    put("layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'x%d' bottom: 'label' top: 'loss' }\n", count);
}

static sa_net *load(void)
{
    sa_proto_document *document;
    sa_net *net;
    assert_int_equal(sa_proto_parse_text("long", text, length, &document), SA_OK);
    if (sa_net_from_document(document, NULL, &net) != SA_OK) fail_msg("%s", sa_error_message());
    sa_proto_free(document);
    return net;
}

static void plan(const sa_net *net, const char *name)
{
    const sa_program_options options = {.training = true};
    sa_strategy strategy;
    sa_layout layout;
    assert_int_equal(sa_strategy_parse(name, &strategy), SA_OK);
    if (sa_layout_create(net, &strategy, device, &options, &layout) != SA_OK) fail_msg("%s: %s", name, sa_error_message());
    sa_layout_free(&layout);
}

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void within(double begun, double most_seconds, const char *what)
{
    double took = cpu_seconds() - begun;
    print_message("%s: %.2f s of CPU time\n", what, took);
    assert_true(took < most_seconds);
}

static const char *const CONVOLUTIONS[] = {"Convolution", NULL}, *const RELUS[] = {"ReLU", NULL},
                         *const MIXED[] = {"Convolution", "BN", "ReLU", "Dropout", NULL};

static void test_a_thousand_convolutions(void **state)
{
    (void)state;
    sa_caffe_memory memory;
    double begun = cpu_seconds();
    chain(1000, CONVOLUTIONS);
    sa_net *net = load();
    assert_int_equal(sa_caffe_memory_create(net, NULL, &memory), SA_OK);
    sa_caffe_memory_free(&memory);
    plan(net, "fastest");
    plan(net, "smallest");
    plan(net, "shared");
    sa_net_free(net);
    within(begun, 10.0, "1,000 convolutions");
}

static void test_four_thousand_layers(void **state)
{
    (void)state;
    double begun = cpu_seconds();
    chain(4090, MIXED);
    sa_net *net = load();
    plan(net, "fastest");
    plan(net, "extreme");
    sa_net_free(net);
    within(begun, 15.0, "4,090 layers");
}

static void scaled_layer(const char *name, const char *bottom, int outputs, int kernel, int stride, bool relu)
{
    put("layer { name: '%s' type: 'Convolution' bottom: '%s' top: '%s' convolution_param { num_output: %d kernel_size: %d stride: "
        "%d "
        "pad: %d bias_term: false } }\n",
        name, bottom, name, outputs, kernel, stride, kernel / 2);
    put("layer { name: '%s_bn' type: 'BatchNorm' bottom: '%s' top: '%s' }\n", name, name, name);
    put("layer { name: '%s_scale' type: 'Scale' bottom: '%s' top: '%s' scale_param { bias_term: true } }\n", name, name, name);
    if (relu) put("layer { name: '%s_relu' type: 'ReLU' bottom: '%s' top: '%s' }\n", name, name, name);
}

/* 152 layers with weights, as published: 3, 8, 36 and 3 blocks. */
static void resnet_152(void)
{
    static const int BLOCKS[] = {3, 8, 36, 3};
    char bottom[32] = "pool1", name[4][32];
    length = 0;
    put("input: ['data', 'label'] input_shape { dim: [8, 3, 224, 224] } input_shape { dim: [8] }\n");
    scaled_layer("conv1", "data", 64, 7, 2, true);
    put("layer { name: 'pool1' type: 'Pooling' bottom: 'conv1' top: 'pool1' pooling_param { kernel_size: 3 stride: 2 } }\n");
    for (int stage = 0; stage < 4; stage++)
        for (int b = 0; b < BLOCKS[stage]; b++) {
            const int width = 64 << stage, stride = stage > 0 && b == 0 ? 2 : 1;
            for (int i = 0; i < 4; i++) snprintf(name[i], sizeof name[i], "r%d_%d_%c", stage, b, "abcp"[i]);
            if (b == 0) scaled_layer(name[3], bottom, 4 * width, 1, stride, false);
            scaled_layer(name[0], bottom, width, 1, stride, true);
            scaled_layer(name[1], name[0], width, 3, 1, true);
            scaled_layer(name[2], name[1], 4 * width, 1, 1, false);
            put("layer { name: 'r%d_%d' type: 'Eltwise' bottom: '%s' bottom: '%s' top: 'r%d_%d' }\n", stage, b,
                b == 0 ? name[3] : bottom, name[2], stage, b);
            put("layer { name: 'r%d_%d_relu' type: 'ReLU' bottom: 'r%d_%d' top: 'r%d_%d' }\n", stage, b, stage, b, stage, b);
            snprintf(bottom, sizeof bottom, "r%d_%d", stage, b);
        }
    put("layer { name: 'pool5' type: 'Pooling' bottom: '%s' top: 'pool5' pooling_param { pool: AVE global_pooling: true } }\n"
        "layer { name: 'fc' type: 'InnerProduct' bottom: 'pool5' top: 'fc' inner_product_param { num_output: 1000 } }\n"
        "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'fc' bottom: 'label' top: 'loss' }\n",
        bottom);
}

/* Every preset within a second, where sanitizers do not slow it. */
static void test_resnet_152(void **state)
{
    (void)state;
    const char *scale = getenv("TEST_TIMEOUT_SCALE");
    resnet_152();
    sa_net *net = load();
    int weights = 0;
    for (int l = 0; l < net->layer_count; l++) {
        const char *type = net->layer[l].type->name;
        weights += (!strcmp(type, "Convolution") && !strstr(net->layer[l].name, "_p")) || !strcmp(type, "InnerProduct");
    }
    assert_int_equal(weights, 152);
    for (int k = 0; sa_preset_at(k); k++) {
        double begun = cpu_seconds();
        plan(net, sa_preset_at(k)->name);
        within(begun, scale && atof(scale) > 1 ? atof(scale) : 1, sa_preset_at(k)->name);
    }
    sa_net_free(net);
}

/* Virtual gradients of 4,000 ReLUs, and 4,000 values that are dropped and made of one another. */
static void test_the_stack_stays_small(void **state)
{
    (void)state;
    chain(4000, RELUS);
    sa_net *net = load();
    for (int k = 0; sa_preset_at(k); k++) plan(net, sa_preset_at(k)->name);
    sa_net_free(net);
    chain(2000, CONVOLUTIONS);
    net = load();
    plan(net, "inplace+recompute=5000");
    sa_net_free(net);
}

/* Caffe takes two layers of one name, and such without. */
static void test_names_may_repeat_or_be_missing(void **state)
{
    (void)state;
    begin(4);
    put("layer { name: 'c' type: 'ReLU' bottom: 'x0' top: 'x1' }\n"
        "layer { type: 'Dropout' bottom: 'x1' top: 'x2' }\n"
        "layer { type: 'Dropout' bottom: 'x2' top: 'x3' }\n"
        "layer { type: 'SoftmaxWithLoss' bottom: 'x3' bottom: 'label' top: 'loss' }\n");
    sa_net *net = load();
    assert_true(sa_net_layer_index(net, "c") >= 0);
    assert_int_equal(sa_net_layer_index(net, "c#2"), sa_net_layer_index(net, "c") + 1);
    assert_int_equal(sa_net_layer_index(net, "Dropout#2"), sa_net_layer_index(net, "Dropout") + 1);
    assert_true(sa_net_layer_index(net, "SoftmaxWithLoss") > 0);
    plan(net, "fastest");
    sa_net_free(net);
}

/* 150 classes, as in scene parsing: the weight of each counts. */
static void test_many_class_weights(void **state)
{
    (void)state;
    enum { CLASSES = 150, PIXELS = 64 };
    float loss[2], data[3 * PIXELS], label[PIXELS];
    for (int k = 0; k < 2; k++) {
        begin(CLASSES);
        put("layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'x0' bottom: 'label' top: 'loss'\n"
            "  loss_param { weight_by_label_freqs: true normalize: false");
        for (int c = 0; c < CLASSES; c++) put(" class_weighting: %d", c == CLASSES - 1 && k ? 3 : 1);
        put(" } }\n");
        sa_net *net = load();
        sa_session *session;
        sa_strategy strategy;
        sa_session_options options = {.program = {.training = true}, .seed = 1};
        for (int i = 0; i < 3 * PIXELS; i++) data[i] = 0;
        for (int i = 0; i < PIXELS; i++) label[i] = CLASSES - 1;
        assert_int_equal(sa_strategy_parse("fastest", &strategy), SA_OK);
        if (sa_session_create(net, &strategy, device, &options, &session) != SA_OK) fail_msg("%s", sa_error_message());
        assert_int_equal(sa_session_set_input(session, sa_net_blob_index(net, "data"), data), SA_OK);
        assert_int_equal(sa_session_set_input(session, sa_net_blob_index(net, "label"), label), SA_OK);
        assert_int_equal(sa_session_run(session, 0.1f, 0, NULL), SA_OK);
        assert_int_equal(sa_session_get_output(session, sa_net_blob_index(net, "loss"), &loss[k]), SA_OK);
        sa_session_destroy(session);
        sa_net_free(net);
    }
    assert_true(loss[0] > 0 && loss[1] > 2.99f * loss[0] && loss[1] < 3.01f * loss[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_convolutions), cmocka_unit_test(test_four_thousand_layers),
        cmocka_unit_test(test_the_stack_stays_small),   cmocka_unit_test(test_names_may_repeat_or_be_missing),
        cmocka_unit_test(test_many_class_weights),      cmocka_unit_test(test_resnet_152),
    };
    if (sa_device_open_cpu(1, &device) != SA_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sa_device_close(device);
    return failed;
}
