/* `segarena data LIST`: what is in a list of images, and the class weights to train with. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/data_run.h"
#include "cli/option_values.h"
#include "cli/text_output.h"
#include "core/size_text.h"
#include "report/json_text.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_ROOT = 256, KEY_VOID, KEY_JSON = 'j', LABEL_MAX = 65535 };

static error_t parse(int key, char *argument, struct argp_state *state)
{
    sa_data_options *o = state->input;
    switch (key) {
    case KEY_ROOT: o->data_root = argument; return 0;
    case KEY_JSON: o->json = true; return 0;
    case KEY_VOID:
        o->void_label = sa_cli_number(state, "void", argument, 0, LABEL_MAX);
        o->void_given = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->list) argp_error(state, "unexpected argument '%s'", argument);
        o->list = argument;
        return 0;
    case ARGP_KEY_END:
        if (!o->list) argp_error(state, "a list is needed: lines `image label`, `image class` or `image`");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const char *kind_name(sa_data_kind kind)
{
    static const char *const NAMES[] = {"class per pixel", "class per image", "no labels"};
    return NAMES[kind];
}

/* ---- JSON ---- */

static void sizes_json(cJSON *root, const sa_data_result *r, const char *key, bool label)
{
    cJSON *sizes = cJSON_AddArrayToObject(root, key);
    for (size_t i = 0; i < r->size_count; i++) {
        const sa_data_size *s = &r->size[i];
        if (s->label != label) continue;
        cJSON *row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "height", s->height);
        cJSON_AddNumberToObject(row, "width", s->width);
        cJSON_AddNumberToObject(row, "channels", s->channels);
        cJSON_AddNumberToObject(row, "bits", s->bits);
        cJSON_AddBoolToObject(row, "palette", s->palette);
        cJSON_AddNumberToObject(row, "files", (double)s->files);
        cJSON_AddItemToArray(sizes, row);
    }
}

static double share(uint64_t part, uint64_t of)
{
    return of ? (double)part / (double)of : 0;
}

static void classes_json(cJSON *root, const sa_data_result *r)
{
    cJSON *classes = cJSON_AddArrayToObject(root, "classes");
    for (int32_t i = 0; i < r->class_count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "class", i);
        cJSON_AddNumberToObject(row, r->kind == SA_DATA_PIXELS ? "pixels" : "count", (double)r->class_of[i].pixels);
        cJSON_AddNumberToObject(row, "share", share(r->class_of[i].pixels, r->labelled_pixels));
        cJSON_AddNumberToObject(row, "images", (double)r->class_of[i].images);
        cJSON_AddNumberToObject(row, "weight", r->weight[i]);
        cJSON_AddItemToArray(classes, row);
    }
}

static void problems_json(cJSON *root, const sa_data_result *r)
{
    cJSON *problems = cJSON_AddArrayToObject(root, "problems");
    char *line = r->problems;
    for (char *end; line && (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        cJSON_AddItemToArray(problems, cJSON_CreateString(line));
        *end = '\n';
    }
}

static void print_json(const sa_data_result *r)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "list", r->list);
    cJSON_AddStringToObject(root, "labels", kind_name(r->kind));
    cJSON_AddNumberToObject(root, "entries", (double)r->entries);
    cJSON_AddNumberToObject(root, "images_per_entry", (double)r->images_per_entry);
    cJSON_AddNumberToObject(root, "bad_entries", (double)r->bad_entries);
    problems_json(root, r);
    sizes_json(root, r, "image_sizes", false);
    sizes_json(root, r, "label_sizes", true);
    classes_json(root, r);
    cJSON *none = r->has_void ? cJSON_AddObjectToObject(root, "void") : cJSON_AddNullToObject(root, "void");
    if (r->has_void) {
        cJSON_AddNumberToObject(none, "label", r->void_label);
        cJSON_AddNumberToObject(none, r->kind == SA_DATA_PIXELS ? "pixels" : "count", (double)r->void_pixels);
    }
    char *text = sa_json_text(root, true);
    if (text) printf("%s\n", text);
    free(text);
    cJSON_Delete(root);
}

/* ---- text ---- */

static void print_sizes(const sa_data_result *r)
{
    char files[SA_SIZE_TEXT_BYTES];
    for (size_t i = 0; i < r->size_count; i++) {
        const sa_data_size *s = &r->size[i];
        sa_text_say(stdout, 8, "%-7s %dx%d, %d channel%s of %d bits%s: %s file%s", s->label ? "labels" : "images", s->height,
                    s->width, s->channels, s->channels == 1 ? "" : "s", s->bits, s->palette ? " (palette)" : "",
                    sa_size_format_exact(s->files, files), s->files == 1 ? "" : "s");
    }
}

static sa_status print_classes(const sa_data_result *r)
{
    bool pixels = r->kind == SA_DATA_PIXELS;
    const sa_table_column columns[] = {{"class", NULL, SA_TABLE_RIGHT},
                                       {pixels ? "pixels" : "images", NULL, SA_TABLE_RIGHT},
                                       {"share", "%", SA_TABLE_RIGHT},
                                       {pixels ? "in images" : "weight", NULL, SA_TABLE_RIGHT},
                                       {"weight", NULL, SA_TABLE_RIGHT}};
    sa_table *table;
    SA_TRY(sa_table_create(columns, pixels ? 5 : 4, &table));
    for (int32_t i = 0; i < r->class_count; i++) {
        char size[SA_SIZE_TEXT_BYTES];
        const sa_data_class *k = &r->class_of[i];
        sa_table_cell(table, "%d", (int)i);
        sa_table_cell(table, "%s", sa_size_format_exact(k->pixels, size));
        sa_table_cell(table, "%.2f", 100 * share(k->pixels, r->labelled_pixels));
        if (pixels) sa_table_cell(table, "%llu", (unsigned long long)k->images);
        if (k->pixels) sa_table_cell(table, "%.4f", r->weight[i]);
        else sa_table_cell(table, "absent");
    }
    sa_status status = sa_text_table(stdout, table);
    sa_table_free(table);
    return status;
}

static void print_weights(const sa_data_result *r)
{
    puts("\nMedian-frequency weights, for the loss layer of the net:\n\n  loss_param {\n    weight_by_label_freqs: true");
    if (r->has_void) printf("    ignore_label: %d\n", (int)r->void_label);
    for (int32_t i = 0; i < r->class_count; i++) printf("    class_weighting: %.4f\n", r->weight[i]);
    puts("  }");
}

static sa_status print_text(const sa_data_result *r)
{
    char size[SA_SIZE_TEXT_BYTES];
    sa_text_say(stdout, 0, "%s: %s entries, %s", r->list, sa_size_format_exact(r->entries, size), kind_name(r->kind));
    if (r->images_per_entry > 1) sa_text_say(stdout, 0, "%zu images per entry, their channels are stacked", r->images_per_entry);
    print_sizes(r);
    if (r->has_void)
        sa_text_say(stdout, 8, "void    label %d, %s %s: in no share, no weight", (int)r->void_label,
                    sa_size_format_exact(r->void_pixels, size), r->kind == SA_DATA_PIXELS ? "pixels" : "images");
    if (r->class_count == 0) return SA_OK;
    putchar('\n');
    SA_TRY(print_classes(r));
    if (r->kind == SA_DATA_PIXELS) print_weights(r);
    return SA_OK;
}

int sa_cmd_data(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"data-root", KEY_ROOT, "DIR", 0, "folder that the names are relative to (default: the list's own)", 0},
        {"void", KEY_VOID, "LABEL", 0, "pixels of this label have no class (default: 255, where it comes)", 0},
        {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
        {0},
    };
    static const struct argp ARGP = {
        OPTIONS,
        parse,
        "LIST",
        "Looks at every file of a list of images: counts, sizes, shares of classes, class weights to paste, "
        "and each entry that cannot be used.",
        NULL,
        NULL,
        NULL};
    sa_data_options options = {.progress = stderr};
    sa_data_result result;
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    if (sa_data_run(&options, &result) != SA_OK) return sa_cli_fail("data");
    sa_status status = SA_OK;
    if (options.json) print_json(&result);
    else status = print_text(&result);
    bool bad = result.bad_entries > 0;
    if (bad) {
        fflush(stdout);
        fputs(result.problems, stderr);
        sa_text_say(stderr, 0, "segarena data: %zu of %zu entries cannot be used", result.bad_entries, result.entries);
    }
    sa_data_result_free(&result);
    if (status != SA_OK) return sa_cli_fail("data");
    return bad ? 1 : 0;
}
