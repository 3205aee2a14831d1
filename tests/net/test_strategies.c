/* Lossless techniques never change a number: on every small net each switch alone, each preset and random combinations give the
 * bits that `caffe` gives at the same convolution algorithm, for one and two threads, and take the memory that the plan says.
 * Parsing of names and combinations that make no sense are in test_strategy_names.c. */
#include "tests/support/all_threads.h"
#include "tests/support/small_nets.h"
#include "tests/support/step_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { RANDOM_COMBINATIONS = 50, STRATEGY_BYTES = 256, THREADS_MAX = 2 };

static const char *const CONVOLUTIONS[] = {"im2col", "direct", "fft", "winograd"};
enum { CONVOLUTION_COUNT = sizeof CONVOLUTIONS / sizeof CONVOLUTIONS[0], WINOGRAD = CONVOLUTION_COUNT - 1 };

/* A switch with all that it needs, on top of `caffe`. */
static const char *const ALONE[] = {
    "caffe+shared-workspace",
    "caffe+lifetimes",
    "caffe+lean",
    "caffe+fuse",
    "caffe+compact-masks",
    "caffe+no-im2col",
    "caffe+virtual-upsample",
    "caffe+placement",
    "caffe+lean+fuse+placement",
    "caffe+lean+inplace-grad",
    "caffe+sums-in-place",
    "caffe+lean+fuse+sums-in-place",
    "caffe+lean+fuse+banded=1",
    "caffe+lean+fuse+banded=3",
    "caffe+lean+fuse+banded=5",
    "caffe+lean+lifetimes+recompute=1",
    "caffe+lean+lifetimes+recompute=9",
    "caffe+lean+lifetimes+recompute=4+split-backward",
    "caffe+lean+virtual-upsample+inplace-grad+image-tail",
    "caffe+lean+lifetimes+repool",
    "caffe+lean+lifetimes+relrn",
    "caffe+split-backward",
    "caffe+lifetimes+early-update",
    "caffe+small-workspace",
    "caffe+small-workspace=100K",
    "caffe+uint8-input",
};

static sa_device *devices[THREADS_MAX];

typedef struct tally {
    int runs, debug_runs, failures, gaps;
    double worst_gap; /* peak over lower bound */
} tally;

static uint64_t random_state = 20240611;
static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % limit;
}

static const char *first_difference(const sa_step_run *run, const sa_step_run *baseline, bool debug)
{
    for (int i = 0; i < SA_STEP_RUN_STEPS; i++) {
        if (!isfinite(run->output[i])) return "the loss is not finite";
        if (memcmp(&run->output[i], &baseline->output[i], sizeof(float)) != 0) return "the loss differs";
    }
    if (run->hash != baseline->hash) return "the state differs";
    if (run->allocations != 1) return "it is not one allocation";
    if (!debug && run->measured_bytes != run->peak_bytes) return "measured bytes are not the plan's";
    if (!debug && run->arena_bytes != run->peak_bytes) return "the arena is not as large as the plan";
    if (run->peak_bytes < run->lower_bound_bytes) return "the peak is below the lower bound";
    return NULL;
}

typedef struct subject {
    const sa_small_net *small;
    sa_net *net;
    sa_step_run baseline[CONVOLUTION_COUNT]; /* of `caffe`, one thread */
    tally *tally;
} subject;

static void compare(subject *s, const char *strategy_name, int conv, int threads, bool debug)
{
    sa_strategy strategy;
    sa_step_run run;
    const char *wrong;
    s->tally->runs++;
    s->tally->debug_runs += debug;
    sa_status status = sa_strategy_parse(strategy_name, &strategy);
    if (status == SA_OK) status = sa_conv_option_parse(CONVOLUTIONS[conv], &strategy.conv);
    if (status == SA_OK) status = sa_step_run_make(s->net, !s->small->deploy, &strategy, devices[threads - 1], debug, &run);
    wrong = status == SA_OK ? first_difference(&run, &s->baseline[conv], debug) : sa_error_message();
    if (wrong) {
        s->tally->failures++;
        print_error("%s, %s, conv %s, %d threads%s: %s\n", s->small->name, strategy_name, CONVOLUTIONS[conv], threads,
                    debug ? ", debug" : "", wrong);
        return;
    }
    double gap = (double)run.peak_bytes / (double)run.lower_bound_bytes;
    if (gap > 1.0) {
        s->tally->gaps++;
        print_message("%s, %s, conv %s: peak %zu, lower bound %zu\n", s->small->name, strategy_name, CONVOLUTIONS[conv],
                      run.peak_bytes, run.lower_bound_bytes);
    }
    if (gap > s->tally->worst_gap) s->tally->worst_gap = gap;
}

static void open_subject(subject *s, int i, tally *t)
{
    sa_strategy caffe;
    memset(s, 0, sizeof *s);
    s->small = sa_small_net_at(i);
    s->tally = t;
    if (sa_small_net_load(s->small, &s->net) != SA_OK || sa_strategy_parse("caffe", &caffe) != SA_OK)
        fail_msg("%s: %s", s->small->name, sa_error_message());
    for (int c = 0; c < CONVOLUTION_COUNT; c++)
        if (sa_conv_option_parse(CONVOLUTIONS[c], &caffe.conv) != SA_OK ||
            sa_step_run_make(s->net, !s->small->deploy, &caffe, devices[0], false, &s->baseline[c]) != SA_OK)
            fail_msg("%s, caffe, conv %s: %s", s->small->name, CONVOLUTIONS[c], sa_error_message());
}

static void judge(const char *what, const tally *t)
{
    print_message("%s: %d runs, %d of them in debug mode, %d with a gap (worst %.4f)\n", what, t->runs, t->debug_runs, t->gaps,
                  t->worst_gap);
    assert_true(t->runs > 0 && t->debug_runs > 0);
    assert_int_equal(t->failures, 0);
    assert_true(t->worst_gap < 1.01);
}

/* ------------------------------------------------------------------ the tests --------------------------------------- */

/* caffe itself, and every switch that is on alone; the three algorithms take turns. */
static void test_each_switch(void **state)
{
    (void)state;
    tally t = {0};
    for (int i = 0; sa_small_net_at(i); i++) {
        subject s;
        open_subject(&s, i, &t);
        for (int c = 0; c < CONVOLUTION_COUNT; c++) compare(&s, "caffe", c, 2, true);
        for (size_t k = 0; k < sizeof ALONE / sizeof ALONE[0]; k++)
            compare(&s, ALONE[k], (int)(k + (size_t)i) % CONVOLUTION_COUNT, 1 + (int)(k % 2), k % 2 == 0);
        sa_net_free(s.net);
    }
    judge("switches", &t);
}

/* The list above has them all. */
static void test_each_switch_is_listed(void **state)
{
    (void)state;
    uint32_t seen = 0;
    for (size_t k = 0; k < sizeof ALONE / sizeof ALONE[0]; k++) {
        sa_strategy s;
        assert_int_equal(sa_strategy_parse(ALONE[k], &s), SA_OK);
        seen |= s.switches;
    }
    for (int w = 0; w < SA_SWITCH_COUNT; w++) {
        bool lossless = sa_switch_get_info((sa_switch)w)->lossless;
        if (lossless && !((seen >> w) & 1u)) fail_msg("switch '%s' is not tested alone", sa_switch_get_info((sa_switch)w)->name);
    }
}

static void test_each_preset(void **state)
{
    (void)state;
    tally t = {0};
    for (int i = 0; sa_small_net_at(i); i++) {
        subject s;
        open_subject(&s, i, &t);
        for (int k = 0; sa_preset_at(k); k++) {
            sa_strategy preset;
            if (sa_strategy_parse(sa_preset_at(k)->name, &preset) != SA_OK) fail_msg("%s", sa_error_message());
            if (!sa_strategy_is_lossless(&preset)) continue; /* test_lossy.c */
            for (int c = 0; c < CONVOLUTION_COUNT; c++)
                compare(&s, sa_preset_at(k)->name, c, 1 + (k + c) % 2, (k + c + i) % 5 == 0);
        }
        sa_net_free(s.net);
    }
    judge("presets", &t);
}

/* A combination of random switches with random values that the parser accepts. */
static void random_strategy(char text[STRATEGY_BYTES])
{
    sa_strategy parsed;
    do {
        size_t length = (size_t)snprintf(text, STRATEGY_BYTES, "caffe");
        for (int w = 0; w < SA_SWITCH_COUNT; w++) {
            const sa_switch_info *info = sa_switch_get_info((sa_switch)w);
            if (!info->lossless || random_below(3) == 0) continue;
            length += (size_t)snprintf(text + length, STRATEGY_BYTES - length, "+%s", info->name);
            bool has_value = w == SA_SWITCH_BANDED || w == SA_SWITCH_RECOMPUTE || w == SA_SWITCH_SMALL_WORKSPACE;
            if (!has_value || random_below(4) == 0) continue;
            uint32_t value = w == SA_SWITCH_SMALL_WORKSPACE ? 1u << random_below(21) : 1 + random_below(9);
            length += (size_t)snprintf(text + length, STRATEGY_BYTES - length, "=%u", value);
        }
    } while (sa_strategy_parse(text, &parsed) != SA_OK);
}

static void test_random_combinations(void **state)
{
    (void)state;
    tally t = {0};
    char names[RANDOM_COMBINATIONS][STRATEGY_BYTES];
    for (int k = 0; k < RANDOM_COMBINATIONS; k++) random_strategy(names[k]);
    for (int i = 0; sa_small_net_at(i); i++) {
        subject s;
        open_subject(&s, i, &t);
        for (int k = 0; k < RANDOM_COMBINATIONS; k++)
            compare(&s, names[k], (int)random_below(WINOGRAD), 1 + (int)random_below(THREADS_MAX), random_below(4) == 0);
        /* of the others no convolution has channels enough: direct */
        for (int k = 0; k < RANDOM_COMBINATIONS && !strcmp(s.small->name, "wide"); k++)
            compare(&s, names[k], WINOGRAD, 1 + (int)random_below(THREADS_MAX), random_below(4) == 0);
        sa_net_free(s.net);
    }
    judge("random combinations", &t);
}

/* Different inputs give different bits: the comparison above would see a difference. */
static void test_hash_tells_algorithms_apart(void **state)
{
    (void)state;
    tally t = {0};
    subject s;
    open_subject(&s, 0, &t);
    assert_true(s.baseline[0].hash != s.baseline[1].hash && s.baseline[1].hash != s.baseline[2].hash);
    sa_net_free(s.net);
}

static int open_devices(void **state)
{
    (void)state;
    for (int i = 0; i < THREADS_MAX; i++)
        if (sa_open_all_threads(i + 1, &devices[i]) != SA_OK) return 1;
    return 0;
}

static int close_devices(void **state)
{
    (void)state;
    for (int i = 0; i < THREADS_MAX; i++) {
        if (devices[i]->allocated_bytes != 0) return 1;
        sa_device_close(devices[i]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_switch_is_listed), cmocka_unit_test(test_hash_tells_algorithms_apart),
        cmocka_unit_test(test_each_switch),           cmocka_unit_test(test_each_preset),
        cmocka_unit_test(test_random_combinations),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
