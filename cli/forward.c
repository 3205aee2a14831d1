/* Forward passes of a trained net: see forward.h. */
#include "cli/forward.h"

#include "cli/budget_option.h"
#include "cli/commands.h"
#include "cli/file_kind.h"
#include "cli/option_values.h"
#include "cli/preset_plan.h"
#include "cli/session_weights.h"
#include "cli/shipped_nets.h"
#include "cli/text_output.h"
#include "core/growing_array.h"
#include "core/size_text.h"
#include "report/caffe_memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- options ---- */

enum { KEY_STRATEGY = 's', KEY_CONV = 'c', KEY_WEIGHTS = 2048, KEY_BUDGET, KEY_BN };

static error_t parse(int key, char *argument, struct argp_state *state)
{
    sa_forward_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->net; return 0;
    case KEY_WEIGHTS: o->weights = argument; return 0;
    case KEY_STRATEGY: o->strategy = argument; return 0;
    case KEY_CONV: o->conv = argument; return 0;
    case KEY_BUDGET: o->budget_bytes = sa_cli_budget_size(state, argument); return 0;
    case KEY_BN:
        if (strcmp(argument, "batch") != 0 && strcmp(argument, "stored") != 0)
            argp_error(state, "--bn %s: batch or stored", argument);
        o->bn = strcmp(argument, "stored") ? SA_BN_BATCH : SA_BN_STORED;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option OPTIONS[] = {
    {"weights", KEY_WEIGHTS, "FILE", 0, "the trained net: .caffemodel, .safetensors or .sasnap", 0},
    {"strategy", KEY_STRATEGY, "S", 0, "memory strategy (default fastest); see `segarena strategies`", 0},
    {"budget", KEY_BUDGET, "SIZE", 0, "the fastest strategy that fits in SIZE, in place of --strategy", 0},
    {"conv", KEY_CONV, "C", 0, "auto, im2col, direct, fft, winograd or cudnn", 0},
    {"bn", KEY_BN, "B", 0,
     "batch: BN layers normalise by the batch; stored: by what `bn-stats` folded into them (default: each as its bn_mode says)", 0},
    {0},
};
static const struct argp_child CHILDREN[] = {{&sa_cli_net_argp, 0, NULL, 0}, {0}};
const struct argp sa_forward_argp = {OPTIONS, parse, NULL, NULL, CHILDREN, NULL, NULL};

void sa_forward_take_net(sa_forward_options *o, const char *argument)
{
    o->path = sa_cli_net_path(argument, "", o->net_path);
}

void sa_forward_check_options(struct argp_state *state, sa_forward_options *o)
{
    if (!o->path) argp_error(state, "a net is needed: NET.prototxt");
    if (!o->weights) argp_error(state, "--weights FILE is needed: the trained net");
    if (o->net.phase_given) argp_error(state, "--phase: a trained net runs in its TEST phase here");
    if (o->strategy && o->budget_bytes > 0) argp_error(state, "--strategy and --budget: one or the other");
    if (!o->strategy) o->strategy = "fastest";
    if (!o->conv) o->conv = "auto";
    if (!o->net.device) o->net.device = "auto";
}

/* ---- opening ---- */

sa_status sa_forward_open(const char *command, const sa_forward_options *options, sa_forward *forward)
{
    *forward = (sa_forward){.command = command, .options = options, .current = -1};
    SA_TRY(sa_file_kind_expect(command, options->path, SA_FILE_NET));
    SA_TRY(sa_file_kind_expect(command, options->weights, SA_FILE_WEIGHTS));
    SA_TRY(sa_strategy_parse(options->strategy, &forward->strategy));
    SA_TRY(sa_conv_option_parse(options->conv, &forward->strategy.conv));
    return sa_device_open(options->net.device, options->net.threads, &forward->device);
}

void sa_forward_drop(sa_forward *f)
{
    for (int i = 0; i < f->count; i++) {
        sa_layout_free(&f->shape[i].layout);
        sa_net_free(f->shape[i].net);
    }
    f->count = 0;
}

void sa_forward_close(sa_forward *f)
{
    sa_session_destroy(f->session);
    sa_forward_drop(f);
    free(f->shape);
    sa_strategy_free(&f->strategy);
    sa_device_close(f->device);
    *f = (sa_forward){.current = -1};
}

sa_net_options sa_forward_net_options(const sa_forward_options *o)
{
    return (sa_net_options){.test_phase = true,
                            .forward_only = true,
                            .bn = o->bn,
                            .batch = o->net.batch,
                            .data_root = o->net.data_root,
                            .height = o->net.height,
                            .width = o->net.width,
                            .input = o->net.input,
                            .input_count = o->net.input_count};
}

/* The first shape tells what the budget is for. */
static sa_status choose_strategy(sa_forward *f, const sa_net *net)
{
    if (f->strategy_chosen || f->options->budget_bytes == 0) return SA_OK;
    sa_budget_request request = {.command = f->command, .conv = f->strategy.conv, .budget_bytes = f->options->budget_bytes};
    f->strategy_chosen = true;
    return sa_cli_budget(&request, net, f->device, &f->strategy);
}

static sa_program_options program_options(const sa_forward *f)
{
    return (sa_program_options){.training = false, .arena_limit_bytes = f->options->budget_bytes};
}

static sa_status plan(sa_forward *f, sa_forward_net *shape)
{
    const sa_program_options options = program_options(f);
    if (shape->layout.program) return SA_OK;
    SA_TRY(sa_layout_create(shape->net, &f->strategy, f->device, &options, &shape->layout));
    shape->bytes = shape->layout.plan.peak_bytes;
    return SA_OK;
}

sa_status sa_forward_add(sa_forward *f, const sa_net_options *options, int *index)
{
    sa_forward_net *grown = sa_array_room(f->shape, (size_t)f->count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %d shapes of a net", f->count + 1);
    f->shape = grown;
    sa_net *net;
    SA_TRY(sa_net_load(f->options->path, options, &net));
    sa_forward_net *shape = &f->shape[f->count];
    *shape = (sa_forward_net){.net = net};
    if (index) *index = f->count;
    f->count++;
    SA_TRY(choose_strategy(f, net));
    return plan(f, shape);
}

static int largest(const sa_forward *f)
{
    int best = 0;
    for (int i = 1; i < f->count; i++)
        if (f->shape[i].bytes > f->shape[best].bytes) best = i;
    return best;
}

sa_status sa_forward_start(sa_forward *f, FILE *log)
{
    const sa_session_options options = {.program = program_options(f), .seed = 1};
    int first = largest(f);
    sa_forward_net *shape = &f->shape[first];
    sa_status status = sa_session_create_planned(shape->net, &shape->layout, f->device, &options, &f->session);
    SA_TRY(sa_preset_advise(status, shape->net, f->strategy.conv, f->device));
    f->current = first;
    return sa_session_load_weights(f->session, shape->net, f->options->weights, f->command, log);
}

sa_status sa_forward_use(sa_forward *f, int index)
{
    if (index == f->current) return SA_OK;
    SA_TRY(plan(f, &f->shape[index]));
    f->current = index;
    return sa_session_use_layout(f->session, f->shape[index].net, &f->shape[index].layout);
}

sa_status sa_forward_caffe_bytes(const sa_forward *f, size_t *bytes)
{
    sa_caffe_memory caffe;
    SA_TRY(sa_caffe_memory_create(f->shape[largest(f)].net, NULL, &caffe));
    *bytes = caffe.gpu_total_bytes;
    sa_caffe_memory_free(&caffe);
    return SA_OK;
}

sa_status sa_forward_print_bytes(FILE *out, const sa_forward *f)
{
    char ours[SA_SIZE_TEXT_BYTES], caffes[SA_SIZE_TEXT_BYTES];
    size_t caffe;
    SA_TRY(sa_forward_caffe_bytes(f, &caffe));
    sa_text_say(out, 0, "inference takes %s; Caffe takes %s", sa_size_format(f->shape[largest(f)].bytes, ours),
                sa_size_format(caffe, caffes));
    return SA_OK;
}
