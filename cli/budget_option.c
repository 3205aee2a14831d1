/* `--budget` and `--costs`. */
#include "cli/budget_option.h"

#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/text_output.h"
#include "core/size_text.h"
#include "core/time_text.h"
#include "cost/cost_cache.h"
#include "cost/cost_measure.h"
#include "report/table.h"

#include <stdlib.h>
#include <string.h>

/* Measuring: the points that stand for the frontier, how often it is made anew with better costs, and how long all of it may take.
 */
enum { SURVEY_POINTS = 12, SURVEY_ROUNDS = 2, SURVEY_RUNS = 5, SURVEY_STEPS = 3 };

sa_status sa_costs_option_parse(const char *text, sa_costs_option fallback, sa_costs_option *costs)
{
    static const char *const NAMES[] = {"auto", "builtin", "measure"};
    if (!text) text = getenv("SA_COSTS");
    *costs = fallback;
    if (!text || !text[0]) return SA_OK;
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, NAMES[i])) {
            *costs = (sa_costs_option)i;
            return SA_OK;
        }
    SA_FAIL(SA_INVALID, "unknown costs '%.40s'; known: auto builtin measure", text);
}

/* ------------------------------------------------------------------ measuring -------------------------------------- */

static void report(void *context, const sa_strategy *strategy, int number)
{
    const sa_budget_request *request = context;
    sa_text_say(stderr, 0, "segarena %s: measuring costs (run %d): %d steps of %s", request->command, number + 1, SURVEY_STEPS + 1,
                strategy->name);
}

/* The costs that decide are those of strategies on the frontier, and which are there depends on costs: so in rounds. */
static sa_status measure(const sa_budget_request *request, const sa_net *net, sa_device *device, sa_cost_model *model,
                         sa_frontier *f)
{
    const sa_cost_measure_options options = {request->program, SURVEY_STEPS, SURVEY_RUNS, report, (void *)request};
    for (int round = 0; round < SURVEY_ROUNDS; round++) {
        size_t index[SURVEY_POINTS], count = sa_frontier_pick(f, SURVEY_POINTS, index);
        const sa_strategy *strategies[SURVEY_POINTS];
        int measured;
        for (size_t i = 0; i < count; i++) strategies[i] = &f->point[index[i]].strategy;
        SA_TRY(sa_cost_measure_covering(model, net, device, strategies, count, &options, &measured));
        if (measured == 0) break;
        sa_frontier_free(f);
        SA_TRY(sa_frontier_create_for(net, model, request->conv, &request->program, request->budget_bytes, f));
    }
    return SA_OK;
}

static void save(const sa_budget_request *request, const sa_cost_model *model, const char *path)
{
    if (path[0] && sa_cost_cache_save(model, path) == SA_OK) {
        sa_cli_wrote(request->command, path, "measured costs of %zu ops", sa_cost_model_count(model));
        return;
    }
    sa_cli_note(request->command,
                path[0] ? sa_error_message() : "no place to keep measured costs: neither XDG_CACHE_HOME nor HOME is set");
    sa_error_clear();
}

static void say_costs(const sa_budget_request *request, const sa_cost_model *model, const sa_frontier *f)
{
    const char *hint = request->costs == SA_COSTS_AUTO ? "; --costs measure times them on this machine" : "";
    if (request->costs == SA_COSTS_BUILTIN || f->measured_share == 0)
        sa_text_say(stderr, 0, "segarena %s: times are guesses of the built-in cost model%s", request->command, hint);
    else
        sa_text_say(stderr, 0, "segarena %s: times from %zu ops measured on this machine, which make up %.0f %% of them%s",
                    request->command, sa_cost_model_count(model), 100.0 * f->measured_share, f->measured_share < 0.9 ? hint : "");
}

/* ------------------------------------------------------------------ frontier and budget ---------------------------- */

static sa_status make_frontier(const sa_budget_request *request, const sa_net *net, sa_device *device, sa_cost_model *model,
                               sa_frontier *f)
{
    char path[SA_COST_PATH_MAX], note[SA_COST_NOTE_MAX] = "", label[96];
    sa_progress progress;
    sa_cost_cache_path(path);
    if (request->costs != SA_COSTS_BUILTIN && path[0]) SA_TRY(sa_cost_cache_load(model, path, note));
    sa_cli_note(request->command, note);
    snprintf(label, sizeof label, "segarena %s: looking for what to keep, to drop and to fuse", request->command);
    sa_progress_wait(&progress, stderr, label);
    sa_status status = sa_frontier_create_for(net, model, request->conv, &request->program, request->budget_bytes, f);
    sa_progress_wait_end(&progress);
    SA_TRY(status);
    if (request->costs == SA_COSTS_MEASURE) {
        size_t known = sa_cost_model_count(model);
        SA_TRY(measure(request, net, device, model, f));
        if (sa_cost_model_count(model) > known) save(request, model, path);
    }
    say_costs(request, model, f);
    return SA_OK;
}

sa_status sa_cli_frontier(const sa_budget_request *request, const sa_net *net, sa_device *device, sa_frontier *frontier,
                          sa_cost_model **model)
{
    sa_cost_model *m;
    sa_frontier f = {0};
    SA_TRY(sa_cost_model_create(device, &m));
    sa_status status = make_frontier(request, net, device, m, &f);
    if (status != SA_OK || !model) sa_cost_model_destroy(m);
    if (status != SA_OK) {
        sa_frontier_free(&f);
        return status;
    }
    if (model) *model = m;
    *frontier = f;
    return SA_OK;
}

void sa_cli_budget_note(const char *command, const sa_frontier *f, size_t chosen, size_t budget_bytes)
{
    char budget[SA_SIZE_TEXT_BYTES], bytes[SA_SIZE_TEXT_BYTES], ms[SA_TIME_TEXT_BYTES], fastest[SA_TIME_TEXT_BYTES];
    const sa_frontier_point *p = &f->point[chosen];
    const bool is_min = budget_bytes == SA_BUDGET_MIN;
    sa_text_say(stderr, 0, "segarena %s: budget %s: %s takes %s and about %s ms per step (the fastest of %zu strategies: %s ms)",
                command, is_min ? "min" : sa_size_format(budget_bytes, budget), p->strategy.name, sa_size_format(p->bytes, bytes),
                sa_ms_format(p->cost.ms, ms), f->candidate_count, sa_ms_format(f->point[0].cost.ms, fastest));
}

sa_status sa_cli_budget(const sa_budget_request *request, const sa_net *net, sa_device *device, sa_strategy *strategy)
{
    sa_frontier f;
    size_t chosen;
    SA_TRY(sa_cli_frontier(request, net, device, &f, NULL));
    sa_status status = sa_budget_solve(&f, request->budget_bytes, &chosen);
    if (status == SA_OK) {
        sa_cli_budget_note(request->command, &f, chosen, request->budget_bytes);
        status = sa_strategy_copy(&f.point[chosen].strategy, strategy);
    }
    sa_frontier_free(&f);
    return status;
}

sa_status sa_frontier_print(FILE *out, const sa_frontier *f, const size_t *index, size_t count, size_t chosen)
{
    static const sa_table_column COLUMNS[] = {{"", NULL, SA_TABLE_LEFT},           {"arena", "bytes", SA_TABLE_RIGHT},
                                              {"arena", "MiB", SA_TABLE_RIGHT},    {"step", "ms", SA_TABLE_RIGHT},
                                              {"of fastest", "%", SA_TABLE_RIGHT}, {"gap", "%", SA_TABLE_RIGHT},
                                              {"strategy", NULL, SA_TABLE_LEFT}};
    sa_table *table;
    char exact[SA_SIZE_TEXT_BYTES], ms[SA_TIME_TEXT_BYTES];
    SA_TRY(sa_table_create(COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0], &table));
    for (size_t k = 0; k < (index ? count : f->count); k++) {
        const size_t i = index ? index[k] : k;
        const sa_frontier_point *p = &f->point[i];
        sa_table_cell(table, "%s", i == chosen ? "->" : "");
        sa_table_cell(table, "%s", sa_size_format_exact(p->bytes, exact));
        sa_table_cell(table, "%.1f", (double)p->bytes / 1048576.0);
        sa_table_cell(table, "%s", sa_ms_format(p->cost.ms, ms));
        sa_table_cell(table, "%.1f", 100.0 * p->cost.ms / f->point[0].cost.ms);
        if (p->bound_ms > 0) sa_table_cell(table, "%.1f", 100.0 * (p->cost.ms / p->bound_ms - 1.0));
        else sa_table_cell(table, "%s", "");
        sa_table_cell(table, "%s", p->strategy.name);
    }
    sa_status status = sa_text_table(out, table);
    sa_table_free(table);
    return status;
}
