/* Shards and ranks: the same bits from 1, 2, 3 and 4 ranks under every preset, from snapshots of any number of ranks; predicted
 * bytes measured on each; SegNet's BN learns from all shards. Ranks are threads here (tests/support/thread_ranks.h). */
#include "cli/train_run.h"
#include "core/exchange.h"
#include "tests/support/data_files.h"
#include "tests/support/thread_ranks.h"
#include "tests/support/tiny_net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SHARDS = 4, STEPS = 3 };

/* Shared parameters with a layer between them, dropout, and two parameters of several slices: 11664 and 13824 floats. */
static const char NET[] =
    "name: 'slices'\n" TINY_SYNTHETIC "layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1' convolution_param { "
    "num_output: 36 kernel_size: 3 pad: 1 "
    "weight_filler { type: 'msra' } } }\n"
    "layer { name: 'bn1' type: 'BN' bottom: 'conv1' top: 'conv1' bn_param { scale_filler { type: 'constant' value: 1 } "
    "shift_filler { type: 'constant' value: 0.1 } } }\n"
    "layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' }\n"
    "layer { name: 'pool1' type: 'Pooling' bottom: 'conv1' top: 'pool1' top: 'mask1' pooling_param { pool: MAX kernel_size: 2 "
    "stride: "
    "2 } }\n"
    "layer { name: 'a' type: 'Convolution' bottom: 'pool1' top: 'a' param { name: 'w' } param { name: 'b' lr_mult: 2 }\n"
    "  convolution_param { num_output: 36 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }\n"
    "layer { name: 'relu2' type: 'ReLU' bottom: 'a' top: 'a' }\n"
    "layer { name: 'drop' type: 'Dropout' bottom: 'a' top: 'a' dropout_param { dropout_ratio: 0.2 } }\n"
    "layer { name: 'b' type: 'Convolution' bottom: 'a' top: 'b' param { name: 'w' } param { name: 'b' }\n"
    "  convolution_param { num_output: 36 kernel_size: 3 pad: 1 } }\n"
    "layer { name: 'up1' type: 'Upsample' bottom: 'b' bottom: 'mask1' top: 'up1' upsample_param { scale: 2 upsample_h: 16 "
    "upsample_w: "
    "24 } }\n"
    "layer { name: 'c' type: 'Convolution' bottom: 'up1' top: 'c' convolution_param { num_output: 3 kernel_size: 7 pad: 3 "
    "weight_filler { type: 'msra' } } }\n"
    "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'c' bottom: 'label' top: 'loss' }\n"
    "layer { name: 'accuracy' type: 'Accuracy' bottom: 'c' bottom: 'label' top: 'accuracy' }\n";

static void write_solver(const char *rule)
{
    char text[512];
    snprintf(text, sizeof text, "net: 'net.prototxt' weight_decay: 0.0005 random_seed: 7 solver_mode: CPU lr_policy: 'fixed' %s",
             rule);
    write_text("net.prototxt", NET);
    write_text("solver.prototxt", text);
}

/* ---- a training by ranks ---- */

typedef struct run_of_ranks {
    const char *strategy, *snapshot, *resume, *conv;
    int ranks, shards, steps, fails; /* fails: the rank that is asked for an impossible budget, or -1 */
    sa_train_result result[SA_THREAD_RANKS_MAX];
    char message[SA_THREAD_RANKS_MAX][512];
} run_of_ranks;

static void train_rank(void *context, sa_exchange *exchange, char *why, size_t bytes)
{
    run_of_ranks *run = context;
    const int rank = exchange ? exchange->rank : 0;
    const sa_train_options options = {.solver = "solver.prototxt",
                                      .strategy = run->strategy,
                                      .conv = run->conv ? run->conv : "direct",
                                      .threads = 1,
                                      .steps = run->steps,
                                      .shards = run->shards,
                                      .snapshot = run->snapshot,
                                      .resume = run->resume,
                                      .budget_bytes = rank == run->fails ? 1 : 0,
                                      .costs = "builtin",
                                      .exchange = exchange};
    if (sa_train_run(&options, &run->result[rank]) == SA_OK) return;
    snprintf(why, bytes, "%s", sa_error_message());
    snprintf(run->message[rank], sizeof run->message[rank], "%s", sa_error_message());
}

static void run_ranks(run_of_ranks *run)
{
    memset(run->result, 0, sizeof run->result);
    memset(run->message, 0, sizeof run->message);
    sa_thread_ranks_run(run->ranks, train_rank, run);
}

/* All went well, and predicted bytes were measured; the hash, which all ranks have. */
static uint64_t trained(run_of_ranks *run)
{
    run->fails = -1;
    run_ranks(run);
    for (int k = 0; k < run->ranks; k++) {
        const sa_train_result *r = &run->result[k];
        if (run->message[k][0]) fail_msg("%s, rank %d of %d: %s", run->strategy, k, run->ranks, run->message[k]);
        if (r->measured_bytes != r->predicted_bytes || r->arena_bytes != r->predicted_bytes)
            fail_msg("%s, rank %d of %d: %zu bytes predicted, %zu measured", run->strategy, k, run->ranks, r->predicted_bytes,
                     r->measured_bytes);
        assert_int_equal(r->state_hash, run->result[0].state_hash);
        assert_memory_equal(&r->record[0].loss, &run->result[0].record[0].loss, sizeof(float));
    }
    return run->result[0].state_hash;
}

static void free_results(run_of_ranks *run)
{
    for (int k = 0; k < run->ranks; k++) sa_train_result_free(&run->result[k]);
}

static uint64_t hash_of(const char *strategy, int ranks, int steps, const char *snapshot, const char *resume)
{
    run_of_ranks run = {
        .strategy = strategy, .ranks = ranks, .shards = SHARDS, .steps = steps, .snapshot = snapshot, .resume = resume};
    const uint64_t hash = trained(&run);
    free_results(&run);
    return hash;
}

static void assert_same_files(const char *a, const char *b)
{
    size_t bytes_a, bytes_b;
    char *text_a = read_bytes(a, &bytes_a), *text_b = read_bytes(b, &bytes_b);
    assert_int_equal(bytes_a, bytes_b);
    assert_memory_equal(text_a, text_b, bytes_a);
    free(text_a);
    free(text_b);
}

/* ---- tests ---- */

static void every_preset_has_the_same_bits_on_any_ranks(void **state)
{
    (void)state;
    write_solver("base_lr: 0.01 momentum: 0.9");
    const uint64_t caffe = hash_of("caffe", 1, STEPS, NULL, NULL);
    for (int i = 0; sa_preset_at(i); i++) {
        sa_strategy strategy;
        assert_ok(sa_strategy_parse(sa_preset_at(i)->name, &strategy));
        const uint64_t alone = hash_of(strategy.name, 1, STEPS, NULL, NULL);
        if (sa_strategy_is_lossless(&strategy)) assert_int_equal(alone, caffe);
        for (int ranks = 2; ranks <= SHARDS; ranks++)
            if (hash_of(strategy.name, ranks, STEPS, NULL, NULL) != alone)
                fail_msg("%s on %d ranks: other bits", strategy.name, ranks);
    }
}

static void every_solver_has_the_same_bits_on_any_ranks(void **state)
{
    (void)state;
    static const char *const RULES[] = {"base_lr: 0.01 momentum: 0.9 clip_gradients: 0.05",
                                        "base_lr: 0.01 type: 'Nesterov' momentum: 0.9", "base_lr: 0.001 type: 'AdaGrad'",
                                        "base_lr: 1 type: 'AdaDelta' momentum: 0.9 delta: 0.000001",
                                        "base_lr: 0.001 type: 'Adam' momentum: 0.9 momentum2: 0.99"};
    for (size_t i = 0; i < sizeof RULES / sizeof RULES[0]; i++) {
        write_solver(RULES[i]);
        const uint64_t first = hash_of("fastest", 1, STEPS, NULL, NULL);
        for (int ranks = 2; ranks <= SHARDS; ranks++)
            if (hash_of("fastest", ranks, STEPS, NULL, NULL) != first) fail_msg("%s on %d ranks: other bits", RULES[i], ranks);
    }
}

static void snapshots_are_the_same_and_go_on_anywhere(void **state)
{
    (void)state;
    write_solver("base_lr: 0.001 type: 'Adam' momentum: 0.9 momentum2: 0.99");
    const uint64_t whole = hash_of("fastest", 1, 4, NULL, NULL);
    (void)hash_of("fastest", 1, 2, "one.sasnap", NULL);
    for (int ranks = 2; ranks <= 3; ranks++) {
        assert_true(hash_of("fastest", ranks, 2, "several.sasnap", NULL) != whole);
        assert_same_files("one.sasnap", "several.sasnap");
        assert_int_equal(hash_of("fastest", ranks + 1, 4, NULL, "several.sasnap"), whole);
    }
    assert_int_equal(hash_of("smallest", 1, 4, NULL, "several.sasnap"), whole);
}

/* What a rank keeps of the histories is its slice. */
static void histories_are_divided(void **state)
{
    (void)state;
    write_solver("base_lr: 0.001 type: 'Adam' momentum: 0.9 momentum2: 0.99");
    size_t bytes[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        run_of_ranks run = {.strategy = "caffe", .ranks = i ? 4 : 1, .shards = SHARDS, .steps = 1};
        (void)trained(&run);
        bytes[i] = run.result[0].predicted_bytes;
        free_results(&run);
    }
    assert_true(bytes[1] < bytes[0]);
}

/* Without BN, shards are what iter_size makes. */
static void shards_are_the_passes_of_iter_size(void **state)
{
    (void)state;
    char net[sizeof NET];
    uint64_t hash[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        write_solver(i ? "base_lr: 0.01 momentum: 0.9 iter_size: 3" : "base_lr: 0.01 momentum: 0.9");
        memcpy(net, NET, sizeof net);
        char *bn = strstr(net, "layer { name: 'bn1'"), *end = strstr(net, "layer { name: 'relu1'");
        memset(bn, ' ', (size_t)(end - bn));
        write_text("net.prototxt", net);
        run_of_ranks run = {.strategy = "fastest", .ranks = 1, .shards = i ? 0 : 3, .steps = 3};
        hash[i] = trained(&run);
        assert_int_equal(run.result[0].shards, 3);
        free_results(&run);
    }
    assert_int_equal(hash[0], hash[1]);
    write_text("net.prototxt", net);
    run_of_ranks run = {.strategy = "fastest", .ranks = 3, .steps = 3}; /* the default on ranks: one each and pass */
    write_solver("base_lr: 0.01 momentum: 0.9");
    write_text("net.prototxt", net);
    assert_int_equal(trained(&run), hash[0]);
    free_results(&run);
}

static uint8_t class_sample(int32_t y, int32_t x, int32_t c)
{
    (void)c;
    return (uint8_t)((y / 3 + x / 5) % 3);
}

/* Two shards of the same images have the gradient of one, also for what SegNet's BN learns: (g + g) / 2 is g to the bit. */
static void bn_learns_from_all_shards(void **state)
{
    (void)state;
    const png_spec image = {2, 8, 0, 16, 24, mixed_sample}, label = {0, 8, 0, 16, 24, class_sample};
    write_png("i.png", &image);
    write_png("l.png", &label);
    write_text("list.txt", "i.png l.png\ni.png l.png\n");
    write_solver("base_lr: 0.01 momentum: 0.9");
    char net[2 * sizeof NET], *layers = strstr(NET, "layer { name: 'conv1'");
    snprintf(net, sizeof net, "%s%s", TINY_IMAGES(""), layers);
    memcpy(strstr(net, "dropout_ratio: 0.2"), "dropout_ratio: 0.0", strlen("dropout_ratio: 0.0"));
    write_text("net.prototxt", net);
    uint64_t hash[3];
    for (int shards = 1; shards <= 3; shards++) {
        run_of_ranks run = {.strategy = "fastest", .ranks = shards > 2 ? 2 : 1, .shards = shards > 2 ? 2 : shards, .steps = 4};
        hash[shards - 1] = trained(&run);
        free_results(&run);
    }
    assert_int_equal(hash[0], hash[1]);
    assert_int_equal(hash[0], hash[2]);
}

/* BatchNorm's running sums take the statistics of all shards in order, under bands too. */
static void running_sums_take_all_shards(void **state)
{
    (void)state;
    static const char *const STRATEGIES[] = {"caffe", "fastest", "smallest", "extreme"};
    char net[sizeof NET + 64];
    write_solver("base_lr: 0.01 momentum: 0.9");
    const char *bn = strstr(NET, "layer { name: 'bn1'"), *behind = strstr(NET, "layer { name: 'relu1'");
    snprintf(net, sizeof net, "%.*s%s%s", (int)(bn - NET), NET,
             "layer { name: 'bn1' type: 'BatchNorm' bottom: 'conv1' top: 'conv1' }\n", behind);
    write_text("net.prototxt", net);
    const uint64_t first = hash_of("caffe", 1, STEPS, NULL, NULL);
    for (size_t i = 0; i < sizeof STRATEGIES / sizeof STRATEGIES[0]; i++)
        for (int ranks = 2; ranks <= SHARDS; ranks++)
            if (hash_of(STRATEGIES[i], ranks, STEPS, NULL, NULL) != first)
                fail_msg("%s on %d ranks: other bits", STRATEGIES[i], ranks);
}

/* One rank that cannot go on ends all, and all know why. */
static void a_rank_that_fails_ends_all(void **state)
{
    (void)state;
    write_solver("base_lr: 0.01 momentum: 0.9");
    run_of_ranks run = {.strategy = "fastest", .ranks = 3, .shards = 3, .steps = 2, .fails = 1};
    run_ranks(&run);
    for (int k = 0; k < 3; k++) {
        assert_string_not_equal(run.message[k], "");
        if (k != 1) assert_non_null(strstr(run.message[k], "rank 1: "));
        if (k != 1 && !strstr(run.message[k], run.message[1])) fail_msg("%s\n%s", run.message[k], run.message[1]);
    }
}

static void too_few_shards_are_refused(void **state)
{
    (void)state;
    write_solver("base_lr: 0.01 momentum: 0.9");
    run_of_ranks run = {.strategy = "fastest", .ranks = 3, .shards = 2, .steps = 1, .fails = -1};
    run_ranks(&run);
    if (!strstr(run.message[0], "3 ranks cannot share 2 shards")) fail_msg("%s", run.message[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_preset_has_the_same_bits_on_any_ranks),
        cmocka_unit_test(every_solver_has_the_same_bits_on_any_ranks),
        cmocka_unit_test(snapshots_are_the_same_and_go_on_anywhere),
        cmocka_unit_test(histories_are_divided),
        cmocka_unit_test(shards_are_the_passes_of_iter_size),
        cmocka_unit_test(bn_learns_from_all_shards),
        cmocka_unit_test(running_sums_take_all_shards),
        cmocka_unit_test(a_rank_that_fails_ends_all),
        cmocka_unit_test(too_few_shards_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
