/* Training with every solver: the same bits under every strategy, resumed to the bit with all histories, predicted bytes measured;
 * passes, clipping, both kinds of decay, shared parameters and several losses in one net. */
#include "cli/train_run.h"
#include "tests/support/data_files.h"
#include "tests/support/tiny_net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two branches with the same weights, dropout, and a loss of each. */
static const char NET[] =
    "name: 'twins'\n" TINY_SYNTHETIC
    "layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1' convolution_param { num_output: 6 kernel_size: 3 pad: 1 "
    "weight_filler { type: 'msra' } } }\n"
    "layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' }\n"
    "layer { name: 'a' type: 'Convolution' bottom: 'conv1' top: 'a' param { name: 'w' } param { name: 'b' lr_mult: 2 }\n"
    "  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }\n"
    "layer { name: 'relu2' type: 'ReLU' bottom: 'a' top: 'a' }\n"
    "layer { name: 'drop' type: 'Dropout' bottom: 'a' top: 'a' dropout_param { dropout_ratio: 0.2 } }\n"
    "layer { name: 'b' type: 'Convolution' bottom: 'a' top: 'b' param { name: 'w' } param { name: 'b' }\n"
    "  convolution_param { num_output: 6 kernel_size: 3 pad: 1 } }\n"
    "layer { name: 'score' type: 'Convolution' bottom: 'b' top: 'score' convolution_param { num_output: 3 kernel_size: 1 "
    "weight_filler { type: 'msra' } } }\n"
    "layer { name: 'aux' type: 'Convolution' bottom: 'a' top: 'aux' convolution_param { num_output: 3 kernel_size: 1 "
    "weight_filler { type: 'msra' } } }\n"
    "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'score' bottom: 'label' top: 'loss' }\n"
    "layer { name: 'aux_loss' type: 'SoftmaxWithLoss' bottom: 'aux' bottom: 'label' top: 'aux_loss' loss_weight: 0.3 }\n"
    "layer { name: 'twins' type: 'EuclideanLoss' bottom: 'score' bottom: 'aux' top: 'twins' loss_weight: 0.001 }\n";

static const char *const SOLVERS[] = {
    "base_lr: 0.00001 type: 'SGD\' momentum: 0.9",
    "base_lr: 0.00001 type: 'SGD\' momentum: 0.9 regularization_type: 'L1'",
    "base_lr: 0.00001 type: 'SGD\' momentum: 0.9 clip_gradients: 0.5",
    "base_lr: 0.00001 type: 'SGD\' momentum: 0.9 iter_size: 3",
    "base_lr: 0.00001 type: 'Nesterov\' momentum: 0.9 iter_size: 2 clip_gradients: 0.5",
    "base_lr: 0.001 type: 'AdaGrad\'",
    "base_lr: 0.001 type: 'RMSProp\' rms_decay: 0.9",
    "base_lr: 1 type: 'AdaDelta\' momentum: 0.9 delta: 0.000001",
    "base_lr: 0.001 type: 'Adam\' momentum: 0.9 momentum2: 0.99 iter_size: 2",
};
enum { SOLVER_COUNT = sizeof SOLVERS / sizeof SOLVERS[0] };

static void write_solver(const char *rule)
{
    char text[512];
    snprintf(text, sizeof text,
             "net: 'net.prototxt' weight_decay: 0.0005 random_seed: 7 solver_mode: CPU lr_policy: 'multistep' gamma: "
             "0.5 stepvalue: 2 stepvalue: 4 %s",
             rule);
    write_text("net.prototxt", NET);
    write_text("solver.prototxt", text);
}

static void write_without_dropout(void)
{
    char text[sizeof NET];
    memcpy(text, NET, sizeof NET);
    char *ratio = strstr(text, "dropout_ratio: 0.2");
    memcpy(ratio, "dropout_ratio: 0.0", strlen("dropout_ratio: 0.0"));
    write_text("net.prototxt", text);
}

static sa_train_result trained(const char *strategy, int threads, int steps, const char *snapshot, const char *resume)
{
    const sa_train_options options = {.solver = "solver.prototxt",
                                      .strategy = strategy,
                                      .conv = "direct",
                                      .threads = threads,
                                      .steps = steps,
                                      .snapshot = snapshot,
                                      .resume = resume};
    sa_train_result result;
    assert_ok(sa_train_run(&options, &result));
    assert_int_equal(result.measured_bytes, result.predicted_bytes);
    assert_int_equal(result.arena_bytes, result.predicted_bytes);
    return result;
}

static void strategies_keep_the_bits(void **state)
{
    (void)state;
    static const char *const STRATEGIES[] = {"shared", "fastest", "smallest", "caffe+lifetimes+early-update"};
    for (int s = 0; s < SOLVER_COUNT; s++) {
        write_solver(SOLVERS[s]);
        sa_train_result first = trained("caffe", 1, 5, NULL, NULL);
        for (size_t i = 0; i < sizeof STRATEGIES / sizeof STRATEGIES[0]; i++) {
            sa_train_result other = trained(STRATEGIES[i], 1 + (int)i % 2, 5, NULL, NULL);
            if (other.state_hash != first.state_hash) fail_msg("%s: %s has other bits than caffe", SOLVERS[s], STRATEGIES[i]);
            sa_train_result_free(&other);
        }
        sa_train_result_free(&first);
    }
}

static void resumes_to_the_bit(void **state)
{
    (void)state;
    for (int s = 0; s < SOLVER_COUNT; s++) {
        write_solver(SOLVERS[s]);
        sa_train_result whole = trained("fastest", 1, 6, NULL, NULL), half = trained("fastest", 1, 3, "half.sasnap", NULL);
        sa_train_result rest = trained("smallest", 2, 6, NULL, "half.sasnap");
        assert_true(half.state_hash != whole.state_hash);
        if (rest.state_hash != whole.state_hash) fail_msg("%s: other bits after resuming", SOLVERS[s]);
        for (int i = 0; i < 3; i++)
            assert_memory_equal(&rest.record[i].loss, &whole.record[3 + i].loss, sizeof rest.record[i].loss);
        sa_train_result_free(&whole);
        sa_train_result_free(&half);
        sa_train_result_free(&rest);
    }
}

/* A snapshot of another solver has other histories. */
static void another_solver_s_snapshot_is_refused(void **state)
{
    (void)state;
    sa_train_result result;
    write_solver(SOLVERS[8]);
    sa_train_result adam = trained("fastest", 1, 2, "adam.sasnap", NULL);
    sa_train_result_free(&adam);
    write_solver(SOLVERS[0]);
    const sa_train_options options = {
        .solver = "solver.prototxt", .strategy = "fastest", .conv = "auto", .threads = 1, .steps = 4, .resume = "adam.sasnap"};
    assert_int_equal(sa_train_run(&options, &result), SA_INVALID);
    assert_string_equal(sa_error_message(), "adam.sasnap: a snapshot of the solver Adam, not of SGD");
}

/* Caffe-SegNet's BN would learn from the last pass alone. */
static void bn_of_segnet_takes_no_passes(void **state)
{
    (void)state;
    sa_train_result result;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver("lr_policy: 'fixed' iter_size: 2");
    const sa_train_options options = {.solver = "solver.prototxt", .strategy = "fastest", .conv = "auto", .threads = 1, .steps = 4};
    assert_int_equal(sa_train_run(&options, &result), SA_UNSUPPORTED);
    if (!strstr(sa_error_message(),
                "layer 'bn1' (BN): with iter_size 2 SegNet's BN would learn from the last part of a batch only"))
        fail_msg("%s", sa_error_message());
}

/* Passes over parts of a batch are a step over all of it: the means of the parts' gradients are those of the whole but for
 * rounding. */
static void passes_are_parts_of_a_batch(void **state)
{
    (void)state;
    static const char *const RULES[2] = {"base_lr: 0.01 momentum: 0.9 clip_gradients: 0.3",
                                         "base_lr: 0.01 momentum: 0.9 clip_gradients: 0.9 iter_size: 3"};
    sa_train_result result[2];
    for (int i = 0; i < 2; i++) {
        write_solver(RULES[i]);
        write_without_dropout();
        sa_train_options options = {.solver = "solver.prototxt", .strategy = "fastest", .conv = "direct", .threads = 1, .steps = 5};
        if (i == 0) options.batch = 6;
        assert_ok(sa_train_run(&options, &result[i]));
    }
    for (int k = 0; k < 5; k++) {
        const double whole = (double)result[0].record[k].loss, parts = (double)result[1].record[k].loss;
        if (!(fabs(whole - parts) <= 1e-4 * whole)) fail_msg("step %d: %g and %g", k, whole, parts);
    }
    assert_true(result[0].record[4].loss < result[0].record[0].loss);
    for (int i = 0; i < 2; i++) sa_train_result_free(&result[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategies_keep_the_bits),
        cmocka_unit_test(resumes_to_the_bit),
        cmocka_unit_test(another_solver_s_snapshot_is_refused),
        cmocka_unit_test(bn_of_segnet_takes_no_passes),
        cmocka_unit_test(passes_are_parts_of_a_batch),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
