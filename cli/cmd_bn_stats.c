/* `segarena bn-stats NET --weights W --data-root DIR --save-weights OUT`: SegNet's statistics for inference. */
#include "cli/bn_stats_run.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/text_output.h"
#include "core/output_file.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

enum { KEY_LIST = 256, KEY_SAVE_WEIGHTS, KEY_SAVE_NET, KEY_ABSORB, KEY_JSON = 'j' };

static bool takes_stdout(const sa_bn_stats_options *o)
{
    return o->save_net && sa_output_file_is_stdout(o->save_net);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    sa_bn_stats_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->forward; return 0;
    case KEY_LIST: o->list = argument; return 0;
    case KEY_SAVE_WEIGHTS: o->save_weights = argument; return 0;
    case KEY_SAVE_NET: o->save_net = argument; return 0;
    case KEY_ABSORB: o->absorb = true; return 0;
    case KEY_JSON: o->json = true; return 0;
    case ARGP_KEY_ARG:
        if (o->forward.path) argp_error(state, "unexpected argument '%s'", argument);
        sa_forward_take_net(&o->forward, argument);
        return 0;
    case ARGP_KEY_END:
        sa_forward_check_options(state, &o->forward);
        if (!o->save_weights) argp_error(state, "--save-weights FILE is needed: where the folded weights go");
        if (o->absorb && !o->save_net) argp_error(state, "--absorb: --save-net FILE is needed too, for the net loses layers");
        if (o->json && takes_stdout(o)) argp_error(state, "--json and --save-net -: both want standard output");
        if (o->forward.bn == SA_BN_STORED) argp_error(state, "--bn stored: statistics are those of batches");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static sa_status print_json(const sa_bn_stats_options *o, const sa_bn_stats_result *r)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "net", r->net);
    cJSON_AddStringToObject(root, "path", o->forward.path);
    cJSON_AddStringToObject(root, "weights", o->forward.weights);
    cJSON_AddStringToObject(root, "saved_weights", o->save_weights);
    if (o->save_net) cJSON_AddStringToObject(root, "saved_net", o->save_net);
    cJSON_AddNumberToObject(root, "images", (double)r->images);
    cJSON_AddNumberToObject(root, "batches", (double)r->batches);
    cJSON_AddNumberToObject(root, "bn_layers", r->bn_layers);
    cJSON_AddNumberToObject(root, "absorbed", r->absorbed);
    cJSON_AddNumberToObject(root, "inference_bytes", (double)r->inference_bytes);
    cJSON_AddNumberToObject(root, "measured_bytes", (double)r->measured_bytes);
    cJSON_AddNumberToObject(root, "caffe_bytes", (double)r->caffe_bytes);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

static void print_text(const sa_bn_stats_options *o, const sa_bn_stats_result *r)
{
    sa_text_say(stdout, 0, "statistics of %d BN layer%s over %zu batches of %zu images, folded into %s", r->bn_layers,
                r->bn_layers == 1 ? "" : "s", r->batches, r->images, o->save_weights);
    if (o->absorb)
        sa_text_say(stdout, 0, "%d BN layers are in the convolutions below now, %d stay; the net: %s", r->absorbed, r->left,
                    o->save_net);
    else if (o->save_net) sa_text_say(stdout, 0, "the net with bn_mode: INFERENCE: %s", o->save_net);
    else
        sa_text_say(stdout, 0,
                    "use them with `--bn stored`, or with a net whose BN layers have bn_mode: INFERENCE (--save-net writes one)");
}

int sa_cmd_bn_stats(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"list", KEY_LIST, "FILE", 0, "another list than the one that the net trains on", 0},
        {"save-weights", KEY_SAVE_WEIGHTS, "FILE", 0, "the folded weights; the ending tells the format", 0},
        {"save-net", KEY_SAVE_NET, "FILE", 0, "write the net for them, its BN layers with bn_mode: INFERENCE", 0},
        {"absorb", KEY_ABSORB, NULL, 0, "fold BN layers into the convolutions below, and take them out of the net", 0},
        {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
        {0},
    };
    static const struct argp_child CHILDREN[] = {{&sa_forward_argp, 0, NULL, 0}, {0}};
    static const struct argp ARGP = {OPTIONS,
                                     parse,
                                     "NET.prototxt",
                                     "Computes the statistics of SegNet's BN layers over the training list, as its tutorial does, "
                                     "and folds them into scale and shift "
                                     "for inference.",
                                     CHILDREN,
                                     NULL,
                                     NULL};
    sa_bn_stats_options options = {.progress = stderr};
    sa_bn_stats_result result;
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    if (sa_bn_stats_run(&options, &result) != SA_OK) return sa_cli_fail("bn-stats");
    sa_status status = SA_OK;
    sa_cli_wrote("bn-stats", options.save_weights, "folded weights");
    if (options.save_net) sa_cli_wrote("bn-stats", options.save_net, "the net for them");
    if (options.json) status = print_json(&options, &result);
    else if (!takes_stdout(&options)) print_text(&options, &result);
    return status == SA_OK ? 0 : sa_cli_fail("bn-stats");
}
