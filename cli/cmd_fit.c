/* `segarena fit NET.prototxt --capacity SIZE`, or a solver file: the largest batch, and the largest images, that fit in Caffe and
 * under each preset. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/file_kind.h"
#include "cli/fit_row.h"
#include "cli/option_values.h"
#include "cli/preset_plan.h"
#include "cli/process_frame.h"
#include "cli/shipped_nets.h"
#include "cli/test_nets.h"
#include "cli/text_output.h"
#include "core/size_text.h"
#include "report/caffe_memory.h"
#include "report/table.h"

#include <argp.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

typedef struct fit_options {
    const char *net;
    char net_path[PATH_MAX]; /* of a shipped net */
    bool json;
    size_t capacity_bytes; /* 0: not given */
    sa_cli_net_options options;
} fit_options;

enum { ROWS_MAX = 32 };

typedef struct fit_table {
    const fit_options *options;
    sa_net *net;
    sa_fit_subject subject;
    int row_count;
    sa_fit_row row[ROWS_MAX];
} fit_table;

enum { KEY_CAPACITY = 256, KEY_JSON = 'j' };

static error_t parse(int key, char *argument, struct argp_state *state)
{
    fit_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->options; return 0;
    case KEY_CAPACITY: o->capacity_bytes = sa_cli_size(state, "capacity", argument); return 0;
    case KEY_JSON: o->json = true; return 0;
    case ARGP_KEY_ARG:
        if (o->net) argp_error(state, "unexpected argument '%s'", argument);
        o->net = sa_cli_net_path(argument, "", o->net_path);
        return 0;
    case ARGP_KEY_END:
        if (!o->net) argp_error(state, "a net is needed: NET.prototxt, or the solver file that names it");
        if (o->capacity_bytes == 0) argp_error(state, "--capacity SIZE is needed, such as 8GiB");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ------------------------------------------------------------------ rows ------------------------------------------- */

static void add_row(fit_table *t, const sa_strategy *strategy, bool is_found)
{
    if (t->row_count == ROWS_MAX) return;
    const sa_fit_row *like = t->row_count > 1 ? &t->row[t->row_count - 1] : NULL; /* Caffe's own are far off */
    sa_fit_row *row = &t->row[t->row_count++];
    sa_fit_row_fill(&t->subject, strategy, t->options->capacity_bytes, like, row);
    row->is_found = is_found;
}

/* The smallest strategy that a search finds for the net as it is. At other sizes it is to use no more than it has to. */
static void add_found(fit_table *t)
{
    sa_frontier f = {0};
    if (sa_builtin_frontier(t->net, SA_CONV_OPTION_AUTO, t->subject.device, SA_BUDGET_MIN, &f) == SA_OK && f.count > 0) {
        sa_strategy *found = &f.point[f.count - 1].strategy;
        if (found->choices) found->choices->arena_bytes = 0;
        add_row(t, found, true);
    }
    sa_error_clear();
    sa_frontier_free(&f);
}

static void fill(fit_table *t)
{
    sa_strategy strategy;
    add_row(t, NULL, false);
    if (!sa_net_is_computed(t->net)) return;
    for (int i = 1; sa_preset_at(i); i++)
        if (sa_strategy_parse(sa_preset_at(i)->name, &strategy) == SA_OK) add_row(t, &strategy, false);
    add_found(t);
}

/* ------------------------------------------------------------------ output ----------------------------------------- */

static sa_status print_json(const fit_table *t)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "net", t->net->name);
    cJSON_AddStringToObject(root, "path", t->net->path);
    cJSON_AddBoolToObject(root, "input_shapes_assumed", t->net->shapes_assumed);
    cJSON_AddBoolToObject(root, "trains", sa_net_trains(t->net));
    cJSON_AddNumberToObject(root, "capacity_bytes", (double)t->options->capacity_bytes);
    cJSON *rows = cJSON_AddArrayToObject(root, "rows");
    for (int i = 0; i < t->row_count; i++) cJSON_AddItemToArray(rows, sa_fit_row_json(&t->row[i]));
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

static void number_cell(sa_table *table, const sa_fit_answer *answer)
{
    if (answer->why_not[0]) sa_table_cell(table, "-");
    else if (answer->largest == 0) sa_table_cell(table, "none");
    else if (answer->largest == SA_FIT_BATCH_MAX) sa_table_cell(table, "%d or more", SA_FIT_BATCH_MAX);
    else sa_table_cell(table, "%lld", (long long)answer->largest);
}

static void row_cells(sa_table *table, const sa_fit_row *r)
{
    char text[SA_SIZE_TEXT_BYTES];
    sa_table_cell(table, "%s", r->strategy);
    number_cell(table, &r->batch);
    sa_table_cell(table, "%s", r->batch.why_not[0] ? r->batch.why_not : sa_size_format_exact(r->batch.total_bytes, text));
    number_cell(table, &r->batch_beside_context);
    if (r->images.largest > 0) sa_table_cell(table, "%dx%d", r->height, r->width);
    else sa_table_cell(table, "%s", r->images.why_not[0] ? "-" : "none");
    sa_table_cell(table, "%s", r->images.why_not[0] ? "-" : sa_size_format_exact(r->images.total_bytes, text));
}

static sa_status print_text(const fit_table *t)
{
    static const sa_table_column COLUMNS[] = {{"strategy", NULL, SA_TABLE_LEFT},       {"largest batch", NULL, SA_TABLE_RIGHT},
                                              {"it takes", "bytes", SA_TABLE_RIGHT},   {"beside context", NULL, SA_TABLE_RIGHT},
                                              {"largest image", NULL, SA_TABLE_RIGHT}, {"it takes", "bytes", SA_TABLE_RIGHT}};
    char capacity[SA_SIZE_TEXT_BYTES], text[640];
    const sa_fit_row *caffe = &t->row[0];
    sa_table *table;
    sa_cli_print_assumed(stdout, t->net);
    sa_text_say(stdout, 0, "%s (%s): what fits into %s bytes %s\n", t->net->name, t->net->path,
                sa_size_format_exact(t->options->capacity_bytes, capacity),
                sa_net_trains(t->net) ? "to train" : "for a forward pass");
    SA_TRY(sa_table_create(COLUMNS, 6, &table));
    for (int i = 0; i < t->row_count; i++) row_cells(table, &t->row[i]);
    sa_status status = sa_text_table(stdout, table);
    sa_table_free(table);
    SA_TRY(status);
    snprintf(
        text, sizeof text,
        "Caffe: GPU mode without cuDNN%s. \"Beside context\": the largest batch that leaves 0.5 GB for the CUDA context. Images "
        "are at the net's own batch, in steps of %d rows, with the net's own proportions.%s%.200s",
        t->subject.test_nets_bytes ? ", with its TEST nets" : "", SA_FIT_ROWS, caffe->images.why_not[0] ? " None here: " : "",
        caffe->images.why_not);
    putchar('\n');
    sa_text_paragraph(stdout, text);
    if (!sa_net_is_computed(t->net))
        sa_text_paragraph(stdout,
                          "segarena cannot plan this net yet (`segarena explain` says why): only Caffe's figures are here.");
    return SA_OK;
}

/* ------------------------------------------------------------------ the command ------------------------------------ */

static sa_status run(const fit_options *o)
{
    fit_table table = {.options = o};
    sa_solver_config solver = {0};
    sa_cli_net_options options = o->options;
    sa_device *device = NULL;
    bool is_solver = sa_file_kind_of(o->net) == SA_FILE_SOLVER;
    if (is_solver) {
        SA_TRY(sa_solver_config_load_any(o->net, &solver));
        options.state = &solver.train_state;
    }
    table.subject =
        (sa_fit_subject){.net_path = is_solver ? solver.net : o->net, .options = &options, .solver = is_solver ? &solver : NULL};
    SA_TRY(sa_cli_net_open("fit", table.subject.net_path, &options, NULL, &device, &table.net));
    table.subject.device = device;
    sa_fit_find_images(table.net, &table.subject);
    sa_test_nets_bytes tests = {0};
    if (is_solver && solver.test_net_count > 0) sa_cli_test_nets(table.net, &options, &solver, &tests);
    table.subject.test_nets_bytes = tests.gpu_bytes;
    fill(&table);
    sa_status status = o->json ? print_json(&table) : print_text(&table);
    sa_fit_forget_nets(&table.subject);
    sa_net_free(table.net);
    sa_device_close(device);
    return status;
}

int sa_cmd_fit(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"capacity", KEY_CAPACITY, "SIZE", 0, "the memory of the graphics card, e.g. 8GiB", 0},
        {"json", KEY_JSON, NULL, 0, "one JSON document on stdout", 0},
        {0},
    };
    static const struct argp_child CHILDREN[] = {{&sa_cli_net_argp, 0, NULL, 0}, {0}};
    static const struct argp ARGP = {OPTIONS,
                                     parse,
                                     "NET.prototxt|SOLVER.prototxt",
                                     "Says how large a batch, and how large images, fit: in Caffe, under each preset, under the "
                                     "smallest strategy that a search finds.",
                                     CHILDREN,
                                     NULL,
                                     NULL};
    fit_options options = {.options.device = "cpu", .options.sizes_alone = true};
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    sa_process_keep_heap();
    return run(&options) == SA_OK ? 0 : sa_cli_fail("fit");
}
