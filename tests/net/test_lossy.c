/* Rung 12. uint8-input changes no bit and refuses what is no byte. bf16 rounds: how far losses and gradients move, what it saves,
 * that the value it rounds is the same one whatever other techniques are on, and that nobody gets it without asking.
 *
 * With arguments (prototxts) it only measures: the relative L2 error of the gradients of each after one step. */
#include "cost/budget_candidates.h"
#include "net/feed.h"
#include "tests/support/all_threads.h"
#include "tests/support/small_nets.h"
#include "tests/support/step_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NAME_BYTES = 256 };
static const double LOSS_SHARE = 0.01, SMALL_LOSS_SHARE = 0.05;

static sa_device *device;

static void must(sa_status status)
{
    if (status != SA_OK) fail_msg("%s", sa_error_message());
}

static sa_strategy parse(const char *name)
{
    sa_strategy strategy;
    must(sa_strategy_parse(name, &strategy));
    return strategy;
}

static sa_net *load(const sa_small_net *small)
{
    sa_net *net;
    if (sa_small_net_load(small, &net) != SA_OK) fail_msg("%s: %s", small->name, sa_error_message());
    return net;
}

static sa_step_run run(const sa_small_net *small, const sa_net *net, const char *name, bool debug)
{
    sa_strategy strategy = parse(name);
    sa_step_run made;
    if (sa_step_run_make(net, !small->deploy, &strategy, device, debug, &made) != SA_OK)
        fail_msg("%s, %s: %s", small->name, name, sa_error_message());
    return made;
}

static size_t plan_bytes(const char *path, const char *name)
{
    sa_program_options options = {.training = true, .rule.momentum = 0.9f};
    sa_strategy strategy = parse(name);
    sa_layout layout;
    sa_net *net;
    must(sa_net_load(path, NULL, &net));
    must(sa_layout_create(net, &strategy, device, &options, &layout));
    size_t bytes = layout.plan.peak_bytes;
    sa_layout_free(&layout);
    sa_net_free(net);
    return bytes;
}

/* ------------------------------------------------------------------ gradients -------------------------------------- */

static size_t gradient_count(const sa_net *net)
{
    size_t count = 0;
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].param_count; i++)
            if (net->layer[l].param[i].needs_grad) count += sa_shape_elements(&net->layer[l].param[i].shape);
    return count;
}

/* Of all parameters, in order of layers, as the first step leaves them in the momentum: rate 1, no decay. Times lr_mult. Returns
 * (gradient_count), owned by the caller. */
static float *gradients(const sa_net *net, const char *name)
{
    sa_session_options options = {.program = {.training = true}, .seed = 3};
    sa_strategy strategy = parse(name);
    sa_session *session;
    sa_feed *feed;
    float *all = malloc(gradient_count(net) * sizeof *all), *next = all;
    assert_non_null(all);
    must(sa_session_create(net, &strategy, device, &options, &session));
    must(sa_feed_open(net, NULL, 7, &feed));
    must(sa_feed_next(feed, session));
    must(sa_session_run(session, 1.0f, 0, NULL));
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].param_count; i++) {
            if (!net->layer[l].param[i].needs_grad) continue;
            must(sa_session_get_history(session, l, i, 0, next));
            next += sa_shape_elements(&net->layer[l].param[i].shape);
        }
    sa_feed_close(feed);
    sa_session_destroy(session);
    return all;
}

/* |a - b| / |b| over all parameters. */
static double gradient_error(const char *label, const sa_net *net, const char *exact_name, const char *name)
{
    float *exact = gradients(net, exact_name), *rounded = gradients(net, name);
    size_t count = gradient_count(net);
    double distance = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)rounded[i] - (double)exact[i];
        distance += d * d;
        length += (double)exact[i] * (double)exact[i];
    }
    free(exact);
    free(rounded);
    double error = sqrt(distance / length);
    print_message("%s: gradients of '%s' against '%s': relative L2 error %.3g\n", label, name, exact_name, error);
    return error;
}

/* Nothing in it jumps: no maximum, no ReLU, whose choice a rounded value may turn. */
static const char SMOOTH[] =
    "layer { name: 'input' type: 'DummyData' top: 'data' top: 'label'\n"
    "  dummy_data_param { shape { dim: 2 dim: 3 dim: 16 dim: 24 } shape { dim: 2 dim: 1 dim: 16 dim: 24 } } }\n"
    "layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1'\n"
    "  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }\n"
    "layer { name: 'bn1' type: 'BN' bottom: 'conv1' top: 'conv1' bn_param { scale_filler { type: 'constant' value: 1 } } }\n"
    "layer { name: 'conv2' type: 'Convolution' bottom: 'conv1' top: 'conv2'\n"
    "  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }\n"
    "layer { name: 'bn2' type: 'BN' bottom: 'conv2' top: 'conv2' bn_param { scale_filler { type: 'constant' value: 1 } } }\n"
    "layer { name: 'scores' type: 'Convolution' bottom: 'conv2' top: 'scores'\n"
    "  convolution_param { num_output: 6 kernel_size: 1 weight_filler { type: 'msra' } } }\n"
    "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'scores' bottom: 'label' top: 'loss' }\n";
static const sa_small_net SMOOTH_NET = {"smooth", NULL, SMOOTH, false};

/* A rounded value is off by at most 1/256 of itself, and so are smooth gradients, about. Where two candidates for a maximum are
 * that close, the gradient jumps to the other: in tiny_new's deepest map, of few pixels, one such jump is a large share. (So it is
 * in float32, once its weights change by 1/2000.) */
static void gradients_move_little(void **state)
{
    (void)state;
    const struct {
        const sa_small_net *small;
        double bound;
    } CASES[] = {{&SMOOTH_NET, 0.01},
                 {sa_small_net_find("tiny_old"), 0.1},
                 {sa_small_net_find("tiny_new"), 0.4},
                 {sa_small_net_find("vgg"), 0.2}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sa_net *net = load(CASES[i].small);
        double stored = gradient_error(CASES[i].small->name, net, "inplace", "inplace+bf16"),
               banded = gradient_error(CASES[i].small->name, net, "smallest", "lossy");
        assert_true(stored > 0 && stored < CASES[i].bound); /* > 0: something was rounded */
        assert_true(banded > 0 && banded < CASES[i].bound);
        sa_net_free(net);
    }
}

/* Most of the small nets have maps of a few pixels, where a maximum that flips weighs more than in a SegNet. */
static void losses_move_little(void **state)
{
    (void)state;
    static const char *const PAIRS[][2] = {{"smallest", "lossy"}, {"inplace", "inplace+bf16"}};
    double worst = 0;
    for (int i = 0; sa_small_net_at(i); i++) {
        const sa_small_net *small = sa_small_net_at(i);
        double bound = !strncmp(small->name, "tiny", 4) ? LOSS_SHARE : SMALL_LOSS_SHARE;
        sa_net *net = load(small);
        for (size_t k = 0; k < sizeof PAIRS / sizeof PAIRS[0]; k++) {
            sa_step_run exact = run(small, net, PAIRS[k][0], false), rounded = run(small, net, PAIRS[k][1], false);
            float a = exact.output[SA_STEP_RUN_STEPS - 1], b = rounded.output[SA_STEP_RUN_STEPS - 1];
            double share = fabs((double)b - (double)a) / fabs((double)a);
            if (!(share < bound)) fail_msg("%s, %s: loss %.6g, not %.6g", small->name, PAIRS[k][1], (double)b, (double)a);
            if (share > worst) worst = share;
            if (small->deploy) assert_int_equal(exact.hash, rounded.hash); /* nothing waits */
        }
        sa_net_free(net);
    }
    print_message("worst share that a loss moved in %d steps: %.3g\n", SA_STEP_RUN_STEPS, worst);
    assert_true(worst > 0);
}

/* ------------------------------------------------------------------ composition ------------------------------------ */

/* The values rounded are the same ones in each, so the bits have to be. (Not with techniques that drop values, or band them.) */
static void bits_do_not_depend_on_other_techniques(void **state)
{
    (void)state;
    static const char *const OTHERS[] = {"+split-backward", "+small-workspace", "+relrn",
                                         "+uint8-input",    "-early-update",    "-inplace-grad"};
    for (int i = 0; sa_small_net_at(i); i++) {
        const sa_small_net *small = sa_small_net_at(i);
        sa_net *net = load(small);
        uint64_t expected = run(small, net, "inplace+bf16", false).hash;
        for (size_t k = 0; k < sizeof OTHERS / sizeof OTHERS[0]; k++) {
            char name[NAME_BYTES];
            snprintf(name, sizeof name, "inplace+bf16%s", OTHERS[k]);
            if (i % 2 != (int)k % 2) continue; /* they take turns */
            if (run(small, net, name, k % 3 == 0).hash != expected) fail_msg("%s, %s: other bits", small->name, name);
        }
        sa_net_free(net);
    }
}

/* Every preset that bf16 makes sense in, under the eyes of the debug mode, and by bytes as planned. */
static void every_preset_runs_with_it(void **state)
{
    (void)state;
    int runs = 0;
    for (int i = 0; sa_small_net_at(i); i++) {
        const sa_small_net *small = sa_small_net_at(i);
        sa_net *net = load(small);
        for (int k = 0; sa_preset_at(k); k++) {
            sa_strategy preset = parse(sa_preset_at(k)->name);
            char name[NAME_BYTES];
            if (!sa_strategy_has(&preset, SA_SWITCH_LEAN) || (i + k) % 4 != 0) continue; /* they take turns */
            snprintf(name, sizeof name, "%s+bf16+uint8-input", sa_preset_at(k)->name);
            sa_step_run debug = run(small, net, name, true), plain = run(small, net, name, false);
            assert_int_equal(debug.hash, plain.hash);
            assert_int_equal(plain.arena_bytes, plain.peak_bytes);
            assert_int_equal(plain.measured_bytes, plain.peak_bytes);
            assert_int_equal(plain.allocations, 1);
            runs++;
        }
        sa_net_free(net);
    }
    assert_true(runs > 30);
}

/* ------------------------------------------------------------------ memory ----------------------------------------- */

static void memory_is_smaller(void **state)
{
    (void)state;
    static const char *const NETS[] = {"nets/old.prototxt", "nets/new.prototxt"};
    for (size_t n = 0; n < sizeof NETS / sizeof NETS[0]; n++) {
        size_t smallest = plan_bytes(NETS[n], "smallest"), bytes = plan_bytes(NETS[n], "smallest+uint8-input+relrn"),
               lossy = plan_bytes(NETS[n], "lossy"), fastest = plan_bytes(NETS[n], "fastest"),
               rounded = plan_bytes(NETS[n], "fastest+bf16");
        print_message("%s: smallest %zu, smallest+uint8-input+relrn %zu, lossy %zu; fastest %zu, fastest+bf16 %zu\n", NETS[n],
                      smallest, bytes, lossy, fastest, rounded);
        assert_true(bytes < smallest);
        assert_true(lossy < smallest / 100 * 95);
        assert_true(rounded < fastest / 100 * 90);
    }
}

/* ------------------------------------------------------------------ bytes as input --------------------------------- */

static void bytes_change_no_bit(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"caffe", "inplace", "extreme"};
    for (int i = 0; sa_small_net_at(i); i++) {
        const sa_small_net *small = sa_small_net_at(i);
        sa_net *net = load(small);
        for (size_t k = 0; k < sizeof NAMES / sizeof NAMES[0]; k++) {
            char name[NAME_BYTES];
            snprintf(name, sizeof name, "%s+uint8-input", NAMES[k]);
            if ((i + (int)k) % 2 != 0) continue; /* they take turns */
            if (run(small, net, NAMES[k], false).hash != run(small, net, name, true).hash)
                fail_msg("%s, %s: other bits", small->name, name);
        }
        sa_net_free(net);
    }
}

/* The number of the input that is kept as bytes. */
static int image_blob(const sa_session *session)
{
    const sa_program *p = sa_session_layout(session)->program;
    for (int b = 0; b < p->net->blob_count; b++)
        if (p->input_buffer[b] >= 0 && p->input_encoding[b] == SA_U8) return b;
    fail_msg("no input is kept as bytes");
    return -1;
}

static void other_values_are_refused(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *text;
    } BAD[] = {{3.5f, "is 3.5;"}, {256.0f, "is 256;"},   {-1.0f, "is -1;"},
               {NAN, "nan;"},     {INFINITY, "is inf;"}, {254.5f, "is 254.5;"}};
    sa_session_options options = {.program = {.training = true}, .seed = 3};
    sa_strategy strategy = parse("smallest+uint8-input");
    sa_net *net = load(sa_small_net_find("tiny_old"));
    sa_session *session;
    must(sa_session_create(net, &strategy, device, &options, &session));
    int blob = image_blob(session);
    assert_string_equal(net->blob[blob].name, "data");
    size_t count = sa_shape_elements(&net->blob[blob].shape);
    const sa_program *program = sa_session_layout(session)->program;
    assert_int_equal(program->buffer[program->input_buffer[blob]].size_bytes, count);
    float *host = calloc(count, sizeof *host);
    assert_non_null(host);
    host[0] = 255.0f;
    must(sa_session_set_input(session, blob, host));
    host[count - 1] = 0.25f; /* a later one is not the one that is named */
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        host[17] = BAD[i].value;
        assert_int_equal(sa_session_set_input(session, blob, host), SA_NUMERIC);
        if (!strstr(sa_error_message(), "input 'data': value 17 ") || !strstr(sa_error_message(), BAD[i].text))
            fail_msg("%s", sa_error_message());
    }
    free(host);
    sa_session_destroy(session);
    sa_net_free(net);
}

/* ------------------------------------------------------------------ only on request -------------------------------- */

static void nobody_gets_it_unasked(void **state)
{
    (void)state;
    int last = 0;
    for (int i = 0; sa_preset_at(i); i++) {
        sa_strategy preset = parse(sa_preset_at(i)->name);
        assert_int_equal(sa_strategy_is_lossless(&preset), strcmp(preset.name, "lossy") != 0);
        last = i;
    }
    assert_string_equal(sa_preset_at(last)->name, "lossy");
    assert_non_null(strstr(sa_preset_at(last)->help, "LOSSY"));
    for (int i = 0; i < SA_SWITCH_COUNT; i++) assert_int_equal(sa_switch_get_info((sa_switch)i)->lossless, i != SA_SWITCH_BF16);
    sa_net *net = load(sa_small_net_find("tiny_new"));
    sa_candidates candidates;
    must(sa_candidates_create(net, device, SA_CONV_OPTION_AUTO, &candidates));
    assert_true(candidates.count > 3);
    for (size_t i = 0; i < candidates.count; i++) assert_true(sa_strategy_is_lossless(&candidates.strategy[i]));
    sa_candidates_free(&candidates);
    sa_net_free(net);
}

static int measure(int count, char **path)
{
    for (int i = 0; i < count; i++) {
        sa_net *net;
        if (sa_net_load(path[i], NULL, &net) != SA_OK) {
            print_error("%s\n", sa_error_message());
            return 1;
        }
        gradient_error(path[i], net, "smallest", "lossy");
        sa_net_free(net);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_gets_it_unasked),    cmocka_unit_test(bytes_change_no_bit),
        cmocka_unit_test(other_values_are_refused),  cmocka_unit_test(gradients_move_little),
        cmocka_unit_test(losses_move_little),        cmocka_unit_test(bits_do_not_depend_on_other_techniques),
        cmocka_unit_test(every_preset_runs_with_it), cmocka_unit_test(memory_is_smaller),
    };
    if (sa_open_all_threads(2, &device) != SA_OK) return 1;
    int failures = argc > 1 ? measure(argc - 1, argv + 1) : cmocka_run_group_tests(tests, NULL, NULL);
    bool leaked = device->allocated_bytes != 0;
    sa_device_close(device);
    return failures || leaked;
}
