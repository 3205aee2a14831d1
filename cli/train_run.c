/* The training loop: batch, step, loss, log line, snapshot. */
#include "cli/train_run.h"

#include "cli/budget_option.h"
#include "cli/commands.h"
#include "cli/file_kind.h"
#include "cli/net_options.h"
#include "cli/output_names.h"
#include "cli/preset_plan.h"
#include "cli/progress.h"
#include "cli/session_weights.h"
#include "cli/strategy_notes.h"
#include "cli/text_output.h"
#include "cli/train_caffe_state.h"
#include "cli/train_data.h"
#include "cli/train_divergence.h"
#include "cli/train_shards.h"
#include "cli/train_snapshot.h"
#include "cli/train_watch.h"
#include "core/clock.h"
#include "core/growing_array.h"
#include "core/output_file.h"
#include "core/size_text.h"
#include "data/weights/weights.h"
#include "net/feed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_SEED = 1 };

typedef struct trainer {
    const sa_train_options *options; /* of this rank */
    sa_train_shards shards;
    sa_solver_config solver;
    sa_net *net;
    sa_device *device;
    sa_session *session;
    sa_feed *feed;
    sa_train_state *state;
    sa_train_snapshots snapshots;
    sa_data_position step_begin; /* of the step that runs */
    sa_train_watch watch;
    sa_progress progress;
    bool from_caffe;     /* resumed from a state of Caffe's, which has no position in the data */
    size_t budget_bytes; /* what tests leave of options->budget_bytes */
    sa_train_result *result;
} trainer;

/* ---- opening ---- */

/* What comes out of the net at the end of a step. */
static sa_status find_outputs(trainer *t)
{
    bool loss = false, learns = false;
    for (int l = 0; l < t->net->layer_count; l++) {
        const sa_layer *layer = &t->net->layer[l];
        loss |= layer->loss_weight != 0.0f;
        for (int i = 0; i < layer->param_count; i++) learns |= layer->param[i].needs_grad;
    }
    if (!loss) SA_FAIL(SA_INVALID, "%s: the net has no loss in the TRAIN phase: there is nothing to train by", t->net->path);
    if (!learns)
        SA_FAIL(SA_INVALID, "%s: no parameter below the loss has a learning rate (lr_mult): nothing would change", t->net->path);
    SA_TRY(sa_output_series_create(t->net, &t->result->series));
    t->result->has_accuracy = sa_step_outputs_has(&t->result->series.outputs, SA_OUTPUT_ACCURACY);
    return SA_OK;
}

static sa_status read_solver(trainer *t)
{
    const sa_train_options *o = t->options;
    SA_TRY(sa_solver_config_load(o->solver, &t->solver));
    sa_net_options net = {
        .batch = o->batch, .height = o->height, .width = o->width, .data_root = o->data_root, .state = &t->solver.train_state};
    SA_TRY(sa_net_load(t->solver.net, &net, &t->net));
    sa_train_result *r = t->result;
    snprintf(r->net, sizeof r->net, "%s", t->net->name);
    snprintf(r->net_path, sizeof r->net_path, "%s", t->net->path);
    snprintf(r->note, sizeof r->note, "%s", t->net->note);
    r->total_steps = (uint64_t)(o->steps > 0 ? o->steps : t->solver.max_iter);
    r->seed = t->solver.random_seed >= 0 ? (uint64_t)t->solver.random_seed : DEFAULT_SEED;
    r->ranks = o->exchange ? o->exchange->ranks : 1;
    r->shards = o->shards > 0 ? o->shards : t->solver.iter_size * r->ranks;
    if (r->total_steps == 0) SA_FAIL(SA_INVALID, "%s: how many steps? Neither max_iter nor --steps is given", o->solver);
    return find_outputs(t);
}

static sa_program_options program_options(const trainer *t)
{
    sa_program_options options = sa_solver_program_options(&t->solver);
    const sa_exchange *x = t->options->exchange;
    options.arena_limit_bytes = t->budget_bytes;
    options.as_iter_size = t->options->shards == 0 && t->solver.iter_size > 1;
    options.rule.passes = t->result->shards;
    options.ranks = x ? x->ranks : 1;
    options.rank = x ? x->rank : 0;
    return options;
}

/* A name that is wrong is told before anything is read. */
static sa_status check_names(const sa_train_options *o, sa_strategy *strategy, sa_costs_option *costs)
{
    SA_TRY(sa_strategy_parse(o->strategy, strategy));
    SA_TRY(sa_costs_option_parse(o->costs, SA_COSTS_AUTO, costs));
    return sa_conv_option_parse(o->conv, &strategy->conv);
}

static sa_status choose_for_budget(trainer *t, sa_costs_option costs)
{
    sa_strategy *strategy = &t->result->strategy;
    sa_budget_request request = {.command = "train", .costs = costs, .conv = strategy->conv, .program = program_options(t)};
    request.program.arena_limit_bytes = 0; /* the search looks at all sizes */
    request.budget_bytes = t->budget_bytes;
    return sa_cli_budget(&request, t->net, t->device, strategy);
}

/* Their arenas count in the budget, so under one they are planned first, as small as they get. */
static sa_status plan_tests(trainer *t)
{
    sa_strategy smallest;
    size_t budget = t->options->budget_bytes;
    if (t->shards.rank > 0) return SA_OK; /* rank 0 tests for all */
    SA_TRY(sa_strategy_parse("smallest", &smallest));
    smallest.conv = t->result->strategy.conv;
    const sa_train_tests_request request = {.options = t->options,
                                            .solver = &t->solver,
                                            .trained = t->net,
                                            .device = t->device,
                                            .strategy = budget > 0 ? &smallest : &t->result->strategy,
                                            .first_step = t->result->first_step,
                                            .last_step = t->result->total_steps,
                                            .seed = t->result->seed};
    SA_TRY(sa_train_tests_plan(&request, &t->watch.tests));
    size_t bytes = sa_train_tests_bytes(t->watch.tests);
    if (budget > 0 && bytes >= budget) SA_FAIL(SA_CAPACITY, "--budget %zu: the solver's tests alone take %zu bytes", budget, bytes);
    t->budget_bytes = budget == 0 || budget == SA_BUDGET_MIN ? budget : budget - bytes;
    return SA_OK;
}

/* Tells a missing list from one that is in another folder. */
static sa_status open_feed(trainer *t)
{
    const char *root = t->options->data_root;
    sa_status status = sa_feed_open(t->net, root, t->result->seed, &t->feed);
    if (status != SA_IO) return status;
    char cause[768];
    snprintf(cause, sizeof cause, "%.700s", sa_error_message());
    if (root) SA_FAIL(SA_IO, "the training data cannot be read: %s; names are relative to --data-root %s", cause, root);
    SA_FAIL(SA_IO, "the training data cannot be read: %s; --data-root DIR tells the folder that names are relative to", cause);
}

static sa_status read_resume(trainer *t, sa_snapshot_state *from)
{
    sa_train_result *r = t->result;
    t->from_caffe = sa_file_kind_of(t->options->resume) == SA_FILE_SOLVERSTATE;
    *from = (sa_snapshot_state){.seed = r->seed};
    if (t->from_caffe) SA_TRY(sa_train_state_load_caffe(t->state, t->options->resume, &from->step));
    else SA_TRY(sa_train_state_load(t->state, t->options->resume, from));
    if (from->step >= r->total_steps)
        SA_FAIL(SA_INVALID, "%s: %llu steps are done already; --steps or max_iter, the number of steps in all, is %llu",
                t->options->resume, (unsigned long long)from->step, (unsigned long long)r->total_steps);
    r->seed = from->seed;
    r->first_step = r->last_step = t->snapshots.saved_step = from->step;
    return SA_OK;
}

static sa_status open_session(trainer *t)
{
    sa_train_result *r = t->result;
    sa_session_options options = {.program = program_options(t), .seed = r->seed};
    if (t->options->progress)
        sa_progress_wait(&t->progress, t->options->progress, "segarena train: planning, taking the arena, filling it");
    sa_status status = sa_session_create(t->net, &r->strategy, t->device, &options, &t->session);
    if (t->options->progress) sa_progress_wait_end(&t->progress);
    SA_TRY(sa_preset_advise(status, t->net, r->strategy.conv, t->device));
    snprintf(r->device, sizeof r->device, "%s", t->device->kind);
    r->threads = t->device->threads;
    r->predicted_bytes = sa_session_layout(t->session)->plan.peak_bytes;
    r->arena_bytes = sa_session_arena_bytes(t->session);
    if (t->options->progress && t->options->strategy_given)
        SA_TRY(sa_preset_note_same("train", &r->strategy, sa_session_layout(t->session)->program, t->net, t->device,
                                   &options.program));
    for (int b = 0; b < t->net->blob_count && r->batch == 0; b++)
        if (t->net->layer[t->net->blob[b].producer].type->is_input) r->batch = t->net->blob[b].shape.dim[0];
    return SA_OK;
}

static sa_status check_outputs(const sa_train_options *o)
{
    const sa_cli_output outputs[] = {{"--snapshot", o->snapshot, SA_FILE_SNAPSHOT},
                                     {"--save-weights", o->save_weights, SA_FILE_WEIGHTS},
                                     {"--log", o->log_file, SA_FILE_LOG},
                                     {"--plot", o->plot, SA_FILE_PLOT}};
    return sa_cli_outputs_check(outputs, sizeof outputs / sizeof outputs[0]);
}

/* Where the weights are to go is looked at before the first step. */
static sa_status check_weights_place(const trainer *t)
{
    sa_weights_format format;
    SA_TRY(sa_weights_format_of(t->options->save_weights, &format));
    return sa_output_file_check(t->options->save_weights, sa_net_parameter_count(t->net) * sizeof(float));
}

/* All that this run is to write can be written now. */
static sa_status check_places(const trainer *t)
{
    SA_TRY(check_outputs(t->options));
    if (t->options->save_weights) SA_TRY(check_weights_place(t));
    return sa_train_snapshots_check(t->options, &t->solver, t->result->total_steps, sa_net_parameter_count(t->net));
}

/* Who writes and watches what, once all of it is there. */
static void connect(trainer *t)
{
    t->snapshots.options = t->options;
    t->snapshots.progress = &t->progress;
    t->snapshots.solver = &t->solver;
    t->snapshots.state = t->state;
    t->snapshots.session = t->session;
    t->snapshots.feed = t->feed;
    t->watch.options = t->options;
    t->watch.snapshots = &t->snapshots;
    t->watch.session = t->session;
    t->watch.progress = &t->progress;
    t->watch.result = t->result;
}

static sa_status open_trainer(trainer *t)
{
    const sa_train_options *o = t->options;
    sa_snapshot_state from;
    sa_costs_option costs;
    SA_TRY(check_names(o, &t->result->strategy, &costs));
    SA_TRY(read_solver(t));
    SA_TRY(sa_train_shards_open(o->exchange, t->result->shards, &t->result->series.outputs, &t->shards));
    if (t->shards.rank == 0) SA_TRY(check_places(t));
    SA_TRY(sa_train_state_create(t->net, (sa_update_kind)t->solver.type, &t->state));
    if (o->resume) SA_TRY(read_resume(t, &from));
    SA_TRY(open_feed(t));
    SA_TRY(sa_train_look_at_data(t->net, t->feed, o->stop, o->progress));
    if (o->resume && !t->from_caffe) SA_TRY(sa_feed_restore(t->feed, from.position));
    t->result->synthetic = sa_feed_is_synthetic(t->feed);
    const char *device = o->device ? o->device : t->solver.solver_mode == SA_SOLVER_CPU ? "cpu" : "auto";
    SA_TRY(sa_device_open(device, o->threads, &t->device));
    t->device->exchange = o->exchange;
    if (o->exchange && !t->device->host_memory)
        SA_FAIL(SA_UNSUPPORTED, "ranks exchange gradients in host memory: --device cpu; several ranks on cards are not there yet");
    if (o->progress) sa_cli_note_threads("train", t->device, o->threads);
    if (o->progress && o->budget_bytes == 0) sa_strategy_notes("train", o->strategy, t->net);
    SA_TRY(plan_tests(t));
    if (o->budget_bytes > 0) SA_TRY(choose_for_budget(t, costs));
    SA_TRY(open_session(t));
    SA_TRY(sa_train_tests_start(t->watch.tests, t->device));
    connect(t);
    if (o->weights) SA_TRY(sa_session_load_weights(t->session, t->net, o->weights, "train", o->progress));
    return o->resume ? sa_train_state_apply(t->state, t->session) : SA_OK;
}

static void close_trainer(trainer *t)
{
    sa_train_watch_close(&t->watch);
    sa_train_shards_close(&t->shards);
    sa_session_destroy(t->session);
    sa_feed_close(t->feed);
    sa_train_state_destroy(t->state);
    sa_net_free(t->net);
    sa_device_close(t->device);
}

/* ---- steps ---- */

static sa_status add_record(sa_train_result *r, const sa_train_record *record)
{
    sa_train_record *grown = sa_array_room(r->record, r->record_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory to keep %zu losses", r->record_count + 1);
    r->record = grown;
    r->record[r->record_count++] = *record;
    return SA_OK;
}

/* Between the forward pass and the rest of the step. */
static sa_status check_loss(void *context, sa_session *session)
{
    trainer *t = context;
    sa_step_outputs *outputs = &t->result->series.outputs;
    SA_TRY(sa_step_outputs_read(outputs, session));
    if (isfinite(sa_step_outputs_loss(outputs))) return SA_OK;
    return sa_error_set(SA_NUMERIC, "the loss is %g", (double)sa_step_outputs_loss(outputs));
}

static sa_status diverged(trainer *t, const sa_train_record *record)
{
    char where[SA_DIVERGENCE_BYTES];
    const sa_train_result *r = t->result;
    float loss = sa_step_outputs_loss(&r->series.outputs);
    uint64_t step = r->last_step + 1;
    sa_train_find_divergence(t->session, t->feed, &r->strategy, step, where);
    SA_FAIL(SA_NUMERIC,
            "the loss is %s at step %llu (learning rate %g): training has diverged; %s. What may help: a smaller base_lr, a "
            "warm-up (lr_policy), data "
            "scaled to about 1 (transform_param). No snapshot is written of this state%s%s",
            isnan(loss) ? "not a number" : "infinite", (unsigned long long)step, (double)record->rate, where,
            r->snapshot[0] ? "; the last one is " : "", r->snapshot);
}

/* A line for each of the first batches without a labelled pixel; the summary counts them all. */
static void note_batch(trainer *t)
{
    enum { LINES_MAX = 3 };
    const char *note = sa_feed_note(t->feed);
    if (!note[0] || t->result->void_batches >= LINES_MAX || !t->options->progress) return;
    sa_progress_clear(&t->progress);
    sa_text_say(t->options->progress, 0, "segarena train: step %llu: %s", (unsigned long long)t->result->last_step + 1, note);
}

/* Of several ranks the others do not know of a batch that cannot be had: they stop, and the last snapshot stays. */
static sa_status next_batch(trainer *t)
{
    sa_status found = sa_feed_next(t->feed, t->session);
    if (found != SA_OK && !t->options->exchange)
        return sa_train_snapshots_after_bad_batch(&t->snapshots, t->result, &t->step_begin, found);
    SA_TRY(found);
    note_batch(t);
    return SA_OK;
}

/* A pass over a batch of its own, if this rank has a shard in it. */
static sa_status run_pass(trainer *t, int pass, sa_train_record *record)
{
    const sa_step_outputs *outputs = &t->result->series.outputs;
    const bool has_shard = sa_session_has_shard(t->session, pass);
    uint64_t begin = sa_clock_ns();
    sa_train_shards_skip(&t->shards, pass, false, t->feed);
    if (has_shard) SA_TRY(next_batch(t));
    sa_train_shards_skip(&t->shards, pass, true, t->feed);
    uint64_t fed = sa_clock_ns();
    sa_status status = sa_session_run_pass(t->session, record->rate, (uint32_t)t->result->last_step, pass, NULL);
    sa_cli_note("train", t->device->note);
    t->device->note[0] = '\0';
    if (status == SA_NUMERIC && !isfinite(sa_step_outputs_loss(outputs))) return diverged(t, record);
    record->data_ms += 1e-6 * (double)(fed - begin);
    record->step_ms += 1e-6 * (double)(sa_clock_ns() - fed);
    return status;
}

static bool is_stopped(const trainer *t)
{
    return t->options->stop && *t->options->stop;
}

/* Losses and accuracies of a step are the means over its shards. */
static sa_status run_step(trainer *t)
{
    sa_train_result *r = t->result;
    sa_step_outputs *outputs = &r->series.outputs;
    sa_train_record record = {.rate = sa_solver_rate(&t->solver, (uint32_t)r->last_step)};
    t->step_begin = sa_feed_position(t->feed);
    for (int pass = 0; pass < sa_session_layout(t->session)->program->passes; pass++) {
        SA_TRY(run_pass(t, pass, &record));
        const bool is_void = sa_session_has_shard(t->session, pass) && sa_feed_note(t->feed)[0];
        SA_TRY(sa_train_shards_add(&t->shards, pass, outputs, is_stopped(t), is_void, &r->void_batches));
    }
    record.loss = sa_step_outputs_loss(outputs);
    record.accuracy = sa_step_outputs_accuracy(outputs);
    r->last_step++;
    SA_TRY(sa_output_series_add(&r->series));
    return add_record(r, &record);
}

/* The line that the solver's `display` and `average_loss` ask for. */
static void log_step(trainer *t)
{
    const sa_train_result *r = t->result;
    const sa_train_record *last = &r->record[r->record_count - 1];
    char mean[40] = "", accuracy[40] = "";
    if (!t->options->log || t->solver.display <= 0 || r->last_step % (uint64_t)t->solver.display) return;
    size_t window = (size_t)t->solver.average_loss < r->record_count ? (size_t)t->solver.average_loss : r->record_count;
    sa_progress_clear(&t->progress);
    if (window > 1) snprintf(mean, sizeof mean, " (mean of %zu)", window);
    if (r->has_accuracy) snprintf(accuracy, sizeof accuracy, "  accuracy %.4f", (double)last->accuracy);
    sa_text_say(t->options->log, 2, "step %llu  loss %.6g%s%s  rate %g", (unsigned long long)r->last_step,
                sa_train_mean_loss(r, r->record_count - window, window), mean, accuracy, (double)last->rate);
    fflush(t->options->log);
}

static void show_progress(trainer *t)
{
    const sa_train_result *r = t->result;
    const sa_train_record *last = &r->record[r->record_count - 1];
    char extra[120];
    int length = snprintf(extra, sizeof extra, "loss %.4f", (double)last->loss);
    if (r->has_accuracy) snprintf(extra + length, sizeof extra - (size_t)length, "  accuracy %.4f", (double)last->accuracy);
    if (t->options->progress) sa_progress_update(&t->progress, (size_t)r->last_step, extra);
}

static sa_status train(trainer *t)
{
    sa_train_result *r = t->result;
    t->shards.stop = is_stopped(t) && r->ranks == 1;
    sa_session_set_forward_check(t->session, check_loss, t);
    SA_TRY(sa_train_watch_begin(&t->watch));
    while (r->last_step < r->total_steps && !t->shards.stop) {
        SA_TRY(run_step(t));
        log_step(t);
        show_progress(t);
        SA_TRY(sa_train_watch_step(&t->watch));
        SA_TRY(sa_train_snapshots_after_step(&t->snapshots, r));
    }
    r->stopped = r->last_step < r->total_steps;
    if (r->record_count) SA_TRY(sa_train_snapshots_after_last(&t->snapshots, r));
    if (t->options->save_weights) {
        SA_TRY(sa_session_save_weights(t->session, t->net, t->options->save_weights));
        if (t->options->progress) sa_text_say(t->options->progress, 0, "segarena train: wrote %s", t->options->save_weights);
    }
    sa_train_watch_end(&t->watch);
    if (t->options->exchange && r->record_count > 0) {
        r->sent_bytes = (double)t->options->exchange->sent_bytes / (double)r->record_count;
        r->waited_ms = 1e-6 * (double)t->options->exchange->waited_ns / (double)r->record_count;
    }
    r->measured_bytes = sa_session_measured_bytes(t->session);
    return sa_session_state_hash(t->session, &r->state_hash);
}

/* ---- the result ---- */

static size_t ops_done(void *session)
{
    return sa_session_ops_done(session);
}

/* The plan, then the line that moves. */
static void begin_progress(trainer *t)
{
    const sa_train_result *r = t->result;
    char size[SA_SIZE_TEXT_BYTES];
    size_t ops = sa_session_layout(t->session)->program->op_count;
    sa_text_say(t->options->progress, 7, "plan   %s: arena %s bytes, %zu ops in a step, batch %d, on %s with %d threads",
                r->strategy.name, sa_size_format_exact(r->arena_bytes, size), ops, r->batch, r->device, r->threads);
    if (!t->options->save_weights && !sa_train_snapshots_last_wanted(t->options, &t->solver))
        sa_cli_note("train", "nothing is kept of the last step; --snapshot FILE or --save-weights FILE keeps it, or the solver's "
                             "snapshot_prefix");
    sa_progress_begin(&t->progress, t->options->progress, r->net, (size_t)r->first_step, (size_t)r->total_steps, r->arena_bytes);
    sa_progress_tick(&t->progress, ops_done, t->session, ops);
}

/* Rank 0 alone says and writes something. The snapshot's place stays: its state is collected from all. */
static sa_train_options of_this_rank(const sa_train_options *options)
{
    sa_train_options own = *options;
    if (!own.exchange || own.exchange->rank == 0) return own;
    own.progress = own.log = NULL;
    own.log_file = own.plot = own.save_weights = NULL;
    return own;
}

sa_status sa_train_run(const sa_train_options *options, sa_train_result *result)
{
    const sa_train_options own = of_this_rank(options);
    trainer t = {.options = &own, .result = result};
    sa_train_agreement agreement = {0};
    memset(result, 0, sizeof *result);
    sa_status status = open_trainer(&t);
    if (status == SA_OK && own.exchange) status = sa_train_agreement_of(&own, result, t.feed, t.session, t.solver.net, &agreement);
    status = sa_train_shards_agree(own.exchange, status, &agreement);
    options = &own;
    if (status == SA_OK) {
        if (options->progress) begin_progress(&t);
        status = train(&t);
        if (options->progress) sa_progress_end(&t.progress);
    }
    if (status == SA_OK) status = sa_train_result_find_medians(result);
    close_trainer(&t);
    if (status != SA_OK) sa_train_result_free(result);
    return status;
}
