/* `segarena plan NET.prototxt`: the arena of a training step under a strategy, as tables, JSON, CSV or a page to look at. A solver
 * file stands for its net, trained by its rule: with its histories and passes. */
#include "cli/budget_option.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/file_kind.h"
#include "cli/net_options.h"
#include "cli/op_times.h"
#include "cli/option_values.h"
#include "cli/output_names.h"
#include "cli/plan_output.h"
#include "cli/plan_ranks.h"
#include "cli/plan_trace.h"
#include "cli/process_frame.h"
#include "cli/progress.h"
#include "cli/shipped_nets.h"
#include "cli/strategy_notes.h"
#include "cli/text_output.h"
#include "core/output_file.h"
#include "memory/plan_csv.h"
#include "net/solver_config.h"
#include "report/caffe_memory.h"
#include "report/json_text.h"

#include <argp.h>
#include <cjson/cJSON.h>
#include <stdlib.h>

typedef struct plan_options {
    const char *net, *strategy, *conv, *csv, *html, *svg, *trace, *costs, *times, *save_choices;
    char net_path[PATH_MAX]; /* of a shipped net */
    bool has_budget, strategy_given;
    size_t budget_bytes;
    bool json;
    int ranks, shards;     /* 0: not given */
    const char *link_text; /* NULL: not given */
    sa_link link;
    sa_cli_net_options options;
    const sa_solver_config *solver; /* NULL: a net was given, which SGD trains */
} plan_options;

enum {
    KEY_STRATEGY = 's',
    KEY_CONV = 'c',
    KEY_JSON = 'j',
    KEY_CSV = 256,
    KEY_HTML,
    KEY_SVG,
    KEY_TRACE,
    KEY_BUDGET,
    KEY_COSTS,
    KEY_TIMES,
    KEY_CHOICES
};
enum { KEY_RANKS = 300, KEY_SHARDS, KEY_LINK };

static const struct argp_option OPTIONS[] = {
    {"strategy", KEY_STRATEGY, "S", 0, "default fastest; see `segarena strategies`", 0},
    {"budget", KEY_BUDGET, "SIZE", 0,
     "the fastest strategy that fits in SIZE, or min: the least that is found; lists the alternatives", 0},
    {"save-choices", KEY_CHOICES, "FILE", 0, "write what --budget chose, for --strategy @FILE", 0},
    {"costs", KEY_COSTS, "C", 0,
     "where predicted times come from: auto (measured ones if there are any), builtin, or measure (takes a minute or more)", 0},
    {"times", KEY_TIMES, "FILE", 0, "take the times of ops from FILE, which `bench --ops --json` printed", 0},
    {"conv", KEY_CONV, "C", 0, "auto, im2col, direct, fft, winograd or cudnn", 0},
    {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
    {"csv", KEY_CSV, "FILE", 0, "write the placement: id,lower,upper,size,offset", 0},
    {"html", KEY_HTML, "FILE", 0, "write one HTML page that shows the arena over time, for any browser", 0},
    {"svg", KEY_SVG, "FILE", 0, "write the map of addresses over time as a picture, for documents", 0},
    {"trace", KEY_TRACE, "FILE", 0, "write the step as a trace: ops with their times, bytes alive per kind, buffers; for Perfetto",
     0},
    {"ranks", KEY_RANKS, "N", 0, "of N ranks that train together, the first: its arena, and what travels in a step", 0},
    {"shards", KEY_SHARDS, "S", 0, "batches of a step on all ranks (default: one for each rank and pass of iter_size)", 0},
    {"link", KEY_LINK, "RATE,LATENCY", 0, "with --ranks: how long that takes on such a link, 10Gb/s,20us say", 0},
    {0},
};

static bool takes_stdout(const char *path)
{
    return path && sa_output_file_is_stdout(path);
}

static int files_on_stdout(const plan_options *o)
{
    return takes_stdout(o->csv) + takes_stdout(o->html) + takes_stdout(o->svg) + takes_stdout(o->trace);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    plan_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->options; return 0;
    case KEY_STRATEGY: o->strategy = argument; return 0;
    case KEY_CONV: o->conv = argument; return 0;
    case KEY_JSON: o->json = true; return 0;
    case KEY_RANKS: o->ranks = sa_cli_number(state, "ranks", argument, 1, 65536); return 0;
    case KEY_SHARDS: o->shards = sa_cli_number(state, "shards", argument, 1, 65536); return 0;
    case KEY_LINK: o->link_text = argument; return 0;
    case KEY_CSV: o->csv = argument; return 0;
    case KEY_HTML: o->html = argument; return 0;
    case KEY_SVG: o->svg = argument; return 0;
    case KEY_TRACE: o->trace = argument; return 0;
    case KEY_COSTS: o->costs = argument; return 0;
    case KEY_TIMES: o->times = argument; return 0;
    case KEY_CHOICES: o->save_choices = argument; return 0;
    case KEY_BUDGET:
        o->budget_bytes = sa_cli_budget_size(state, argument);
        o->has_budget = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->net) argp_error(state, "unexpected argument '%s'", argument);
        o->net = sa_cli_net_path(argument, "", o->net_path);
        return 0;
    case ARGP_KEY_END:
        if (!o->net) argp_error(state, "a net is needed: NET.prototxt, or the solver file that names it");
        if (o->strategy && o->has_budget) argp_error(state, "--strategy and --budget: one or the other");
        if (o->link_text && o->ranks < 2) argp_error(state, "--link is a link between ranks: --ranks N, of 2 at least");
        if (o->link_text && sa_link_parse(o->link_text, &o->link) != SA_OK) argp_error(state, "--link: %s", sa_error_message());
        if (o->save_choices && !o->has_budget) argp_error(state, "--save-choices goes with --budget");
        o->strategy_given = o->strategy != NULL;
        if (!o->strategy) o->strategy = "fastest";
        if (files_on_stdout(o) + o->json > 1)
            argp_error(state, "--csv -, --html -, --svg -, --trace - and --json: only one of them can have standard output");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* What --budget chose from. */
typedef struct budget_result {
    sa_frontier frontier; /* count 0: no budget was given */
    size_t chosen;
} budget_result;

static void add_frontier(cJSON *document, const sa_frontier *f)
{
    cJSON *array = cJSON_AddArrayToObject(document, "frontier");
    for (size_t i = 0; array && i < f->count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "strategy", f->point[i].strategy.name);
        cJSON_AddNumberToObject(row, "total_bytes", (double)f->point[i].bytes);
        cJSON_AddNumberToObject(row, "predicted_ms", f->point[i].cost.ms);
        cJSON_AddItemToArray(array, row);
    }
}

static const sa_link *link_of(const plan_options *o)
{
    return o->link_text ? &o->link : NULL;
}

/* The report's document, with the frontier and the ranks where they were asked for. */
static sa_status print_json(const plan_options *o, const sa_plan_report *report, const sa_op_times *times,
                            const budget_result *budget)
{
    cJSON *document;
    SA_TRY(sa_plan_json(report, times, &document));
    if (budget->frontier.count > 0) add_frontier(document, &budget->frontier);
    if (o->ranks > 1) sa_plan_ranks_json(document, report, times, link_of(o));
    char *text = sa_json_text(document, budget->frontier.count > 0);
    cJSON_Delete(document);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

/* Files first. What goes to standard output is alone there. */
static sa_status output(const plan_options *o, const sa_plan_report *report, const sa_op_times *times, const budget_result *budget)
{
    const sa_layout *layout = report->layout;
    if (o->csv)
        SA_TRY(sa_plan_csv_write(o->csv, layout->program->buffer, layout->program->buffer_count, layout->plan.offset_bytes));
    if (o->csv) sa_cli_wrote("plan", o->csv, "%zu buffers", layout->program->buffer_count);
    if (o->html) SA_TRY(sa_plan_write_html(o->html, report, times));
    if (o->html) sa_cli_wrote("plan", o->html, "a page, to be opened in a browser");
    if (o->svg) SA_TRY(sa_plan_write_svg(o->svg, report));
    if (o->svg) sa_cli_wrote("plan", o->svg, "a picture, SVG");
    if (o->trace) SA_TRY(sa_plan_write_trace(o->trace, report, times));
    if (files_on_stdout(o) > 0) return SA_OK;
    if (o->json) return print_json(o, report, times, budget);
    sa_cli_print_assumed(stdout, report->net);
    if (budget->frontier.count > 0) {
        sa_text_say(stdout, 0, "no strategy beats one of these in bytes and predicted time:\n");
        SA_TRY(sa_frontier_print(stdout, &budget->frontier, NULL, 0, budget->chosen));
        putchar('\n');
    }
    SA_TRY(sa_plan_print(stdout, report));
    if (o->ranks > 1) sa_plan_ranks_print(stdout, report, times, o->link_text, link_of(o));
    return SA_OK;
}

/* The same with the times of the ops, which JSON, page and trace have. */
static sa_status output_timed(const plan_options *o, const sa_plan_report *report, const sa_device *device,
                              const budget_result *budget)
{
    sa_costs_option costs;
    sa_time_source source;
    sa_op_times times;
    if (!o->json && !o->html && !o->trace && !o->times && !o->link_text) return output(o, report, NULL, budget);
    SA_TRY(sa_costs_option_parse(o->costs, SA_COSTS_AUTO, &costs));
    SA_TRY(sa_time_source_open("plan", device, costs, o->times, &source));
    sa_status status = sa_time_source_ops(&source, report, true, &times);
    sa_time_source_close(&source);
    SA_TRY(status);
    status = output(o, report, &times, budget);
    free(times.ms);
    return status;
}

/* As `train` takes them. */
static sa_program_options on_ranks(const plan_options *o, sa_program_options options)
{
    const int passes = options.rule.passes > 1 ? options.rule.passes : 1;
    if (!options.training) return options;
    options.ranks = o->ranks;
    if (o->shards > 0 || o->ranks > 1) options.rule.passes = o->shards > 0 ? o->shards : passes * o->ranks;
    options.as_iter_size = o->shards == 0 && passes > 1;
    return options;
}

static sa_program_options program_options(const plan_options *o, const sa_net *net)
{
    sa_program_options options = {.training = sa_net_trains(net)};
    if (!o->solver) return on_ranks(o, options);
    options = sa_solver_program_options(o->solver);
    options.training = sa_net_trains(net);
    return on_ranks(o, options);
}

/* What Caffe allocates with the solver, not with SGD. */
static sa_status count_caffe(const plan_options *o, const sa_net *net, sa_plan_report *report)
{
    sa_caffe_memory caffe;
    if (!o->solver) return SA_OK;
    const sa_caffe_options options = {.solver = (sa_solver_type)o->solver->type, .l1_decay = o->solver->l1_decay};
    SA_TRY(sa_caffe_memory_create(net, &options, &caffe));
    report->caffe_total_bytes = caffe.gpu_total_bytes;
    sa_caffe_memory_free(&caffe);
    return SA_OK;
}

static sa_status plan(const plan_options *o, const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                      const budget_result *budget)
{
    sa_program_options options = program_options(o, net);
    if (o->has_budget) options.arena_limit_bytes = o->budget_bytes;
    sa_layout layout;
    sa_plan_report report;
    sa_progress progress;
    sa_progress_wait(&progress, stderr, "segarena plan: planning");
    sa_status status = sa_layout_create(net, strategy, device, &options, &layout);
    sa_progress_wait_end(&progress);
    SA_TRY(status);
    if (o->strategy_given) status = sa_preset_note_same("plan", strategy, layout.program, net, device, &options);
    if (status == SA_OK) status = sa_plan_report_create(net, strategy, &layout, &report);
    if (status == SA_OK) {
        status = count_caffe(o, net, &report);
        if (status == SA_OK) status = output_timed(o, &report, device, budget);
        sa_plan_report_free(&report);
    }
    sa_layout_free(&layout);
    return status;
}

/* A strategy of switches alone becomes a file too. */
static sa_status save_choices(const plan_options *o, const sa_net *net, const sa_strategy *strategy)
{
    sa_choices *switches = NULL;
    if (!strategy->choices) SA_TRY(sa_choices_create(strategy->name, &switches));
    sa_status status =
        sa_choices_save(strategy->choices ? strategy->choices : switches, net->path ? net->path : net->name, o->save_choices);
    sa_choices_free(switches);
    if (status == SA_OK) sa_cli_wrote("plan", o->save_choices, "choices, for --strategy @%s", o->save_choices);
    return status;
}

static sa_status choose_strategy(const plan_options *o, const sa_net *net, sa_device *device, sa_strategy *strategy,
                                 budget_result *budget)
{
    sa_budget_request request = {.command = "plan", .budget_bytes = o->budget_bytes, .program = program_options(o, net)};
    SA_TRY(sa_conv_option_parse(o->conv, &request.conv));
    SA_TRY(sa_costs_option_parse(o->costs, SA_COSTS_AUTO, &request.costs));
    if (!o->has_budget) {
        SA_TRY(sa_strategy_parse(o->strategy, strategy));
        sa_strategy_notes("plan", o->strategy, net);
        strategy->conv = request.conv;
        return SA_OK;
    }
    sa_cost_model *model;
    SA_TRY(sa_cli_frontier(&request, net, device, &budget->frontier, &model));
    sa_status status = sa_budget_solve(&budget->frontier, o->budget_bytes, &budget->chosen);
    if (status == SA_OK)
        status = sa_frontier_bound(net, model, request.conv, &request.program, &budget->chosen, 1, &budget->frontier);
    sa_cost_model_destroy(model);
    SA_TRY(status);
    sa_cli_budget_note("plan", &budget->frontier, budget->chosen, o->budget_bytes);
    SA_TRY(sa_strategy_copy(&budget->frontier.point[budget->chosen].strategy, strategy));
    return o->save_choices ? save_choices(o, net, strategy) : SA_OK;
}

static sa_status run_net(const plan_options *o)
{
    sa_device *device = NULL;
    sa_net *net = NULL;
    sa_strategy strategy = {.choices = NULL};
    budget_result budget = {0};
    const sa_cli_output outputs[] = {{"--csv", o->csv, SA_FILE_PLACEMENT},
                                     {"--html", o->html, SA_FILE_TIMELINE},
                                     {"--svg", o->svg, SA_FILE_MAP},
                                     {"--trace", o->trace, SA_FILE_TRACE},
                                     {"--save-choices", o->save_choices, SA_FILE_CHOICES}};
    SA_TRY(sa_cli_outputs_check(outputs, sizeof outputs / sizeof outputs[0]));
    /* The device is asked for workspace sizes; only --costs measure runs anything. */
    SA_TRY(sa_cli_net_open("plan", o->net, &o->options, NULL, &device, &net));
    sa_status status = choose_strategy(o, net, device, &strategy, &budget);
    if (status == SA_OK) status = plan(o, net, &strategy, device, &budget);
    sa_strategy_free(&strategy);
    sa_frontier_free(&budget.frontier);
    sa_net_free(net);
    sa_device_close(device);
    return status;
}

static sa_status run(const plan_options *o)
{
    sa_solver_config solver;
    plan_options of_solver = *o;
    if (sa_file_kind_of(o->net) != SA_FILE_SOLVER) return run_net(o);
    SA_TRY(sa_solver_config_load_any(o->net, &solver));
    of_solver.net = solver.net;
    of_solver.options.state = &solver.train_state;
    of_solver.solver = &solver;
    return run_net(&of_solver);
}

int sa_cmd_plan(int argc, char **argv)
{
    static const struct argp_child CHILDREN[] = {{&sa_cli_net_argp, 0, NULL, 0}, {0}};
    static const struct argp ARGP = {
        OPTIONS, parse, "NET.prototxt|SOLVER.prototxt", "Places every buffer of a training step into one arena.", CHILDREN,
        NULL,    NULL};
    plan_options options = {.conv = "auto", .options.device = "cpu", .options.sizes_alone = true};
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    sa_process_keep_heap();
    return run(&options) == SA_OK ? 0 : sa_cli_fail("plan");
}
