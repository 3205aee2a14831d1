/* Small work stays on one thread: a device of several threads starts none for a small net, and the numbers are those of all. While
 * other programs have the cores, more of it does. */
#include "kernels/cpu/crew.h"
#include "tests/support/all_threads.h"
#include "tests/support/small_nets.h"
#include "tests/support/step_run.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int count_threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    for (const struct dirent *entry; folder && (entry = readdir(folder));) count += entry->d_name[0] != '.';
    if (folder) closedir(folder);
    return count;
}

/* Hash of a few steps on a device of 4 threads; how many threads they started. */
static uint64_t run(const sa_net *net, bool all_threads, int *started)
{
    sa_device *device = NULL;
    sa_strategy strategy;
    sa_step_run steps;
    const int before = count_threads();
    assert_int_equal(all_threads ? sa_open_all_threads(4, &device) : sa_device_open_cpu(4, &device), SA_OK);
    assert_int_equal(sa_strategy_parse("fastest", &strategy), SA_OK);
    assert_int_equal(sa_step_run_make(net, true, &strategy, device, false, &steps), SA_OK);
    *started = count_threads() - before;
    sa_device_close(device);
    return steps.hash;
}

static void test_small_net(void **state)
{
    (void)state;
    sa_net *net = NULL;
    assert_int_equal(sa_small_net_load(sa_small_net_find("plain"), &net), SA_OK);
    int alone, all;
    const uint64_t hash = run(net, false, &alone); /* first: threads stay once they are started */
    assert_true(hash == run(net, true, &all));
    assert_int_equal(alone, 0);
    if (count_threads() == 0) print_message("SKIP: no /proc/self/task to count threads in\n");
    else assert_int_equal(all, 3);
    sa_net_free(net);
}

/* A step that waited for its threads makes the next ones do with one thread for a while, a longer while each time that they wait
 * again; steps that do not wait shorten it. */
static void test_busy_cores(void **state)
{
    (void)state;
    sa_cpu_load load = {0};
    const uint64_t ms = 1000000;
    uint64_t now = 1;
    assert_true(sa_cpu_serial_ns(&load, now, 10 * ms, 20 * ms) == SA_SERIAL_NS);      /* two threads had two cores */
    assert_true(sa_cpu_serial_ns(&load, now, 10 * ms, 10 * ms) == SA_SERIAL_NS);      /* one had one */
    assert_true(sa_cpu_serial_ns(&load, now, ms / 20, ms / 100) == SA_SERIAL_NS);     /* too short to tell */
    assert_true(sa_cpu_serial_ns(&load, now, 30 * ms, 20 * ms) == SA_SERIAL_BUSY_NS); /* they waited */
    for (uint64_t hold = 50 * ms, pauses = 0; pauses < 9; pauses++, hold = hold < 1600 * ms ? 2 * hold : 3200 * ms) {
        assert_int_equal(load.hold_ns, hold);
        assert_true(sa_cpu_serial_ns(&load, now + hold - 1, ms, ms) == SA_SERIAL_BUSY_NS);
        now += hold;
        assert_true(sa_cpu_serial_ns(&load, now, ms, ms) == SA_SERIAL_NS); /* the next step tries it again */
        assert_true(sa_cpu_serial_ns(&load, now, 9 * ms, ms) == SA_SERIAL_BUSY_NS);
    }
    now += load.hold_ns;
    for (int i = 0; i < 200; i++) assert_true(sa_cpu_serial_ns(&load, now, ms, 2 * ms) == SA_SERIAL_NS);
    assert_true(sa_cpu_serial_ns(&load, now, 9 * ms, ms) == SA_SERIAL_BUSY_NS);
    assert_int_equal(load.hold_ns, 50 * ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_small_net), cmocka_unit_test(test_busy_cores)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
