/* Layer by layer. */
#include "cli/layer_table.h"

#include "cli/text_output.h"
#include "core/size_text.h"
#include "net/session.h"
#include "report/table.h"

#include <stdlib.h>
#include <string.h>

static const char STRATEGY[] = "fastest";

/* alive: (op_count + 1) zeroes, becomes the bytes alive at each op. */
static void bytes_alive(const sa_program *program, size_t *alive)
{
    for (size_t i = 0; i < program->buffer_count; i++) { /* wraps below zero and back again */
        const sa_buffer *b = &program->buffer[i];
        alive[b->begin] += b->size_bytes;
        alive[b->end < (int64_t)program->op_count ? b->end : (int64_t)program->op_count] -= b->size_bytes;
    }
    for (size_t i = 1; i < program->op_count; i++) alive[i] += alive[i - 1];
}

static sa_status add_alive(const sa_layout *layout, sa_layer_table *t)
{
    const sa_program *program = layout->program;
    size_t *alive = calloc(program->op_count + 1, sizeof *alive);
    if (!alive) SA_FAIL(SA_NOMEM, "no memory for %zu ops", program->op_count);
    bytes_alive(program, alive);
    for (size_t i = 0; i < program->op_count; i++) {
        int layer = program->op[i].layer;
        if (alive[i] > t->peak_bytes) t->peak_bytes = alive[i];
        if (layer >= 0 && alive[i] > t->row[layer].alive_bytes) t->row[layer].alive_bytes = alive[i];
    }
    free(alive);
    return SA_OK;
}

static sa_status plan(const sa_net *net, const sa_device *device, sa_layer_table *t)
{
    const sa_program_options options = {.training = sa_net_trains(net)};
    sa_strategy strategy;
    sa_layout layout;
    SA_TRY(sa_strategy_parse(STRATEGY, &strategy));
    SA_TRY(sa_layout_create(net, &strategy, device, &options, &layout));
    sa_status status = add_alive(&layout, t);
    sa_layout_free(&layout);
    t->strategy = STRATEGY;
    return status;
}

sa_status sa_layer_table_create(const sa_net *net, const sa_caffe_memory *caffe, const sa_device *device, sa_layer_table *table)
{
    sa_layer_table t = {.net = net};
    t.row = calloc((size_t)net->layer_count + 1, sizeof *t.row);
    if (!t.row) SA_FAIL(SA_NOMEM, "no memory for %d layers", net->layer_count);
    for (size_t i = 0; i < caffe->item_count; i++) t.row[caffe->item[i].layer - net->layer].caffe_bytes += caffe->item[i].gpu_bytes;
    sa_status status = sa_net_is_computed(net) ? plan(net, device, &t) : SA_OK;
    if (status != SA_OK) {
        free(t.row);
        return status;
    }
    *table = t;
    return SA_OK;
}

void sa_layer_table_free(sa_layer_table *table)
{
    free(table->row);
    memset(table, 0, sizeof *table);
}

static const char *top_text(const sa_net *net, const sa_layer *layer, char text[SA_SHAPE_TEXT_BYTES])
{
    return layer->top_count ? sa_shape_text(&net->blob[layer->top[0]].shape, text) : "-";
}

sa_status sa_layer_table_print(FILE *out, const sa_layer_table *t)
{
    static const sa_table_column COLUMNS[] = {{"line", NULL, SA_TABLE_RIGHT},      {"layer", NULL, SA_TABLE_LEFT},
                                              {"type", NULL, SA_TABLE_LEFT},       {"first top", NULL, SA_TABLE_LEFT},
                                              {"Caffe", "bytes", SA_TABLE_RIGHT},  {"alive here", "bytes", SA_TABLE_RIGHT},
                                              {"of the peak", "%", SA_TABLE_RIGHT}};
    char shape[SA_SHAPE_TEXT_BYTES], text[SA_SIZE_TEXT_BYTES];
    sa_table *table;
    SA_TRY(sa_table_create(COLUMNS, t->strategy ? 7 : 5, &table));
    for (int l = 0; l < t->net->layer_count; l++) {
        const sa_layer *layer = &t->net->layer[l];
        const sa_layer_bytes *row = &t->row[l];
        sa_table_cell(table, layer->line ? "%d" : " ", layer->line);
        sa_table_cell(table, "%s", layer->name);
        sa_table_cell(table, "%s", layer->type->name);
        sa_table_cell(table, "%s", top_text(t->net, layer, shape));
        sa_table_cell(table, "%s", sa_size_format_exact(row->caffe_bytes, text));
        if (!t->strategy) continue;
        sa_table_cell(table, "%s", row->alive_bytes ? sa_size_format_exact(row->alive_bytes, text) : "-");
        if (row->alive_bytes) sa_table_cell(table, "%.1f", 100.0 * (double)row->alive_bytes / (double)t->peak_bytes);
        else sa_table_cell(table, "-");
    }
    sa_status status = sa_text_table(out, table);
    sa_table_free(table);
    return status;
}

cJSON *sa_layer_table_json(const sa_layer_table *t)
{
    cJSON *rows = cJSON_CreateArray();
    char shape[SA_SHAPE_TEXT_BYTES];
    for (int l = 0; l < t->net->layer_count; l++) {
        const sa_layer *layer = &t->net->layer[l];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "line", layer->line);
        cJSON_AddStringToObject(row, "layer", layer->name);
        cJSON_AddStringToObject(row, "type", layer->type->name);
        cJSON_AddStringToObject(row, "first_top", top_text(t->net, layer, shape));
        cJSON_AddNumberToObject(row, "caffe_bytes", (double)t->row[l].caffe_bytes);
        if (t->strategy) cJSON_AddNumberToObject(row, "alive_bytes", (double)t->row[l].alive_bytes);
        cJSON_AddItemToArray(rows, row);
    }
    return rows;
}
