/* MiniMalloc's public instances A to F, from $SA_SHARED or ../shared; skipped where they are not there. */
#include "memory/plan.h"
#include "memory/plan_csv.h"
#include "tests/support/memory_asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* 20 times what is needed here: the machine may be busy, or the build a slow one. */
static const double patience_seconds = 30.0;

static sa_buffer *read_instance(const char *name, size_t *count)
{
    const char *shared = getenv("SA_SHARED");
    char path[4096];
    snprintf(path, sizeof path, "%s/data/minimalloc/%s.csv", shared ? shared : "../shared", name);
    if (access(path, R_OK) != 0) {
        print_message("SKIP: no instances of MiniMalloc at %s (SA_SHARED names the folder that holds data/minimalloc)\n", path);
        skip();
    }
    sa_buffer *buffers;
    assert_status_ok(sa_plan_csv_read(path, &buffers, count, NULL));
    return buffers;
}

static void check_instance(const char *name, size_t capacity, size_t max_load)
{
    size_t count;
    sa_buffer *buffers = read_instance(name, &count);
    const sa_plan_options options = {.planner = SA_PLANNER_EXACT, .capacity_bytes = capacity, .timeout_seconds = patience_seconds};
    sa_plan plan;
    assert_status_ok(sa_plan_make(buffers, count, &options, &plan));
    assert_status_ok(sa_plan_check(buffers, count, &plan));
    assert_true(plan.peak_bytes <= capacity);
    assert_int_equal(plan.lower_bound_bytes, max_load);
    assert_int_equal(plan.optimal, plan.peak_bytes == max_load);
    print_message("%s: %zu buffers in %zu bytes, %.3f s\n", name, count, plan.peak_bytes, plan.seconds);
    sa_plan_free(&plan);
    free(buffers);
}

static void test_example(void **state)
{
    (void)state;
    check_instance("input.12", 12, 12);
}

static void test_a(void **state)
{
    (void)state;
    check_instance("A.1048576", 1048576, 1048576);
}

static void test_b(void **state)
{
    (void)state;
    check_instance("B.1048576", 1048576, 1048576);
}

static void test_c(void **state)
{
    (void)state;
    check_instance("C.1048576", 1048576, 1039360);
    check_instance("C.1048576", 1039360, 1039360); /* as tight as it gets */
}

static void test_d(void **state)
{
    (void)state;
    check_instance("D.1048576", 1048576, 986112);
}

static void test_e(void **state)
{
    (void)state;
    check_instance("E.1048576", 1048576, 1048576);
}

static void test_f(void **state)
{
    (void)state;
    check_instance("F.1048576", 1048576, 1048576);
}

static void test_below_the_load_is_refused(void **state)
{
    (void)state;
    size_t count;
    sa_buffer *buffers = read_instance("C.1048576", &count);
    const sa_plan_options options = {.planner = SA_PLANNER_EXACT, .capacity_bytes = 1039359, .timeout_seconds = 5};
    sa_plan plan;
    assert_fails(SA_CAPACITY, "1039360 are alive at one time", sa_plan_make(buffers, count, &options, &plan));
    free(buffers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example), cmocka_unit_test(test_a),
        cmocka_unit_test(test_b),       cmocka_unit_test(test_c),
        cmocka_unit_test(test_d),       cmocka_unit_test(test_e),
        cmocka_unit_test(test_f),       cmocka_unit_test(test_below_the_load_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
