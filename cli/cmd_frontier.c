/* `segarena frontier NET.prototxt`: the strategies that no other one beats in bytes and predicted time, from the fastest to the
 * smallest, with a bound for each. */
#include "cli/budget_option.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/file_kind.h"
#include "cli/net_options.h"
#include "cli/option_values.h"
#include "cli/output_names.h"
#include "cli/process_frame.h"
#include "cli/shipped_nets.h"
#include "cli/text_output.h"
#include "core/size_text.h"
#include "report/json_text.h"

#include <argp.h>
#include <cjson/cJSON.h>
#include <stdlib.h>

enum { POINTS = 12, POINTS_MAX = 200 };

typedef struct frontier_options {
    const char *net, *conv, *costs, *save;
    char net_path[PATH_MAX]; /* of a shipped net */
    int points;
    bool json;
    sa_cli_net_options options;
} frontier_options;

enum { KEY_CONV = 'c', KEY_JSON = 'j', KEY_COSTS = 256, KEY_POINTS, KEY_SAVE };

static const struct argp_option OPTIONS[] = {
    {"points", KEY_POINTS, "N", 0, "at most so many, spread over the bytes (default 12)", 0},
    {"save", KEY_SAVE, "PREFIX", 0, "write the choices of point 1, 2, ... to PREFIX1.choices, ..., for --strategy @FILE", 0},
    {"costs", KEY_COSTS, "C", 0,
     "where predicted times come from: auto (measured ones if there are any), builtin, or measure (takes a minute or more)", 0},
    {"conv", KEY_CONV, "C", 0, "auto, im2col, direct, fft or cudnn", 0},
    {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    frontier_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->options; return 0;
    case KEY_POINTS: o->points = sa_cli_number(state, "points", argument, 2, POINTS_MAX); return 0;
    case KEY_SAVE: o->save = argument; return 0;
    case KEY_COSTS: o->costs = argument; return 0;
    case KEY_CONV: o->conv = argument; return 0;
    case KEY_JSON: o->json = true; return 0;
    case ARGP_KEY_ARG:
        if (o->net) argp_error(state, "unexpected argument '%s'", argument);
        o->net = sa_cli_net_path(argument, "", o->net_path);
        return 0;
    case ARGP_KEY_END:
        if (!o->net) argp_error(state, "a net is needed: NET.prototxt");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static sa_status print_json(const sa_net *net, const sa_frontier *f, const size_t *index, size_t count)
{
    cJSON *root = cJSON_CreateObject(), *rows;
    cJSON_AddStringToObject(root, "net", net->name);
    cJSON_AddStringToObject(root, "path", net->path ? net->path : "");
    cJSON_AddNumberToObject(root, "bound_bytes", (double)f->bound_bytes);
    rows = cJSON_AddArrayToObject(root, "frontier");
    for (size_t k = 0; rows && k < count; k++) {
        const sa_frontier_point *p = &f->point[index[k]];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "strategy", p->strategy.name);
        cJSON_AddNumberToObject(row, "total_bytes", (double)p->bytes);
        cJSON_AddNumberToObject(row, "predicted_ms", p->cost.ms);
        cJSON_AddNumberToObject(row, "bound_ms", p->bound_ms);
        cJSON_AddItemToArray(rows, row);
    }
    char *text = rows ? sa_json_text(root, true) : NULL;
    cJSON_Delete(root);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

static sa_status save_point(const frontier_options *o, const sa_net *net, const sa_strategy *strategy, size_t number)
{
    char path[PATH_MAX];
    sa_choices *switches = NULL;
    int length = snprintf(path, sizeof path, "%s%zu.choices", o->save, number);
    if (length >= (int)sizeof path) SA_FAIL(SA_INVALID, "--save: the name is too long");
    const sa_cli_output output = {"--save", path, SA_FILE_CHOICES};
    SA_TRY(sa_cli_outputs_check(&output, 1));
    if (!strategy->choices) SA_TRY(sa_choices_create(strategy->name, &switches));
    sa_status status = sa_choices_save(strategy->choices ? strategy->choices : switches, net->path ? net->path : net->name, path);
    sa_choices_free(switches);
    return status;
}

static sa_status output(const frontier_options *o, const sa_net *net, const sa_frontier *f, const size_t *index, size_t count)
{
    char bound[SA_SIZE_TEXT_BYTES];
    for (size_t k = 0; o->save && k < count; k++) SA_TRY(save_point(o, net, &f->point[index[k]].strategy, k + 1));
    if (o->json) return print_json(net, f, index, count);
    sa_cli_print_assumed(stdout, net);
    sa_text_say(stdout, 0, "%s (%s): %zu of %zu points of the frontier, of %zu strategies\n", net->name, net->path ? net->path : "",
                count, f->count, f->candidate_count);
    SA_TRY(sa_frontier_print(stdout, f, index, count, SIZE_MAX));
    sa_text_say(stdout, 0,
                "\ngap: over a bound of what keeping values, or dropping each once, can reach in these bytes. No strategy "
                "that was looked at can run in less than %s bytes: an op needs them at once.",
                sa_size_format_exact(f->bound_bytes, bound));
    return SA_OK;
}

static sa_status run_net(const frontier_options *o, const sa_net *net, sa_device *device)
{
    sa_budget_request request = {.command = "frontier", .program = {.training = sa_net_trains(net)}};
    sa_frontier f;
    sa_cost_model *model;
    size_t index[POINTS_MAX];
    SA_TRY(sa_conv_option_parse(o->conv, &request.conv));
    SA_TRY(sa_costs_option_parse(o->costs, SA_COSTS_AUTO, &request.costs));
    SA_TRY(sa_cli_frontier(&request, net, device, &f, &model));
    const size_t count = sa_frontier_pick(&f, (size_t)o->points, index);
    sa_status status = sa_frontier_bound(net, model, request.conv, &request.program, index, count, &f);
    if (status == SA_OK) status = output(o, net, &f, index, count);
    sa_cost_model_destroy(model);
    sa_frontier_free(&f);
    return status;
}

static sa_status run(const frontier_options *o)
{
    sa_device *device = NULL;
    sa_net *net = NULL;
    SA_TRY(sa_cli_net_open("frontier", o->net, &o->options, NULL, &device, &net));
    sa_status status = run_net(o, net, device);
    sa_net_free(net);
    sa_device_close(device);
    return status;
}

int sa_cmd_frontier(int argc, char **argv)
{
    static const struct argp_child CHILDREN[] = {{&sa_cli_net_argp, 0, NULL, 0}, {0}};
    static const struct argp ARGP = {
        OPTIONS, parse, "NET.prototxt", "The best strategies from the fastest to the smallest.", CHILDREN, NULL, NULL};
    frontier_options options = {.conv = "auto", .points = POINTS, .options.device = "cpu", .options.sizes_alone = true};
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    sa_process_keep_heap();
    return run(&options) == SA_OK ? 0 : sa_cli_fail("frontier");
}
