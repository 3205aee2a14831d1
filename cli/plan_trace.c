/* The trace of `segarena plan`. */
#include "cli/plan_trace.h"

#include "cli/commands.h"
#include "core/output_file.h"
#include "cost/cost_cache.h"
#include "report/trace.h"

#include <stdlib.h>
#include <string.h>

static sa_status load_costs(sa_cost_model *model, sa_costs_option costs)
{
    char path[SA_COST_PATH_MAX], note[SA_COST_NOTE_MAX] = "";
    sa_cost_cache_path(path);
    if (costs == SA_COSTS_BUILTIN || !path[0]) return SA_OK;
    SA_TRY(sa_cost_cache_load(model, path, note));
    sa_cli_note("plan", note);
    return SA_OK;
}

static sa_status trace_text(const sa_plan_report *report, const sa_cost_model *model, char **text)
{
    const sa_program *p = report->layout->program;
    double *op_ms = malloc((p->op_count + 1) * sizeof *op_ms), measured_share;
    char times_from[64] = "guesses of the built-in cost model";
    if (!op_ms) SA_FAIL(SA_NOMEM, "no memory for the times of %zu ops", p->op_count);
    for (size_t i = 0; i < p->op_count; i++) op_ms[i] = sa_cost_predict_op(model, p->op[i].kind, &p->op[i].args).ms;
    (void)sa_cost_predict(model, p, &measured_share);
    if (measured_share > 0) snprintf(times_from, sizeof times_from, "%.0f %% measured, the rest guesses", 100.0 * measured_share);
    if (measured_share >= 1) snprintf(times_from, sizeof times_from, "measured");
    sa_status status = sa_plan_trace_json(report, op_ms, times_from, text);
    free(op_ms);
    return status;
}

sa_status sa_plan_write_trace(const char *path, const sa_plan_report *report, const sa_device *device, sa_costs_option costs)
{
    sa_cost_model *model;
    char *text = NULL;
    SA_TRY(sa_cost_model_create(device, &model));
    sa_status status = load_costs(model, costs);
    if (status == SA_OK) status = trace_text(report, model, &text);
    sa_cost_model_destroy(model);
    SA_TRY(status);
    status = sa_output_file_put(path, text, strlen(text));
    free(text);
    SA_TRY(status);
    sa_cli_wrote("plan", path, "a trace, to be opened in Perfetto (ui.perfetto.dev) or chrome://tracing");
    return SA_OK;
}
