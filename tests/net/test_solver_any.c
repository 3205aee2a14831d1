/* Solver files of every type, read for training and for what Caffe would allocate. */
#include "cli/explain_report.h"
#include "cli/net_options.h"
#include "net/solver_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LENET "tests/golden_memory/nets/lenet.prototxt"

static sa_status read_text(const char *text, bool any, sa_solver_config *config)
{
    sa_proto_document *document;
    SA_TRY(sa_proto_parse_text("s", text, strlen(text), &document));
    sa_status status = any ? sa_solver_config_read_any(document, config) : sa_solver_config_read(document, config);
    sa_proto_free(document);
    return status;
}

static void every_solver_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sa_solver_type type;
        bool l1;
    } ROWS[] = {{"net: 'n' type: 'Nesterov'", SA_SOLVER_NESTEROV, false},
                {"net: 'n' type: 'AdaGrad'", SA_SOLVER_ADAGRAD, false},
                {"net: 'n' type: 'RMSProp' rms_decay: 0.9", SA_SOLVER_RMSPROP, false},
                {"net: 'n' type: 'AdaDelta' delta: 1e-6", SA_SOLVER_ADADELTA, false},
                {"net: 'n' type: 'Adam' momentum2: 0.99", SA_SOLVER_ADAM, false},
                {"net: 'n' solver_type: ADAM", SA_SOLVER_ADAM, false},
                {"net: 'n' regularization_type: 'L1'", SA_SOLVER_SGD, true},
                {"net: 'n' iter_size: 4 clip_gradients: 10", SA_SOLVER_SGD, false}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        sa_solver_config config;
        if (read_text(ROWS[i].text, true, &config) != SA_OK) fail_msg("%s: %s", ROWS[i].text, sa_error_message());
        assert_int_equal(config.type, ROWS[i].type);
        assert_int_equal(config.l1_decay, ROWS[i].l1);
        assert_int_equal(config.test_net_count, 0);
        char with_rate[256];
        snprintf(with_rate, sizeof with_rate, "%s base_lr: 1 lr_policy: 'fixed'", ROWS[i].text);
        if (read_text(with_rate, false, &config) != SA_OK) fail_msg("%s: %s", with_rate, sa_error_message());
        const sa_program_options options = sa_solver_program_options(&config);
        assert_int_equal((int)options.rule.kind, (int)ROWS[i].type);
        assert_int_equal(options.rule.l1, ROWS[i].l1);
        assert_true((options.rule.clip > 0) == (strstr(ROWS[i].text, "clip") != NULL));
        assert_int_equal(options.rule.passes, strstr(ROWS[i].text, "iter_size") ? 4 : 1);
    }
}

/* Caffe: Solver::InitTestNets. */
static void one_test_net_per_test_iter(void **state)
{
    (void)state;
    sa_solver_config c;
    assert_int_equal(
        read_text("net: 'n' test_net: 'a' test_iter: 3 test_iter: 4 test_state { stage: 'x' } test_state { level: 2 }", true, &c),
        SA_OK);
    assert_int_equal(c.test_net_count, 2);
    assert_string_equal(c.test_net[0].path, "a");
    assert_string_equal(c.test_net[0].state.stage[0], "x");
    assert_string_equal(c.test_net[1].path, "");
    assert_int_equal(c.test_net[1].state.level, 2);
    for (int i = 0; i < 2; i++) assert_int_equal(c.test_net[i].state.phase, SA_PHASE_TEST);
    assert_int_equal(read_text("net: 'n' test_interval: 5", true, &c), SA_OK);
    assert_int_equal(c.test_net_count, 0);
    assert_int_equal(read_text("net: 'n' test_net: 'a'", true, &c), SA_PARSE);
    assert_int_equal(read_text("train_net: 'n' test_iter: 1", true, &c), SA_PARSE);
    assert_int_equal(read_text("net: 'n' test_iter: 1 test_state {} test_state {}", true, &c), SA_PARSE);
    assert_int_equal(read_text("net: 'n' typo: 1", true, &c), SA_PARSE);
    assert_int_equal(read_text("net: 'n' weights: 'w.caffemodel'", true, &c), SA_OK);
    assert_int_equal(read_text("net: 'n' base_lr: 1 lr_policy: 'fixed' weights: 'w'", false, &c), SA_UNSUPPORTED);
}

/* The figures of a running Caffe: tests/golden_memory/truth.json, lenet_Adam. */
static void the_solver_s_type_reaches_the_figures(void **state)
{
    (void)state;
    sa_solver_config config;
    sa_net *net;
    sa_device *device;
    sa_explanation e;
    assert_int_equal(read_text("net: 'n' type: 'Adam' test_iter: 1", true, &config), SA_OK);
    assert_int_equal(sa_device_open_cpu(1, &device), SA_OK);
    assert_int_equal(sa_net_load(LENET, NULL, &net), SA_OK);
    assert_int_equal(sa_explain(net, NULL, &config, device, &e), SA_OK);
    assert_int_equal(e.caffe.cpu_total_bytes, 19841448);
    assert_int_equal(e.caffe.gpu_total_bytes, 18116992);
    assert_string_equal(e.solver, "Adam");
    assert_true(e.solver_tests);
    sa_explanation_free(&e);
    sa_net_free(net);
    sa_device_close(device);
}

/* Nothing of a net that only tests has a gradient; a loss keeps the four bytes of its weight. */
static void a_test_net_keeps_no_gradients(void **state)
{
    (void)state;
    const sa_cli_net_options options = {0};
    const sa_state_spec test = {.phase = SA_PHASE_TEST, .phase_given = true};
    sa_net *trained, *net;
    sa_caffe_memory m;
    size_t gpu_bytes, cpu_bytes;
    assert_int_equal(sa_net_load(LENET, NULL, &trained), SA_OK);
    assert_int_equal(sa_cli_test_net_load(LENET, &options, &test, &net), SA_OK);
    assert_int_equal(sa_caffe_memory_create(net, NULL, &m), SA_OK);
    assert_int_equal(m.kind[SA_CAFFE_KIND_TOP_DIFF].cpu_bytes, 4);
    assert_int_equal(m.kind[SA_CAFFE_KIND_SPLIT_DIFF].cpu_bytes + m.kind[SA_CAFFE_KIND_INPUT_DIFF].cpu_bytes +
                         m.kind[SA_CAFFE_KIND_PARAM_DIFF].cpu_bytes + m.kind[SA_CAFFE_KIND_HISTORY].cpu_bytes,
                     0);
    sa_caffe_test_net_bytes(&m, trained, &gpu_bytes, &cpu_bytes);
    assert_int_equal(cpu_bytes, m.cpu_total_bytes - 1724320); /* LeNet's parameters, which it shares */
    sa_caffe_memory_free(&m);
    sa_net_free(net);
    sa_net_free(trained);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_solver_is_read),
        cmocka_unit_test(one_test_net_per_test_iter),
        cmocka_unit_test(the_solver_s_type_reaches_the_figures),
        cmocka_unit_test(a_test_net_keeps_no_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
