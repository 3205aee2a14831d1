/* `segarena explain`: the figures put together, as text and as JSON. */
#include "cli/explain_report.h"

#include "cli/net_options.h"
#include "cli/preset_plan.h"
#include "cli/text_output.h"
#include "core/size_text.h"
#include "report/json_text.h"
#include "report/table.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

void sa_explanation_free(sa_explanation *explanation)
{
    sa_caffe_memory_free(&explanation->caffe);
    sa_layer_table_free(&explanation->layers);
    sa_strategy_free(&explanation->found);
}

/* Rows of layers that the net does not have are left out. */
static bool is_shown(const sa_caffe_row *row)
{
    return row->gpu_bytes > 0 || row->cpu_bytes > 0;
}

static size_t largest_count(const sa_caffe_memory *caffe)
{
    return caffe->item_count < SA_EXPLAIN_LARGEST ? caffe->item_count : SA_EXPLAIN_LARGEST;
}

/* ------------------------------------------------------------------ JSON ------------------------------------------- */

/* The same bytes by what holds them: inputs, tops, gradients, private buffers, parameters, the solver's. */
static void kinds_json(cJSON *caffe, const sa_caffe_memory *m)
{
    cJSON *rows = cJSON_AddArrayToObject(caffe, "kinds");
    for (int i = 0; i < SA_CAFFE_KIND_COUNT; i++) {
        cJSON *row = cJSON_CreateObject();
        if (m->kind[i].gpu_bytes == 0 && m->kind[i].cpu_bytes == 0) {
            cJSON_Delete(row);
            continue;
        }
        cJSON_AddStringToObject(row, "name", SA_CAFFE_KIND_NAMES[i]);
        cJSON_AddNumberToObject(row, "bytes", (double)m->kind[i].gpu_bytes);
        cJSON_AddNumberToObject(row, "cpu_bytes", (double)m->kind[i].cpu_bytes);
        cJSON_AddItemToArray(rows, row);
    }
}

static void caffe_json(cJSON *root, const sa_caffe_memory *m)
{
    cJSON *caffe = cJSON_AddObjectToObject(root, "caffe");
    cJSON_AddNumberToObject(caffe, "memory_required_for_data_bytes", (double)m->memory_required_for_data_bytes);
    cJSON_AddNumberToObject(caffe, "first_blob_parameter_count", (double)m->first_blob_parameter_count);
    cJSON_AddNumberToObject(caffe, "parameter_count", (double)m->parameter_count);
    cJSON *rows = cJSON_AddArrayToObject(caffe, "categories");
    for (int i = 0; i < SA_CAFFE_CATEGORY_COUNT; i++) {
        if (!is_shown(&m->row[i])) continue;
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", m->row[i].name);
        cJSON_AddNumberToObject(row, "bytes", (double)m->row[i].gpu_bytes);
        cJSON_AddNumberToObject(row, "cpu_bytes", (double)m->row[i].cpu_bytes);
        cJSON_AddItemToArray(rows, row);
    }
    kinds_json(caffe, m);
    cJSON_AddNumberToObject(caffe, "total_bytes", (double)m->gpu_total_bytes);
    cJSON *cudnn = cJSON_AddObjectToObject(caffe, "cudnn_estimate");
    cJSON_AddNumberToObject(cudnn, "least_bytes", (double)m->cudnn_least_bytes);
    cJSON_AddNumberToObject(cudnn, "most_bytes", (double)m->cudnn_most_bytes);
    cJSON_AddNumberToObject(caffe, "cpu_total_bytes", (double)m->cpu_total_bytes);
    cJSON_AddNumberToObject(caffe, "cuda_context_low_bytes", (double)SA_CUDA_CONTEXT_LOW_BYTES);
    cJSON_AddNumberToObject(caffe, "cuda_context_high_bytes", (double)SA_CUDA_CONTEXT_HIGH_BYTES);
}

static void largest_json(cJSON *root, const sa_caffe_memory *m)
{
    cJSON *rows = cJSON_AddArrayToObject(root, "largest");
    for (size_t i = 0; i < largest_count(m); i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", m->item[i].name);
        cJSON_AddStringToObject(row, "layer", m->item[i].layer->name);
        cJSON_AddNumberToObject(row, "bytes", (double)m->item[i].gpu_bytes);
        cJSON_AddStringToObject(row, "category", m->item[i].category);
        cJSON_AddItemToArray(rows, row);
    }
}

static void suggestions_json(cJSON *root, const sa_explanation *e)
{
    cJSON *rows = cJSON_AddArrayToObject(root, "suggestions");
    for (int i = 0; i < e->suggestion_count; i++) {
        const sa_suggestion *s = &e->suggestion[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "strategy", s->strategy);
        if (s->why_not[0]) {
            cJSON_AddStringToObject(row, "error", s->why_not);
        } else {
            cJSON_AddNumberToObject(row, "total_bytes", (double)s->total_bytes);
            cJSON_AddBoolToObject(row, "lossless", s->lossless);
            if (e->has_capacity) cJSON_AddBoolToObject(row, "fits", s->fit != SA_FITS_NOT);
            else cJSON_AddNullToObject(row, "fits");
            if (e->has_capacity) cJSON_AddBoolToObject(row, "fits_beside_context", s->fit == SA_FITS);
        }
        cJSON_AddItemToArray(rows, row);
    }
}

static void not_computed_json(cJSON *root, const char *key, const sa_net *net)
{
    cJSON *rows = cJSON_AddArrayToObject(root, key);
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!layer->not_computed) continue;
        cJSON *row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "line", layer->line);
        cJSON_AddStringToObject(row, "layer", layer->name);
        cJSON_AddStringToObject(row, "type", layer->type->name);
        cJSON_AddStringToObject(row, "what", layer->not_computed);
        cJSON_AddItemToArray(rows, row);
    }
}

char *sa_explanation_json(const sa_explanation *e)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "net", e->net->name);
    cJSON_AddStringToObject(root, "path", e->net->path);
    cJSON_AddBoolToObject(root, "input_shapes_assumed", e->net->shapes_assumed);
    cJSON_AddBoolToObject(root, "trains", e->trains);
    caffe_json(root, &e->caffe);
    if (e->solver) {
        cJSON_AddStringToObject(root, "solver", e->solver);
        cJSON_AddStringToObject(root, "regularization", e->l1_decay ? "L1" : "L2");
    }
    if (e->test_nets.count > 0) {
        cJSON_AddNumberToObject(root, "test_nets", e->test_nets.count);
        cJSON_AddNumberToObject(root, "caffe_test_net_bytes", (double)e->test_nets.gpu_bytes);
        cJSON_AddNumberToObject(root, "caffe_test_net_cpu_bytes", (double)e->test_nets.cpu_bytes);
    }
    if (e->test_nets.count > 0 || e->solver) cJSON_AddBoolToObject(root, "solver_tests", e->solver_tests);
    if (e->solver_tests && e->test_nets.error[0]) cJSON_AddStringToObject(root, "test_net_error", e->test_nets.error);
    largest_json(root, &e->caffe);
    if (e->has_capacity) {
        cJSON_AddNumberToObject(root, "capacity_bytes", (double)e->capacity_bytes);
        cJSON_AddBoolToObject(root, "fits", e->fits);
        cJSON_AddStringToObject(root, "verdict", e->verdict);
        if (e->advice[0]) cJSON_AddStringToObject(root, "advice", e->advice);
        cJSON *rows = cJSON_AddArrayToObject(root, "fit");
        for (int i = 0; i < e->fit_count; i++) cJSON_AddItemToArray(rows, sa_fit_row_json(&e->fit[i]));
    } else {
        cJSON_AddNullToObject(root, "capacity_bytes");
        cJSON_AddNullToObject(root, "fits");
    }
    suggestions_json(root, e);
    if (e->layers.row) cJSON_AddItemToObject(root, "layers", sa_layer_table_json(&e->layers));
    not_computed_json(root, "not_computed", e->net);
    not_computed_json(root, "unsupported", e->net); /* the key of a failure */
    char *text = sa_json_text(root, true);
    cJSON_Delete(root);
    return text;
}

/* ------------------------------------------------------------------ text ------------------------------------------- */

static sa_status print_categories(FILE *out, const sa_caffe_memory *m)
{
    static const sa_table_column COLUMNS[] = {{"what Caffe allocates", NULL, SA_TABLE_LEFT},
                                              {"GPU mode", "bytes", SA_TABLE_RIGHT},
                                              {"share", "%", SA_TABLE_RIGHT},
                                              {"CPU mode", "bytes", SA_TABLE_RIGHT},
                                              {"in its line", NULL, SA_TABLE_LEFT}};
    char text[SA_SIZE_TEXT_BYTES];
    double total = m->gpu_total_bytes ? (double)m->gpu_total_bytes : 1;
    sa_table *table;
    SA_TRY(sa_table_create(COLUMNS, 5, &table));
    for (int i = 0; i < SA_CAFFE_CATEGORY_COUNT; i++) {
        if (!is_shown(&m->row[i])) continue;
        sa_table_cell(table, "%s", m->row[i].name);
        sa_table_cell(table, "%s", sa_size_format_exact(m->row[i].gpu_bytes, text));
        sa_table_cell(table, "%.1f", 100.0 * (double)m->row[i].gpu_bytes / total);
        sa_table_cell(table, "%s", sa_size_format_exact(m->row[i].cpu_bytes, text));
        sa_table_cell(table, "%s", m->row[i].in_caffes_line ? "yes" : "no");
    }
    sa_table_rule(table);
    sa_table_cell(table, "total, without the CUDA context");
    sa_table_cell(table, "%s", sa_size_format_exact(m->gpu_total_bytes, text));
    sa_table_cell(table, "%.1f", 100.0);
    sa_table_cell(table, "%s", sa_size_format_exact(m->cpu_total_bytes, text));
    sa_table_cell(table, " ");
    sa_status status = sa_text_table(out, table);
    sa_table_free(table);
    return status;
}

static sa_status print_largest(FILE *out, const sa_caffe_memory *m)
{
    static const sa_table_column COLUMNS[] = {{"largest buffers", NULL, SA_TABLE_LEFT},
                                              {"layer", NULL, SA_TABLE_LEFT},
                                              {"size", "bytes", SA_TABLE_RIGHT},
                                              {"category", NULL, SA_TABLE_LEFT}};
    char text[SA_SIZE_TEXT_BYTES];
    sa_table *table;
    SA_TRY(sa_table_create(COLUMNS, 4, &table));
    for (size_t i = 0; i < largest_count(m); i++) {
        sa_table_cell(table, "%s", m->item[i].name);
        sa_table_cell(table, "%s", m->item[i].layer->name);
        sa_table_cell(table, "%s", sa_size_format_exact(m->item[i].gpu_bytes, text));
        sa_table_cell(table, "%s", m->item[i].category);
    }
    sa_status status = sa_text_table(out, table);
    sa_table_free(table);
    return status;
}

static sa_status print_suggestions(FILE *out, const sa_explanation *e)
{
    static const char *const FIT[] = {"no", "only just", "yes"};
    static const sa_table_column COLUMNS[] = {{"strategy", NULL, SA_TABLE_LEFT},
                                              {"whole arena", "bytes", SA_TABLE_RIGHT},
                                              {"of Caffe's", "%", SA_TABLE_RIGHT},
                                              {"fits", NULL, SA_TABLE_LEFT},
                                              {"what it does", NULL, SA_TABLE_LEFT}};
    char text[SA_SIZE_TEXT_BYTES];
    double total = e->caffe.gpu_total_bytes ? (double)e->caffe.gpu_total_bytes : 1;
    sa_table *table;
    SA_TRY(sa_table_create(COLUMNS, 5, &table));
    for (int i = 0; i < e->suggestion_count; i++) {
        const sa_suggestion *s = &e->suggestion[i];
        bool planned = !s->why_not[0];
        sa_table_cell(table, "%s", s->strategy);
        sa_table_cell(table, "%s", planned ? sa_size_format_exact(s->total_bytes, text) : "-");
        if (planned) sa_table_cell(table, "%.1f", 100.0 * (double)s->total_bytes / total);
        else sa_table_cell(table, "-");
        sa_table_cell(table, "%s", !planned || !e->has_capacity ? "-" : FIT[s->fit]);
        sa_table_cell(table, "%s", planned ? s->help : s->why_not);
    }
    sa_status status = sa_text_table(out, table);
    sa_table_free(table);
    return status;
}

/* One line per layer that has no ops here. */
static sa_status print_not_computed(FILE *out, const sa_net *net)
{
    static const sa_table_column COLUMNS[] = {{"line", NULL, SA_TABLE_RIGHT},
                                              {"layer", NULL, SA_TABLE_LEFT},
                                              {"type", NULL, SA_TABLE_LEFT},
                                              {"not computed yet", NULL, SA_TABLE_LEFT}};
    sa_table *table;
    sa_text_say(out, 0, "\nsegarena itself cannot plan or train this net yet, because of:\n");
    SA_TRY(sa_table_create(COLUMNS, 4, &table));
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!layer->not_computed) continue;
        sa_table_cell(table, "%d", layer->line);
        sa_table_cell(table, "%s", layer->name);
        sa_table_cell(table, "%s", layer->type->name);
        sa_table_cell(table, "%s", layer->not_computed);
    }
    sa_status status = sa_text_table(out, table);
    sa_table_free(table);
    return status;
}

enum { LABEL_WIDTH = 18 }; /* "Caffe prints      " */

static void print_test_nets(FILE *out, const sa_explanation *e)
{
    char exact[SA_SIZE_TEXT_BYTES];
    const char *nets = e->test_nets.count > 1 ? "the TEST nets" : "the TEST net";
    if (e->test_nets.count > 0) {
        sa_text_say(out, LABEL_WIDTH, "and for tests     %s bytes more: Caffe keeps %s beside it %s",
                    sa_size_format_exact(e->test_nets.gpu_bytes, exact), nets,
                    e->solver_tests ? "since this solver tests (test_iter, test_interval)"
                                    : "if the solver tests (explain SOLVER.prototxt counts it)");
    }
    if (!e->solver_tests || !e->test_nets.error[0]) return;
    sa_text_say(out, LABEL_WIDTH, "not counted       a TEST net that this solver asks for: %s", e->test_nets.error);
}

/* Nobody measured it: what cuDNN's convolutions ask for depends on its version and the card. */
static void print_cudnn(FILE *out, const sa_caffe_memory *m)
{
    char least[SA_DECIMAL_TEXT_BYTES], most[SA_DECIMAL_TEXT_BYTES];
    if (m->cudnn_most_bytes == m->gpu_total_bytes) return;
    sa_text_say(
        out, LABEL_WIDTH,
        "with cuDNN        an estimate: %s without workspaces, at most %s with three of 8 MiB per group of each convolution",
        sa_decimal_size(m->cudnn_least_bytes, least), sa_decimal_size(m->cudnn_most_bytes, most));
}

/* What Caffe prints, and what it takes. */
static void print_figures(FILE *out, const sa_explanation *e)
{
    const sa_caffe_memory *m = &e->caffe;
    char exact[SA_SIZE_TEXT_BYTES], first[SA_SIZE_TEXT_BYTES], total[SA_DECIMAL_TEXT_BYTES], line[SA_DECIMAL_TEXT_BYTES], text[512];
    const char *forward =
        e->net->test_phase ? "for a forward pass (the TEST phase)" : "for a forward pass (the net has no loss to train by)";
    bool plain = !e->solver || (!strcmp(e->solver, "SGD") && !e->l1_decay);
    sa_text_say(out, LABEL_WIDTH, "Caffe prints      Memory required for data: %zu", m->memory_required_for_data_bytes);
    sa_text_say(out, LABEL_WIDTH, "it allocates      %s bytes %s%s%s%s on a GPU without cuDNN",
                sa_size_format_exact(m->gpu_total_bytes, exact), e->trains ? "to train the net" : forward,
                e->trains && !plain ? " by " : "", e->trains && !plain ? e->solver : "",
                e->trains && e->l1_decay ? " with L1 decay" : "");
    print_cudnn(out, m);
    print_test_nets(out, e);
    sa_text_say(out, LABEL_WIDTH, "parameters        %s; %s of them in the first blob of a layer\n",
                sa_size_format_exact(m->parameter_count, exact), sa_size_format_exact(m->first_blob_parameter_count, first));
    snprintf(
        text, sizeof text,
        "That line (%s) is the size of all outputs of all layers. It counts an output once more for each layer that works on it in "
        "place, and leaves out gradients, parameters and everything that a layer keeps for itself: %s in truth, and 0.3-0.5 GB of "
        "CUDA context besides.",
        sa_decimal_size(m->memory_required_for_data_bytes, line), sa_decimal_size(m->gpu_total_bytes, total));
    sa_text_paragraph(out, text);
}

/* "5 in Caffe, 109 by --strategy extreme" */
static void print_fit(FILE *out, const sa_explanation *e)
{
    char batches[400] = "", images[400] = "", text[900];
    size_t b = 0, m = 0;
    for (int i = 0; i < e->fit_count; i++) {
        const sa_fit_row *r = &e->fit[i];
        const char *comma = i ? ", " : "", *by = i ? "by --strategy " : "in ";
        if (r->batch.why_not[0]) continue;
        b += (size_t)snprintf(batches + b, sizeof batches - b, "%s%lld %s%.120s", comma, (long long)r->batch.largest, by,
                              r->strategy);
        if (r->images.largest > 0)
            m += (size_t)snprintf(images + m, sizeof images - m, "%s%dx%d %s%.120s", m ? ", " : "", r->height, r->width, by,
                                  r->strategy);
    }
    snprintf(text, sizeof text, "largest batch that fits: %s%s%s (segarena fit has all presets)", batches,
             m ? "; largest image at the batch of the net: " : "", images);
    if (b > 0) sa_text_paragraph(out, text);
}

static void print_verdict(FILE *out, const sa_explanation *e)
{
    sa_text_say(out, 0, "\nverdict: %s", e->verdict);
    if (e->advice[0]) sa_text_say(out, 0, "advice: %s", e->advice);
    print_fit(out, e);
}

sa_status sa_explanation_print(FILE *out, const sa_explanation *e)
{
    sa_cli_print_assumed(out, e->net);
    sa_text_say(out, 0, "%s (%s)\n", e->net->name, e->net->path);
    print_figures(out, e);
    fputc('\n', out);
    SA_TRY(print_categories(out, &e->caffe));
    fputc('\n', out);
    SA_TRY(print_largest(out, &e->caffe));
    if (e->layers.row) {
        sa_text_say(out, 0, "\nLayer by layer%s:\n",
                    e->layers.strategy ? " (here: the most that is alive during an op of the layer, --strategy fastest)" : "");
        SA_TRY(sa_layer_table_print(out, &e->layers));
    }
    if (e->has_capacity) print_verdict(out, e);
    if (!sa_net_is_computed(e->net)) return print_not_computed(out, e->net);
    fputc('\n', out);
    sa_text_paragraph(
        out, e->trains ? "The same training step in one arena (`segarena strategies` explains them; none but `lossy` rounds):"
                       : "The same forward pass in one arena (`segarena strategies` explains them; none but `lossy` rounds):");
    fputc('\n', out);
    return print_suggestions(out, e);
}
