/* Times of ops: predicted, or read from a document of `bench --ops --json`. */
#include "cli/op_times.h"

#include "cli/commands.h"
#include "core/input_file.h"
#include "cost/cost_cache.h"

#include <stdlib.h>
#include <string.h>

static sa_status load_model(const char *command, const sa_device *device, sa_costs_option costs, sa_cost_model **model)
{
    char path[SA_COST_PATH_MAX], note[SA_COST_NOTE_MAX] = "";
    SA_TRY(sa_cost_model_create(device, model));
    sa_cost_cache_path(path);
    if (costs == SA_COSTS_BUILTIN || !path[0]) return SA_OK;
    sa_status status = sa_cost_cache_load(*model, path, note);
    if (status != SA_OK) sa_cost_model_destroy(*model);
    SA_TRY(status);
    sa_cli_note(command, note);
    return SA_OK;
}

enum { BENCH_BYTES_MAX = 64 << 20 };

static sa_status load_bench(const char *path, cJSON **document)
{
    char *text;
    size_t bytes;
    SA_TRY(sa_input_text_read(path, BENCH_BYTES_MAX, &text, &bytes));
    *document = cJSON_ParseWithLength(text, bytes);
    free(text);
    if (cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(*document, "results"))) return SA_OK;
    cJSON_Delete(*document);
    SA_FAIL(SA_INVALID, "%s: no document of `segarena bench --ops --json`", path);
}

sa_status sa_time_source_open(const char *command, const sa_device *device, sa_costs_option costs, const char *bench_path,
                              sa_time_source *source)
{
    sa_time_source s = {.bench_path = bench_path};
    SA_TRY(load_model(command, device, costs, &s.model));
    sa_status status = bench_path ? load_bench(bench_path, &s.bench) : SA_OK;
    if (status != SA_OK) sa_time_source_close(&s);
    SA_TRY(status);
    *source = s;
    return SA_OK;
}

void sa_time_source_close(sa_time_source *source)
{
    sa_cost_model_destroy(source->model);
    cJSON_Delete(source->bench);
    memset(source, 0, sizeof *source);
}

static bool has_text(const cJSON *object, const char *key, const char *text)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) && !strcmp(item->valuestring, text);
}

/* The times in a row of `results`; false: it has not these ops. */
static bool times_of(const cJSON *result, const sa_program *p, double *ms)
{
    const cJSON *op;
    size_t i = 0;
    cJSON_ArrayForEach(op, cJSON_GetObjectItemCaseSensitive(result, "ops"))
    {
        const cJSON *time = cJSON_GetObjectItemCaseSensitive(op, "ms");
        if (i == p->op_count || !has_text(op, "name", p->op[i].name) || !cJSON_IsNumber(time) || !(time->valuedouble >= 0))
            return false;
        ms[i++] = time->valuedouble;
    }
    return i == p->op_count && i > 0;
}

static bool measured(const sa_time_source *source, const sa_plan_report *r, double *ms)
{
    const cJSON *result;
    cJSON_ArrayForEach(result, cJSON_GetObjectItemCaseSensitive(source->bench, "results"))
    {
        if (has_text(result, "net", r->net->name) && has_text(result, "strategy", r->strategy->name) &&
            times_of(result, r->layout->program, ms))
            return true;
    }
    return false;
}

static void predict(const sa_time_source *source, const sa_program *p, sa_op_times *times)
{
    double share;
    for (size_t i = 0; i < p->op_count; i++) times->ms[i] = sa_cost_predict_op(source->model, p->op[i].kind, &p->op[i].args).ms;
    (void)sa_cost_predict(source->model, p, &share);
    snprintf(times->from, sizeof times->from, "guesses of the built-in cost model");
    if (share > 0) snprintf(times->from, sizeof times->from, "%.0f %% measured, the rest guesses", 100.0 * share);
    if (share >= 1) snprintf(times->from, sizeof times->from, "measured");
}

sa_status sa_time_source_ops(const sa_time_source *source, const sa_plan_report *report, bool is_required, sa_op_times *times)
{
    const sa_program *p = report->layout->program;
    sa_op_times t = {.ms = calloc(p->op_count + 1, sizeof *t.ms)};
    if (!t.ms) SA_FAIL(SA_NOMEM, "no memory for the times of %zu ops", p->op_count);
    if (source->bench && measured(source, report, t.ms)) {
        snprintf(t.from, sizeof t.from, "measured by bench");
    } else if (source->bench && is_required) {
        free(t.ms);
        SA_FAIL(SA_INVALID,
                "%s: no times of %s under %s with these %zu ops; measure them: segarena bench %s --strategy %s --ops --json",
                source->bench_path, report->net->name, report->strategy->name, p->op_count, report->net->path,
                report->strategy->name);
    } else {
        predict(source, p, &t);
    }
    *times = t;
    return SA_OK;
}
