/* `segarena story NET...`: plans of nets under several strategies, as one page or as one picture. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/net_options.h"
#include "cli/option_values.h"
#include "cli/output_names.h"
#include "cli/plan_output.h"
#include "cli/process_frame.h"
#include "cli/progress.h"
#include "cli/shipped_nets.h"
#include "cli/story.h"
#include "cli/story_picture.h"
#include "core/output_file.h"

#include <argp.h>
#include <string.h>

enum { NETS_MAX = 16 };

typedef struct story_options {
    const char *net[NETS_MAX], *html, *svg, *conv, *costs;
    char net_path[NETS_MAX][PATH_MAX]; /* of shipped nets */
    size_t net_count, capacity_bytes;
    sa_story_request request;
    sa_cli_net_options options;
} story_options;

enum { KEY_STRATEGY = 's', KEY_CONV = 'c', KEY_HTML = 256, KEY_SVG, KEY_CAPACITY, KEY_COSTS, KEY_TIMES, KEY_NO_FRONTIER };

static const struct argp_option OPTIONS[] = {
    {"html", KEY_HTML, "FILE", 0, "write one HTML page, for any browser: the ladder, a map per rung, what a budget buys", 0},
    {"svg", KEY_SVG, "FILE", 0, "write one picture: the nets side by side, a row of maps per strategy", 0},
    {"capacity", KEY_CAPACITY, "SIZE", 0, "draw a line at SIZE into the picture", 0},
    {"strategy", KEY_STRATEGY, "S[,S...]", 0,
     "the rungs in this order; default of the page: ladder, which is every preset; of the picture: caffe,fastest", 0},
    {"no-frontier", KEY_NO_FRONTIER, NULL, 0, "leave the budget search out of the page, and with it the slider", 0},
    {"costs", KEY_COSTS, "C", 0, "where times come from: auto (measured ones if there are any) or builtin", 0},
    {"times", KEY_TIMES, "FILE", 0, "take the times of ops from FILE, which `bench --ops --json` printed, where it has them", 0},
    {"conv", KEY_CONV, "C", 0, "auto, im2col, direct, fft or cudnn", 0},
    {0},
};

static error_t end_of_arguments(const story_options *o, struct argp_state *state)
{
    if (o->net_count == 0) argp_error(state, "a net is needed: NET.prototxt...");
    if (!o->html && !o->svg) argp_error(state, "--html FILE or --svg FILE is missing");
    if (o->html && o->svg && sa_output_file_is_stdout(o->html) && sa_output_file_is_stdout(o->svg))
        argp_error(state, "--html - and --svg -: only one of them can have standard output");
    return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    story_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->options; return 0;
    case KEY_HTML: o->html = argument; return 0;
    case KEY_SVG: o->svg = argument; return 0;
    case KEY_CAPACITY: o->capacity_bytes = sa_cli_size(state, "capacity", argument); return 0;
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
    case ARGP_KEY_END: return end_of_arguments(o, state);
    default: return ARGP_ERR_UNKNOWN;
    }
}

static sa_status write_page(const story_options *o, const sa_story_request *request, const sa_story_nets *nets)
{
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < o->net_count; i++) {
        cJSON *json;
        sa_status status = sa_story_net(request, nets[i].net, nets[i].device, &json);
        if (status != SA_OK) cJSON_Delete(all);
        SA_TRY(status);
        cJSON_AddItemToArray(all, json);
    }
    return sa_pages_write_html(o->html, all);
}

static sa_status tell(const story_options *o, const sa_story_nets *nets)
{
    sa_story_request request = o->request;
    sa_progress progress;
    SA_TRY(sa_conv_option_parse(o->conv, &request.conv));
    SA_TRY(sa_costs_option_parse(o->costs, SA_COSTS_AUTO, &request.costs));
    sa_progress_wait(&progress, stderr, "segarena story: planning");
    sa_status status = SA_OK;
    if (!request.strategies) request.strategies = "ladder";
    if (o->html) status = write_page(o, &request, nets);
    if (!o->request.strategies) request.strategies = "caffe,fastest";
    if (status == SA_OK && o->svg) status = sa_story_write_svg(o->svg, &request, nets, o->net_count, o->capacity_bytes);
    sa_progress_wait_end(&progress);
    SA_TRY(status);
    if (o->html) sa_cli_wrote("story", o->html, "a page, to be opened in a browser");
    if (o->svg) sa_cli_wrote("story", o->svg, "a picture, SVG");
    return SA_OK;
}

static sa_status run(const story_options *o)
{
    sa_story_nets nets[NETS_MAX] = {{0}};
    const sa_cli_output outputs[] = {{"--html", o->html, SA_FILE_TIMELINE}, {"--svg", o->svg, SA_FILE_MAP}};
    SA_TRY(sa_cli_outputs_check(outputs, 2));
    sa_status status = SA_OK;
    for (size_t i = 0; i < o->net_count && status == SA_OK; i++)
        status = sa_cli_net_open("story", o->net[i], &o->options, NULL, &nets[i].device, &nets[i].net);
    if (status == SA_OK) status = tell(o, nets);
    for (size_t i = 0; i < o->net_count; i++) {
        sa_net_free(nets[i].net);
        sa_device_close(nets[i].device);
    }
    return status;
}

int sa_cmd_story(int argc, char **argv)
{
    static const struct argp_child CHILDREN[] = {{&sa_cli_net_argp, 0, NULL, 0}, {0}};
    static const struct argp ARGP = {OPTIONS,
                                     parse,
                                     "NET.prototxt...",
                                     "Shows what each strategy does to the memory of nets, as one page or as one picture.",
                                     CHILDREN,
                                     NULL,
                                     NULL};
    story_options options = {.conv = "auto", .request.frontier = true, .options.device = "cpu", .options.sizes_alone = true};
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    sa_process_keep_heap();
    return run(&options) == SA_OK ? 0 : sa_cli_fail("story");
}
