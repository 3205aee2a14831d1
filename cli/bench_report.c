/* Printing benchmark results. */
#include "cli/bench_report.h"

#include "cli/text_output.h"
#include "core/size_text.h"
#include "core/time_text.h"
#include "report/json_text.h"
#include "report/table.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void ms_cell(sa_table *table, double ms)
{
    char text[SA_TIME_TEXT_BYTES];
    sa_table_cell(table, "%s", sa_ms_format(ms, text));
}

static void result_row(sa_table *table, const sa_bench_result *r, const sa_bench_result *first)
{
    char exact[SA_SIZE_TEXT_BYTES], rss[SA_SIZE_TEXT_BYTES];
    sa_table_cell(table, "%s", r->strategy.name);
    sa_table_cell(table, "%s", sa_size_format_exact(r->predicted_bytes, exact));
    if (r->skipped) {
        for (int i = 0; i < 10; i++) sa_table_cell(table, "%s", i == 0 ? "skipped" : "-");
        return;
    }
    sa_table_cell(table, "%s", r->measured_bytes == r->predicted_bytes ? "equal" : sa_size_format_exact(r->measured_bytes, exact));
    sa_table_cell(table, "%.1f", 100.0 * (double)r->predicted_bytes / (double)first->predicted_bytes);
    sa_table_cell(table, "%s", sa_size_format(r->rss_over_base_bytes, rss));
    ms_cell(table, r->forward_ms);
    ms_cell(table, r->backward_ms);
    ms_cell(table, r->update_ms);
    ms_cell(table, r->step_ms);
    ms_cell(table, r->step_cpu_ms);
    size_t done = r->series.step_count;
    if (done > 0 && sa_step_outputs_has(&r->series.outputs, SA_OUTPUT_LOSS))
        sa_table_cell(table, "%.6f", (double)r->loss[done - 1]);
    else sa_table_cell(table, "-");
    sa_table_cell(table, "%016" PRIx64, r->state_hash);
}

static void print_table(FILE *out, sa_table *table)
{
    if (sa_text_table(out, table) != SA_OK) fprintf(out, "%s\n", sa_error_message());
}

/* Predicted against measured, of the strategies that have a prediction. */
static void print_predictions(FILE *out, const sa_bench_result *const *results, int count)
{
    static const sa_table_column COLUMNS[] = {
        {"strategy", NULL, SA_TABLE_LEFT},       {"predicted", "bytes", SA_TABLE_RIGHT}, {"measured", "bytes", SA_TABLE_RIGHT},
        {"predicted", "ms", SA_TABLE_RIGHT},     {"measured", "ms", SA_TABLE_RIGHT},     {"off by", "%", SA_TABLE_RIGHT},
        {"predicted CPU", "ms", SA_TABLE_RIGHT}, {"measured CPU", "ms", SA_TABLE_RIGHT}, {"off by", "%", SA_TABLE_RIGHT},
    };
    sa_table *table;
    char exact[SA_SIZE_TEXT_BYTES];
    int rows = 0;
    if (sa_table_create(COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0], &table) != SA_OK) return;
    for (int i = 0; i < count; i++) {
        const sa_bench_result *r = results[i];
        if (r->expected_ms <= 0 || r->skipped || r->step_ms <= 0 || r->step_cpu_ms <= 0) continue;
        rows++;
        sa_table_cell(table, "%s", r->strategy.name);
        sa_table_cell(table, "%s", sa_size_format_exact(r->predicted_bytes, exact));
        sa_table_cell(table, "%s", sa_size_format_exact(r->measured_bytes, exact));
        ms_cell(table, r->expected_ms);
        ms_cell(table, r->step_ms);
        sa_table_cell(table, "%+.1f", 100.0 * (r->expected_ms / r->step_ms - 1.0));
        ms_cell(table, r->expected_cpu_ms);
        ms_cell(table, r->step_cpu_ms);
        sa_table_cell(table, "%+.1f", 100.0 * (r->expected_cpu_ms / r->step_cpu_ms - 1.0));
    }
    if (rows > 0) {
        sa_text_say(out, 0, "\npredicted and measured; predictions are for an otherwise idle machine\n");
        print_table(out, table);
    }
    sa_table_free(table);
}

static bool same_outputs(const sa_output_series *a, const sa_output_series *b)
{
    return a->step_count == b->step_count && !memcmp(a->scalar, b->scalar, a->step_count * a->scalar_count * sizeof *a->scalar) &&
           !memcmp(a->outputs.value, b->outputs.value, a->outputs.value_count * sizeof *a->outputs.value);
}

/* Losses and accuracies by name: of each strategy, one that says the same as the one before left out. */
static void print_outputs(FILE *out, const sa_bench_result *const *results, int count)
{
    const sa_bench_result *before = NULL;
    for (int i = 0; i < count; i++) {
        const sa_bench_result *r = results[i];
        if (r->skipped || (before && same_outputs(&before->series, &r->series))) continue;
        if (r->series.outputs.count > 1) fprintf(out, "\noutputs%s%s\n", before ? " of " : "", before ? r->strategy.name : "");
        sa_output_series_print(out, &r->series);
        before = r;
    }
}

/* The driver's figure beside the arena. */
static void print_driver_bytes(FILE *out, const sa_bench_result *r)
{
    char arena[SA_SIZE_TEXT_BYTES], driver[SA_SIZE_TEXT_BYTES], rest[SA_SIZE_TEXT_BYTES];
    if (r->skipped || r->driver_bytes == 0) return;
    const size_t beside = r->driver_bytes > r->measured_bytes ? r->driver_bytes - r->measured_bytes : 0;
    sa_text_say(out, 0,
                "%s: the driver gave out %s: the arena's %s, and %s for its own rounding, for the code of kernels and for what "
                "libraries take",
                r->strategy.name, sa_size_format(r->driver_bytes, driver), sa_size_format(r->measured_bytes, arena),
                sa_size_format(beside, rest));
}

void sa_bench_print_table(FILE *out, const sa_net *net, const sa_device *device, const sa_bench_result *const *results, int count)
{
    static const sa_table_column COLUMNS[] = {
        {"strategy", NULL, SA_TABLE_LEFT},  {"arena", "bytes", SA_TABLE_RIGHT},      {"measured", NULL, SA_TABLE_RIGHT},
        {"of first", "%", SA_TABLE_RIGHT},  {"RSS over base", NULL, SA_TABLE_RIGHT}, {"forward", "ms", SA_TABLE_RIGHT},
        {"backward", "ms", SA_TABLE_RIGHT}, {"update", "ms", SA_TABLE_RIGHT},        {"step", "ms", SA_TABLE_RIGHT},
        {"step CPU", "ms", SA_TABLE_RIGHT}, {"loss", NULL, SA_TABLE_RIGHT},          {"state", NULL, SA_TABLE_RIGHT},
    };
    sa_table *table;
    fputc('\n', out);
    sa_text_say(out, 0, "%s (%s) on %s: %s; conv %s; medians\n", net->name, net->path, device->kind, device->description,
                sa_conv_option_name(results[0]->strategy.conv));
    if (sa_table_create(COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0], &table) != SA_OK) return;
    for (int i = 0; i < count; i++) result_row(table, results[i], results[0]);
    print_table(out, table);
    sa_table_free(table);
    print_outputs(out, results, count);
    print_predictions(out, results, count);
    for (int i = 0; i < count; i++) print_driver_bytes(out, results[i]);
    for (int i = 0; i < count; i++)
        if (results[i]->skipped)
            sa_text_say(out, 0, "%s was planned but not run: it %s", results[i]->strategy.name, results[i]->why);
    fputc('\n', out);
}

static cJSON *result_json(const sa_net *net, const sa_bench_result *r, int total_steps)
{
    char hash[17];
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "net", net->name);
    cJSON_AddBoolToObject(row, "input_shapes_assumed", net->shapes_assumed);
    cJSON_AddStringToObject(row, "strategy", r->strategy.name);
    cJSON_AddStringToObject(row, "conv", sa_conv_option_name(r->strategy.conv));
    cJSON_AddStringToObject(row, "device", r->device);
    cJSON_AddNumberToObject(row, "threads", r->threads);
    cJSON_AddNumberToObject(row, "predicted_bytes", (double)r->predicted_bytes);
    cJSON_AddBoolToObject(row, "skipped", r->skipped);
    if (r->expected_ms > 0) {
        cJSON_AddNumberToObject(row, "predicted_ms", r->expected_ms);
        cJSON_AddNumberToObject(row, "predicted_cpu_ms", r->expected_cpu_ms);
    }
    if (r->skipped) {
        cJSON_AddStringToObject(row, "reason", r->why);
        return row;
    }
    cJSON_AddNumberToObject(row, "measured_bytes", (double)r->measured_bytes);
    if (r->driver_bytes > 0) cJSON_AddNumberToObject(row, "driver_bytes", (double)r->driver_bytes);
    cJSON_AddNumberToObject(row, "warmup_steps", r->warmup);
    cJSON_AddNumberToObject(row, "device_allocations", (double)r->device_allocations);
    cJSON_AddNumberToObject(row, "rss_over_base_bytes", (double)r->rss_over_base_bytes);
    cJSON_AddNumberToObject(row, "forward_ms", r->forward_ms);
    cJSON_AddNumberToObject(row, "backward_ms", r->backward_ms);
    cJSON_AddNumberToObject(row, "update_ms", r->update_ms);
    cJSON_AddNumberToObject(row, "step_ms", r->step_ms);
    cJSON_AddNumberToObject(row, "step_cpu_ms", r->step_cpu_ms);
    cJSON *losses = cJSON_AddArrayToObject(row, "losses");
    for (int i = 0; i < total_steps; i++) cJSON_AddItemToArray(losses, cJSON_CreateNumber((double)r->loss[i]));
    sa_output_series_json(row, &r->series);
    snprintf(hash, sizeof hash, "%016" PRIx64, r->state_hash);
    cJSON_AddStringToObject(row, "state_hash", hash);
    if (r->ops) cJSON_AddItemReferenceToObject(row, "ops", r->ops);
    return row;
}

void sa_bench_print_json(FILE *out, const sa_bench_options *options, const sa_net *net, const sa_bench_result *const *results,
                         int count)
{
    cJSON *root = cJSON_CreateObject(), *array = cJSON_AddArrayToObject(root, "results");
    for (int i = 0; i < count; i++) cJSON_AddItemToArray(array, result_json(net, results[i], results[i]->warmup + options->steps));
    char *text = sa_json_text(root, true);
    if (text) fprintf(out, "%s\n", text);
    free(text);
    cJSON_Delete(root);
}

void sa_bench_print_ops(FILE *out, const sa_session *session, const sa_bench_result *result, int steps)
{
    static const sa_table_column COLUMNS[] = {
        {"op", NULL, SA_TABLE_LEFT}, {"kind", NULL, SA_TABLE_LEFT}, {"time", "ms", SA_TABLE_RIGHT}, {"share", "%", SA_TABLE_RIGHT}};
    const sa_program *program = sa_session_layout(session)->program;
    sa_table *table;
    double total = 0;
    for (size_t i = 0; i < program->op_count; i++) total += (double)sa_session_op_ns(session, i);
    if (sa_table_create(COLUMNS, 4, &table) != SA_OK) return;
    for (size_t i = 0; i < program->op_count; i++) {
        double ns = (double)sa_session_op_ns(session, i);
        sa_table_cell(table, "%s", program->op[i].name);
        sa_table_cell(table, "%s", sa_op_kind_name(program->op[i].kind));
        ms_cell(table, ns * 1e-6 / steps);
        sa_table_cell(table, "%.1f", total > 0 ? 100.0 * ns / total : 0);
    }
    sa_text_say(out, 0, "\n%s, mean of %d step%s", result->strategy.name, steps, steps == 1 ? "" : "s");
    print_table(out, table);
    sa_table_free(table);
}

cJSON *sa_bench_ops_json(const sa_session *session, int steps)
{
    const sa_program *program = sa_session_layout(session)->program;
    cJSON *ops = cJSON_CreateArray();
    for (size_t i = 0; i < program->op_count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", program->op[i].name);
        cJSON_AddStringToObject(row, "kind", sa_op_kind_name(program->op[i].kind));
        cJSON_AddNumberToObject(row, "ms", (double)sa_session_op_ns(session, i) * 1e-6 / steps);
        cJSON_AddItemToArray(ops, row);
    }
    return ops;
}
