/* Measuring costs. Which strategies to run is a covering problem: the one that knows least about its own time is next. */
#include "cost/cost_measure.h"

#include "cost/op_cost_key.h"
#include "net/feed.h"
#include "net/session.h"

#include <stdlib.h>
#include <string.h>

enum { HEADROOM_BYTES = 256 << 20 };
static const double BUSY = 1.15;   /* above this ratio of wall time to CPU time per thread, the machine counts as busy */
static const double LITTLE = 0.03; /* share of the time that may stay unknown */

/* ------------------------------------------------------------------ one strategy ----------------------------------- */

/* What the ops took, step by step. */
typedef struct op_times {
    size_t ops;
    int steps;
    sa_cost *step;  /* (ops, steps) */
    sa_cost *total; /* (ops): over all steps so far, as the session keeps it; the medians in the end */
} op_times;

static sa_status open_times(op_times *times, size_t ops, int steps)
{
    *times = (op_times){.ops = ops, .steps = steps};
    times->step = calloc(ops * (size_t)steps + 1, sizeof *times->step);
    times->total = calloc(ops + 1, sizeof *times->total);
    if (!times->step || !times->total) SA_FAIL(SA_NOMEM, "no memory for the times of %zu ops", ops);
    return SA_OK;
}

static void close_times(op_times *times)
{
    free(times->step);
    free(times->total);
}

/* step: -1 for the one that is not timed, since it touches memory for the first time */
static void note_step(const sa_session *session, op_times *times, int step)
{
    for (size_t i = 0; i < times->ops; i++) {
        sa_cost total = {(double)sa_session_op_ns(session, i) * 1e-6, (double)sa_session_op_cpu_ns(session, i) * 1e-6};
        sa_cost last = {total.ms - times->total[i].ms, total.cpu_ms - times->total[i].cpu_ms};
        if (step >= 0) times->step[i * (size_t)times->steps + (size_t)step] = last;
        times->total[i] = total;
    }
}

static sa_status run_steps(sa_session *session, sa_feed *feed, op_times *times)
{
    for (int step = -1; step < times->steps; step++) {
        SA_TRY(sa_feed_next(feed, session));
        SA_TRY(sa_session_run(session, 0.0f, (uint32_t)(step + 1), NULL));
        note_step(session, times, step);
    }
    return SA_OK;
}

static int compare_ms(const void *a, const void *b)
{
    double x = ((const sa_cost *)a)->ms, y = ((const sa_cost *)b)->ms;
    return (x > y) - (x < y);
}

static int compare_cpu_ms(const void *a, const void *b)
{
    double x = ((const sa_cost *)a)->cpu_ms, y = ((const sa_cost *)b)->cpu_ms;
    return (x > y) - (x < y);
}

/* Medians, so that their sum is about a step's median; sums of shortest times are shorter than any step. Reorders the op's times.
 */
static sa_cost median(const op_times *times, size_t op)
{
    sa_cost *step = times->step + op * (size_t)times->steps, result;
    qsort(step, (size_t)times->steps, sizeof *step, compare_ms);
    result.ms = step[times->steps / 2].ms;
    qsort(step, (size_t)times->steps, sizeof *step, compare_cpu_ms);
    result.cpu_ms = step[times->steps / 2].cpu_ms;
    return result;
}

/* Ops of one key, such as the bands of a level, are one op measured several times: it costs their mean. */
static sa_status record_mean(sa_cost_model *model, const sa_program *program, const sa_cost *times, size_t first,
                             double busy_threads)
{
    char key[SA_COST_KEY_MAX], other[SA_COST_KEY_MAX];
    sa_cost sum = {0, 0};
    size_t count = 0;
    sa_op_cost_key(program->op[first].kind, &program->op[first].args, key);
    for (size_t i = 0; i < program->op_count; i++) {
        if (program->op[i].kind != program->op[first].kind) continue;
        sa_op_cost_key(program->op[i].kind, &program->op[i].args, other);
        if (strcmp(key, other) != 0) continue;
        if (i < first) return SA_OK; /* done with the first of them */
        sum.ms += times[i].ms;
        sum.cpu_ms += times[i].cpu_ms;
        count++;
    }
    sa_cost mean = {sum.ms / (double)count, sum.cpu_ms / (double)count};
    if (busy_threads > 0) mean.ms = mean.cpu_ms / busy_threads;
    return sa_cost_model_record(model, program->op[first].kind, &program->op[first].args, mean);
}

static sa_status record(sa_cost_model *model, const sa_program *program, const sa_device *device, const sa_cost *times)
{
    sa_cost sum = {0, 0};
    for (size_t i = 0; i < program->op_count; i++) {
        sum.ms += times[i].ms;
        sum.cpu_ms += times[i].cpu_ms;
    }
    bool busy = !device->has_queue && sum.ms > BUSY * sum.cpu_ms / device->threads;
    for (size_t i = 0; i < program->op_count; i++) SA_TRY(record_mean(model, program, times, i, busy ? device->threads : 0));
    return SA_OK;
}

sa_status sa_cost_measure(sa_cost_model *model, const sa_net *net, sa_device *device, const sa_strategy *strategy,
                          const sa_cost_measure_options *options)
{
    sa_session_options session_options = {.program = options->program, .time_ops = true, .seed = 1};
    sa_session *session = NULL;
    sa_feed *feed = NULL;
    op_times times = {0};
    sa_status status = sa_feed_open(net, NULL, 1, &feed);
    if (status == SA_OK) status = sa_session_create(net, strategy, device, &session_options, &session);
    if (status == SA_OK) status = open_times(&times, sa_session_layout(session)->program->op_count, options->steps);
    if (status == SA_OK) status = run_steps(session, feed, &times);
    if (status == SA_OK) {
        for (size_t i = 0; i < times.ops; i++) times.total[i] = median(&times, i);
        status = record(model, sa_session_layout(session)->program, device, times.total);
    }
    close_times(&times);
    sa_session_destroy(session);
    sa_feed_close(feed);
    return status;
}

/* ------------------------------------------------------------------ covering --------------------------------------- */

typedef struct cover {
    const sa_cost_model *model;
    sa_program **program; /* (count), owned */
    size_t *bytes;        /* (count): what an arena needs at least */
    bool *done;           /* (count) */
    size_t count;
} cover;

static sa_status open_cover(cover *c, const sa_net *net, const sa_device *device, const sa_strategy *const *strategies,
                            const sa_program_options *options)
{
    c->program = calloc(c->count + 1, sizeof(*c->program));
    c->bytes = calloc(c->count + 1, sizeof *c->bytes);
    c->done = calloc(c->count + 1, sizeof *c->done);
    if (!c->program || !c->bytes || !c->done) SA_FAIL(SA_NOMEM, "no memory for %zu programs", c->count);
    for (size_t i = 0; i < c->count; i++) {
        SA_TRY(sa_program_for_strategy(net, strategies[i], device, options, &c->program[i]));
        SA_TRY(sa_plan_max_load(c->program[i]->buffer, c->program[i]->buffer_count, &c->bytes[i]));
    }
    return SA_OK;
}

static void close_cover(cover *c)
{
    for (size_t i = 0; c->program && i < c->count; i++) sa_program_free(c->program[i]);
    free(c->program);
    free(c->bytes);
    free(c->done);
}

/* Strategy to run next: the one with the largest unknown share of its own time that fits; c->count if all know enough of theirs. */
static size_t choose(const cover *c, size_t free_bytes)
{
    size_t best = c->count;
    double most = LITTLE;
    for (size_t i = 0; i < c->count; i++) {
        double known;
        if (c->done[i] || c->bytes[i] + HEADROOM_BYTES > free_bytes) continue;
        sa_cost_predict(c->model, c->program[i], &known);
        if (1.0 - known <= most) continue;
        most = 1.0 - known;
        best = i;
    }
    return best;
}

sa_status sa_cost_measure_covering(sa_cost_model *model, const sa_net *net, sa_device *device, const sa_strategy *const *strategies,
                                   size_t count, const sa_cost_measure_options *options, int *measured)
{
    cover c = {.model = model, .count = count};
    int runs = 0;
    sa_status status = open_cover(&c, net, device, strategies, &options->program);
    while (status == SA_OK && runs < options->strategies_max) {
        size_t free_bytes, total_bytes;
        status = device->functions->mem_info(device, &free_bytes, &total_bytes);
        size_t next = status == SA_OK ? choose(&c, free_bytes) : count;
        if (next == count) break;
        if (options->report) options->report(options->context, strategies[next], runs);
        c.done[next] = true;
        status = sa_cost_measure(model, net, device, strategies[next], options);
        runs++;
    }
    close_cover(&c);
    if (status == SA_OK) *measured = runs;
    return status;
}
