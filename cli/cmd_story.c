/* `segarena story NET... --html FILE`: one page with the plans of nets under several strategies. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/net_options.h"
#include "cli/output_names.h"
#include "cli/plan_output.h"
#include "cli/process_frame.h"
#include "cli/progress.h"
#include "cli/shipped_nets.h"
#include "cli/story.h"
#include "core/output_file.h"

#include <argp.h>
#include <string.h>

enum { NETS_MAX = 16 };

typedef struct story_options {
    const char *net[NETS_MAX], *html, *conv, *costs;
    char net_path[NETS_MAX][PATH_MAX]; /* of shipped nets */
    int net_count;
    sa_story_request request;
    sa_cli_net_options options;
} story_options;

enum { KEY_STRATEGY = 's', KEY_CONV = 'c', KEY_HTML = 256, KEY_COSTS, KEY_TIMES, KEY_NO_FRONTIER };

static const struct argp_option OPTIONS[] = {
    {"html", KEY_HTML, "FILE", 0, "write the page; required", 0},
    {"strategy", KEY_STRATEGY, "S[,S...]", 0, "the rungs in this order; default ladder: every preset", 0},
    {"no-frontier", KEY_NO_FRONTIER, NULL, 0, "leave out the budget search, and with it the slider", 0},
    {"costs", KEY_COSTS, "C", 0, "where times come from: auto (measured ones if there are any) or builtin", 0},
    {"times", KEY_TIMES, "FILE", 0, "take the times of ops from FILE, which `bench --ops --json` printed, where it has them", 0},
    {"conv", KEY_CONV, "C", 0, "auto, im2col, direct, fft or cudnn", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    story_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->options; return 0;
    case KEY_HTML: o->html = argument; return 0;
    case KEY_STRATEGY: o->request.strategies = argument; return 0;
    case KEY_NO_FRONTIER: o->request.frontier = false; return 0;
    case KEY_COSTS:
        if (strcmp(argument, "auto") != 0 && strcmp(argument, "builtin") != 0)
            argp_error(state, "--costs '%s': known are auto and builtin; `plan --costs measure` measures", argument);
        o->costs = argument;
        return 0;
    case KEY_TIMES: o->request.bench_path = argument; return 0;
    case KEY_CONV: o->conv = argument; return 0;
    case ARGP_KEY_ARG:
        if (o->net_count == NETS_MAX) argp_error(state, "more than %d nets", NETS_MAX);
        o->net[o->net_count] = sa_cli_net_path(argument, "", o->net_path[o->net_count]);
        o->net_count++;
        return 0;
    case ARGP_KEY_END:
        if (o->net_count == 0) argp_error(state, "a net is needed: NET.prototxt...");
        if (!o->html) argp_error(state, "--html FILE is missing");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static sa_status add_net(const story_options *o, const sa_story_request *request, const char *path, cJSON *nets)
{
    sa_device *device = NULL;
    sa_net *net = NULL;
    cJSON *json;
    sa_progress progress;
    SA_TRY(sa_cli_net_open("story", path, &o->options, NULL, &device, &net));
    sa_progress_wait(&progress, stderr, "segarena story: planning");
    sa_status status = sa_story_net(request, net, device, &json);
    sa_progress_wait_end(&progress);
    if (status == SA_OK) cJSON_AddItemToArray(nets, json);
    sa_net_free(net);
    sa_device_close(device);
    return status;
}

static sa_status run(const story_options *o)
{
    sa_story_request request = o->request;
    const sa_cli_output outputs[] = {{"--html", o->html, SA_FILE_PAGE}};
    SA_TRY(sa_cli_outputs_check(outputs, 1));
    SA_TRY(sa_conv_option_parse(o->conv, &request.conv));
    SA_TRY(sa_costs_option_parse(o->costs, SA_COSTS_AUTO, &request.costs));
    cJSON *nets = cJSON_CreateArray();
    sa_status status = SA_OK;
    for (int i = 0; i < o->net_count && status == SA_OK; i++) status = add_net(o, &request, o->net[i], nets);
    if (status != SA_OK) {
        cJSON_Delete(nets);
        return status;
    }
    SA_TRY(sa_pages_write_html(o->html, nets));
    sa_cli_wrote("story", o->html, "a page, to be opened in a browser");
    return SA_OK;
}

int sa_cmd_story(int argc, char **argv)
{
    static const struct argp_child CHILDREN[] = {{&sa_cli_net_argp, 0, NULL, 0}, {0}};
    static const struct argp ARGP = {OPTIONS,
                                     parse,
                                     "NET.prototxt...",
                                     "Writes one page that shows what each strategy does to the memory of nets: the ladder, a map "
                                     "for each rung, what a budget buys.",
                                     CHILDREN,
                                     NULL,
                                     NULL};
    story_options options = {.conv = "auto",
                             .request = {.strategies = "ladder", .frontier = true},
                             .options.device = "cpu",
                             .options.sizes_alone = true};
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    sa_process_keep_heap();
    return run(&options) == SA_OK ? 0 : sa_cli_fail("story");
}
