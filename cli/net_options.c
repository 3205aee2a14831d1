/* Options that say which net, on which device. */
#include "cli/net_options.h"

#include "cli/commands.h"
#include "cli/file_kind.h"
#include "cli/option_values.h"
#include "cli/shipped_nets.h"
#include "cli/text_output.h"
#include "net/label_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { KEY_BATCH = 'b', KEY_DEVICE = 'd', KEY_THREADS = 't', KEY_SIZE = 1024, KEY_INPUT, KEY_DATA_ROOT, KEY_TREAT, KEY_PHASE };
enum { BATCH_MAX = 65536, SIDE_MAX = 65536, THREADS_MAX = 1024 };

#define REMEDY "--data-root DIR says where the data is, --size HxW or --input NAME=N,C,H,W what the sizes are"

void sa_cli_parse_size(struct argp_state *state, const char *text, int *height, int *width)
{
    int used = 0;
    if (sscanf(text, "%7d%*1[xX]%7d%n", height, width, &used) == 2 && text[used] == '\0' && *height > 0 && *width > 0 &&
        *height <= SIDE_MAX && *width <= SIDE_MAX)
        return;
    argp_error(state, "--size %s: HEIGHTxWIDTH is expected, such as 360x480", text);
}

/* NAME=N,C,H,W with 1 to 4 sizes */
static void parse_input(struct argp_state *state, const char *text, sa_cli_net_options *o)
{
    const char *equals = strchr(text, '=');
    if (o->input_count == SA_CLI_INPUTS_MAX) argp_error(state, "--input: at most %d inputs", SA_CLI_INPUTS_MAX);
    sa_input_shape *input = &o->input[o->input_count];
    memset(input, 0, sizeof *input);
    bool good = equals && equals > text && equals - text < (ptrdiff_t)sizeof input->name;
    if (good) memcpy(input->name, text, (size_t)(equals - text));
    const char *at = good ? equals + 1 : text;
    while (good && input->shape.axes < 4) {
        char *end;
        long size = strtol(at, &end, 10);
        good = end > at && size > 0 && size <= INT32_MAX && (*end == ',' || *end == '\0');
        input->shape.dim[input->shape.axes++] = (int32_t)size;
        at = end;
        if (*at == '\0') break;
        at++;
    }
    if (!good || *at) argp_error(state, "--input %s: NAME=N,C,H,W is expected, such as data=4,3,360,480", text);
    o->input_count++;
}

/* TYPE=identity or TYPE=input */
static void parse_treat(struct argp_state *state, const char *text, sa_cli_net_options *o)
{
    const char *equals = strchr(text, '=');
    if (o->treat_count == SA_CLI_TREATED_MAX) argp_error(state, "--treat: at most %d types", SA_CLI_TREATED_MAX);
    sa_treated_type *type = &o->treat[o->treat_count];
    memset(type, 0, sizeof *type);
    bool identity = equals && !strcmp(equals, "=identity"), input = equals && !strcmp(equals, "=input");
    if ((!identity && !input) || equals == text || equals - text >= (ptrdiff_t)sizeof type->type)
        argp_error(state, "--treat %s: TYPE=identity or TYPE=input is expected, such as DenseCRF=identity", text);
    memcpy(type->type, text, (size_t)(equals - text));
    type->treatment = input ? SA_TREAT_AS_INPUT : SA_TREAT_AS_IDENTITY;
    o->treat_count++;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    sa_cli_net_options *o = state->input;
    switch (key) {
    case KEY_BATCH: o->batch = sa_cli_number(state, "batch", argument, 1, BATCH_MAX); return 0;
    case KEY_SIZE: sa_cli_parse_size(state, argument, &o->height, &o->width); return 0;
    case KEY_INPUT: parse_input(state, argument, o); return 0;
    case KEY_PHASE:
        o->phase_given = true;
        o->predicts = !strcasecmp(argument, "predict");
        o->test_phase = o->predicts || !strcasecmp(argument, "test");
        if (!o->test_phase && strcasecmp(argument, "train") != 0) argp_error(state, "--phase %s: train, test or predict", argument);
        return 0;
    case KEY_DATA_ROOT: o->data_root = argument; return 0;
    case KEY_TREAT: parse_treat(state, argument, o); return 0;
    case KEY_DEVICE: o->device = argument; return 0;
    case KEY_THREADS: o->threads = sa_cli_number(state, "threads", argument, 1, THREADS_MAX); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option OPTIONS[] = {
    {"batch", KEY_BATCH, "N", 0, "replaces the batch size of the net", 0},
    {"size", KEY_SIZE, "HxW", 0, "replaces the size of the images; labels follow", 0},
    {"input", KEY_INPUT, "NAME=N,C,H,W", 0, "replaces the shape of one input (repeatable)", 0},
    {"phase", KEY_PHASE, "P", 0,
     "train (default), test (a forward pass alone) or predict (of that, what makes the class scores, with stored BN statistics)",
     0},
    {"data-root", KEY_DATA_ROOT, "DIR", 0,
     "folder that the names in the net's lists are relative to (default: the working directory, else the net's folder)", 0},
    {"treat", KEY_TREAT, "TYPE=HOW", 0,
     "takes layers of a type that is not known for copies of their bottoms (TYPE=identity) or for inputs (TYPE=input; repeatable)",
     0},
    {"device", KEY_DEVICE, "D", 0, "auto, cpu, cuda or cuda:N, the Nth card from 0", 0},
    {"threads", KEY_THREADS, "N", 0, "CPU threads (default: all cores)", 0},
    {0},
};

const struct argp sa_cli_net_argp = {OPTIONS, parse, NULL, NULL, NULL, NULL, NULL};

void sa_cli_note_threads(const char *command, const sa_device *device, int threads)
{
    char note[160];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (device->has_queue || cores < 1 || threads <= cores) return;
    snprintf(note, sizeof note, "%d threads on %ld core%s: workspaces are for %d threads; steps get slower, not faster", threads,
             cores, cores == 1 ? "" : "s", threads);
    sa_cli_note(command, note);
}

static sa_net_options load_options(const sa_cli_net_options *o)
{
    return (sa_net_options){.state = o->test_phase ? NULL : o->state,
                            .test_phase = o->test_phase,
                            .forward_only = o->test_phase,
                            .scores = o->predicts ? SA_SCORES_ALONE : SA_SCORES_INSIDE,
                            .bn = o->predicts ? SA_BN_STORED : SA_BN_AS_FILE,
                            .batch = o->batch,
                            .data_root = o->data_root,
                            .height = o->height,
                            .width = o->width,
                            .input = o->input,
                            .input_count = o->input_count,
                            .treat = o->treat,
                            .treat_count = o->treat_count,
                            .unsupported = o->unsupported};
}

sa_status sa_cli_net_load(const char *path, const sa_cli_net_options *o, sa_net **net)
{
    const sa_net_options options = load_options(o);
    return sa_net_load(path, &options, net);
}

sa_status sa_cli_test_net_load(const char *path, const sa_cli_net_options *o, const struct sa_state_spec *test, sa_net **net)
{
    sa_net_options options = load_options(o);
    options.test_phase = false;
    options.state = test;
    options.forward_only = true;
    return sa_net_load(path, &options, net);
}

sa_status sa_cli_net_open(const char *command, const char *path, const sa_cli_net_options *o, bool *assumed, sa_device **device,
                          sa_net **net)
{
    bool sizes_assumed = false;
    char warning[SA_LABEL_WARNING_BYTES];
    sa_net_options options = load_options(o);
    options.shapes_assumed = &sizes_assumed;
    sa_device *opened;
    if (assumed) *assumed = false;
    SA_TRY(sa_cli_net_expect(path, ""));
    SA_TRY(sa_file_kind_expect(command, path, SA_FILE_NET));
    SA_TRY(o->sizes_alone ? sa_device_open_plan(o->device, o->threads, &opened) : sa_device_open(o->device, o->threads, &opened));
    sa_cli_note_threads(command, opened, o->threads);
    sa_status status = sa_net_load(path, &options, net);
    if (assumed) *assumed = sizes_assumed;
    if (status != SA_OK) {
        sa_device_close(opened);
        return sizes_assumed ? sa_error_append(status, "; " REMEDY) : status;
    }
    if (!sizes_assumed) sa_cli_note(command, (*net)->note);
    if (sa_net_trains(*net) && sa_net_single_class_warning(*net, warning)) sa_cli_note(command, warning);
    *device = opened;
    return SA_OK;
}

void sa_cli_print_assumed(FILE *out, const sa_net *net)
{
    if (net->shapes_assumed) sa_text_say(out, 0, "sizes are assumed: %s. %s.\n", net->note, REMEDY);
}
