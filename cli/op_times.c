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

static const cJSON *find_op(const cJSON *ops, const char *name)
{
    const cJSON *op;
    cJSON_ArrayForEach(op, ops)
    {
        if (has_text(op, "name", name)) return op;
    }
    return NULL;
}

static bool is_update(const cJSON *op)
{
    return has_text(op, "kind", sa_op_kind_name(SA_OP_UPDATE));
}

/* The part of a parameter that an update changes: a rank's slice. */
static double updated_part(const sa_program *p, const sa_update_args *args)
{
    for (int l = 0; l < p->net->layer_count; l++)
        for (int i = 0; i < p->net->layer[l].param_count; i++)
            if (p->param[l][i].param == args->param.buffer && p->param[l][i].slicing.count > 0)
                return (double)args->count / (double)p->param[l][i].slicing.count;
    return 1;
}

/* The times in a row of `results`; false: it has not these ops. bench runs on one rank: sums over shards are predicted, exchanges
 * take what the link takes, and updates may come later than there. */
static bool times_of(const sa_time_source *source, const cJSON *result, const sa_program *p, double *ms)
{
    const cJSON *ops = cJSON_GetObjectItemCaseSensitive(result, "ops"), *next = ops ? ops->child : NULL;
    const bool ranks = p->ranks > 1;
    size_t found = 0;
    for (size_t i = 0; i < p->op_count; i++) {
        const sa_op *op = &p->op[i];
        ms[i] = 0;
        if (op->kind == SA_OP_EXCHANGE) continue;
        if (op->kind == SA_OP_SHARD_SUM) ms[i] = sa_cost_predict_op(source->model, op->kind, &op->args).ms;
        if (op->kind == SA_OP_SHARD_SUM) continue;
        while (ranks && op->kind != SA_OP_UPDATE && next && is_update(next)) next = next->next;
        const cJSON *row = ranks && op->kind == SA_OP_UPDATE ? find_op(ops, op->name) : next;
        const cJSON *time = cJSON_GetObjectItemCaseSensitive(row, "ms");
        if (!row || !has_text(row, "name", op->name) || !cJSON_IsNumber(time) || !(time->valuedouble >= 0)) return false;
        ms[i] = time->valuedouble * (op->kind == SA_OP_UPDATE ? updated_part(p, &op->args.update) : 1.0);
        if (row == next) next = next->next;
        found++;
    }
    while (ranks && next && is_update(next)) next = next->next;
    return found > 0 && !next;
}

static bool measured(const sa_time_source *source, const sa_plan_report *r, double *ms)
{
    const cJSON *result;
    cJSON_ArrayForEach(result, cJSON_GetObjectItemCaseSensitive(source->bench, "results"))
    {
        if (has_text(result, "net", r->net->name) && has_text(result, "strategy", r->strategy->name) &&
            times_of(source, result, r->layout->program, ms))
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
