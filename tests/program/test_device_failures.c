/* Every call of the device fails once, at every place where a session and its steps make it: the error comes through with its
 * cause, and nothing stays allocated. */
#include "tests/support/failing_device.h"
#include "tests/support/small_nets.h"
#include "tests/support/step_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CALLS_MAX = 100000 };

/* Runs with call N failing, for each N (every stride-th), until a run gets through. Returns the number of calls. */
static int fail_each_call(const char *net_name, const char *strategy_name, bool debug, int stride)
{
    const sa_small_net *small = sa_small_net_find(net_name);
    sa_device *cpu, *device;
    sa_net *net;
    sa_strategy strategy;
    sa_step_run clean, run;
    int calls = 0;
    if (sa_device_open_cpu(1, &cpu) != SA_OK || !(device = sa_failing_device_open(cpu))) fail_msg("no device");
    if (sa_small_net_load(small, &net) != SA_OK || sa_strategy_parse(strategy_name, &strategy) != SA_OK ||
        sa_step_run_make(net, !small->deploy, &strategy, device, debug, &clean) != SA_OK)
        fail_msg("%s, %s: %s", net_name, strategy_name, sa_error_message());
    for (; calls < CALLS_MAX; calls += stride) {
        sa_failing_device_arm(device, calls);
        sa_status status = sa_step_run_make(net, !small->deploy, &strategy, device, debug, &run);
        if (!sa_failing_device_has_failed(device)) {
            assert_int_equal(status, SA_OK);
            assert_true(run.hash == clean.hash); /* after all those failures */
            break;
        }
        if (status != SA_DEVICE || !strstr(sa_error_message(), "injected failure of "))
            fail_msg("%s, %s, call %d: %s, '%s'", net_name, strategy_name, calls, sa_status_name(status), sa_error_message());
        assert_int_equal(device->allocated_bytes, 0);
    }
    sa_net_free(net);
    sa_device_close(device);
    print_message("%s, %s: %d calls\n", net_name, strategy_name, calls);
    assert_true(calls > 50 && calls < CALLS_MAX);
    return calls;
}

static void test_each_call_fails(void **state)
{
    (void)state;
    (void)fail_each_call("three", "caffe", false, 1);
    (void)fail_each_call("two_losses", "smallest", false, 1);
    (void)fail_each_call("plain", "shared", false, 1);
    (void)fail_each_call("deploy", "caffe", false, 1);
}

/* The arena's checks make calls of their own. */
static void test_each_call_fails_in_debug_mode(void **state)
{
    (void)state;
    (void)fail_each_call("three", "lean", true, 1);
    (void)fail_each_call("bn_last", "smallest", true, 61);
}

/* The message says which op it was. */
static void test_the_op_is_named(void **state)
{
    (void)state;
    sa_device *cpu, *device;
    sa_net *net;
    sa_strategy strategy;
    sa_step_run run;
    bool named = false;
    if (sa_device_open_cpu(1, &cpu) != SA_OK || !(device = sa_failing_device_open(cpu))) fail_msg("no device");
    if (sa_small_net_load(sa_small_net_find("three"), &net) != SA_OK || sa_strategy_parse("lean", &strategy) != SA_OK)
        fail_msg("%s", sa_error_message());
    for (int i = 0; i < 40; i++) {
        sa_failing_device_arm(device, i);
        if (sa_step_run_make(net, true, &strategy, device, false, &run) == SA_OK) continue;
        named |= !strcmp(sa_error_message(), "conv backward: injected failure of conv_backward");
    }
    assert_true(named);
    sa_net_free(net);
    sa_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_fails),
        cmocka_unit_test(test_each_call_fails_in_debug_mode),
        cmocka_unit_test(test_the_op_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
