/* `segarena weights FILE`: what a weights file holds, and conversion between the formats. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/file_kind.h"
#include "cli/output_names.h"
#include "cli/text_output.h"
#include "core/size_text.h"
#include "data/weights/weights.h"
#include "report/json_text.h"
#include "report/table.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

typedef struct weights_options {
    const char *file, *convert;
    bool json;
} weights_options;

enum { KEY_CONVERT = 256, KEY_JSON };

static error_t parse(int key, char *argument, struct argp_state *state)
{
    weights_options *o = state->input;
    switch (key) {
    case KEY_CONVERT: o->convert = argument; return 0;
    case KEY_JSON: o->json = true; return 0;
    case ARGP_KEY_ARG:
        if (o->file) argp_error(state, "unexpected argument '%s'", argument);
        o->file = argument;
        return 0;
    case ARGP_KEY_END:
        if (!o->file) argp_error(state, "a weights file is needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

typedef struct range {
    double low, high;
    size_t not_finite;
} range;

static range range_of(const sa_weight_blob *blob)
{
    range r = {INFINITY, -INFINITY, 0};
    for (size_t i = 0; i < blob->count; i++) {
        double v = (double)blob->values[i];
        if (!isfinite(v)) r.not_finite++;
        else r = (range){fmin(r.low, v), fmax(r.high, v), r.not_finite};
    }
    return r;
}

static size_t value_count(const sa_weights *w)
{
    size_t count = 0;
    for (size_t l = 0; l < w->layer_count; l++)
        for (size_t i = 0; i < w->layer[l].blob_count; i++) count += w->layer[l].blob[i].count;
    return count;
}

/* ---- JSON ---- */

static cJSON *blob_json(const sa_weight_blob *blob)
{
    cJSON *row = cJSON_CreateObject(), *shape = cJSON_AddArrayToObject(row, "shape");
    range r = range_of(blob);
    for (int32_t i = 0; i < blob->axes; i++) cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)blob->dim[i]));
    cJSON_AddBoolToObject(row, "legacy_shape", blob->legacy);
    cJSON_AddNumberToObject(row, "values", (double)blob->count);
    if (r.low <= r.high) {
        cJSON_AddNumberToObject(row, "min", r.low);
        cJSON_AddNumberToObject(row, "max", r.high);
    }
    cJSON_AddNumberToObject(row, "not_finite", (double)r.not_finite);
    return row;
}

static sa_status print_json(const weights_options *o, const sa_weights *w)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "file", o->file);
    cJSON_AddStringToObject(root, "format", sa_weights_format_name(w->format));
    cJSON_AddStringToObject(root, "net", w->net_name);
    cJSON_AddNumberToObject(root, "parameters", (double)value_count(w));
    cJSON *layers = cJSON_AddArrayToObject(root, "layers");
    for (size_t l = 0; l < w->layer_count; l++) {
        cJSON *layer = cJSON_CreateObject();
        cJSON_AddStringToObject(layer, "name", w->layer[l].name);
        cJSON_AddStringToObject(layer, "type", w->layer[l].type);
        cJSON *blobs = cJSON_AddArrayToObject(layer, "blobs");
        for (size_t i = 0; i < w->layer[l].blob_count; i++) cJSON_AddItemToArray(blobs, blob_json(&w->layer[l].blob[i]));
        cJSON_AddItemToArray(layers, layer);
    }
    if (o->convert) cJSON_AddStringToObject(root, "written", o->convert);
    char *text = sa_json_text(root, true);
    cJSON_Delete(root);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

/* ---- text ---- */

static void add_row(sa_table *table, const sa_weight_layer *layer, size_t i)
{
    char text[SA_WEIGHT_SHAPE_TEXT_BYTES], size[SA_SIZE_TEXT_BYTES];
    const sa_weight_blob *blob = &layer->blob[i];
    range r = range_of(blob);
    sa_table_cell(table, "%s.%zu", layer->name, i);
    sa_table_cell(table, "%s", layer->type);
    sa_table_cell(table, "%s", sa_weight_shape_text(blob, text));
    sa_table_cell(table, "%s", sa_size_format_exact(blob->count, size));
    if (r.low > r.high) sa_table_cell(table, "-");
    else sa_table_cell(table, "%.4g to %.4g", r.low, r.high);
    if (r.not_finite) sa_table_cell(table, "%zu", r.not_finite);
    else sa_table_cell(table, "-");
}

static sa_status print_table(const weights_options *o, const sa_weights *w)
{
    static const sa_table_column COLUMNS[] = {{"parameter", NULL, SA_TABLE_LEFT}, {"layer type", NULL, SA_TABLE_LEFT},
                                              {"shape", NULL, SA_TABLE_LEFT},     {"values", NULL, SA_TABLE_RIGHT},
                                              {"range", NULL, SA_TABLE_LEFT},     {"not finite", NULL, SA_TABLE_RIGHT}};
    char size[SA_SIZE_TEXT_BYTES];
    sa_table *table;
    sa_text_say(stdout, 0, "%s: %s%s%s, %s parameters\n", o->file, sa_weights_format_name(w->format),
                w->net_name[0] ? " of net " : "", w->net_name, sa_size_format_exact(value_count(w), size));
    SA_TRY(sa_table_create(COLUMNS, 6, &table));
    for (size_t l = 0; l < w->layer_count; l++)
        for (size_t i = 0; i < w->layer[l].blob_count; i++) add_row(table, &w->layer[l], i);
    sa_status status = sa_text_table(stdout, table);
    sa_table_free(table);
    return status;
}

static sa_status run(const weights_options *o)
{
    sa_weights_format format;
    sa_weights *weights = NULL;
    const sa_cli_output written = {"--convert", o->convert, SA_FILE_WEIGHTS};
    SA_TRY(sa_cli_outputs_check(&written, 1));
    if (o->convert) SA_TRY(sa_weights_format_of(o->convert, &format));
    SA_TRY(sa_file_kind_expect("weights", o->file, SA_FILE_WEIGHTS));
    SA_TRY(sa_weights_read(o->file, &weights));
    sa_status status = o->convert ? sa_weights_write(o->convert, weights) : SA_OK;
    if (status == SA_OK) status = o->json ? print_json(o, weights) : print_table(o, weights);
    if (status == SA_OK && o->convert) sa_text_say(stderr, 0, "segarena weights: wrote %s", o->convert);
    sa_weights_free(weights);
    return status;
}

int sa_cmd_weights(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"convert", KEY_CONVERT, "OUT", 0, "write the weights to OUT: .caffemodel, .safetensors or .sasnap, by its ending", 0},
        {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
        {0},
    };
    static const struct argp ARGP = {
        OPTIONS, parse, "FILE", "Lists the weights of a .caffemodel, .safetensors or .sasnap file, and converts them.",
        NULL,    NULL,  NULL};
    weights_options options = {0};
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    return run(&options) == SA_OK ? 0 : sa_cli_fail("weights");
}
