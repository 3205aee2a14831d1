/* Budgets and cost models: the frontier and what is chosen from it, keys of ops, scaling of guesses, the cost file. No test knows
 * how fast anything is; where times matter, they are made up. */
#include "net/feed.h"
#include "tests/support/cost_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const NETS[] = {"tests/golden/tiny_new/net.prototxt", "tests/golden/tiny_old/net.prototxt", "nets/new.prototxt"};
enum { NET_COUNT = 3, TINY_COUNT = 2 };
/* Planners that run out of time, on a busy machine, may differ by little. */
static const double ALMOST = 0.98;
/* ------------------------------------------------------------------ the frontier ----------------------------------- */

/* Made once for all tests. */
static fixture nets[NET_COUNT];
static sa_frontier frontiers[NET_COUNT];

static int make_frontiers(void **state)
{
    (void)state;
    for (int n = 0; n < NET_COUNT; n++) {
        nets[n] = open_fixture(NETS[n], 2);
        must(sa_frontier_create(nets[n].net, nets[n].model, SA_CONV_OPTION_AUTO, &PROGRAM, &frontiers[n]));
    }
    return 0;
}

static int free_frontiers(void **state)
{
    (void)state;
    for (int n = 0; n < NET_COUNT; n++) {
        sa_frontier_free(&frontiers[n]);
        close_fixture(&nets[n]);
    }
    return 0;
}

static void no_point_is_dominated(void **state)
{
    (void)state;
    for (int n = 0; n < NET_COUNT; n++) {
        const sa_frontier *frontier = &frontiers[n];
        assert_true(frontier->count >= 2);
        assert_true(frontier->candidate_count > frontier->count);
        for (size_t i = 0; i < frontier->count; i++) {
            const sa_frontier_point *p = &frontier->point[i];
            assert_true(p->cost.ms > 0 && p->cost.cpu_ms >= p->cost.ms);
            if (i == 0) continue;
            assert_true(p->bytes < p[-1].bytes);
            assert_true(p->cost.ms >= p[-1].cost.ms);
        }
    }
}

/* Through a file, as a user hands it on. */
static void choices_are_written_and_read_back(void **state)
{
    (void)state;
    static const char path[] = "build/test_budget.choices";
    for (int n = 0; n < NET_COUNT; n++) {
        const fixture *f = &nets[n];
        const sa_frontier *frontier = &frontiers[n];
        for (size_t i = 0; i < frontier->count; i++) {
            const sa_frontier_point *p = &frontier->point[i];
            sa_strategy strategy;
            sa_layout layout;
            if (p->strategy.choices) {
                must(sa_choices_save(p->strategy.choices, "a net", path));
                must(sa_strategy_parse("@build/test_budget.choices", &strategy));
            } else {
                must(sa_strategy_parse(p->strategy.name, &strategy));
            }
            must(sa_layout_create(f->net, &strategy, f->device, &PROGRAM, &layout));
            sa_strategy_free(&strategy);
            assert_true(layout.plan.peak_bytes <= p->bytes);
            assert_true((double)layout.plan.peak_bytes >= ALMOST * (double)p->bytes);
            sa_cost cost = sa_cost_predict(f->model, layout.program, NULL);
            assert_true(cost.ms == p->cost.ms);
            sa_layout_free(&layout);
        }
    }
    remove(path);
}

/* Everything that `extreme` is made of is among the combinations. */
static void the_smallest_is_no_larger_than_extreme(void **state)
{
    (void)state;
    for (int n = 0; n < NET_COUNT; n++) {
        const fixture *f = &nets[n];
        const sa_frontier *frontier = &frontiers[n];
        sa_layout extreme = make_layout(f, "extreme");
        assert_true(ALMOST * (double)frontier->point[frontier->count - 1].bytes <= (double)extreme.plan.peak_bytes);
        sa_layout_free(&extreme);
    }
}

static void picks_are_ascending_and_hold_both_ends(void **state)
{
    (void)state;
    const sa_frontier *frontier = &frontiers[2];
    for (size_t most = 2; most <= frontier->count + 2; most++) {
        size_t *index = calloc(most, sizeof *index), picked = sa_frontier_pick(frontier, most, index);
        assert_int_equal(picked, most < frontier->count ? most : frontier->count);
        assert_int_equal(index[0], 0);
        assert_int_equal(index[picked - 1], frontier->count - 1);
        for (size_t i = 1; i < picked; i++) assert_true(index[i] > index[i - 1]);
        free(index);
    }
}

/* ------------------------------------------------------------------ budgets ---------------------------------------- */

static void every_budget_is_kept_and_more_is_never_slower(void **state)
{
    (void)state;
    enum { STEPS = 200 };
    for (int n = 0; n < NET_COUNT; n++) {
        const sa_frontier *frontier = &frontiers[n];
        size_t low = frontier->point[frontier->count - 1].bytes, high = frontier->point[0].bytes;
        double before = 1e300;
        for (size_t i = 0; i <= STEPS; i++) {
            size_t budget = low + (high - low) * i / STEPS, chosen;
            must(sa_budget_solve(frontier, budget, &chosen));
            assert_true(frontier->point[chosen].bytes <= budget);
            assert_true(frontier->point[chosen].cost.ms <= before);
            before = frontier->point[chosen].cost.ms;
        }
    }
}

static void an_infeasible_budget_names_the_smallest_and_the_fastest(void **state)
{
    (void)state;
    const sa_frontier *frontier = &frontiers[0];
    const sa_frontier_point *smallest = &frontier->point[frontier->count - 1], *fastest = &frontier->point[0];
    size_t chosen = 12345;
    char part[512];
    assert_int_equal(sa_budget_solve(frontier, smallest->bytes - 1, &chosen), SA_CAPACITY);
    assert_int_equal(chosen, 12345);
    snprintf(part, sizeof part, "the smallest found is %zu bytes (", smallest->bytes);
    assert_non_null(strstr(sa_error_message(), part));
    snprintf(part, sizeof part, ") with %s; it takes ", smallest->strategy.name);
    assert_non_null(strstr(sa_error_message(), part));
    snprintf(part, sizeof part, " ms in %zu bytes (", fastest->bytes);
    assert_non_null(strstr(sa_error_message(), part));
    must(sa_budget_solve(frontier, smallest->bytes, &chosen));
    assert_int_equal(chosen, frontier->count - 1);
}

/* The arena, not the prediction, and the bits: those of any other choice. */
static void what_is_chosen_runs_within_the_budget_with_the_same_bits(void **state)
{
    (void)state;
    enum { RUNS = 6 };
    for (int n = 0; n < TINY_COUNT; n++) {
        const fixture *f = &nets[n];
        const sa_frontier *frontier = &frontiers[n];
        uint64_t first = 0;
        size_t index[RUNS], runs = sa_frontier_pick(frontier, RUNS, index);
        for (size_t i = 0; i < runs; i++) {
            sa_session_options options = {.program = PROGRAM, .seed = 7};
            sa_session *session;
            sa_feed *feed;
            uint64_t hash;
            options.program.arena_limit_bytes = frontier->point[index[i]].bytes;
            must(sa_session_create(f->net, &frontier->point[index[i]].strategy, f->device, &options, &session));
            must(sa_feed_open(f->net, NULL, 7, &feed));
            for (uint32_t step = 0; step < 2; step++) {
                must(sa_feed_next(feed, session));
                must(sa_session_run(session, 0.1f, step, NULL));
            }
            must(sa_session_state_hash(session, &hash));
            assert_true(sa_session_arena_bytes(session) <= frontier->point[index[i]].bytes);
            assert_true(sa_session_measured_bytes(session) <= frontier->point[index[i]].bytes);
            if (i == 0) first = hash;
            assert_true(hash == first);
            sa_feed_close(feed);
            sa_session_destroy(session);
        }
    }
}

static void an_arena_limit_below_the_load_is_refused(void **state)
{
    (void)state;
    fixture f = open_fixture(NETS[0], 1);
    sa_layout layout = make_layout(&f, "smallest"), limited = {0};
    sa_strategy strategy;
    sa_program_options options = PROGRAM;
    must(sa_strategy_parse("smallest", &strategy));
    options.arena_limit_bytes = layout.plan.peak_bytes;
    must(sa_layout_create(f.net, &strategy, f.device, &options, &limited));
    assert_true(limited.plan.peak_bytes <= layout.plan.peak_bytes);
    sa_layout_free(&limited);
    options.arena_limit_bytes = layout.plan.lower_bound_bytes - 1;
    assert_int_equal(sa_layout_create(f.net, &strategy, f.device, &options, &limited), SA_CAPACITY);
    sa_layout_free(&layout);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_point_is_dominated),
        cmocka_unit_test(choices_are_written_and_read_back),
        cmocka_unit_test(the_smallest_is_no_larger_than_extreme),
        cmocka_unit_test(picks_are_ascending_and_hold_both_ends),
        cmocka_unit_test(every_budget_is_kept_and_more_is_never_slower),
        cmocka_unit_test(an_infeasible_budget_names_the_smallest_and_the_fastest),
        cmocka_unit_test(what_is_chosen_runs_within_the_budget_with_the_same_bits),
        cmocka_unit_test(an_arena_limit_below_the_load_is_refused),
    };
    return cmocka_run_group_tests(tests, make_frontiers, free_frontiers);
}
