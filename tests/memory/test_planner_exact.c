/* The exact planner against brute force, proofs of infeasibility, and training programs. Public instances are in
 * test_planner_instances.c. */
#include "memory/plan.h"
#include "tests/support/instances.h"
#include "tests/support/memory_asserts.h"

#include <stdlib.h>

static sa_plan plan_exactly(const sa_buffer *buffers, size_t count, size_t capacity)
{
    const sa_plan_options options = {.planner = SA_PLANNER_EXACT, .capacity_bytes = capacity, .timeout_seconds = 5};
    sa_plan plan;
    assert_status_ok(sa_plan_make(buffers, count, &options, &plan));
    return plan;
}

/* Every peak is optimal, and so it says; one byte less is refused, with a proof. Returns how many peaks are above the load. */
static size_t check_against_brute_force(size_t alignment, size_t largest_size, uint64_t seed)
{
    size_t above_load = 0;
    for (int round = 0; round < 400; round++) {
        sa_buffer buffers[7];
        size_t count = 1 + sa_instance_random(&seed) % 7;
        sa_instance_fill_random(buffers, count, 5, largest_size, alignment, &seed);
        size_t lowest = sa_instance_lowest_peak(buffers, count);
        sa_plan plan = plan_exactly(buffers, count, 0);
        assert_int_equal(plan.peak_bytes, lowest);
        assert_true(plan.optimal);
        above_load += plan.peak_bytes > plan.lower_bound_bytes;
        sa_plan_free(&plan);
        const sa_plan_options tighter = {.planner = SA_PLANNER_EXACT, .capacity_bytes = lowest - 1, .timeout_seconds = 5};
        if (lowest > 1) assert_fails(SA_CAPACITY, "no placement fits in", sa_plan_make(buffers, count, &tighter, &plan));
    }
    return above_load;
}

static void test_brute_force_bytes(void **state)
{
    (void)state;
    (void)check_against_brute_force(1, 9, 21);
}

static void test_brute_force_one_alignment(void **state)
{
    (void)state;
    (void)check_against_brute_force(64, 300, 22);
}

static void test_brute_force_mixed_alignments(void **state)
{
    (void)state;
    assert_true(check_against_brute_force(0, 20, 23) > 0);
}

/* The load is 5, but no placement is below 6: only an exhausted search can tell. */
static void test_gap_above_the_load_is_proven(void **state)
{
    (void)state;
    static const int64_t rows[][3] = {{1, 5, 2}, {1, 3, 2}, {5, 7, 1}, {4, 7, 1}, {7, 8, 2}, {6, 8, 2}, {3, 6, 1}, {2, 8, 1}};
    sa_buffer buffers[8];
    for (size_t i = 0; i < 8; i++) buffers[i] = sa_instance_buffer(i, rows[i][0], rows[i][1], (size_t)rows[i][2], 1);
    assert_int_equal(sa_instance_lowest_peak(buffers, 8), 6);
    sa_plan plan = plan_exactly(buffers, 8, 0);
    assert_int_equal(plan.lower_bound_bytes, 5);
    assert_int_equal(plan.peak_bytes, 6);
    assert_true(plan.optimal);
    sa_plan_free(&plan);
    const sa_plan_options options = {.planner = SA_PLANNER_EXACT, .capacity_bytes = 5, .timeout_seconds = 5};
    assert_fails(SA_CAPACITY, "proven by search", sa_plan_make(buffers, 8, &options, &plan));
}

static void test_capacity_is_enough(void **state)
{
    (void)state;
    uint64_t seed = 9;
    sa_buffer buffers[60];
    sa_instance_fill_random(buffers, 60, 30, 1000, 1, &seed);
    size_t load;
    assert_status_ok(sa_plan_max_load(buffers, 60, &load));
    sa_plan plan = plan_exactly(buffers, 60, load + load / 5);
    assert_true(plan.peak_bytes <= load + load / 5);
    sa_plan_free(&plan);
}

static void test_training_programs_have_no_gap(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int64_t depth = 5; depth <= 100; depth = depth * 2 + 5) {
        sa_buffer *buffers = malloc((size_t)(4 * depth + 2) * sizeof *buffers);
        assert_non_null(buffers);
        size_t count = sa_instance_fill_training(buffers, depth, 1 << 24, &seed);
        sa_plan plan = plan_exactly(buffers, count, 0);
        print_message("depth %d: %zu buffers, peak %zu, load %zu, %.3f s\n", (int)depth, count, plan.peak_bytes,
                      plan.lower_bound_bytes, plan.seconds);
        assert_int_equal(plan.peak_bytes, plan.lower_bound_bytes);
        assert_true(plan.optimal);
        sa_plan_free(&plan);
        free(buffers);
    }
}

static void test_plans_are_reproducible(void **state)
{
    (void)state;
    uint64_t seed = 17;
    sa_buffer buffers[42];
    size_t count = sa_instance_fill_training(buffers, 10, 1 << 20, &seed);
    sa_plan first = plan_exactly(buffers, count, 0), second = plan_exactly(buffers, count, 0);
    assert_true(first.fingerprint == second.fingerprint);
    sa_plan_free(&first);
    sa_plan_free(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_brute_force_bytes),
        cmocka_unit_test(test_brute_force_one_alignment),
        cmocka_unit_test(test_brute_force_mixed_alignments),
        cmocka_unit_test(test_gap_above_the_load_is_proven),
        cmocka_unit_test(test_capacity_is_enough),
        cmocka_unit_test(test_training_programs_have_no_gap),
        cmocka_unit_test(test_plans_are_reproducible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
