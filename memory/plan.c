/* Makes plans: validates the buffers, runs the planner asked for, and fills in peak, lower bound and fingerprint. */
#include "memory/plan.h"

#include "core/checked.h"
#include "core/clock.h"
#include "core/hash.h"
#include "memory/load.h"
#include "memory/planner.h"

#include <stdlib.h>
#include <time.h>

static const double default_timeout_seconds = 10.0;

static sa_status check_buffer(const sa_buffer *buffer)
{
    if (buffer->size_bytes == 0) SA_FAIL(SA_INVALID, "buffer '%s' has size 0", buffer->name);
    size_t alignment = buffer->alignment_bytes;
    if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
        SA_FAIL(SA_INVALID, "buffer '%s': its alignment of %zu bytes is no power of two", buffer->name, alignment);
    }
    if (buffer->begin >= buffer->end) {
        SA_FAIL(SA_INVALID, "buffer '%s': its lifetime [%lld, %lld) is empty", buffer->name, (long long)buffer->begin,
                (long long)buffer->end);
    }
    if ((int)buffer->kind < 0 || buffer->kind >= SA_BUFFER_KINDS) {
        SA_FAIL(SA_INVALID, "buffer '%s' has the unknown kind %d", buffer->name, (int)buffer->kind);
    }
    return SA_OK;
}

/* Also rules out overflow in the planners: even with no sharing and the worst padding all offsets stay below 2^62. */
static sa_status check_buffers(const sa_buffer *buffers, size_t count, size_t *unshared_bytes)
{
    size_t padded = 0, sum = 0;
    for (size_t i = 0; i < count; i++) {
        SA_TRY(check_buffer(&buffers[i]));
        if (!sa_size_add(padded, buffers[i].size_bytes, &padded) || !sa_size_add(padded, buffers[i].alignment_bytes, &padded) ||
            padded > ((size_t)1 << 62)) {
            SA_FAIL(SA_INVALID, "buffer '%s' of %zu bytes: the sizes' sum overflows", buffers[i].name, buffers[i].size_bytes);
        }
        sum += buffers[i].size_bytes;
    }
    *unshared_bytes = sum;
    return SA_OK;
}

sa_status sa_plan_max_load(const sa_buffer *buffers, size_t count, size_t *bytes)
{
    int64_t op;
    return sa_load_largest(buffers, count, sa_load_unit(buffers, count), bytes, &op);
}

static uint64_t fingerprint(const sa_buffer *buffers, const sa_plan *plan)
{
    uint64_t hash = SA_HASH_START;
    for (size_t i = 0; i < plan->count; i++) {
        hash = sa_hash_number(hash, buffers[i].size_bytes);
        hash = sa_hash_number(hash, (uint64_t)buffers[i].begin);
        hash = sa_hash_number(hash, (uint64_t)buffers[i].end);
        hash = sa_hash_number(hash, plan->offset_bytes[i]);
    }
    return hash;
}

/* With a strict timeout: fails if what is sorted before and checked after the placing takes longer, as `share` of it did. */
static sa_status check_time(const sa_plan_options *options, size_t count, double start, double share)
{
    double wanted = (sa_clock_seconds() - start) / share;
    if (!options->strict_timeout || wanted <= options->timeout_seconds) return SA_OK;
    SA_FAIL(SA_CAPACITY, "no placement of %zu buffers in the %.3g s left: sorting and checking them alone takes %.3g s", count,
            options->timeout_seconds, wanted);
}

/* What is left to the planners. The checks behind them sort about twice as much as was sorted before them. */
static double planner_seconds(const sa_plan_options *options, double spent)
{
    double timeout = options->timeout_seconds > 0 ? options->timeout_seconds : default_timeout_seconds;
    if (options->strict_timeout) timeout -= 3 * spent;
    return timeout > 0 ? timeout : 0;
}

/* start: of the whole call, sa_clock_seconds. */
static sa_status run_planner(const sa_problem *problem, const sa_plan_options *options, size_t lower_bound, double start,
                             int64_t *offsets, bool *exhausted)
{
    double spent = sa_clock_seconds() - start, greedy_start = sa_clock_seconds();
    sa_planner_goal goal = {.target_bytes = options->capacity_bytes > lower_bound ? options->capacity_bytes : lower_bound,
                            .limit_bytes = options->capacity_bytes ? options->capacity_bytes : SIZE_MAX,
                            .timeout_seconds = planner_seconds(options, spent),
                            .strict_timeout = options->strict_timeout};
    if (options->planner == SA_PLANNER_NAIVE) {
        sa_planner_naive(problem, offsets);
        return SA_OK;
    }
    SA_TRY(sa_planner_greedy(problem, &goal, offsets));
    if (options->planner != SA_PLANNER_EXACT) return SA_OK;
    if (sa_problem_peak_bytes(problem, offsets) <= goal.target_bytes || lower_bound > goal.limit_bytes) return SA_OK;
    if (options->strict_timeout) goal.timeout_seconds -= sa_clock_seconds() - greedy_start;
    return sa_planner_exact(problem, &goal, offsets, exhausted);
}

static sa_status check_capacity(const sa_plan *plan, size_t capacity, bool exhausted)
{
    if (capacity == 0 || plan->peak_bytes <= capacity) return SA_OK;
    if (plan->lower_bound_bytes > capacity) {
        SA_FAIL(SA_CAPACITY, "no placement fits in %zu bytes: %zu are alive at one time (the best found has %zu)", capacity,
                plan->lower_bound_bytes, plan->peak_bytes);
    }
    SA_FAIL(SA_CAPACITY,
            exhausted ? "no placement fits in %zu bytes, proven by search (the best found has %zu, the load is %zu)"
                      : "no placement found in %zu bytes, not proven that there is none (the best found has %zu, "
                        "the load is %zu)",
            capacity, plan->peak_bytes, plan->lower_bound_bytes);
}

sa_status sa_plan_make(const sa_buffer *buffers, size_t count, const sa_plan_options *options, sa_plan *plan)
{
    double start = sa_clock_seconds();
    sa_plan made = {.count = count};
    sa_problem problem = {0};
    int64_t *offsets = NULL;
    bool exhausted = false;
    sa_status status;
    SA_TRY(check_buffers(buffers, count, &made.unshared_bytes));
    SA_TRY(sa_plan_max_load(buffers, count, &made.lower_bound_bytes));
    SA_TRY(check_time(options, count, start, 1.0 / 6.0));
    SA_TRY_GOTO(status, done, sa_problem_make(buffers, count, &problem));
    SA_TRY_GOTO(status, done, check_time(options, count, start, 1.0 / 3.0));
    offsets = calloc(count + 1, sizeof *offsets);
    made.offset_bytes = calloc(count + 1, sizeof *made.offset_bytes);
    if (!offsets || !made.offset_bytes) {
        status = sa_error_set(SA_NOMEM, "no memory to plan %zu buffers", count);
        goto done;
    }
    SA_TRY_GOTO(status, done, run_planner(&problem, options, made.lower_bound_bytes, start, offsets, &exhausted));
    for (size_t i = 0; i < count; i++) made.offset_bytes[i] = (size_t)offsets[i] * problem.unit_bytes;
    made.peak_bytes = sa_problem_peak_bytes(&problem, offsets);
    made.optimal = made.peak_bytes == made.lower_bound_bytes || exhausted;
    made.fingerprint = fingerprint(buffers, &made);
    SA_TRY_GOTO(status, done, check_capacity(&made, options->capacity_bytes, exhausted));
    SA_TRY_GOTO(status, done, sa_plan_check(buffers, count, &made));
    made.seconds = sa_clock_seconds() - start;
    *plan = made;
    made.offset_bytes = NULL;
done:
    sa_problem_free(&problem);
    free(offsets);
    sa_plan_free(&made);
    return status;
}

void sa_plan_free(sa_plan *plan)
{
    if (!plan) return;
    free(plan->offset_bytes);
    *plan = (sa_plan){0};
}
