/* `segarena train SOLVER.prototxt`: options, signals, what is printed at the end. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/file_kind.h"
#include "cli/net_options.h"
#include "cli/option_values.h"
#include "cli/process_frame.h"
#include "cli/shipped_nets.h"
#include "cli/text_output.h"
#include "cli/train_report.h"
#include "cli/train_run.h"
#include "core/exchange.h"
#include "core/output_file.h"
#include "ranks/ranks.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_STRATEGY = 's', KEY_CONV = 'c', KEY_DEVICE = 'd', KEY_THREADS = 't', KEY_STEPS = 'n', KEY_BATCH = 'b', KEY_JSON = 'j' };
enum {
    KEY_DATA_ROOT = 256,
    KEY_SNAPSHOT,
    KEY_RESUME,
    KEY_BUDGET,
    KEY_COSTS,
    KEY_WEIGHTS,
    KEY_SAVE_WEIGHTS,
    KEY_LOG,
    KEY_PLOT,
    KEY_SHARDS,
    KEY_SIZE
};

/* A signal handler has no other way to reach the loop. */
static volatile sig_atomic_t stop_signal;

/* Read by the handler; what it says of the last snapshot is as new as the last step. */
static const sa_train_result *running;
static const char *resumed_from; /* NULL: from nothing */

static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; /* nothing can be done about it in a handler */
}

/* Ctrl-C is answered at once, by what a handler may call: write. */
static void answer(bool again)
{
    bool none_yet = !running || !running->snapshot[0];
    const char *snapshot = none_yet ? resumed_from ? resumed_from : "" : running->snapshot;
    say(isatty(STDERR_FILENO) ? "\r\033[K" : "");
    say(again ? "segarena train: stopped at once; kept: "
              : "segarena train: finishing this step, then stopping; Ctrl-C again stops now, with ");
    say(snapshot[0] ? none_yet ? "the snapshot that this run resumed from, " : "the snapshot "
        : again     ? "nothing, no snapshot was written yet"
                    : "no snapshot written yet");
    say(snapshot);
    say("\n");
}

/* The first signal ends the training after its step. A second Ctrl-C or SIGTERM ends the process as ever; of a terminal that hangs
 * up or a pipe that is closed more than one signal comes, and the snapshot is still to be written. */
static void note_signal(int signal_number)
{
    bool again = stop_signal != 0;
    if (signal_number == SIGINT) answer(again);
    if (!again) stop_signal = signal_number;
    else if (signal_number == SIGINT || signal_number == SIGTERM) sa_process_end_by_signal(signal_number);
}

/* What was ignored (nohup, a background job) stays so. */
/* mpirun hands on SIGUSR1 to all ranks, which stop after the same step. */
static void catch_signals(const sa_train_result *result, bool ranks)
{
    static const int STOPPING[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1};
    stop_signal = 0;
    running = result;
    for (size_t i = 0; i < sizeof STOPPING / sizeof STOPPING[0] - !ranks; i++) {
        struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART}, old;
        sigemptyset(&action.sa_mask);
        if (sigaction(STOPPING[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(STOPPING[i], &action, NULL);
    }
}

static bool takes_stdout(const sa_train_options *o)
{
    return (o->log_file && sa_output_file_is_stdout(o->log_file)) || (o->plot && sa_output_file_is_stdout(o->plot));
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    sa_train_options *o = state->input;
    switch (key) {
    case KEY_STRATEGY: o->strategy = argument; return 0;
    case KEY_CONV: o->conv = argument; return 0;
    case KEY_DEVICE: o->device = argument; return 0;
    case KEY_THREADS: o->threads = sa_cli_number(state, "threads", argument, 1, 1024); return 0;
    case KEY_STEPS: o->steps = sa_cli_number(state, "steps", argument, 1, 2147483647); return 0;
    case KEY_BATCH: o->batch = sa_cli_number(state, "batch", argument, 1, 65536); return 0;
    case KEY_SIZE: sa_cli_parse_size(state, argument, &o->height, &o->width); return 0;
    case KEY_SHARDS: o->shards = sa_cli_number(state, "shards", argument, 1, 65536); return 0;
    case KEY_DATA_ROOT: o->data_root = argument; return 0;
    case KEY_SNAPSHOT: o->snapshot = argument; return 0;
    case KEY_RESUME: o->resume = argument; return 0;
    case KEY_WEIGHTS: o->weights = argument; return 0;
    case KEY_SAVE_WEIGHTS: o->save_weights = argument; return 0;
    case KEY_LOG: o->log_file = argument; return 0;
    case KEY_PLOT: o->plot = argument; return 0;
    case KEY_JSON: o->json = true; return 0;
    case KEY_COSTS: o->costs = argument; return 0;
    case KEY_BUDGET: o->budget_bytes = sa_cli_budget_size(state, argument); return 0;
    case ARGP_KEY_ARG:
        if (o->solver) argp_error(state, "unexpected argument '%s'", argument);
        o->solver = sa_cli_net_path(argument, "_solver", o->solver_path);
        return 0;
    case ARGP_KEY_END:
        if (!o->solver) argp_error(state, "a solver is needed: SOLVER.prototxt");
        if (o->weights && o->resume) argp_error(state, "--weights and --resume: a resumed run has its parameters already");
        if (o->json && takes_stdout(o)) argp_error(state, "--json takes standard output for itself: --log and --plot need files");
        if (o->strategy && o->budget_bytes > 0) argp_error(state, "--strategy and --budget: one or the other");
        o->strategy_given = o->strategy != NULL;
        if (!o->strategy) o->strategy = "fastest";
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option OPTIONS[] = {
    {"strategy", KEY_STRATEGY, "S", 0, "memory strategy (default fastest); see `segarena strategies`", 0},
    {"budget", KEY_BUDGET, "SIZE", 0,
     "the fastest strategy that fits in SIZE, or min: the least that is found; instead of --strategy", 0},
    {"costs", KEY_COSTS, "C", 0,
     "times of --budget: auto (measured ones if there are any), builtin, or measure (takes a minute or more)", 0},
    {"conv", KEY_CONV, "C", 0, "auto, im2col, direct, fft, winograd or cudnn", 0},
    {"device", KEY_DEVICE, "D", 0, "auto, cpu, cuda or cuda:N (default: as the solver's solver_mode says)", 0},
    {"threads", KEY_THREADS, "N", 0, "CPU threads (default: all cores)", 0},
    {"data-root", KEY_DATA_ROOT, "DIR", 0, "folder that the names in the net's lists are relative to", 0},
    {"steps", KEY_STEPS, "N", 0, "steps in all, resumed ones included (default: the solver's max_iter)", 0},
    {"batch", KEY_BATCH, "N", 0, "replaces the batch size of the net", 0},
    {"size", KEY_SIZE, "HxW", 0, "replaces the size of the images; labels follow. Trains on synthetic scenes then", 0},
    {"shards", KEY_SHARDS, "S", 0,
     "batches of a step, each a forward and backward pass with its own BN statistics, gradients summed in order (default: the "
     "solver's iter_size, for each rank)",
     0},
    {"snapshot", KEY_SNAPSHOT, "FILE", 0, "where the state goes after the last step (default: the solver's snapshot_prefix)", 0},
    {"resume", KEY_RESUME, "FILE", 0, "snapshot to go on from, to the bit; or a .solverstate of Caffe's with its caffemodel", 0},
    {"weights", KEY_WEIGHTS, "FILE", 0,
     "start from these: .caffemodel, .safetensors or .sasnap; layers by name, the rest by fillers", 0},
    {"save-weights", KEY_SAVE_WEIGHTS, "FILE", 0, "write the weights after the last step; the ending tells the format", 0},
    {"log", KEY_LOG, "FILE", 0, "the learning curve as CSV, a row per step; with --resume it goes on", 0},
    {"plot", KEY_PLOT, "FILE", 0, "the learning curve as a picture (SVG), renewed at each test and each minute", 0},
    {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
    {0},
};

static sa_status check_files(const sa_train_options *o)
{
    SA_TRY(sa_cli_net_expect(o->solver, "_solver"));
    SA_TRY(sa_file_kind_expect("train", o->solver, SA_FILE_SOLVER));
    if (o->weights) SA_TRY(sa_file_kind_expect("train", o->weights, SA_FILE_WEIGHTS));
    return o->resume ? sa_file_kind_expect("train", o->resume, SA_FILE_STATE) : SA_OK;
}

/* What ended the run, in words. */
static const char *stop_text(int signal_number)
{
    switch (signal_number) {
    case SIGINT: return "interrupted (Ctrl-C)";
    case SIGTERM: return "stopped by SIGTERM";
    case SIGHUP: return "stopped by SIGHUP (the terminal is gone)";
    case SIGPIPE: return "stopped by SIGPIPE (nobody reads the output any more)";
    case SIGUSR1: return "stopped by SIGUSR1";
    default: return "stopped";
    }
}

static void say_written(const sa_train_options *o, const sa_train_result *r)
{
    if (r->curve_problem[0]) return;
    if (o->log_file) sa_cli_wrote("train", o->log_file, "%zu steps", r->record_count);
    if (o->plot) sa_cli_wrote("train", o->plot, "the learning curve, to be opened in a browser");
}

/* Of several ranks the first one speaks; where it is gone, the next. */
static bool speaks(const sa_train_options *o)
{
    return !o->exchange || o->exchange->rank == (o->exchange->first_is_gone ? 1 : 0);
}

static int fail(const sa_train_options *o)
{
    if (speaks(o)) (void)sa_cli_fail("train");
    fflush(stdout);
    return 1;
}

/* What came out; returns the exit status. */
static int tell(const sa_train_options *options, const sa_train_result *result, bool alone)
{
    sa_cli_note("train", result->note);
    if (options->json) sa_train_print_json(stdout, options, result);
    else sa_train_print_summary(alone ? stderr : stdout, result);
    say_written(options, result);
    if (result->stopped)
        sa_text_say(stderr, 0, "segarena train: %s after step %llu of %llu; %s%s", stop_text((int)stop_signal),
                    (unsigned long long)result->last_step, (unsigned long long)result->total_steps,
                    result->snapshot[0] ? "--resume goes on from " : "no snapshot was written", result->snapshot);
    if (result->snapshot_problem[0])
        sa_text_say(stderr, 0, "segarena train: the last state is not where it was wanted but in %s: %s", result->snapshot,
                    result->snapshot_problem);
    if (result->curve_problem[0])
        sa_text_say(stderr, 0, "segarena train: the learning curve is not complete: %s", result->curve_problem);
    return result->stopped || result->snapshot_problem[0] || result->curve_problem[0] ? 1 : 0;
}

int sa_cmd_train(int argc, char **argv)
{
    static const struct argp ARGP = {
        OPTIONS,
        parse,
        "SOLVER.prototxt",
        "Trains a net as its solver file says. Ctrl-C ends it after the step that runs, with a snapshot where one is wanted.",
        NULL,
        NULL,
        NULL};
    sa_train_options options = {.conv = "auto", .progress = stderr, .stop = &stop_signal};
    sa_train_result result;
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    bool alone = options.json || takes_stdout(&options); /* on standard output */
    options.log = alone ? stderr : stdout;
    memset(&result, 0, sizeof result);
    resumed_from = options.resume;
    if (sa_ranks_open(&options.exchange) != SA_OK) return sa_cli_fail("train");
    if (options.exchange && options.threads == 0) options.threads = sa_ranks_threads(options.exchange);
    catch_signals(&result, options.exchange != NULL);
    sa_status trained = check_files(&options);
    if (trained == SA_OK) trained = sa_train_run(&options, &result);
    int status = trained != SA_OK ? fail(&options) : speaks(&options) ? tell(&options, &result, alone) : 0;
    if (options.exchange) options.exchange->functions->close(options.exchange, trained != SA_OK ? sa_error_message() : NULL);
    sa_train_result_free(&result);
    return status;
}
