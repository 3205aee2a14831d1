/* Small work stays on one thread: a device of several threads starts none for a small net, and the numbers are those of all. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_small_net)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
