/* `segarena plan NET.prototxt`: the arena of a training step under a strategy, as tables, JSON, CSV or a page to look at. */
#include "cli/commands.h"
#include "cli/plan_output.h"
#include "memory/plan_csv.h"

#include <argp.h>
#include <stdlib.h>

typedef struct plan_options {
    const char *net, *strategy, *conv, *csv, *html;
    int batch; /* 0: the net's own */
    bool json;
} plan_options;

enum { KEY_STRATEGY = 's', KEY_CONV = 'c', KEY_BATCH = 'b', KEY_JSON = 'j', KEY_CSV = 256, KEY_HTML, BATCH_MAX = 65536 };

static const struct argp_option OPTIONS[] = {
    {"strategy", KEY_STRATEGY, "S", 0, "default fastest; see `segarena strategies`", 0},
    {"conv", KEY_CONV, "C", 0, "auto, im2col, direct or fft", 0},
    {"batch", KEY_BATCH, "N", 0, "replaces the batch size of the net", 0},
    {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
    {"csv", KEY_CSV, "FILE", 0, "write the placement: id,lower,upper,size,offset", 0},
    {"html", KEY_HTML, "FILE", 0, "write one HTML page that shows the arena over time, for any browser", 0},
    {0},
};

static int parse_batch(struct argp_state *state, const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end || value < 1 || value > BATCH_MAX)
        argp_error(state, "--batch %s: a whole number from 1 to %d is expected", text, BATCH_MAX);
    return (int)value;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    plan_options *o = state->input;
    switch (key) {
    case KEY_STRATEGY: o->strategy = argument; return 0;
    case KEY_CONV: o->conv = argument; return 0;
    case KEY_BATCH: o->batch = parse_batch(state, argument); return 0;
    case KEY_JSON: o->json = true; return 0;
    case KEY_CSV: o->csv = argument; return 0;
    case KEY_HTML: o->html = argument; return 0;
    case ARGP_KEY_ARG:
        if (o->net) argp_error(state, "unexpected argument '%s'", argument);
        o->net = argument;
        return 0;
    case ARGP_KEY_END:
        if (!o->net) argp_error(state, "a net is needed: NET.prototxt");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static sa_status print_json(const sa_plan_report *report)
{
    char *text = sa_plan_report_json(report);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

/* Files first: a table on the screen then says that they are there. */
static sa_status output(const plan_options *o, const sa_plan_report *report)
{
    const sa_layout *layout = report->layout;
    if (o->csv)
        SA_TRY(sa_plan_csv_write(o->csv, layout->program->buffer, layout->program->buffer_count, layout->plan.offset_bytes));
    if (o->html) SA_TRY(sa_plan_write_html(o->html, report));
    if (o->json) return print_json(report);
    return sa_plan_print(stdout, report);
}

static sa_status plan(const plan_options *o, const sa_net *net, const sa_strategy *strategy, const sa_device *device)
{
    const sa_program_options options = {.training = true};
    sa_layout layout;
    sa_plan_report report;
    SA_TRY(sa_layout_create(net, strategy, device, &options, &layout));
    sa_status status = sa_plan_report_create(net, strategy, &layout, &report);
    if (status == SA_OK) {
        status = output(o, &report);
        sa_plan_report_free(&report);
    }
    sa_layout_free(&layout);
    return status;
}

static sa_status run(const plan_options *o)
{
    const sa_net_options options = {.batch = o->batch};
    sa_device *device = NULL;
    sa_net *net = NULL;
    sa_strategy strategy;
    SA_TRY(sa_strategy_parse(o->strategy, &strategy));
    SA_TRY(sa_conv_option_parse(o->conv, &strategy.conv));
    SA_TRY(sa_device_open_cpu(0, &device)); /* asked for workspace sizes only */
    sa_status status = sa_net_load(o->net, &options, &net);
    if (status == SA_OK) {
        sa_cli_note("plan", net->note);
        status = plan(o, net, &strategy, device);
    }
    sa_net_free(net);
    sa_device_close(device);
    return status;
}

int sa_cmd_plan(int argc, char **argv)
{
    static const struct argp ARGP = {OPTIONS, parse, "NET.prototxt", "Places every buffer of a training step into one arena.", NULL,
                                     NULL,    NULL};
    plan_options options = {.strategy = "fastest", .conv = "auto"};
    argp_err_exit_status = 2;
    if (argp_parse(&ARGP, argc, argv, 0, NULL, &options)) return 2;
    return run(&options) == SA_OK ? 0 : sa_cli_fail("plan");
}
