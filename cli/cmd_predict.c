/* `segarena predict NET --weights W IMAGE... --output DIR`: class maps of images. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/predict_run.h"
#include "cli/text_output.h"
#include "core/size_text.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

enum { KEY_LIST = 256, KEY_OUTPUT, KEY_OVERLAY, KEY_PALETTE, KEY_PROBABILITIES, KEY_JSON = 'j' };

static error_t parse(int key, char *argument, struct argp_state *state)
{
    sa_predict_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->forward; return 0;
    case KEY_LIST: o->list = argument; return 0;
    case KEY_OUTPUT: o->output = argument; return 0;
    case KEY_OVERLAY: o->overlay = true; return 0;
    case KEY_PALETTE: o->palette = argument; return 0;
    case KEY_PROBABILITIES: o->probabilities = true; return 0;
    case KEY_JSON: o->json = true; return 0;
    case ARGP_KEY_ARG:
        if (!o->forward.path) sa_forward_take_net(&o->forward, argument);
        else o->image[o->image_count++] = argument;
        return 0;
    case ARGP_KEY_END:
        sa_forward_check_options(state, &o->forward);
        if (o->list && o->image_count) argp_error(state, "images and --list: one or the other");
        if (!o->list && !o->image_count) argp_error(state, "images are needed: IMAGE..., or --list FILE");
        if (!o->output) argp_error(state, "--output DIR is needed: the folder for the results");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static sa_status print_json(const sa_predict_options *o, const sa_predict_result *r)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "net", r->net);
    cJSON_AddStringToObject(root, "path", o->forward.path);
    cJSON_AddStringToObject(root, "weights", o->forward.weights);
    cJSON_AddStringToObject(root, "output", o->output);
    cJSON_AddStringToObject(root, "device", r->device);
    cJSON_AddStringToObject(root, "strategy", r->strategy.name);
    cJSON_AddNumberToObject(root, "images", (double)r->images);
    cJSON_AddNumberToObject(root, "sizes", (double)r->sizes);
    cJSON_AddNumberToObject(root, "classes", r->classes);
    cJSON_AddNumberToObject(root, "inference_bytes", (double)r->inference_bytes);
    cJSON_AddNumberToObject(root, "measured_bytes", (double)r->measured_bytes);
    cJSON_AddNumberToObject(root, "caffe_bytes", (double)r->caffe_bytes);
    cJSON_AddNumberToObject(root, "images_per_second", (double)r->images / r->seconds);
    cJSON_AddNumberToObject(root, "forward_ms", 1000 * r->forward_seconds / (double)r->images);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

static sa_status print_text(const sa_predict_options *o, const sa_predict_result *r)
{
    char ours[SA_SIZE_TEXT_BYTES], caffes[SA_SIZE_TEXT_BYTES];
    sa_text_say(stdout, 0, "%zu image%s of %zu size%s segmented into %d classes, in %s", r->images, r->images == 1 ? "" : "s",
                r->sizes, r->sizes == 1 ? "" : "s", (int)r->classes, o->output);
    sa_text_say(stdout, 0,
                "inference takes %s; Caffe takes %s. %.1f images/s with reading and writing; %.1f ms per image in the net",
                sa_size_format(r->inference_bytes, ours), sa_size_format(r->caffe_bytes, caffes), (double)r->images / r->seconds,
                1000 * r->forward_seconds / (double)r->images);
    return SA_OK;
}

static int run(const struct argp *argp, int argc, char **argv, char **images)
{
    sa_predict_options options = {.progress = stderr, .image = images};
    sa_predict_result result;
    if (!sa_cli_parse(argp, argc, argv, &options)) return 2;
    if (sa_predict_run(&options, &result) != SA_OK) return sa_cli_fail("predict");
    sa_status status = options.json ? print_json(&options, &result) : print_text(&options, &result);
    return status == SA_OK ? 0 : sa_cli_fail("predict");
}

int sa_cmd_predict(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"list", KEY_LIST, "FILE", 0, "a list of images, a line per image; labels on the lines are left alone", 0},
        {"output", KEY_OUTPUT, "DIR", 0, "folder for the results: NAME.png, classes as indices into a palette", 0},
        {"overlay", KEY_OVERLAY, NULL, 0, "also NAME_overlay.png: the image with the classes' colours over it", 0},
        {"palette", KEY_PALETTE, "FILE", 0, "a line `red green blue` per class (default: CamVid's colours)", 0},
        {"probabilities", KEY_PROBABILITIES, NULL, 0, "also NAME.npy: the probability of every class at every pixel", 0},
        {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
        {0},
    };
    static const struct argp_child CHILDREN[] = {{&sa_forward_argp, 0, NULL, 0}, {0}};
    static const struct argp ARGP = {
        OPTIONS,
        parse,
        "NET.prototxt IMAGE...",
        "Segments images with a trained net. Images of any size that the net takes; --size HxW resizes "
        "them for the net, and the classes back.",
        CHILDREN,
        NULL,
        NULL};
    char **images = calloc((size_t)argc + 1, sizeof *images);
    if (!images) return 1;
    int status = run(&ARGP, argc, argv, images);
    free(images);
    return status;
}
