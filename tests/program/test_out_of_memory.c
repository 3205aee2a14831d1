/* Every allocation on the host fails once, over parsing, building, planning and running a net: SA_NOMEM comes through, and all that
 * was allocated is freed. The program is linked with --wrap, so that the library's calls of malloc and its kin end up here. */
#include "tests/support/small_nets.h"
#include "tests/support/step_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ALLOCATIONS_MAX = 100000 };

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
void __real_free(void *pointer);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
void __wrap_free(void *pointer);
char *__wrap_strdup(const char *text);

static int successes_left = -1; /* negative: without end */
static bool failed;
static long live; /* blocks */

static bool fails(void)
{
    if (successes_left == 0) {
        successes_left = -1;
        failed = true;
        return true;
    }
    if (successes_left > 0) successes_left--;
    return false;
}

static void *counted(void *pointer)
{
    live += pointer != NULL;
    return pointer;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *pointer, size_t size)
{
    if (fails()) return NULL;
    void *grown = __real_realloc(pointer, size);
    return pointer ? grown : counted(grown);
}

void __wrap_free(void *pointer)
{
    live -= pointer != NULL;
    __real_free(pointer);
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static sa_status load_and_run(const sa_small_net *small, const char *strategy_name, const char *conv, bool debug, sa_step_run *run)
{
    sa_device *device;
    sa_net *net;
    sa_strategy strategy;
    SA_TRY(sa_strategy_parse(strategy_name, &strategy));
    SA_TRY(sa_conv_option_parse(conv, &strategy.conv));
    SA_TRY(sa_device_open_cpu(1, &device));
    sa_status status = sa_small_net_load(small, &net);
    if (status == SA_OK) {
        status = sa_step_run_make(net, !small->deploy, &strategy, device, debug, run);
        sa_net_free(net);
    }
    if (device->allocated_bytes != 0) fail_msg("%zu bytes of the device are left", device->allocated_bytes);
    sa_device_close(device);
    return status;
}

static void fail_each_allocation(const char *net_name, const char *strategy, const char *conv, bool debug, int stride)
{
    const sa_small_net *small = sa_small_net_find(net_name);
    sa_step_run clean, run;
    int allocations = 0;
    if (load_and_run(small, strategy, conv, debug, &clean) != SA_OK) fail_msg("%s: %s", net_name, sa_error_message());
    for (; allocations < ALLOCATIONS_MAX; allocations += stride) {
        long before = live;
        failed = false;
        successes_left = allocations;
        sa_error_clear();
        sa_status status = load_and_run(small, strategy, conv, debug, &run);
        bool hit = failed;
        successes_left = -1;
        if (live != before) fail_msg("%s, allocation %d: %ld blocks leak", net_name, allocations, live - before);
        if (!hit) {
            assert_int_equal(status, SA_OK);
            assert_true(run.hash == clean.hash);
            break;
        }
        if (status != SA_NOMEM || sa_error_message()[0] == '\0')
            fail_msg("%s, allocation %d: %s, '%s'", net_name, allocations, sa_status_name(status), sa_error_message());
    }
    print_message("%s, %s: %d allocations\n", net_name, strategy, allocations);
    assert_true(allocations > 20 && allocations < ALLOCATIONS_MAX);
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    fail_each_allocation("three", "caffe", "im2col", false, 1);
    fail_each_allocation("three", "smallest", "fft", true, 1);
    fail_each_allocation("tiny_new", "extreme", "fft", false, 1);
    fail_each_allocation("two_losses", "fastest", "auto", false, 1);
    fail_each_allocation("deploy", "caffe", "direct", false, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
