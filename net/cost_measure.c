/* Measuring costs. Which strategies to run is a covering problem: the one that knows least about its own time is next. */
#include "net/cost_measure.h"

#include "net/feed.h"
#include "net/op_cost_key.h"
#include "net/session.h"

#include <stdlib.h>
#include <string.h>

enum { HEADROOM_BYTES = 256 << 20 };
static const double BUSY = 1.15;   /* wall time over CPU time a thread from which on the machine counts as busy */
static const double LITTLE = 0.03; /* share of the time that may stay unknown */

/* ------------------------------------------------------------------ one strategy ----------------------------------- */

typedef struct op_times {
    sa_cost shortest, sum; /* sum: over all steps so far, as the session keeps it */
} op_times;

static void note_step(const sa_session *session, op_times *times, size_t count, bool first)
{
    for (size_t i = 0; i < count; i++) {
        sa_cost sum = {(double)sa_session_op_ns(session, i) * 1e-6, (double)sa_session_op_cpu_ns(session, i) * 1e-6};
        sa_cost step = {sum.ms - times[i].sum.ms, sum.cpu_ms - times[i].sum.cpu_ms};
        if (first || step.ms < times[i].shortest.ms) times[i].shortest.ms = step.ms;
        if (first || step.cpu_ms < times[i].shortest.cpu_ms) times[i].shortest.cpu_ms = step.cpu_ms;
        times[i].sum = sum;
    }
}

static sa_status run_steps(sa_session *session, sa_feed *feed, int steps, op_times *times)
{
    size_t count = sa_session_layout(session)->program->op_count;
    for (int step = 0; step <= steps; step++) {
        SA_TRY(sa_feed_next(feed, session));
        SA_TRY(sa_session_run(session, 0.0f, (uint32_t)step, NULL));
        note_step(session, times, count, step <= 1); /* the first step touches memory for the first time */
    }
    return SA_OK;
}

/* Ops of one key, such as the bands of a level, are one op measured several times: it costs their mean. (The shortest of many would
 * be shorter than the shortest of few, and so favour strategies of many small ops.) */
static sa_status record_mean(sa_cost_model *model, const sa_program *program, const op_times *times, size_t first,
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
        sum.ms += times[i].shortest.ms;
        sum.cpu_ms += times[i].shortest.cpu_ms;
        count++;
    }
    sa_cost mean = {sum.ms / (double)count, sum.cpu_ms / (double)count};
    if (busy_threads > 0) mean.ms = mean.cpu_ms / busy_threads;
    return sa_cost_model_record(model, program->op[first].kind, &program->op[first].args, mean);
}

static sa_status record(sa_cost_model *model, const sa_program *program, const sa_device *device, const op_times *times)
{
    sa_cost sum = {0, 0};
    for (size_t i = 0; i < program->op_count; i++) {
        sum.ms += times[i].shortest.ms;
        sum.cpu_ms += times[i].shortest.cpu_ms;
    }
    bool busy = strcmp(device->kind, "cuda") != 0 && sum.ms > BUSY * sum.cpu_ms / device->threads;
    for (size_t i = 0; i < program->op_count; i++) SA_TRY(record_mean(model, program, times, i, busy ? device->threads : 0));
    return SA_OK;
}

sa_status sa_cost_measure(sa_cost_model *model, const sa_net *net, sa_device *device, const sa_strategy *strategy,
                          const sa_cost_measure_options *options)
{
    sa_session_options session_options = {.program = options->program, .time_ops = true, .seed = 1};
    sa_session *session = NULL;
    sa_feed *feed = NULL;
    op_times *times = NULL;
    sa_status status = sa_feed_open(net, NULL, 1, &feed);
    if (status == SA_OK) status = sa_session_create(net, strategy, device, &session_options, &session);
    if (status == SA_OK) {
        times = calloc(sa_session_layout(session)->program->op_count + 1, sizeof *times);
        status = times ? run_steps(session, feed, options->steps, times) : sa_error_set(SA_NOMEM, "no memory for the times of ops");
    }
    if (status == SA_OK) status = record(model, sa_session_layout(session)->program, device, times);
    free(times);
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
        sa_realizations r;
        SA_TRY(sa_strategy_apply(strategies[i], net, device, &r));
        sa_status status = sa_program_create(net, &r, device, options, &c->program[i]);
        sa_realizations_free(&r);
        SA_TRY(status);
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
