/* No preset fails on a valid net. Random nets (tests/support/random_graph.h) are planned under every preset and a random
 * combination of switches; program and plan are checked. Some of these, in turns, also run: losses, parameters and momentum have
 * the bits that `caffe` gives, in the bytes that were planned. test_any_net FIRST COUNT tries other seeds. */
#include "core/hash.h"
#include "net/net.h"
#include "tests/support/all_threads.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_net.h"

#include "net/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NETS = 100, TEXT_BYTES = 1 << 16, STRATEGY_BYTES = 256, STEPS = 2, RUNS_OF_A_NET = 4 };

static uint32_t first_seed = 0, seed_count = NETS;
static sa_device *devices[2], *device; /* of one and of two threads; device: whose turn it is */

/* Nets in turns are trained by all solvers, some with clipping, and, unless SegNet's BN is in them, in several passes. */
static sa_program_options options_of(const sa_net *net, uint32_t seed)
{
    sa_program_options options = {.training = true,
                                  .rule = {.kind = (sa_update_kind)(seed % 6),
                                           .l1 = seed % 7 == 0,
                                           .momentum = 0.9f,
                                           .momentum2 = 0.99f,
                                           .rms_decay = 0.9f,
                                           .delta = 1e-4f,
                                           .clip = seed % 4 == 0 ? 0.5f : 0.0f,
                                           .passes = seed % 5 == 0 ? 2 : 1},
                                  .weight_decay = 0.0005f};
    for (int l = 0; l < net->layer_count; l++)
        if (net->layer[l].type->segnet_fork) options.rule.passes = 1;
    return options;
}

typedef struct outcome {
    uint64_t hash;
    size_t planned_bytes, measured_bytes;
} outcome;

typedef struct tally {
    int nets, plans, runs, failures;
} tally;

static sa_status load(uint32_t seed, char *text, sa_net **net)
{
    sa_proto_document *document;
    random_graph_make(seed, text, TEXT_BYTES);
    SA_TRY(sa_proto_parse_text("graph", text, strlen(text), &document));
    sa_status status = sa_net_from_document(document, NULL, net);
    sa_proto_free(document);
    return status;
}

/* Program check, plan and plan check, as sa_layout_create does, with a planner that does not search. */
static sa_status plan(const sa_net *net, const sa_strategy *strategy, uint32_t seed)
{
    const sa_program_options options = options_of(net, seed);
    const sa_plan_options greedy = {.planner = SA_PLANNER_GREEDY};
    sa_program *program;
    sa_plan made;
    SA_TRY(sa_program_for_strategy(net, strategy, device, &options, &program));
    sa_status status = sa_program_check(program);
    if (status == SA_OK) status = sa_plan_make(program->buffer, program->buffer_count, &greedy, &made);
    if (status == SA_OK) {
        status = sa_plan_check(program->buffer, program->buffer_count, &made);
        sa_plan_free(&made);
    }
    sa_program_free(program);
    return status;
}

static sa_status set_inputs(const sa_net *net, sa_session *session, int step)
{
    for (int b = 0; b < net->blob_count; b++) {
        const sa_blob *blob = &net->blob[b];
        uint64_t random = 77 + (uint64_t)(b + 100 * step);
        if (!net->layer[blob->producer].type->is_input) continue;
        size_t count = sa_shape_elements(&blob->shape);
        float *value = malloc(count * sizeof *value);
        if (!value) SA_FAIL(SA_NOMEM, "no memory for an input");
        for (size_t i = 0; i < count; i++) value[i] = (float)random_below(&random, blob->name[0] == 'l' ? 2 : 5);
        sa_status status = sa_session_set_input(session, b, value);
        free(value);
        SA_TRY(status);
    }
    return SA_OK;
}

static sa_status run_session(const sa_net *net, sa_session *session, int passes, outcome *o)
{
    uint64_t state;
    o->hash = SA_HASH_START;
    for (int pass = 0; pass < STEPS * passes; pass++) {
        SA_TRY(set_inputs(net, session, pass));
        SA_TRY(sa_session_run_pass(session, 0.001f, (uint32_t)(pass / passes), pass % passes, NULL));
        for (int b = 0; b < net->blob_count; b++) {
            float value;
            if (sa_session_layout(session)->program->output_buffer[b] < 0 || net->blob[b].shape.axes != 0) continue;
            SA_TRY(sa_session_get_output(session, b, &value));
            o->hash = sa_hash_bytes(o->hash, &value, sizeof value);
        }
    }
    SA_TRY(sa_session_state_hash(session, &state));
    o->hash = sa_hash_bytes(o->hash, &state, sizeof state);
    o->planned_bytes = sa_session_layout(session)->plan.peak_bytes;
    o->measured_bytes = sa_session_measured_bytes(session);
    return SA_OK;
}

static sa_status run(const sa_net *net, const sa_strategy *strategy, uint32_t seed, outcome *o)
{
    const sa_session_options options = {.program = options_of(net, seed), .seed = 3};
    sa_session *session;
    SA_TRY(sa_session_create(net, strategy, device, &options, &session));
    sa_status status = run_session(net, session, options.program.rule.passes, o);
    sa_session_destroy(session);
    return status;
}

/* A combination of random switches that the parser accepts. */
static void random_strategy(uint64_t *random, char text[STRATEGY_BYTES])
{
    sa_strategy parsed;
    do {
        size_t length = (size_t)snprintf(text, STRATEGY_BYTES, "caffe");
        for (int w = 0; w < SA_SWITCH_COUNT; w++) {
            const sa_switch_info *info = sa_switch_get_info((sa_switch)w);
            if (!info->lossless || random_below(random, 3) == 0) continue;
            length += (size_t)snprintf(text + length, STRATEGY_BYTES - length, "+%s", info->name);
            bool counts = w == SA_SWITCH_BANDED || w == SA_SWITCH_RECOMPUTE;
            if (counts) length += (size_t)snprintf(text + length, STRATEGY_BYTES - length, "=%u", 1 + random_below(random, 9));
        }
    } while (sa_strategy_parse(text, &parsed) != SA_OK);
}

static void report(tally *t, uint32_t seed, const char *strategy, const char *what)
{
    t->failures++;
    print_error("seed %u, %s: %s\n", seed, strategy, what);
}

/* Plans under one strategy, in which the values `dropped` (NULL: none) are computed again; runs if told to and compares with the
 * baseline. */
static void try_strategy(tally *t, uint32_t seed, const sa_net *net, const char *name, const sa_again *dropped, bool runs,
                         const outcome *baseline)
{
    sa_strategy strategy;
    outcome o;
    t->plans++;
    sa_status status = sa_strategy_parse(name, &strategy);
    strategy.conv = SA_CONV_OPTION_DIRECT;
    strategy.recompute_blobs = dropped;
    device = devices[t->plans % 8 == 3]; /* waiting threads are slow where others compute */
    if (status == SA_OK) status = plan(net, &strategy, seed);
    runs = runs && status == SA_OK && sa_strategy_is_lossless(&strategy);
    t->runs += runs;
    if (runs) status = run(net, &strategy, seed, &o);
    if (status != SA_OK) report(t, seed, name, sa_error_message());
    else if (runs && o.hash != baseline->hash) report(t, seed, name, "the bits are not those of caffe");
    else if (runs && o.measured_bytes != o.planned_bytes) report(t, seed, name, "measured bytes are not the plan's");
}

/* Any values may be dropped: all, or random ones. */
static void try_recomputing(tally *t, uint32_t seed, const sa_net *net, uint64_t *random, const outcome *baseline)
{
    static const char *const STRATEGIES[] = {"fastest+recompute", "smallest+recompute", "caffe+lean+lifetimes+recompute",
                                             "extreme-placement"};
    sa_again *dropped = malloc((size_t)net->blob_count * sizeof *dropped);
    assert_non_null(dropped);
    for (int k = 0; k < 4; k++) {
        const uint32_t kept = (uint32_t)k;
        for (int b = 0; b < net->blob_count; b++)
            dropped[b] = random_below(random, 4) < kept ? SA_KEPT : random_below(random, 3) ? SA_AGAIN_ONCE : SA_AGAIN_EACH;
        try_strategy(t, seed, net, STRATEGIES[(k + (int)seed) % 4], dropped, k < 2, baseline);
    }
    free(dropped);
}

static void try_net(tally *t, uint32_t seed)
{
    static char text[TEXT_BYTES];
    char name[STRATEGY_BYTES];
    sa_net *net;
    sa_strategy caffe;
    outcome baseline;
    uint64_t random = 0x9e3779b97f4a7c15ull * (seed + 17);
    int failures = t->failures;
    device = devices[0];
    t->nets++;
    if (load(seed, text, &net) != SA_OK) {
        report(t, seed, "reading", sa_error_message());
        return;
    }
    sa_status status = sa_strategy_parse("caffe", &caffe);
    caffe.conv = SA_CONV_OPTION_DIRECT;
    if (status == SA_OK) status = run(net, &caffe, seed, &baseline);
    if (status != SA_OK) report(t, seed, "caffe", sa_error_message());
    for (int k = 0; sa_preset_at(k) && status == SA_OK; k++)
        try_strategy(t, seed, net, sa_preset_at(k)->name, NULL, (k + (int)seed) % RUNS_OF_A_NET == 0, &baseline);
    for (int k = 0; k < 2 && status == SA_OK; k++) {
        random_strategy(&random, name);
        try_strategy(t, seed, net, name, NULL, k == 0, &baseline);
    }
    if (status == SA_OK) try_recomputing(t, seed, net, &random, &baseline);
    sa_net_free(net);
    if (t->failures > failures && getenv("SHOW_NETS")) fprintf(stderr, "%s\n", text);
}

static void test_random_nets(void **state)
{
    (void)state;
    tally t = {0};
    for (uint32_t i = 0; i < seed_count; i++) try_net(&t, first_seed + i);
    print_message("%d nets, %d plans, %d runs, %d failures\n", t.nets, t.plans, t.runs, t.failures);
    assert_true(t.runs > t.nets);
    assert_int_equal(t.failures, 0);
}

/* Splits that the file has are those that the net would put in: several tops, one, tops that are read twice, by a layer in place,
 * by nobody. */
static void test_splits_of_the_file(void **state)
{
    (void)state;
#define INPUTS "input: 'data' input_dim: [2, 3, 8, 10] input: 'label' input_dim: [2, 1, 8, 10]\n"
#define TEST_CONV(name, from, to)                                                     \
    "layer { name: '" name "' type: 'Convolution' bottom: '" from "' top: '" to "'\n" \
    "  convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: 'xavier' } } }\n"
#define TEST_LAYER(name, type, from, to) "layer { name: '" name "' type: '" type "' bottom: '" from "' " to " }\n"
#define TEST_LOSS(name, from) \
    "layer { name: '" name "' type: 'SoftmaxWithLoss' bottom: '" from "' bottom: 'label' top: '" name "' }\n"
    static const char *const TEXT[3] = {
        INPUTS TEST_CONV("c", "data", "c") TEST_LAYER("r", "ReLU", "c", "top: 'a'") TEST_CONV("g", "c", "g")
            TEST_CONV("h", "c", "h") TEST_LOSS("l1", "a") TEST_LOSS("l2", "c") TEST_LOSS("l3", "g") TEST_LOSS("l4", "h")
                TEST_LOSS("l5", "c"),
        INPUTS TEST_CONV("c", "data", "c")
            TEST_LAYER("s", "Split", "c", "top: 'a' top: 'x' top: 'unread' top: 'y' top: 'b' top: 'f'")
                TEST_LAYER("r", "ReLU", "a", "top: 'a'") TEST_CONV("g", "x", "g") TEST_CONV("h", "y", "h")
                    TEST_LAYER("u", "Split", "h", "top: 'i'") TEST_LOSS("l1", "a") TEST_LOSS("l2", "b") TEST_LOSS("l3", "g")
                        TEST_LOSS("l4", "i") TEST_LOSS("l5", "f"),
        /* sums its gradients in another order */
        INPUTS TEST_CONV("c", "data", "c") TEST_LAYER("s", "Split", "c", "top: 'a' top: 'b' top: 'd'")
            TEST_LAYER("r", "ReLU", "a", "top: 'a'") TEST_LAYER("t", "Split", "d", "top: 'e' top: 'f'") TEST_CONV("g", "e", "g")
                TEST_CONV("h", "e", "h") TEST_LOSS("l1", "a") TEST_LOSS("l2", "b") TEST_LOSS("l3", "g") TEST_LOSS("l4", "h")
                    TEST_LOSS("l5", "f")};
    outcome first[2] = {0};
    for (int k = 0; sa_preset_at(k); k++)
        for (int i = 0; i < 3; i++) {
            sa_proto_document *document;
            sa_net *net;
            sa_strategy strategy;
            outcome o;
            assert_int_equal(sa_proto_parse_text("splits", TEXT[i], strlen(TEXT[i]), &document), SA_OK);
            if (sa_net_from_document(document, NULL, &net) != SA_OK) fail_msg("%s", sa_error_message());
            assert_int_equal(sa_strategy_parse(sa_preset_at(k)->name, &strategy), SA_OK);
            strategy.conv = SA_CONV_OPTION_DIRECT;
            if (run(net, &strategy, 1, &o) != SA_OK) fail_msg("%s: %s", sa_preset_at(k)->name, sa_error_message());
            if (k == 0 && i != 1) first[i / 2] = o;
            if (sa_strategy_is_lossless(&strategy) && o.hash != first[i / 2].hash)
                fail_msg("%s, net %d: other bits", sa_preset_at(k)->name, i);
            assert_int_equal(o.measured_bytes, o.planned_bytes);
            sa_net_free(net);
            sa_proto_free(document);
        }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_nets), cmocka_unit_test(test_splits_of_the_file)};
    if (argc > 1) first_seed = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 2) seed_count = (uint32_t)strtoul(argv[2], NULL, 10);
    for (int i = 0; i < 2; i++)
        if (sa_open_all_threads(i + 1, &devices[i]) != SA_OK) return 1;
    device = devices[0];
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < 2; i++) sa_device_close(devices[i]);
    return failed;
}
