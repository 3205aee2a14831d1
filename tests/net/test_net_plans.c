/* The shipped nets at full size, planned in every preset: nothing is run. Each peak is its lower bound; those of nets/old.prototxt
 * and nets/new.prototxt are the bytes below, which README.md and docs/memory.md print too. */
#include "net/net.h"
#include "net/recompute_search.h"
#include "net/session.h"
#include "report/caffe_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static sa_device *device;

static sa_net *load(const char *path)
{
    sa_net *net;
    if (sa_net_load(path, NULL, &net) != SA_OK) fail_msg("%s", sa_error_message());
    return net;
}

/* Returns the peak, which is the lower bound or little above it: of hundreds of buffers the planner may not find a placement
 * without gaps in its second. The figures of the ladder have none. */
static size_t plan_bytes(const sa_net *net, const char *name)
{
    sa_program_options options = {.training = true, .rule.momentum = 0.9f, .weight_decay = 0.0005f};
    sa_strategy strategy;
    sa_layout layout;
    if (sa_strategy_parse(name, &strategy) != SA_OK || sa_layout_create(net, &strategy, device, &options, &layout) != SA_OK)
        fail_msg("%s, %s: %s", net->path, name, sa_error_message());
    size_t peak = layout.plan.peak_bytes, bound = layout.plan.lower_bound_bytes;
    print_message("%-14s %14zu  %zu ops, %.0f ms\n", name, peak, layout.program->op_count, layout.plan.seconds * 1e3);
    assert_true(peak >= bound);
#ifndef __SANITIZE_ADDRESS__ /* so slow that the planner's time may be up */
    assert_true(peak - bound <= bound / 20);
#endif
    sa_layout_free(&layout);
    return peak;
}

static const struct {
    const char *preset;
    size_t bytes[2]; /* old, new */
} LADDER[] = {
    {"caffe", {7298900352, 8992926016}},  {"one-workspace", {5475926272, 4239891840}}, {"shared", {3894774976, 3347809792}},
    {"lean", {3894776768, 3347811840}},   {"fused", {3627389888, 3079179520}},         {"compact", {3564721088, 3019472128}},
    {"tiled", {1154291648, 609042688}},   {"virtual", {840504000, 504643840}},         {"inplace", {736695744, 504643328}},
    {"banded", {535369152, 302857728}},   {"recomputed", {518854080, 286146048}},      {"by-image", {455628480, 286146048}},
    {"smallest", {342382272, 198395264}}, {"extreme", {339236544, 184647488}},         {"balanced", {535369152, 302857728}},
    {"fastest", {736695744, 504643328}},  {"lossy", {304633536, 180041600}},
};
enum { LADDER_PRESETS = sizeof LADDER / sizeof *LADDER };

/* ladder_net: 0 old, 1 new, -1: a net whose bytes are not told. */
static void plan_in_each_preset(const char *path, int ladder_net)
{
    sa_net *net = load(path);
    size_t count = 0, smallest = SIZE_MAX, caffe = 0;
    print_message("%s\n%-14s %14s\n", path, "strategy", "bytes");
    for (; sa_preset_at((int)count); count++) {
        const char *name = sa_preset_at((int)count)->name;
        size_t bytes = plan_bytes(net, name);
        if (count == 0) caffe = bytes;
        if (bytes < smallest) smallest = bytes;
        if (ladder_net < 0) continue;
        assert_true(count < LADDER_PRESETS);
        assert_string_equal(name, LADDER[count].preset);
        assert_int_equal(bytes, LADDER[count].bytes[ladder_net]);
    }
    assert_int_equal(count, LADDER_PRESETS);
    assert_true(smallest < caffe / 4);
    sa_net_free(net);
}

static void test_old(void **state)
{
    (void)state;
    plan_in_each_preset("nets/old.prototxt", 0);
}

static void test_new(void **state)
{
    (void)state;
    plan_in_each_preset("nets/new.prototxt", 1);
}

static void test_segnet_basic(void **state)
{
    (void)state;
    plan_in_each_preset("nets/segnet_basic_camvid.prototxt", -1);
}

static void test_segnet_vgg16(void **state)
{
    (void)state;
    plan_in_each_preset("nets/segnet_vgg16_camvid.prototxt", -1);
}

static void test_bayesian_segnet(void **state)
{
    (void)state;
    plan_in_each_preset("nets/bayesian_segnet_camvid.prototxt", -1);
}

static int open_device(void **state)
{
    (void)state;
    return sa_device_open_cpu(2, &device) != SA_OK; /* workspaces depend on the threads: the figures are those of two */
}

static int close_device(void **state)
{
    (void)state;
    sa_device_close(device);
    return 0;
}

static sa_program *make_program(const sa_net *net, const char *preset);

/* Of the convolutions' products, those that are done again. */
static double share_again(const sa_net *net, const char *name)
{
    sa_program *program = make_program(net, name);
    const double share = sa_recompute_share(program);
    sa_program_free(program);
    return share;
}

/* recompute=auto does a fifth again at most and is near whatever drops the first values at that price; =least is not above it. Both
 * save much of a chain, of residual blocks, of joined branches. */
static void test_recompute_auto(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        double of_none; /* at most so much of what is needed without */
    } NETS[] = {{"nets/old.prototxt", 0.77},      {"nets/new.prototxt", 0.8},       {"nets/unet.prototxt", 0.75},
                {"nets/resnet50.prototxt", 0.75}, {"nets/googlenet.prototxt", 0.8}, {"nets/mobilenet.prototxt", 0.75}};
    for (size_t i = 0; i < sizeof NETS / sizeof NETS[0]; i++) {
        sa_net *net = load(NETS[i].path);
        char name[64];
        const size_t none = plan_bytes(net, "smallest-recompute"), chosen = plan_bytes(net, "smallest");
        const double again = share_again(net, "smallest-recompute") + 0.2;
        assert_true(share_again(net, "smallest") <= again);
        assert_true((double)chosen <= NETS[i].of_none * (double)none);
        for (int count = 1; count < 6; count++) {
            snprintf(name, sizeof name, "smallest+recompute=%d", count);
            if (share_again(net, name) <= again) assert_true((double)chosen <= 1.031 * (double)plan_bytes(net, name));
        }
        assert_true((double)plan_bytes(net, "smallest+recompute=least") <= 1.04 * (double)chosen); /* gaps of the placement */
        sa_net_free(net);
    }
}

static sa_program *make_program(const sa_net *net, const char *preset)
{
    sa_program_options options = {.training = true, .rule.momentum = 0.9f, .weight_decay = 0.0005f};
    sa_strategy strategy;
    sa_program *program;
    if (sa_strategy_parse(preset, &strategy) != SA_OK ||
        sa_program_for_strategy(net, &strategy, device, &options, &program) != SA_OK)
        fail_msg("%s", sa_error_message());
    return program;
}

/* Backward convolution ops of a layer; *last: the last of them. */
static int find_backward(const sa_program *program, const char *layer, const sa_conv_backward_args **last)
{
    int count = 0;
    *last = NULL;
    for (size_t i = 0; i < program->op_count; i++) {
        const sa_op *op = &program->op[i];
        if (op->kind != SA_OP_CONV_BACKWARD || strcmp(program->net->layer[op->layer].name, layer) != 0) continue;
        *last = &op->args.conv_backward;
        count++;
    }
    return count;
}

static int backward_ops(const sa_net *net, const char *preset, const char *layer)
{
    const sa_conv_backward_args *last;
    sa_program *program = make_program(net, preset);
    int count = find_backward(program, layer, &last);
    sa_program_free(program);
    return count;
}

/* inplace-grad: also where x has to be computed again first. */
static void dx_of_a_convolution_takes_the_place_of_x(void **state)
{
    (void)state;
    static const struct {
        const char *preset;
        bool over_x;
    } PRESETS[] = {{"virtual", false}, {"inplace", true}, {"recomputed", true}, {"extreme", true}, {"inplace+bf16", false}};
    sa_net *net = load("nets/new.prototxt");
    for (size_t i = 0; i < sizeof PRESETS / sizeof *PRESETS; i++) {
        sa_program *program = make_program(net, PRESETS[i].preset);
        const sa_conv_backward_args *a;
        assert_int_equal(find_backward(program, "conv2", &a), 1);
        assert_non_null(a);
        assert_int_equal(a->dx.at.buffer == a->x.node[0].slab.at.buffer, PRESETS[i].over_x);
        sa_program_free(program);
    }
    sa_net_free(net);
}

/* A mask that only the pooling's own gradient reads comes with the pooled value that is computed again before, not with the first.
 */
static void a_mask_is_made_when_it_is_needed(void **state)
{
    (void)state;
    static const struct {
        const char *preset, *mask;
        bool backward;
    } MASKS[] = {{"smallest-recompute", "pool0_mask", false},
                 {"smallest+recompute=1", "pool0_mask", true},
                 {"smallest+recompute=1", "pool1_mask", false}}; /* pool1's is read by an Upsample */
    sa_net *net = load("nets/new.prototxt");
    for (size_t i = 0; i < sizeof MASKS / sizeof *MASKS; i++) {
        sa_program *program = make_program(net, MASKS[i].preset);
        int64_t begin = -1;
        for (size_t b = 0; b < program->buffer_count; b++)
            if (!strcmp(program->buffer[b].name, MASKS[i].mask)) begin = program->buffer[b].begin;
        assert_true(begin >= 0);
        assert_int_equal(begin >= (int64_t)program->phase_end[SA_STEP_FORWARD], MASKS[i].backward);
        sa_program_free(program);
    }
    sa_net_free(net);
}

/* split-backward with a limited workspace: two ops at the peak, where one would raise it, and one elsewhere. */
static void two_part_backward_is_for_the_peak(void **state)
{
    (void)state;
    sa_net *net = load("nets/new.prototxt");
    assert_int_equal(backward_ops(net, "smallest-recompute", "conv_decode1"), 2);
    assert_int_equal(backward_ops(net, "smallest-recompute", "conv1"), 1);
    assert_int_equal(backward_ops(net, "smallest-recompute-small-workspace", "conv1"), 2);
    assert_true(plan_bytes(net, "smallest-recompute") <= plan_bytes(net, "smallest-recompute-split-backward"));
    sa_net_free(net);
}

/* The byte figures of a line, which have commas: "7,298,900,352" is one, "6.82" and "512" are none. Returns their number. */
static int byte_figures(const char *line, size_t figure[2])
{
    int count = 0;
    while (*line) {
        size_t length = strspn(line, "0123456789,"), value = 0;
        if (length >= 9 && memchr(line, ',', length)) {
            for (size_t i = 0; i < length; i++)
                if (line[i] != ',') value = 10 * value + (size_t)(line[i] - '0');
            if (count < 2) figure[count] = value;
            count++;
        }
        line += length ? length : 1;
    }
    return count;
}

/* Plans each strategy that a table of the document has in its first column with bytes of both nets behind; returns how many. */
static int check_document(const char *path, const sa_net *const net[2])
{
    FILE *file = fopen(path, "r");
    char line[4096];
    int rows = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        size_t figure[2];
        char name[128];
        sa_strategy strategy;
        if (sscanf(line, "| `%127[^`]`", name) != 1 || sa_strategy_parse(name, &strategy) != SA_OK) continue;
        if (byte_figures(line, figure) != 2) continue;
        for (int i = 0; i < 2; i++) assert_int_equal(figure[i], plan_bytes(net[i], name));
        rows++;
    }
    sa_error_clear();
    fclose(file);
    return rows;
}

static void the_documents_print_what_is_planned(void **state)
{
    (void)state;
    sa_net *old = load("nets/old.prototxt"), *new = load("nets/new.prototxt");
    const sa_net *const nets[2] = {old, new};
    assert_int_equal(check_document("README.md", nets), 5);
    assert_int_equal(check_document("docs/memory.md", nets), LADDER_PRESETS + 4);
    sa_net_free(old);
    sa_net_free(new);
}

/* ------------------------------------------------------------------ forward passes ------------------------------- */

static size_t forward_bytes(const char *path, const sa_net_options *options, const char *name, size_t *caffe_bytes)
{
    const sa_program_options program = {.training = false};
    sa_strategy strategy;
    sa_layout layout;
    sa_net *net;
    sa_caffe_memory caffe;
    bool ok = sa_net_load(path, options, &net) == SA_OK && sa_strategy_parse(name, &strategy) == SA_OK &&
              sa_layout_create(net, &strategy, device, &program, &layout) == SA_OK &&
              sa_caffe_memory_create(net, NULL, &caffe) == SA_OK;
    if (!ok) fail_msg("%s, %s: %s", path, name, sa_error_message());
    size_t peak = layout.plan.peak_bytes;
    *caffe_bytes = caffe.gpu_total_bytes;
    sa_caffe_memory_free(&caffe);
    sa_layout_free(&layout);
    sa_net_free(net);
    return peak;
}

/* One image, class scores, stored statistics: bands that cost nothing where nothing goes backward. README.md has these bytes. And
 * Caffe's own layout of a TEST net is Caffe's: its 1x1 convolutions have no columns then. */
static void forward_passes(void **state)
{
    const sa_net_options predicts = {
        .test_phase = true, .forward_only = true, .scores = SA_SCORES_ALONE, .bn = SA_BN_STORED, .batch = 1};
    const sa_net_options tests = {.test_phase = true, .forward_only = true};
    size_t caffe;
    (void)state;
    assert_int_equal(forward_bytes("nets/old.prototxt", &predicts, "fastest", &caffe), 95400192);
    assert_int_equal(forward_bytes("nets/new.prototxt", &predicts, "fastest", &caffe), 133166080);
    size_t ours = forward_bytes("nets/old.prototxt", &tests, "caffe", &caffe);
    assert_in_range(ours, caffe, caffe + 65536);
    ours = forward_bytes("nets/new.prototxt", &tests, "caffe", &caffe);
    assert_in_range(ours, caffe, caffe + 65536);
}

/* Two convolutions of one value, added, twice over: both sums, and the sum of the gradients in between, need no buffer of their
 * own. */
static void sums_take_the_place_of_a_term(void **state)
{
    (void)state;
#define CONV(name, bottom)                                                                                                  \
    "layer { name: '" name "' type: 'Convolution' bottom: '" bottom "' top: '" name "' convolution_param { num_output: 12 " \
    "kernel_size: 3 pad: 1 } }\n"
#define SUM(name, a, b) "layer { name: '" name "' type: 'Eltwise' bottom: '" a "' bottom: '" b "' top: '" name "' }\n"
    static const char TEXT[] = "input: 'data' input: 'label' input_dim: [4, 3, 64, 64, 4, 1, 64, 64]\n" CONV("a", "data")
        CONV("b", "data") SUM("e", "a", "b") CONV("c", "e") CONV("d", "e")
            SUM("f", "c", "d") "layer { name: 'scores' type: 'Convolution' bottom: 'f' top: 'scores' convolution_param { "
                               "num_output: 3 kernel_size: 1 } }\n"
                               "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'scores' bottom: 'label' top: 'loss' }\n";
#undef CONV
#undef SUM
    const size_t map = 4 * 12 * 64 * 64 * 4;
    sa_proto_document *document;
    sa_net *net;
    assert_int_equal(sa_proto_parse_text("sums", TEXT, strlen(TEXT), &document), SA_OK);
    assert_int_equal(sa_net_from_document(document, NULL, &net), SA_OK);
    assert_true(plan_bytes(net, "smallest") <= plan_bytes(net, "smallest-sums-in-place") - map * 3 / 4);
    sa_net_free(net);
    sa_proto_free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old),
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_segnet_basic),
        cmocka_unit_test(test_segnet_vgg16),
        cmocka_unit_test(test_bayesian_segnet),
        cmocka_unit_test(test_recompute_auto),
        cmocka_unit_test(dx_of_a_convolution_takes_the_place_of_x),
        cmocka_unit_test(a_mask_is_made_when_it_is_needed),
        cmocka_unit_test(two_part_backward_is_for_the_peak),
        cmocka_unit_test(sums_take_the_place_of_a_term),
        cmocka_unit_test(the_documents_print_what_is_planned),
        cmocka_unit_test(forward_passes),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
