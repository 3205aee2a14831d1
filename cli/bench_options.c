/* Command line of `segarena bench`, bench_old and bench_new. */
#include "cli/bench_run.h"

#include "cli/command_line.h"
#include "cli/option_values.h"
#include "cli/shipped_nets.h"
#include "core/size_text.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

typedef struct parse_state {
    sa_bench_options *options;
    const char *fixed_net;
} parse_state;

enum { KEY_STRATEGY = 's', KEY_CONV = 'c', KEY_WARMUP = 'w', KEY_STEPS = 'n', KEY_SEED = 'r', KEY_JSON = 'j' };

enum { KEY_BUDGET = 256, KEY_FRONTIER, KEY_COSTS, KEY_WORKSPACE_LIMIT, KEY_NO_GRAPH, KEY_OPS };

enum { FRONTIER_DEFAULT = 8 };

static error_t parse(int key, char *argument, struct argp_state *state)
{
    parse_state *p = state->input;
    sa_bench_options *o = p->options;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->net_options; return 0;
    case KEY_STRATEGY: o->strategies = argument; return 0;
    case KEY_CONV: o->conv = argument; return 0;
    case KEY_WARMUP: o->warmup = sa_cli_number(state, "warmup", argument, 0, SA_BENCH_STEPS_MAX / 2); return 0;
    case KEY_STEPS: o->steps = sa_cli_number(state, "steps", argument, 1, SA_BENCH_STEPS_MAX / 2); return 0;
    case KEY_SEED: o->seed = (uint64_t)sa_cli_number(state, "seed", argument, 0, 2147483647); return 0;
    case KEY_JSON: o->json = true; return 0;
    case KEY_OPS: o->ops = true; return 0;
    case KEY_NO_GRAPH: o->no_graph = true; return 0;
    case KEY_WORKSPACE_LIMIT:
        o->workspace_limited = true;
        if (sa_size_parse(argument, &o->workspace_limit_bytes) != SA_OK)
            argp_error(state, "--workspace-limit: %s", sa_error_message());
        return 0;
    case KEY_COSTS: o->costs = argument; return 0;
    case KEY_FRONTIER:
        o->frontier = argument ? sa_cli_number(state, "frontier", argument, 1, SA_BENCH_STRATEGIES_MAX) : FRONTIER_DEFAULT;
        return 0;
    case KEY_BUDGET: o->budget_bytes = sa_cli_budget_size(state, argument); return 0;
    case ARGP_KEY_ARG:
        if (p->fixed_net || o->net) argp_error(state, "unexpected argument '%s'", argument);
        o->net = sa_cli_net_path(argument, "", o->net_path);
        return 0;
    case ARGP_KEY_END:
        if (p->fixed_net) o->net = p->fixed_net;
        if (!o->net) argp_error(state, "a net is needed: NET.prototxt");
        if (!o->strategies && o->budget_bytes == 0 && o->frontier == 0) o->strategies = "fastest";
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int sa_bench_parse(int argc, char **argv, const char *fixed_net, sa_bench_options *options)
{
    static const struct argp_option OPTIONS[] = {
        {"strategy", KEY_STRATEGY, "S[,S...]", 0,
         "strategies to compare (default fastest; ladder: every preset); see `segarena strategies`", 0},
        {"budget", KEY_BUDGET, "SIZE", 0,
         "run the fastest strategy predicted to fit into so many bytes; min: the least that is found", 0},
        {"frontier", KEY_FRONTIER, "N", OPTION_ARG_OPTIONAL,
         "run N (8) strategies from the fastest to the smallest: predicted against measured", 0},
        {"costs", KEY_COSTS, "C", 0,
         "predicted times: builtin, auto (measured ones if there are any), or measure (--frontier's default)", 0},
        {"workspace-limit", KEY_WORKSPACE_LIMIT, "SIZE", 0,
         "most workspace per convolution (0: the least possible), whatever the strategy says", 0},
        {"no-graph", KEY_NO_GRAPH, NULL, 0, "cuda: launch every kernel instead of replaying a recorded step", 0},
        {"conv", KEY_CONV, "C", 0, "auto, im2col, direct, fft, winograd or cudnn", 0},
        {"warmup", KEY_WARMUP, "N", 0, "steps that are not timed (default 1)", 0},
        {"steps", KEY_STEPS, "N", 0, "steps that are timed (default 3)", 0},
        {"seed", KEY_SEED, "N", 0, "of parameters and data (default 1)", 0},
        {"ops", KEY_OPS, NULL, 0, "the time of every op, printed or in the JSON document (which `plan --times` takes)", 0},
        {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
        {0},
    };
    static const struct argp_child CHILDREN[] = {{&sa_cli_net_argp, 0, NULL, 0}, {0}};
    struct argp argp = {OPTIONS,
                        parse,
                        fixed_net ? NULL : "NET.prototxt",
                        "Runs training steps at full size and measures bytes and milliseconds.",
                        CHILDREN,
                        NULL,
                        NULL};
    parse_state state = {options, fixed_net};
    *options = (sa_bench_options){.conv = "auto", .net_options.device = "auto", .warmup = 1, .steps = 3, .seed = 1};
    return sa_cli_parse(&argp, argc, argv, &state) ? -1 : 2;
}
