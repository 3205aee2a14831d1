/* `segarena explain NET.prototxt` or SOLVER.prototxt: where Caffe's memory goes, to the byte, and what would fit. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/explain_report.h"
#include "cli/file_kind.h"
#include "cli/net_options.h"
#include "cli/option_values.h"
#include "cli/process_frame.h"
#include "cli/progress.h"
#include "cli/shipped_nets.h"
#include "cli/text_output.h"
#include "net/solver_config.h"
#include "report/json_text.h"

#include <argp.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct explain_options {
    const char *net;
    char net_path[PATH_MAX]; /* of a shipped net */
    bool has_capacity, json, layers;
    size_t capacity_bytes;
    sa_cli_net_options options;
} explain_options;

enum { KEY_CAPACITY = 256, KEY_LAYERS, KEY_JSON = 'j' };

static error_t parse(int key, char *argument, struct argp_state *state)
{
    explain_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->options; return 0;
    case KEY_CAPACITY:
        o->capacity_bytes = sa_cli_size(state, "capacity", argument);
        o->has_capacity = true;
        return 0;
    case KEY_JSON: o->json = true; return 0;
    case KEY_LAYERS: o->layers = true; return 0;
    case ARGP_KEY_ARG:
        if (o->net) argp_error(state, "unexpected argument '%s'", argument);
        o->net = sa_cli_net_path(argument, "", o->net_path);
        return 0;
    case ARGP_KEY_END:
        if (!o->net) argp_error(state, "a net is needed: NET.prototxt, or the solver file that names it");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static sa_status print(const explain_options *o, const sa_explanation *explanation)
{
    if (!o->json) return sa_explanation_print(stdout, explanation);
    char *text = sa_explanation_json(explanation);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

/* With --json, a failure is told on stdout too. */
static void print_failure_json(const explain_options *o, bool assumed, const sa_unsupported_list *list)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "path", o->net);
    cJSON_AddStringToObject(root, "error", sa_error_message());
    cJSON_AddBoolToObject(root, "input_shapes_assumed", assumed);
    cJSON *rows = cJSON_AddArrayToObject(root, "unsupported");
    for (int i = 0; i < list->count && i < SA_UNSUPPORTED_MAX; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "line", list->item[i].line);
        cJSON_AddStringToObject(row, "layer", list->item[i].layer);
        cJSON_AddStringToObject(row, "type", list->item[i].type);
        cJSON_AddStringToObject(row, "what", list->item[i].what);
        cJSON_AddItemToArray(rows, row);
    }
    char *text = cJSON_Print(root);
    if (text) puts(text);
    free(text);
    cJSON_Delete(root);
}

/* Several things that are not supported are listed, a line each, in front of what the command ends with. */
static void print_failure(const explain_options *o, bool assumed, const sa_unsupported_list *list)
{
    bool types = false;
    if (o->json) print_failure_json(o, assumed, list);
    if (list->count < 2) return;
    for (int i = 0; i < list->count && i < SA_UNSUPPORTED_MAX; i++) {
        const sa_unsupported *item = &list->item[i];
        sa_text_say(stderr, 0, "line %d: layer '%s' (%s): %s", item->line, item->layer, item->type, item->what);
        types |= strstr(item->what, "layer type") != NULL;
    }
    (void)sa_error_set(SA_UNSUPPORTED, "%s: %d things in it are not supported, see above%s", o->net, list->count,
                       types ? "; --treat TYPE=identity or TYPE=input is a way on for types of layers" : "");
}

static sa_status explain(const explain_options *o, const char *net_path, const sa_cli_net_options *options,
                         const sa_solver_config *solver, bool *assumed)
{
    sa_progress progress;
    sa_device *device = NULL;
    sa_net *net = NULL;
    sa_explanation explanation;
    sa_status status = sa_cli_net_open("explain", net_path, options, assumed, &device, &net);
    sa_progress_wait(&progress, stderr, "segarena explain: planning the presets");
    if (status == SA_OK) status = sa_explain(net, o->has_capacity ? &o->capacity_bytes : NULL, solver, device, &explanation);
    sa_progress_wait_end(&progress);
    if (status == SA_OK) {
        sa_test_nets_bytes test_nets = {0};
        if (explanation.trains) sa_cli_test_nets(net, options, solver, &test_nets);
        sa_explanation_add_test_nets(&explanation, &test_nets);
        sa_fit_subject subject = {.net_path = net_path,
                                  .options = options,
                                  .solver = solver,
                                  .device = device,
                                  .test_nets_bytes = explanation.solver_tests ? test_nets.gpu_bytes : 0};
        sa_fit_find_images(net, &subject);
        sa_explanation_add_fit(&explanation, &subject);
        if (o->layers) status = sa_layer_table_create(net, &explanation.caffe, device, &explanation.layers);
        if (status == SA_OK) status = print(o, &explanation);
        sa_explanation_free(&explanation);
    }
    sa_net_free(net);
    sa_device_close(device);
    return status;
}

/* A solver file stands for its net. */
static sa_status run(const explain_options *o)
{
    sa_solver_config solver = {0};
    sa_cli_net_options options = o->options;
    const char *net_path = o->net;
    sa_unsupported_list *unsupported = calloc(1, sizeof *unsupported);
    if (!unsupported) SA_FAIL(SA_NOMEM, "no memory for a list");
    options.unsupported = unsupported;
    bool assumed = false, is_solver = sa_file_kind_of(o->net) == SA_FILE_SOLVER;
    sa_status status = is_solver ? sa_solver_config_load_any(o->net, &solver) : SA_OK;
    if (is_solver) {
        net_path = solver.net;
        options.state = &solver.train_state;
    }
    if (status == SA_OK) status = explain(o, net_path, &options, is_solver ? &solver : NULL, &assumed);
    if (status != SA_OK) print_failure(o, assumed, unsupported);
    free(unsupported);
    return status;
}

int sa_cmd_explain(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"capacity", KEY_CAPACITY, "SIZE", 0, "the memory of the graphics card, e.g. 8GiB: says what fits", 0},
        {"layers", KEY_LAYERS, NULL, 0, "what each layer takes in Caffe, and what is alive here while it runs", 0},
        {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
        {0},
    };
    static const struct argp_child CHILDREN[] = {{&sa_cli_net_argp, 0, NULL, 0}, {0}};
    static const struct argp ARGP = {OPTIONS,
                                     parse,
                                     "NET.prototxt|SOLVER.prototxt",
                                     "Says where the memory goes when Caffe trains the net, and what would fit.",
                                     CHILDREN,
                                     NULL,
                                     NULL};
    explain_options options = {.options.device = "cpu", .options.sizes_alone = true};
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    sa_process_keep_heap();
    return run(&options) == SA_OK ? 0 : sa_cli_fail("explain");
}
