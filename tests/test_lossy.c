/* Rung 12. uint8-input changes no bit and refuses what is no byte. bf16 rounds: how far losses and gradients move, what it saves,
 * that the value it rounds is the same one whatever other techniques are on, and that nobody gets it without asking.
 *
 * With arguments (prototxts) it only measures: the relative L2 error of the gradients of each after one step. */
#include "net/budget_candidates.h"
#include "net/feed.h"
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
static const double LOSS_SHARE = 0.01;

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
    sa_program_options options = {.training = true, .momentum = 0.9f};
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
            must(sa_session_get_history(session, l, i, next));
            next += sa_shape_elements(&net->layer[l].param[i].shape);
        }
    sa_feed_close(feed);
    sa_session_destroy(session);
    return all;
}

/* |a - b| / |b| over all parameters. */
static double gradient_error(const sa_net *net, const char *exact_name, const char *name)
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
    print_message("%s: gradients of '%s' against '%s': relative L2 error %.3g\n", net->name, name, exact_name, error);
    return error;
}

static void gradients_move_little(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"tiny_old", "tiny_new", "vgg"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        sa_net *net = load(sa_small_net_find(NAMES[i]));
        double banded = gradient_error(net, "smallest", "lossy"), stored = gradient_error(net, "inplace", "inplace+bf16");
        assert_true(banded > 0 && banded < 0.1); /* > 0: something was rounded */
        assert_true(stored > 0 && stored < 0.1);
        sa_net_free(net);
    }
}

static void losses_move_little(void **state)
{
    (void)state;
    static const char *const PAIRS[][2] = {{"smallest", "lossy"}, {"inplace", "inplace+bf16"}, {"extreme", "extreme+bf16"}};
    double worst = 0;
    for (int i = 0; sa_small_net_at(i); i++) {
        const sa_small_net *small = sa_small_net_at(i);
        sa_net *net = load(small);
        for (size_t k = 0; k < sizeof PAIRS / sizeof PAIRS[0]; k++) {
            sa_step_run exact = run(small, net, PAIRS[k][0], false), rounded = run(small, net, PAIRS[k][1], false);
            float a = exact.output[SA_STEP_RUN_STEPS - 1], b = rounded.output[SA_STEP_RUN_STEPS - 1];
            double share = fabs((double)b - (double)a) / fabs((double)a);
            if (!(share < LOSS_SHARE)) fail_msg("%s, %s: loss %.6g, not %.6g", small->name, PAIRS[k][1], (double)b, (double)a);
            if (share > worst) worst = share;
            if (small->deploy) assert_int_equal(exact.hash, rounded.hash); /* nothing waits */
        }
        sa_net_free(net);
    }
    print_message("worst share that a loss moved: %.3g\n", worst);
    assert_true(worst > 0);
}

/* ------------------------------------------------------------------ composition ------------------------------------ */

/* The values rounded are the same ones in each, so the bits have to be. */
static void bits_do_not_depend_on_other_techniques(void **state)
{
    (void)state;
    static const char *const OTHERS[] = {"+split-backward", "+small-workspace", "+relrn+image-tail",
                                         "+uint8-input",    "-early-update",    "-inplace-grad-image-tail"};
    for (int i = 0; sa_small_net_at(i); i++) {
        const sa_small_net *small = sa_small_net_at(i);
        sa_net *net = load(small);
        uint64_t expected = run(small, net, "inplace+bf16", true).hash;
        for (size_t k = 0; k < sizeof OTHERS / sizeof OTHERS[0]; k++) {
            char name[NAME_BYTES];
            snprintf(name, sizeof name, "inplace+bf16%s", OTHERS[k]);
            if (run(small, net, name, k % 2 == 0).hash != expected) fail_msg("%s, %s: other bits", small->name, name);
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
            if (!sa_strategy_has(&preset, SA_SWITCH_LEAN)) continue;
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
    assert_true(runs > 100);
}

/* ------------------------------------------------------------------ memory ----------------------------------------- */

static void memory_is_smaller(void **state)
{
    (void)state;
    static const char *const NETS[] = {"nets/old.prototxt", "nets/new.prototxt"};
    for (size_t n = 0; n < sizeof NETS / sizeof NETS[0]; n++) {
        size_t smallest = plan_bytes(NETS[n], "smallest"), bytes = plan_bytes(NETS[n], "smallest+uint8-input"),
               lossy = plan_bytes(NETS[n], "lossy"), fastest = plan_bytes(NETS[n], "fastest"),
               rounded = plan_bytes(NETS[n], "fastest+bf16");
        print_message("%s: smallest %zu, smallest+uint8-input %zu, lossy %zu; fastest %zu, fastest+bf16 %zu\n", NETS[n], smallest,
                      bytes, lossy, fastest, rounded);
        assert_true(bytes < smallest);
        assert_true(lossy < smallest / 100 * 80);
        assert_true(rounded < fastest / 100 * 90);
    }
}

/* ------------------------------------------------------------------ bytes as input --------------------------------- */

static void bytes_change_no_bit(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"caffe", "shared", "inplace", "smallest", "extreme"};
    for (int i = 0; sa_small_net_at(i); i++) {
        const sa_small_net *small = sa_small_net_at(i);
        sa_net *net = load(small);
        for (size_t k = 0; k < sizeof NAMES / sizeof NAMES[0]; k++) {
            char name[NAME_BYTES];
            snprintf(name, sizeof name, "%s+uint8-input", NAMES[k]);
            if (run(small, net, NAMES[k], false).hash != run(small, net, name, true).hash)
                fail_msg("%s, %s: other bits", small->name, name);
        }
        sa_net_free(net);
    }
}

/* The first image input's number; its encoding under a strategy goes to *encoding. */
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
               {NAN, "nan;"},     {INFINITY, "is inf;"}, {254.999f, "is 254.999"}};
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
    assert_true(candidates.count > 10);
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
        gradient_error(net, "smallest", "lossy");
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
    if (sa_device_open_cpu(2, &device) != SA_OK) return 1;
    int failures = argc > 1 ? measure(argc - 1, argv + 1) : cmocka_run_group_tests(tests, NULL, NULL);
    bool leaked = device->allocated_bytes != 0;
    sa_device_close(device);
    return failures || leaked;
}
