/* `segarena explain NET.prototxt`: where Caffe's memory goes, to the byte, and what would fit. */
#include "cli/commands.h"
#include "cli/explain_report.h"
#include "cli/shipped_nets.h"
#include "core/size_text.h"

#include <argp.h>
#include <stdlib.h>

typedef struct explain_options {
    const char *net;
    char net_path[PATH_MAX]; /* of a shipped net */
    bool has_capacity, json;
    size_t capacity_bytes;
} explain_options;

static error_t parse(int key, char *argument, struct argp_state *state)
{
    explain_options *o = state->input;
    switch (key) {
    case 'c':
        if (sa_size_parse(argument, &o->capacity_bytes) != SA_OK) argp_error(state, "--capacity: %s", sa_error_message());
        o->has_capacity = true;
        return 0;
    case 'j': o->json = true; return 0;
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

static sa_status print(const explain_options *o, const sa_explanation *explanation)
{
    if (!o->json) return sa_explanation_print(stdout, explanation);
    char *text = sa_explanation_json(explanation);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

static sa_status run(const explain_options *o)
{
    sa_device *device = NULL;
    sa_net *net = NULL;
    sa_explanation explanation;
    SA_TRY(sa_device_open_cpu(0, &device));
    sa_status status = sa_net_load(o->net, NULL, &net);
    if (status == SA_OK) {
        sa_cli_note("explain", net->note);
        status = sa_explain(net, o->has_capacity ? &o->capacity_bytes : NULL, device, &explanation);
    }
    if (status == SA_OK) {
        status = print(o, &explanation);
        sa_explanation_free(&explanation);
    }
    sa_net_free(net);
    sa_device_close(device);
    return status;
}

int sa_cmd_explain(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"capacity", 'c', "SIZE", 0, "the memory of the graphics card, e.g. 8GiB: says what fits", 0},
        {"json", 'j', NULL, 0, "one JSON document on stdout", 0},
        {0},
    };
    static const struct argp ARGP = {
        OPTIONS, parse, "NET.prototxt", "Says where the memory goes when Caffe trains the net, and what would fit.", NULL,
        NULL,    NULL};
    explain_options options = {0};
    argp_err_exit_status = 2;
    if (argp_parse(&ARGP, argc, argv, 0, NULL, &options)) return 2;
    return run(&options) == SA_OK ? 0 : sa_cli_fail("explain");
}
