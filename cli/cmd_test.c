/* `segarena test NET --weights W --data-root DIR`: how good a trained net is, on its whole list. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/option_values.h"
#include "cli/test_run.h"
#include "cli/text_output.h"
#include "core/output_file.h"
#include "core/size_text.h"
#include "report/table.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

enum { KEY_LIST = 256, KEY_CONFUSION, KEY_VOID, KEY_JSON = 'j', LABEL_MAX = 2147483647 };

static error_t parse(int key, char *argument, struct argp_state *state)
{
    sa_test_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->forward; return 0;
    case KEY_LIST: o->list = argument; return 0;
    case KEY_CONFUSION: o->confusion = argument; return 0;
    case KEY_JSON: o->json = true; return 0;
    case KEY_VOID:
        o->void_label = sa_cli_number(state, "void", argument, 0, LABEL_MAX);
        o->void_given = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->forward.path) argp_error(state, "unexpected argument '%s'", argument);
        sa_forward_take_net(&o->forward, argument);
        return 0;
    case ARGP_KEY_END: sa_forward_check_options(state, &o->forward); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- JSON ---- */

/* No figure without a labelled pixel. */
static void add_figure(cJSON *object, const char *name, double value)
{
    if (isnan(value)) cJSON_AddNullToObject(object, name);
    else cJSON_AddNumberToObject(object, name, value);
}

static void classes_json(cJSON *root, const sa_confusion *c)
{
    cJSON *classes = cJSON_AddArrayToObject(root, "classes"), *matrix = cJSON_AddArrayToObject(root, "confusion");
    for (int32_t i = 0; i < c->classes; i++) {
        cJSON *row = cJSON_CreateObject(), *cells = cJSON_CreateArray();
        cJSON_AddNumberToObject(row, "class", i);
        cJSON_AddNumberToObject(row, "accuracy", sa_confusion_class_accuracy(c, i));
        cJSON_AddNumberToObject(row, "iou", sa_confusion_iou(c, i));
        cJSON_AddNumberToObject(row, "pixels", (double)sa_confusion_class_pixels(c, i));
        cJSON_AddItemToArray(classes, row);
        for (int32_t k = 0; k < c->classes; k++)
            cJSON_AddItemToArray(cells, cJSON_CreateNumber((double)c->cell[(size_t)i * (size_t)c->classes + (size_t)k]));
        cJSON_AddItemToArray(matrix, cells);
    }
}

static void outputs_json(cJSON *root, const sa_step_outputs *outputs)
{
    cJSON *rows = cJSON_AddArrayToObject(root, "outputs");
    for (int i = 0; i < outputs->count; i++) {
        const sa_step_output *o = &outputs->output[i];
        cJSON *row = cJSON_CreateObject(), *means = cJSON_CreateArray();
        cJSON_AddStringToObject(row, "name", o->name);
        cJSON_AddStringToObject(row, "kind", sa_output_kind_name(o->kind));
        for (size_t k = 0; k < o->count; k++) cJSON_AddItemToArray(means, cJSON_CreateNumber((double)outputs->value[o->begin + k]));
        cJSON_AddItemToObject(row, "means", means);
        cJSON_AddItemToArray(rows, row);
    }
}

static sa_status print_json(const sa_test_options *o, const sa_test_result *r)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "net", r->net);
    cJSON_AddStringToObject(root, "path", o->forward.path);
    cJSON_AddStringToObject(root, "weights", o->forward.weights);
    cJSON_AddStringToObject(root, "list", r->list);
    cJSON_AddStringToObject(root, "device", r->device);
    cJSON_AddStringToObject(root, "strategy", r->strategy.name);
    cJSON_AddNumberToObject(root, "images", (double)r->images);
    cJSON_AddNumberToObject(root, "batch", r->batch);
    cJSON_AddNumberToObject(root, "pixels", (double)r->confusion.pixels);
    bool none = r->confusion.classes == 0; /* no class scores */
    add_figure(root, "global_accuracy", none ? (double)NAN : sa_confusion_global_accuracy(&r->confusion));
    add_figure(root, "class_average_accuracy", none ? (double)NAN : sa_confusion_class_average(&r->confusion));
    add_figure(root, "mean_iou", none ? (double)NAN : sa_confusion_mean_iou(&r->confusion));
    classes_json(root, &r->confusion);
    outputs_json(root, &r->outputs);
    cJSON_AddNumberToObject(root, "stray_pixels", (double)r->confusion.stray_pixels);
    cJSON_AddNumberToObject(root, "inference_bytes", (double)r->inference_bytes);
    cJSON_AddNumberToObject(root, "measured_bytes", (double)r->measured_bytes);
    cJSON_AddNumberToObject(root, "caffe_bytes", (double)r->caffe_bytes);
    cJSON_AddNumberToObject(root, "images_per_second", (double)r->images / r->seconds);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

/* ---- text ---- */

static sa_status print_classes(const sa_confusion *c)
{
    static const sa_table_column COLUMNS[] = {{"class", NULL, SA_TABLE_RIGHT},
                                              {"accuracy", "%", SA_TABLE_RIGHT},
                                              {"IoU", "%", SA_TABLE_RIGHT},
                                              {"pixels", NULL, SA_TABLE_RIGHT}};
    char size[SA_SIZE_TEXT_BYTES];
    sa_table *table;
    SA_TRY(sa_table_create(COLUMNS, 4, &table));
    for (int32_t i = 0; i < c->classes; i++) {
        size_t pixels = (size_t)sa_confusion_class_pixels(c, i);
        sa_table_cell(table, "%d", (int)i);
        sa_table_cell(table, "%.2f", 100 * sa_confusion_class_accuracy(c, i));
        sa_table_cell(table, "%.2f", 100 * sa_confusion_iou(c, i));
        sa_table_cell(table, "%s", sa_size_format_exact(pixels, size));
    }
    sa_status status = sa_text_table(stdout, table);
    sa_table_free(table);
    return status;
}

static sa_status print_figures(const sa_confusion *c)
{
    SA_TRY(print_classes(c));
    if (c->pixels) sa_text_say(stdout, 17, "\nglobal accuracy  %6.2f %%", 100 * sa_confusion_global_accuracy(c));
    else sa_text_say(stdout, 17, "\nglobal accuracy       - (no labelled pixel)");
    sa_text_say(stdout, 17, "class average    %6.2f %%\nmean IoU         %6.2f %%", 100 * sa_confusion_class_average(c),
                100 * sa_confusion_mean_iou(c));
    return SA_OK;
}

static sa_status print_text(const sa_test_options *o, const sa_test_result *r)
{
    char ours[SA_SIZE_TEXT_BYTES], caffes[SA_SIZE_TEXT_BYTES];
    sa_text_say(stdout, 0, "%s (%s), weights %s\n%zu images of %s, batch %d\n", r->net, o->forward.path, o->forward.weights,
                r->images, r->list, (int)r->batch);
    if (r->confusion.classes > 0) SA_TRY(print_figures(&r->confusion));
    for (int i = 0; i < r->outputs.count; i++)
        if (r->outputs.output[i].kind != SA_OUTPUT_PER_CLASS)
            sa_text_say(stdout, 17, "%-16s %.6g (mean over the images)", r->outputs.output[i].name,
                        (double)r->outputs.value[r->outputs.output[i].begin]);
    sa_text_say(stdout, 0, "\ninference takes %s; Caffe takes %s. %.1f images/s, reading them included",
                sa_size_format(r->inference_bytes, ours), sa_size_format(r->caffe_bytes, caffes), (double)r->images / r->seconds);
    return SA_OK;
}

static void note_stray(const sa_confusion *c)
{
    char note[256];
    if (c->stray_pixels == 0) return;
    snprintf(
        note, sizeof note,
        "%llu pixels have a label that is none of the %d classes (the first: %d) and count as wrong; --void %d leaves those out",
        (unsigned long long)c->stray_pixels, (int)c->classes, (int)c->stray_label, (int)c->stray_label);
    sa_cli_note("test", note);
}

int sa_cmd_test(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"list", KEY_LIST, "FILE", 0, "another list than the net's: a line per image, `image label`", 0},
        {"confusion", KEY_CONFUSION, "FILE", 0, "write the confusion matrix as CSV: a row per label, a column per prediction", 0},
        {"void", KEY_VOID, "LABEL", 0, "pixels of this label do not count (default: the loss's ignore_label)", 0},
        {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
        {0},
    };
    static const struct argp_child CHILDREN[] = {{&sa_forward_argp, 0, NULL, 0}, {0}};
    static const struct argp ARGP = {OPTIONS,
                                     parse,
                                     "NET.prototxt",
                                     "Runs a trained net over its whole list once: accuracy and IoU of every class and on average.",
                                     CHILDREN,
                                     NULL,
                                     NULL};
    sa_test_options options = {.progress = stderr};
    sa_test_result result;
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    if (sa_test_run(&options, &result) != SA_OK) return sa_cli_fail("test");
    note_stray(&result.confusion);
    if (options.confusion) sa_cli_wrote("test", options.confusion, "a matrix of %d classes", (int)result.confusion.classes);
    bool matrix_on_stdout = options.confusion && sa_output_file_is_stdout(options.confusion);
    sa_status status = options.json ? print_json(&options, &result) : matrix_on_stdout ? SA_OK : print_text(&options, &result);
    sa_test_result_free(&result);
    return status == SA_OK ? 0 : sa_cli_fail("test");
}
