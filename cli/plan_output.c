/* The tables and the page of `segarena plan`. */
#include "cli/plan_output.h"

#include "cli/text_output.h"
#include "core/output_file.h"
#include "core/size_text.h"
#include "report/json_text.h"
#include "report/map_svg.h"
#include "report/table.h"
#include "report/timeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ALIVE_SHOWN = 20 };

static void figure(FILE *out, const char *name, size_t bytes, const char *meaning)
{
    char exact[SA_SIZE_TEXT_BYTES], rounded[SA_SIZE_TEXT_BYTES];
    sa_text_say(out, 42, "%-13s%15s  %10s  %s", name, sa_size_format_exact(bytes, exact), sa_size_format(bytes, rounded), meaning);
}

static void print_figures(FILE *out, const sa_plan_report *r)
{
    const sa_plan *plan = &r->layout->plan;
    size_t gap = plan->peak_bytes - plan->lower_bound_bytes;
    char proof[64];
    snprintf(proof, sizeof proof, "peak over lower bound: %.4f%s",
             plan->lower_bound_bytes ? (double)plan->peak_bytes / (double)plan->lower_bound_bytes : 1.0,
             plan->optimal ? ", proven optimal" : "");
    sa_text_say(out, 0, "%s (%s), strategy %s, conv %s: %zu ops, %zu buffers\n", r->net->name, r->net->path, r->strategy->name,
                sa_conv_option_name(r->strategy->conv), r->step_count, r->layout->program->buffer_count);
    figure(out, "peak", plan->peak_bytes,
           sa_net_trains(r->net) ? "the arena: everything a training step needs" : "the arena: everything a forward pass needs");
    figure(out, "lower bound", plan->lower_bound_bytes, "the most bytes alive at one op; no placement can be below it");
    figure(out, "gap", gap, proof);
    figure(out, "unshared", plan->unshared_bytes, "if no two buffers shared addresses");
    figure(out, "Caffe", r->caffe_total_bytes, "what Caffe itself allocates for the net (see `segarena explain`)");
}

static const char *peak_name(const sa_plan_report *r)
{
    return r->peak_step < r->layout->program->op_count ? r->layout->program->op[r->peak_step].name : "no op";
}

static sa_status print_kinds(FILE *out, const sa_plan_report *r)
{
    static const sa_table_column COLUMNS[] = {
        {"kind", NULL, SA_TABLE_LEFT}, {"alive", "bytes", SA_TABLE_RIGHT}, {"share", "%", SA_TABLE_RIGHT}};
    char text[SA_SIZE_TEXT_BYTES];
    size_t total = r->live_bytes[r->peak_step];
    sa_table *table;
    SA_TRY(sa_table_create(COLUMNS, 3, &table));
    for (int k = 0; k < SA_BUFFER_KINDS; k++) {
        if (r->kind_bytes[k] == 0) continue;
        sa_table_cell(table, "%s", sa_buffer_kind_name((sa_buffer_kind)k));
        sa_table_cell(table, "%s", sa_size_format_exact(r->kind_bytes[k], text));
        sa_table_cell(table, "%.1f", 100.0 * (double)r->kind_bytes[k] / (double)total);
    }
    sa_table_rule(table);
    sa_table_cell(table, "total");
    sa_table_cell(table, "%s", sa_size_format_exact(total, text));
    sa_table_cell(table, "%.1f", 100.0);
    sa_status status = sa_text_table(out, table);
    sa_table_free(table);
    return status;
}

static sa_status print_alive(FILE *out, const sa_plan_report *r)
{
    static const sa_table_column COLUMNS[] = {{"buffer", NULL, SA_TABLE_LEFT},
                                              {"kind", NULL, SA_TABLE_LEFT},
                                              {"size", "bytes", SA_TABLE_RIGHT},
                                              {"offset", "bytes", SA_TABLE_RIGHT},
                                              {"ops", NULL, SA_TABLE_RIGHT}};
    char text[SA_SIZE_TEXT_BYTES];
    size_t shown = r->alive_count < ALIVE_SHOWN ? r->alive_count : ALIVE_SHOWN, rest = 0;
    sa_table *table;
    SA_TRY(sa_table_create(COLUMNS, 5, &table));
    for (size_t i = 0; i < r->alive_count; i++) {
        const sa_buffer *b = &r->layout->program->buffer[r->alive[i]];
        if (i >= shown) {
            rest += b->size_bytes;
            continue;
        }
        sa_table_cell(table, "%s", b->name);
        sa_table_cell(table, "%s", sa_buffer_kind_name(b->kind));
        sa_table_cell(table, "%s", sa_size_format_exact(b->size_bytes, text));
        sa_table_cell(table, "%s", sa_size_format_exact(r->layout->plan.offset_bytes[r->alive[i]], text));
        sa_table_cell(table, "%" PRId64 "-%" PRId64, b->begin, b->end - 1);
    }
    sa_status status = sa_text_table(out, table);
    sa_table_free(table);
    if (status == SA_OK && shown < r->alive_count)
        sa_text_say(out, 0, "and %zu smaller ones of %s bytes together", r->alive_count - shown, sa_size_format_exact(rest, text));
    return status;
}

/* Why the sum of the sizes is not the arena's size. */
static void print_alignment(FILE *out, const sa_plan_report *r)
{
    char sum[SA_SIZE_TEXT_BYTES], rest[SA_SIZE_TEXT_BYTES];
    size_t live = r->live_bytes[r->peak_step], peak = r->layout->plan.peak_bytes;
    if (peak == live) return;
    fputc('\n', out);
    sa_text_say(out, 0, "The sizes add up to %s; the arena has %s more, since buffers begin at multiples of their alignment%s.",
                sa_size_format_exact(live, sum), sa_size_format_exact(peak - live, rest),
                peak > r->layout->plan.lower_bound_bytes ? " and leave gaps" : "");
}

sa_status sa_plan_print(FILE *out, const sa_plan_report *r)
{
    print_figures(out, r);
    sa_text_say(out, 0, "\nMost is alive at op %zu, %s:\n", r->peak_step, peak_name(r));
    SA_TRY(print_kinds(out, r));
    print_alignment(out, r);
    fputc('\n', out);
    return print_alive(out, r);
}

sa_status sa_pages_write_html(const char *path, cJSON *nets)
{
    char *page;
    size_t page_bytes;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddItemToObject(root, "nets", nets);
    char *json = sa_json_text(root, false);
    cJSON_Delete(root);
    if (!json) SA_FAIL(SA_NOMEM, "no memory for the data of a page");
    sa_status status = sa_timeline_page(json, &page, &page_bytes);
    free(json);
    SA_TRY(status);
    status = sa_output_file_put(path, page, page_bytes);
    free(page);
    return status;
}

sa_status sa_plan_write_html(const char *path, const sa_plan_report *report, const sa_op_times *times)
{
    cJSON *plan, *nets = cJSON_CreateArray(), *net = cJSON_CreateObject();
    sa_status status = sa_plan_json(report, times, &plan);
    if (status != SA_OK) {
        cJSON_Delete(nets);
        cJSON_Delete(net);
        return status;
    }
    cJSON_AddItemToArray(cJSON_AddArrayToObject(net, "plans"), plan);
    cJSON_AddItemToArray(nets, net);
    return sa_pages_write_html(path, nets);
}

sa_status sa_plan_write_svg(const char *path, const sa_plan_report *report)
{
    const sa_map_svg_options options = {.columns = 1};
    char *text;
    SA_TRY(sa_map_svg(&report, 1, &options, &text));
    sa_status status = sa_output_file_put(path, text, strlen(text));
    free(text);
    return status;
}
