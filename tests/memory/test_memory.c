/* Plans, checker, arena and ledger. The exact planner is in test_planner_exact.c. */
#include "memory/arena.h"
#include "memory/ledger.h"
#include "memory/plan.h"
#include "tests/support/fake_device.h"
#include "tests/support/instances.h"
#include "tests/support/memory_asserts.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

static sa_plan make_plan(const sa_buffer *buffers, size_t count, sa_planner planner)
{
    sa_plan_options options = {.planner = planner, .timeout_seconds = 5};
    sa_plan plan;
    assert_status_ok(sa_plan_make(buffers, count, &options, &plan));
    return plan;
}

/* The four buffers of a tiny chain: a 128 [0,2), b 64 [1,3), c 128 [2,4), d 64 [0,4). */
static size_t chain(sa_buffer *buffers)
{
    buffers[0] = sa_instance_buffer(0, 0, 2, 128, 64);
    buffers[1] = sa_instance_buffer(1, 1, 3, 64, 64);
    buffers[2] = sa_instance_buffer(2, 2, 4, 128, 64);
    buffers[3] = sa_instance_buffer(3, 0, 4, 64, 64);
    return 4;
}

static void test_literal_offsets(void **state)
{
    (void)state;
    sa_buffer buffers[4];
    size_t count = chain(buffers);
    sa_plan naive = make_plan(buffers, count, SA_PLANNER_NAIVE);
    const size_t stacked[] = {0, 128, 192, 320};
    assert_memory_equal(naive.offset_bytes, stacked, sizeof stacked);
    assert_int_equal(naive.peak_bytes, 384);
    assert_int_equal(naive.unshared_bytes, 384);
    assert_int_equal(naive.lower_bound_bytes, 256);
    assert_false(naive.optimal);
    sa_plan greedy = make_plan(buffers, count, SA_PLANNER_GREEDY);
    /* By size: a at 0, c at 0 beside it in time; then d, the longer of the small ones, above both, and b above d. */
    const size_t shared[] = {0, 192, 0, 128};
    assert_memory_equal(greedy.offset_bytes, shared, sizeof shared);
    assert_int_equal(greedy.peak_bytes, 256);
    assert_true(greedy.optimal);
    assert_true(greedy.fingerprint != naive.fingerprint);
    sa_plan_free(&naive);
    sa_plan_free(&greedy);
}

static void test_alignment_is_kept(void **state)
{
    (void)state;
    sa_buffer buffers[] = {sa_instance_buffer(0, 0, 2, 100, 64), sa_instance_buffer(1, 0, 2, 4, 64),
                           sa_instance_buffer(2, 0, 2, 10, 256)};
    sa_plan plan = make_plan(buffers, 2, SA_PLANNER_GREEDY);
    assert_int_equal(plan.lower_bound_bytes, 192); /* 100 takes 128, 4 takes 64 */
    assert_int_equal(plan.peak_bytes, 192);
    assert_int_equal(plan.unshared_bytes, 104);
    sa_plan_free(&plan);
    plan = make_plan(buffers, 3, SA_PLANNER_NAIVE);
    const size_t stacked[] = {0, 128, 256};
    assert_memory_equal(plan.offset_bytes, stacked, sizeof stacked);
    sa_plan_free(&plan);
}

static void test_no_buffers(void **state)
{
    (void)state;
    for (int planner = SA_PLANNER_NAIVE; planner <= SA_PLANNER_EXACT; planner++) {
        sa_plan plan = make_plan(NULL, 0, (sa_planner)planner);
        assert_int_equal(plan.peak_bytes, 0);
        assert_true(plan.optimal);
        sa_plan_free(&plan);
    }
    sa_plan_free(NULL);
}

static void test_bad_buffers_are_named(void **state)
{
    (void)state;
    const sa_plan_options options = {.planner = SA_PLANNER_GREEDY};
    sa_plan plan = {.count = 77};
    sa_buffer buffer = sa_instance_buffer(5, 0, 1, 0, 64);
    assert_fails(SA_INVALID, "'b5' has size 0", sa_plan_make(&buffer, 1, &options, &plan));
    buffer = sa_instance_buffer(6, 0, 1, 8, 48);
    assert_fails(SA_INVALID, "'b6': its alignment of 48 bytes", sa_plan_make(&buffer, 1, &options, &plan));
    buffer = sa_instance_buffer(7, 3, 3, 8, 64);
    assert_fails(SA_INVALID, "'b7': its lifetime [3, 3)", sa_plan_make(&buffer, 1, &options, &plan));
    buffer = sa_instance_buffer(8, 0, 1, SIZE_MAX - 70, 64);
    assert_fails(SA_INVALID, "'b8' of", sa_plan_make(&buffer, 1, &options, &plan));
    buffer = sa_instance_buffer(9, 0, 1, 8, 64);
    buffer.kind = SA_BUFFER_KINDS;
    assert_fails(SA_INVALID, "'b9' has the unknown kind", sa_plan_make(&buffer, 1, &options, &plan));
    assert_int_equal(plan.count, 77); /* untouched */
}

static void test_capacity_below_the_load(void **state)
{
    (void)state;
    sa_buffer buffers[4];
    size_t count = chain(buffers);
    sa_plan plan;
    sa_plan_options options = {.planner = SA_PLANNER_GREEDY, .capacity_bytes = 255};
    assert_fails(SA_CAPACITY, "256 are alive at one time", sa_plan_make(buffers, count, &options, &plan));
    options.capacity_bytes = 256;
    assert_status_ok(sa_plan_make(buffers, count, &options, &plan));
    sa_plan_free(&plan);
}

/* True if some buffers alive together share bytes: written apart from the checker. */
static bool clashes(const sa_buffer *buffers, size_t count, const size_t *offsets)
{
    for (int64_t step = 0; step < 16; step++) {
        unsigned char owned[4096] = {0};
        for (size_t i = 0; i < count; i++) {
            if (step < buffers[i].begin || step >= buffers[i].end) continue;
            for (size_t byte = offsets[i]; byte < offsets[i] + buffers[i].size_bytes; byte++) {
                if (owned[byte]++) return true;
            }
        }
    }
    return false;
}

static void test_checker_judges_mutated_plans(void **state)
{
    (void)state;
    uint64_t random = 11;
    size_t rejected = 0, accepted = 0;
    for (int round = 0; round < 400; round++) {
        sa_buffer buffers[12];
        sa_instance_fill_random(buffers, 12, 16, 60, 1, &random);
        sa_plan plan = make_plan(buffers, 12, round % 2 ? SA_PLANNER_GREEDY : SA_PLANNER_NAIVE);
        assert_false(clashes(buffers, 12, plan.offset_bytes));
        assert_status_ok(sa_plan_check(buffers, 12, &plan));
        size_t which = sa_instance_random(&random) % 12;
        plan.offset_bytes[which] = sa_instance_random(&random) % (plan.peak_bytes + 1);
        plan.peak_bytes = 0;
        for (size_t i = 0; i < 12; i++) {
            size_t top = plan.offset_bytes[i] + buffers[i].size_bytes;
            if (top > plan.peak_bytes) plan.peak_bytes = top;
        }
        bool bad = clashes(buffers, 12, plan.offset_bytes);
        assert_int_equal(sa_plan_check(buffers, 12, &plan), bad ? SA_INVALID : SA_OK);
        rejected += bad;
        accepted += !bad;
        sa_plan_free(&plan);
    }
    assert_true(rejected > 100 && accepted > 20);
}

static void test_checker_rejects_false_figures(void **state)
{
    (void)state;
    sa_buffer buffers[4];
    size_t count = chain(buffers);
    sa_plan plan = make_plan(buffers, count, SA_PLANNER_GREEDY);
    plan.peak_bytes++;
    assert_fails(SA_INVALID, "peak is 256", sa_plan_check(buffers, count, &plan));
    plan.peak_bytes -= 2;
    assert_fails(SA_INVALID, "'b1': 64 bytes at offset 192 end above", sa_plan_check(buffers, count, &plan));
    plan.peak_bytes++;
    plan.lower_bound_bytes--;
    assert_fails(SA_INVALID, "lower bound is 256", sa_plan_check(buffers, count, &plan));
    plan.lower_bound_bytes++;
    plan.unshared_bytes++;
    assert_fails(SA_INVALID, "sum up to 384", sa_plan_check(buffers, count, &plan));
    plan.unshared_bytes--;
    plan.offset_bytes[3]--;
    assert_fails(SA_INVALID, "no multiple of its alignment 64", sa_plan_check(buffers, count, &plan));
    plan.offset_bytes[3] += 65;
    assert_fails(SA_INVALID, "buffers 'b1' (bytes 192 to 256, ops 1 to 3) and 'b3'", sa_plan_check(buffers, count, &plan));
    assert_fails(SA_INVALID, "for 4 buffers, but there are 3", sa_plan_check(buffers, count - 1, &plan));
    sa_plan_free(&plan);
}

static sa_arena *make_arena(sa_device *device, const sa_buffer *buffers, size_t count, bool debug)
{
    sa_plan plan = make_plan(buffers, count, SA_PLANNER_GREEDY);
    const sa_arena_options options = {.debug = debug};
    sa_arena *arena = NULL;
    assert_status_ok(sa_arena_create(device, buffers, count, &plan, &options, &arena));
    assert_int_equal(device->allocation_count, 1);
    assert_int_equal(device->allocated_bytes, sa_arena_bytes(arena));
    if (!debug) assert_int_equal(sa_arena_bytes(arena), plan.peak_bytes);
    sa_plan_free(&plan);
    return arena;
}

static void test_arena_follows_the_plan(void **state)
{
    (void)state;
    sa_buffer buffers[4];
    size_t count = chain(buffers);
    sa_device *device = sa_fake_device_open();
    sa_arena *arena = make_arena(device, buffers, count, false);
    unsigned char *base = sa_arena_pointer(arena, 0);
    assert_ptr_equal(sa_arena_pointer(arena, 1), base + 192);
    assert_ptr_equal(sa_arena_pointer(arena, 2), base);
    assert_ptr_equal(sa_arena_pointer(arena, 3), base + 128);
    assert_null(sa_arena_pointer(arena, 4));
    assert_status_ok(sa_arena_enter_op(arena, 0));
    assert_status_ok(sa_arena_leave(arena));
    sa_arena_destroy(arena);
    sa_arena_destroy(NULL);
    assert_int_equal(device->allocated_bytes, 0);
    sa_fake_device_close(device);
}

static void test_arena_reports_failures(void **state)
{
    (void)state;
    sa_buffer buffers[4];
    size_t count = chain(buffers);
    sa_device *device = sa_fake_device_open();
    sa_plan plan = make_plan(buffers, count, SA_PLANNER_GREEDY);
    sa_arena *arena = NULL;
    for (int debug = 0; debug < 2; debug++) {
        const sa_arena_options options = {.debug = debug};
        sa_fake_device_fail_after(device, 0);
        assert_fails(SA_NOMEM, "bytes for 4 buffers", sa_arena_create(device, buffers, count, &plan, &options, &arena));
        assert_null(arena);
        assert_int_equal(device->allocated_bytes, 0);
    }
    plan.offset_bytes[0] = 64; /* the arena trusts no plan */
    assert_fails(SA_INVALID, "overlap", sa_arena_create(device, buffers, count, &plan, NULL, &arena));
    sa_plan_free(&plan);
    buffers[0].kind = SA_BUFFER_PARAM; /* but alive in two steps only */
    plan = make_plan(buffers, count, SA_PLANNER_GREEDY);
    const sa_arena_options options = {.debug = true};
    assert_fails(SA_INVALID, "'b0' of kind param", sa_arena_create(device, buffers, count, &plan, &options, &arena));
    sa_plan_free(&plan);
    sa_fake_device_close(device);
}

static bool all_bytes(const unsigned char *bytes, int value, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != value) return false;
    }
    return true;
}

static void test_debug_arena_opens_and_closes_lifetimes(void **state)
{
    (void)state;
    sa_buffer buffers[4];
    size_t count = chain(buffers);
    buffers[3].kind = SA_BUFFER_PARAM;
    sa_device *device = sa_fake_device_open();
    sa_arena *arena = make_arena(device, buffers, count, true);
    unsigned char *a = sa_arena_pointer(arena, 0), *b = sa_arena_pointer(arena, 1), *weights = sa_arena_pointer(arena, 3);
    assert_int_equal((uintptr_t)b % 64, 0);
    memset(weights, 7, 64); /* alive before the first step */
    for (int training_step = 0; training_step < 2; training_step++) {
        assert_status_ok(sa_arena_enter_op(arena, 0));
        assert_true(all_bytes(a, 0xFF, 128));
        memset(a, 1, 128);
        assert_status_ok(sa_arena_enter_op(arena, 1));
        assert_true(all_bytes(b, 0xFF, 64));
        memset(b, 2, 64);
        assert_status_ok(sa_arena_enter_op(arena, 2));
        unsigned char *c = sa_arena_pointer(arena, 2);
        assert_true(all_bytes(c, 0xFF, 128)); /* even where a was */
        assert_status_ok(sa_arena_enter_op(arena, 3));
        assert_true(all_bytes(weights, 7, 64));
        assert_status_ok(sa_arena_leave(arena));
    }
    assert_true(all_bytes(weights, 7, 64));
    assert_status_ok(sa_arena_enter_op(arena, 2));
    assert_fails(SA_INVALID, "op 2 entered after op 2", sa_arena_enter_op(arena, 2));
    sa_arena_destroy(arena);
    sa_fake_device_close(device);
}

#if defined(__SANITIZE_ADDRESS__)
static void test_debug_arena_poisons(void **state)
{
    (void)state;
    sa_buffer buffers[4];
    size_t count = chain(buffers);
    buffers[0].size_bytes = 125;
    sa_device *device = sa_fake_device_open();
    sa_arena *arena = make_arena(device, buffers, count, true);
    unsigned char *a = sa_arena_pointer(arena, 0), *b = sa_arena_pointer(arena, 1);
    assert_true(__asan_address_is_poisoned(a));
    assert_status_ok(sa_arena_enter_op(arena, 0));
    assert_null(__asan_region_is_poisoned(a, 125));
    assert_true(__asan_address_is_poisoned(a + 125) && __asan_address_is_poisoned(a - 1));
    assert_true(__asan_address_is_poisoned(b));
    assert_status_ok(sa_arena_enter_op(arena, 2));
    assert_false(__asan_address_is_poisoned(b));
    assert_status_ok(sa_arena_leave(arena));
    assert_true(__asan_address_is_poisoned(a) && __asan_address_is_poisoned(b));
    sa_arena_destroy(arena);
    sa_fake_device_close(device);
}
#else /* the sanitizer itself would stop these writes */

/* Writes one byte at an offset from buffer's begin while step 1 runs and expects the complaint at the next step. */
static void check_damage(size_t buffer, ptrdiff_t at, const char *complaint)
{
    sa_buffer buffers[4];
    size_t count = chain(buffers);
    sa_device *device = sa_fake_device_open();
    sa_arena *arena = make_arena(device, buffers, count, true);
    assert_status_ok(sa_arena_enter_op(arena, 0));
    assert_status_ok(sa_arena_enter_op(arena, 1));
    ((unsigned char *)sa_arena_pointer(arena, buffer))[at] = 0;
    assert_fails(SA_INVALID, complaint, sa_arena_enter_op(arena, 2));
    sa_arena_destroy(arena);
    sa_fake_device_close(device);
}

static void test_debug_arena_finds_damage(void **state)
{
    (void)state;
    check_damage(0, 128, "'b0' (128 bytes): a write 0 bytes past its end");
    check_damage(1, 64 + 9, "'b1' (64 bytes): a write 9 bytes past its end");
    check_damage(3, -64, "'b3' (64 bytes): a write 64 bytes before its begin");
}

static void test_debug_arena_finds_dead_writes(void **state)
{
    (void)state;
    sa_buffer buffers[] = {sa_instance_buffer(0, 0, 1, 200, 64), sa_instance_buffer(1, 0, 4, 64, 64),
                           sa_instance_buffer(2, 3, 4, 64, 64)};
    for (int reopened = 0; reopened < 2; reopened++) {
        sa_device *device = sa_fake_device_open();
        sa_arena *arena = make_arena(device, buffers, 3, true);
        assert_status_ok(sa_arena_enter_op(arena, 0));
        assert_status_ok(sa_arena_enter_op(arena, 1));
        /* b2 opens over b0's first bytes at op 3; the others are only looked at in the end. */
        ((unsigned char *)sa_arena_pointer(arena, 0))[reopened ? 3 : 190] = 1;
        assert_status_ok(sa_arena_enter_op(arena, 2));
        if (reopened) {
            assert_fails(SA_INVALID, "buffer 'b0', alive in ops [0, 1)", sa_arena_enter_op(arena, 3));
        } else {
            assert_status_ok(sa_arena_enter_op(arena, 3));
            assert_fails(SA_INVALID, "buffer 'b0', alive in ops [0, 1)", sa_arena_leave(arena));
        }
        sa_arena_destroy(arena);
        sa_fake_device_close(device);
    }
}
#endif

static void test_ledger_measures_the_plan(void **state)
{
    (void)state;
    sa_buffer buffers[4];
    size_t count = chain(buffers);
    buffers[3].kind = SA_BUFFER_PARAM;
    sa_plan plan = make_plan(buffers, count, SA_PLANNER_GREEDY);
    static unsigned char memory[256];
    sa_ledger *ledger;
    assert_status_ok(sa_ledger_create(buffers, count, &ledger));
    assert_int_equal(sa_ledger_high_water_bytes(ledger), 0);
    assert_int_equal(sa_ledger_live_peak_bytes(ledger), 0);
    for (size_t i = count; i-- > 0;) { /* first and last step of each, the order does not matter */
        sa_ledger_touch(ledger, buffers[i].end - 1, i, memory, memory + plan.offset_bytes[i]);
        sa_ledger_touch(ledger, buffers[i].begin, i, memory, memory + plan.offset_bytes[i]);
    }
    assert_int_equal(sa_ledger_high_water_bytes(ledger), plan.peak_bytes);
    assert_int_equal(sa_ledger_live_peak_bytes(ledger), plan.lower_bound_bytes);
    assert_int_equal(sa_ledger_peak_op(ledger), 1);
    assert_int_equal(sa_ledger_kind_bytes(ledger, SA_BUFFER_PARAM), 64);
    assert_int_equal(sa_ledger_kind_bytes(ledger, SA_BUFFER_ACTIVATION), 192);
    assert_int_equal(sa_ledger_kind_bytes(ledger, SA_BUFFER_MASK), 0);
    sa_ledger_destroy(ledger);
    sa_ledger_destroy(NULL);
    sa_plan_free(&plan);
}

static void test_ledger_shows_lifetimes_that_are_too_long(void **state)
{
    (void)state;
    sa_buffer buffers[] = {sa_instance_buffer(0, 0, 4, 100, 1), sa_instance_buffer(1, 0, 4, 100, 1)};
    static unsigned char memory[200];
    sa_ledger *ledger;
    assert_status_ok(sa_ledger_create(buffers, 2, &ledger));
    sa_ledger_touch(ledger, 0, 0, memory, memory);
    sa_ledger_touch(ledger, 1, 1, memory, memory + 100);
    assert_int_equal(sa_ledger_high_water_bytes(ledger), 200);
    assert_int_equal(sa_ledger_live_peak_bytes(ledger), 100); /* they could have shared */
    sa_ledger_destroy(ledger);
}

/* A time too short for the order that places best: the sweep still places all of them far below the sum of their sizes, and near
 * the load, instead of piling the rest on top. */
static void test_no_time_for_many_buffers(void **state)
{
    (void)state;
    enum { COUNT = 400000, LONGEST = 40 };
    sa_buffer *buffers = calloc(COUNT, sizeof *buffers);
    assert_non_null(buffers);
    uint32_t random = 1;
    for (int i = 0; i < COUNT; i++) {
        random = random * 1664525u + 1013904223u;
        int64_t begin = (int64_t)(random >> 8) % COUNT;
        buffers[i] = (sa_buffer){.name = "b",
                                 .size_bytes = 1 + (random >> 7) % 65536,
                                 .alignment_bytes = 1,
                                 .begin = begin,
                                 .end = begin + 1 + (random >> 20) % LONGEST};
    }
    const sa_plan_options options = {.planner = SA_PLANNER_GREEDY, .timeout_seconds = 0.1};
    sa_plan plan;
    assert_status_ok(sa_plan_make(buffers, COUNT, &options, &plan));
    print_message("%zu bytes, the load is %zu, the sum %zu\n", plan.peak_bytes, plan.lower_bound_bytes, plan.unshared_bytes);
    assert_true(plan.peak_bytes < 2 * plan.lower_bound_bytes);
    sa_plan_free(&plan);
    free(buffers);
}

static void test_kind_names(void **state)
{
    (void)state;
    assert_string_equal(sa_buffer_kind_name(SA_BUFFER_ACTIVATION_GRAD), "activation_grad");
    assert_string_equal(sa_buffer_kind_name(SA_BUFFER_KINDS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literal_offsets),
        cmocka_unit_test(test_alignment_is_kept),
        cmocka_unit_test(test_no_buffers),
        cmocka_unit_test(test_bad_buffers_are_named),
        cmocka_unit_test(test_capacity_below_the_load),
        cmocka_unit_test(test_checker_judges_mutated_plans),
        cmocka_unit_test(test_checker_rejects_false_figures),
        cmocka_unit_test(test_arena_follows_the_plan),
        cmocka_unit_test(test_arena_reports_failures),
        cmocka_unit_test(test_debug_arena_opens_and_closes_lifetimes),
#if defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(test_debug_arena_poisons),
#else
        cmocka_unit_test(test_debug_arena_finds_damage),
        cmocka_unit_test(test_debug_arena_finds_dead_writes),
#endif
        cmocka_unit_test(test_ledger_measures_the_plan),
        cmocka_unit_test(test_ledger_shows_lifetimes_that_are_too_long),
        cmocka_unit_test(test_no_time_for_many_buffers),
        cmocka_unit_test(test_kind_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
