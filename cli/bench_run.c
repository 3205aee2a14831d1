/* Runs the strategies of a benchmark. All sessions that fit into memory together are opened first and then take turns, step by
 * step, so that a busy machine disturbs all of them alike; otherwise they run one after the other. */
#include "cli/bench_run.h"

#include "cli/bench_report.h"
#include "cli/budget_option.h"
#include "cli/commands.h"
#include "cli/preset_plan.h"
#include "cli/process_memory.h"
#include "cli/progress.h"
#include "cli/strategy_notes.h"
#include "core/size_text.h"
#include "net/feed.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The solver of SegNet's tutorial: what a step costs does not depend on it, what it computes does. */
static const float RATE = 0.1f, MOMENTUM = 0.9f, WEIGHT_DECAY = 5e-4f;
enum { HEADROOM_BYTES = 256 << 20 };

typedef struct contender {
    sa_bench_result result;
    uint64_t signature; /* of its program */
    sa_session *session;
    sa_feed *feed;
    int done;
    sa_step_times times[SA_BENCH_STEPS_MAX]; /* of the counted steps */
} contender;

typedef struct bench {
    const sa_bench_options *options;
    sa_net *net;
    sa_device *device;
    int count;
    contender *contender[SA_BENCH_STRATEGIES_MAX];
    sa_progress progress;
} bench;

static sa_session_options session_options(const bench *b)
{
    return (sa_session_options){
        .program = {.training = sa_net_trains(b->net), .rule.momentum = MOMENTUM, .weight_decay = WEIGHT_DECAY},
        .time_ops = b->options->ops,
        .seed = b->options->seed};
}

/* On a device that records, a step is timed once it is a replay. With --ops nothing is recorded. */
static int steps_not_timed(const bench *b)
{
    const int needed = b->options->ops ? 0 : b->device->warmup_steps;
    return b->options->warmup > needed ? b->options->warmup : needed;
}

/* ------------------------------------------------------------------ planning --------------------------------------- */

/* Takes over the strategy, in failure too. */
static sa_status add_strategy(bench *b, sa_strategy *strategy)
{
    contender *c = b->count < SA_BENCH_STRATEGIES_MAX ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        sa_strategy_free(strategy);
        if (b->count == SA_BENCH_STRATEGIES_MAX) SA_FAIL(SA_INVALID, "more than %d strategies", SA_BENCH_STRATEGIES_MAX);
        SA_FAIL(SA_NOMEM, "no memory for a strategy");
    }
    b->contender[b->count++] = c;
    c->result.strategy = *strategy;
    if (b->options->workspace_limited) sa_strategy_limit_workspace(&c->result.strategy, b->options->workspace_limit_bytes);
    SA_TRY(sa_conv_option_parse(b->options->conv, &c->result.strategy.conv));
    sa_session_options options = session_options(b);
    sa_layout layout;
    SA_TRY(sa_layout_create(b->net, &c->result.strategy, b->device, &options.program, &layout));
    c->result.predicted_bytes = layout.plan.peak_bytes;
    c->result.threads = b->device->threads;
    c->result.warmup = steps_not_timed(b);
    snprintf(c->result.device, sizeof c->result.device, "%s", b->device->kind);
    c->signature = sa_program_signature(layout.program);
    sa_layout_free(&layout);
    for (int i = 0; i < b->count - 1; i++)
        if (b->contender[i]->signature == c->signature &&
            sa_strategy_note_same("bench", &c->result.strategy, &b->contender[i]->result.strategy))
            break;
    return SA_OK;
}

static sa_status add_contender(bench *b, const char *name)
{
    sa_strategy strategy;
    SA_TRY(sa_strategy_parse(name, &strategy));
    return add_strategy(b, &strategy);
}

/* The point of the frontier, as its contender. */
static sa_status add_point(bench *b, const sa_frontier_point *point)
{
    sa_strategy strategy;
    SA_TRY(sa_strategy_copy(&point->strategy, &strategy));
    SA_TRY(add_strategy(b, &strategy));
    sa_bench_result *r = &b->contender[b->count - 1]->result;
    r->expected_ms = point->cost.ms;
    r->expected_cpu_ms = point->cost.cpu_ms;
    return SA_OK;
}

static sa_status add_points(bench *b, const sa_frontier *f)
{
    size_t index[SA_BENCH_STRATEGIES_MAX], count = sa_frontier_pick(f, (size_t)b->options->frontier, index), chosen;
    for (size_t i = 0; i < count; i++) SA_TRY(add_point(b, &f->point[index[i]]));
    if (b->options->budget_bytes == 0) return SA_OK;
    SA_TRY(sa_budget_solve(f, b->options->budget_bytes, &chosen));
    sa_cli_budget_note("bench", f, chosen, b->options->budget_bytes);
    for (size_t i = 0; i < count; i++)
        if (index[i] == chosen) return SA_OK;
    return add_point(b, &f->point[chosen]);
}

static sa_status plan_frontier(bench *b)
{
    const sa_bench_options *o = b->options;
    sa_budget_request request = {.command = "bench", .budget_bytes = o->budget_bytes, .program = session_options(b).program};
    sa_frontier f;
    SA_TRY(sa_conv_option_parse(o->conv, &request.conv));
    SA_TRY(sa_costs_option_parse(o->costs, o->frontier > 0 ? SA_COSTS_MEASURE : SA_COSTS_AUTO, &request.costs));
    SA_TRY(sa_cli_frontier(&request, b->net, b->device, &f, NULL));
    sa_status status = add_points(b, &f);
    sa_frontier_free(&f);
    return status;
}

static sa_status plan_all(bench *b)
{
    char list[1024];
    if (b->options->frontier > 0 || b->options->budget_bytes > 0) SA_TRY(plan_frontier(b));
    if (!b->options->strategies) return SA_OK;
    if (strlen(b->options->strategies) >= sizeof list) SA_FAIL(SA_INVALID, "list of strategies is too long");
    snprintf(list, sizeof list, "%s", b->options->strategies);
    char *rest = list, *name;
    while ((name = strsep(&rest, ",")) != NULL) {
        if (!strcmp(name, "ladder"))
            for (int i = 0; sa_preset_at(i); i++) SA_TRY(add_contender(b, sa_preset_at(i)->name));
        else if (*name) {
            sa_strategy_notes("bench", name, b->net);
            SA_TRY(add_contender(b, name));
        }
    }
    if (b->count == 0) SA_FAIL(SA_INVALID, "no strategy given");
    return SA_OK;
}

/* ------------------------------------------------------------------ running ---------------------------------------- */

static size_t ops_done(void *session)
{
    return sa_session_ops_done(session);
}

/* The line is about this contender and, if it is given, its session. */
static void show(bench *b, const contender *c, sa_session *session)
{
    size_t op_count = session ? sa_session_layout(session)->program->op_count : 0;
    sa_progress_turn(&b->progress, c->result.strategy.name, (size_t)c->done, (size_t)(steps_not_timed(b) + b->options->steps),
                     c->result.predicted_bytes, session, op_count);
}

static sa_status run_step(bench *b, contender *c)
{
    sa_bench_result *r = &c->result;
    sa_step_times times;
    show(b, c, c->session);
    SA_TRY(sa_feed_next(c->feed, c->session));
    SA_TRY(sa_session_run(c->session, RATE, (uint32_t)c->done, &times));
    SA_TRY(sa_step_outputs_read(&r->series.outputs, c->session));
    SA_TRY(sa_output_series_add(&r->series));
    sa_cli_note("bench", b->device->note);
    b->device->note[0] = '\0';
    r->loss[c->done] = sa_step_outputs_loss(&r->series.outputs);
    if (c->done >= r->warmup) c->times[r->steps++] = times;
    c->done++;
    return SA_OK;
}

/* After the first step: how much less device memory is free than before the session, the arena, and what driver and libraries took
 * beside it. */
static sa_status look_at_memory(bench *b, sa_bench_result *r)
{
    size_t free_bytes, total;
    if (b->device->host_memory) return SA_OK;
    SA_TRY(b->device->functions->mem_info(b->device, &free_bytes, &total));
    r->driver_bytes = r->free_bytes > free_bytes ? r->free_bytes - free_bytes : 0;
    return SA_OK;
}

/* Opens the session and runs its first step, between two looks at the process's resident memory. */
static sa_status start(bench *b, contender *c)
{
    sa_session_options options = session_options(b);
    size_t total, allocations = b->device->allocation_count;
    sa_bench_result *r = &c->result;
    show(b, c, NULL);
    SA_TRY(b->device->functions->mem_info(b->device, &r->free_bytes, &total));
    if (r->predicted_bytes + HEADROOM_BYTES > r->free_bytes) {
        char need[SA_SIZE_TEXT_BYTES], have[SA_SIZE_TEXT_BYTES], advice[SA_FIT_ADVICE_BYTES];
        size_t usable = r->free_bytes > HEADROOM_BYTES ? r->free_bytes - HEADROOM_BYTES : 0;
        r->skipped = true;
        sa_preset_fit_advice(b->net, r->strategy.conv, b->device, usable, advice);
        snprintf(r->why, sizeof r->why, "needs %s, %s are free; %s", sa_size_format(r->predicted_bytes, need),
                 sa_size_format(r->free_bytes, have), advice);
        return SA_OK;
    }
    SA_TRY(sa_feed_open_any(b->net, NULL, b->options->seed, &c->feed));
    SA_TRY(sa_output_series_create(b->net, &r->series));
    size_t base = sa_process_reset_peak();
    sa_status status = sa_session_create(b->net, &r->strategy, b->device, &options, &c->session);
    SA_TRY(sa_preset_advise(status, b->net, r->strategy.conv, b->device));
    SA_TRY(run_step(b, c));
    SA_TRY(look_at_memory(b, r));
    size_t peak = sa_process_peak_bytes();
    r->rss_over_base_bytes = peak > base ? peak - base : 0;
    r->device_allocations = b->device->allocation_count - allocations;
    r->measured_bytes = sa_session_measured_bytes(c->session);
    return SA_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median over the counted steps of what `pick` takes from each. */
static double median(const contender *c, int phase)
{
    double value[SA_BENCH_STEPS_MAX] = {0};
    for (int i = 0; i < c->result.steps; i++) {
        const sa_step_times *t = &c->times[i];
        double step = t->ms[SA_STEP_FORWARD] + t->ms[SA_STEP_BACKWARD] + t->ms[SA_STEP_UPDATE];
        value[i] = phase < SA_STEP_PHASES ? t->ms[phase] : phase == SA_STEP_PHASES ? step : t->cpu_ms;
    }
    qsort(value, (size_t)c->result.steps, sizeof *value, by_value);
    int n = c->result.steps;
    return n == 0 ? 0 : n % 2 ? value[n / 2] : 0.5 * (value[n / 2 - 1] + value[n / 2]);
}

static sa_status finish(bench *b, contender *c)
{
    sa_bench_result *r = &c->result;
    if (r->skipped) return SA_OK;
    r->forward_ms = median(c, SA_STEP_FORWARD);
    r->backward_ms = median(c, SA_STEP_BACKWARD);
    r->update_ms = median(c, SA_STEP_UPDATE);
    r->step_ms = median(c, SA_STEP_PHASES);
    r->step_cpu_ms = median(c, SA_STEP_PHASES + 1);
    SA_TRY(sa_session_state_hash(c->session, &r->state_hash));
    show(b, c, NULL); /* the session goes */
    if (b->options->ops && !b->options->json) sa_progress_clear(&b->progress);
    if (b->options->ops && !b->options->json) sa_bench_print_ops(stdout, c->session, r, c->done);
    if (b->options->ops && b->options->json) r->ops = sa_bench_ops_json(c->session, c->done);
    sa_session_destroy(c->session);
    sa_feed_close(c->feed);
    c->session = NULL;
    c->feed = NULL;
    return SA_OK;
}

static sa_status run_interleaved(bench *b)
{
    for (int i = 0; i < b->count; i++) SA_TRY(start(b, b->contender[i]));
    for (int step = 1; step < steps_not_timed(b) + b->options->steps; step++)
        for (int i = 0; i < b->count; i++)
            if (!b->contender[i]->result.skipped) SA_TRY(run_step(b, b->contender[i]));
    for (int i = 0; i < b->count; i++) SA_TRY(finish(b, b->contender[i]));
    return SA_OK;
}

static sa_status run_in_turn(bench *b)
{
    for (int i = 0; i < b->count; i++) {
        contender *c = b->contender[i];
        SA_TRY(start(b, c));
        for (int step = 1; step < c->result.warmup + b->options->steps && !c->result.skipped; step++) SA_TRY(run_step(b, c));
        SA_TRY(finish(b, c));
    }
    return SA_OK;
}

static sa_status run_all(bench *b)
{
    size_t sum = HEADROOM_BYTES, free_bytes, total;
    for (int i = 0; i < b->count; i++) sum += b->contender[i]->result.predicted_bytes;
    SA_TRY(b->device->functions->mem_info(b->device, &free_bytes, &total));
    bool together = b->count > 1 && sum < free_bytes;
    sa_progress_begin(&b->progress, stderr, b->contender[0]->result.strategy.name, 0, 1, 0);
    sa_progress_tick(&b->progress, ops_done, NULL, 0);
    sa_status status = together ? run_interleaved(b) : run_in_turn(b);
    sa_progress_clear(&b->progress);
    sa_progress_end(&b->progress);
    return status;
}

static sa_status run_bench(bench *b)
{
    SA_TRY(sa_cli_net_open("bench", b->options->net, &b->options->net_options, NULL, &b->device, &b->net));
    if (b->options->no_graph && b->device->functions->set_option) SA_TRY(b->device->functions->set_option(b->device, "graph", 0));
    if (!b->options->json) sa_cli_print_assumed(stdout, b->net);
    SA_TRY(plan_all(b));
    return run_all(b);
}

int sa_bench_command(const sa_bench_options *options)
{
    bench b = {.options = options};
    sa_status status = run_bench(&b);
    const sa_bench_result *results[SA_BENCH_STRATEGIES_MAX];
    for (int i = 0; i < b.count; i++) results[i] = &b.contender[i]->result;
    if (status == SA_OK && options->json) sa_bench_print_json(stdout, options, b.net, results, b.count);
    else if (status == SA_OK) sa_bench_print_table(stdout, b.net, b.device, results, b.count);
    for (int i = 0; i < b.count; i++) {
        sa_session_destroy(b.contender[i]->session);
        sa_feed_close(b.contender[i]->feed);
        sa_output_series_free(&b.contender[i]->result.series);
        cJSON_Delete(b.contender[i]->result.ops);
        sa_strategy_free(&b.contender[i]->result.strategy);
        free(b.contender[i]);
    }
    sa_net_free(b.net);
    sa_device_close(b.device);
    return status == SA_OK ? 0 : sa_cli_fail("bench");
}
