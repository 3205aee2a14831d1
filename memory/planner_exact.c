/* The exact planner: a portfolio of short dives of the search (search.h), restarted in other orders with more nodes each time.
 *
 * With a capacity all dives aim at it. Without one they aim in turn at the lower bound, which ends the search, and at a bit less
 * than the best placement so far. A search that is exhausted refutes its capacity and raises the lower bound. */
#include "core/clock.h"
#include "memory/planner.h"

#include "memory/search.h"

#include <math.h>

static const double first_nodes = 400.0, node_growth = 1.03;
static const double largest_nodes = 1e15;
static const double DIVE_SECONDS_PER_ITEM = 2e-6; /* what one dive takes at the least */

/* A fraction in [0, 1) that depends on the dive alone, so that plans are reproducible. */
static double scatter(uint64_t dive, double factor)
{
    double product = (double)(dive + 1) * factor;
    return product - floor(product);
}

/* In turn: largest area, longest, largest, and something between. The first three without noise, then with more and more. Every
 * fifth group of four branches where failures were. */
static sa_search_order order_of_dive(uint64_t dive)
{
    static const double noises[] = {0.2, 0.4, 0.6};
    sa_search_order order = {.size_power = 1.0, .length_power = 1.0, .noise = dive < 4 ? 0.0 : noises[dive / 4 % 3], .seed = dive};
    switch (dive % 4) {
    case 1: order.size_power = 0.05; break; /* size decides between equals only */
    case 2: order.length_power = 0.05; break;
    case 3:
        order.size_power = scatter(dive, 0.618034);
        order.length_power = 1.5 * scatter(dive, 0.414214);
        break;
    default: break;
    }
    order.follow_failures = dive / 4 % 5 == 4;
    return order;
}

typedef struct proven {
    size_t best_bytes;  /* the peak of the placement in hand */
    size_t lower_bytes; /* no placement is below */
} proven;

/* One dive at a capacity. */
static sa_search_result dive_at(sa_search *search, const sa_problem *problem, size_t capacity, uint64_t dive,
                                const sa_search_budget *budget, proven *bounds, int64_t *offsets)
{
    size_t unit = problem->unit_bytes;
    sa_search_order order = order_of_dive(dive);
    sa_search_result result = sa_search_run(search, capacity, &order, budget, offsets);
    if (result == SA_SEARCH_FOUND) bounds->best_bytes = sa_problem_peak_bytes(problem, offsets);
    if (result == SA_SEARCH_EXHAUSTED && capacity >= bounds->lower_bytes) bounds->lower_bytes = (capacity / unit + 1) * unit;
    return result;
}

/* Dives until best meets lower, the target is met or the time is up. */
static void dive_all(sa_search *search, const sa_problem *problem, const sa_planner_goal *goal, double deadline, proven *bounds,
                     int64_t *offsets)
{
    sa_search_budget budget = {.deadline_seconds = deadline};
    double nodes = first_nodes;
    if (nodes < 1.2 * (double)problem->count) nodes = 1.2 * (double)problem->count; /* fewer could not even place all once */
    for (uint64_t dive = 0; sa_clock_seconds() < deadline; dive++) {
        if (bounds->best_bytes <= goal->target_bytes || bounds->best_bytes <= bounds->lower_bytes) return;
        if (bounds->lower_bytes > goal->limit_bytes) return;
        budget.nodes = (uint64_t)nodes;
        size_t aim = goal->target_bytes > bounds->lower_bytes ? goal->target_bytes : bounds->lower_bytes;
        sa_search_result result = dive_at(search, problem, aim, dive, &budget, bounds, offsets);
        if (result == SA_SEARCH_STOPPED && goal->limit_bytes == SIZE_MAX && bounds->best_bytes - aim > 1) {
            /* An easier aim, closer to the best the more often the harder ones failed. */
            size_t closer = aim + (bounds->best_bytes - aim) / 8 * (2 + dive % 6);
            if (closer >= bounds->best_bytes) closer = bounds->best_bytes - 1;
            (void)dive_at(search, problem, closer, dive, &budget, bounds, offsets);
        }
        if (dive >= 8 && nodes < largest_nodes) nodes *= node_growth;
    }
}

sa_status sa_planner_exact(const sa_problem *problem, const sa_planner_goal *goal, int64_t *offsets, bool *exhausted)
{
    double deadline = sa_clock_seconds() + goal->timeout_seconds;
    if (goal->timeout_seconds < DIVE_SECONDS_PER_ITEM * (double)problem->count) return SA_OK;
    sa_search *search;
    proven bounds = {.best_bytes = sa_problem_peak_bytes(problem, offsets)};
    SA_TRY(sa_search_create(problem, &search));
    dive_all(search, problem, goal, deadline, &bounds, offsets);
    sa_search_destroy(search);
    *exhausted = bounds.lower_bytes >= bounds.best_bytes || bounds.lower_bytes > goal->limit_bytes;
    return SA_OK;
}
