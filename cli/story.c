/* Plans a net under each strategy of a story and puts the plans into one document. */
#include "cli/story.h"

#include "cli/strategy_notes.h"

#include <stdlib.h>
#include <string.h>

enum { PLANS_MAX = 256 };

typedef struct story {
    const sa_story_request *request;
    const sa_net *net;
    sa_device *device;
    sa_time_source source;
    sa_program_options options;
    cJSON *root, *plans; /* plans: in root */
    int count;
    uint64_t signature[PLANS_MAX]; /* of each plan's program */
} story;

/* The net's own facts, which each plan repeats, are said once, beside the plans. */
static void move_facts(story *s, cJSON *plan)
{
    static const char *const FACTS[] = {"net", "path", "caffe_total_bytes", "input_shapes_assumed", "layers", "blobs"};
    for (size_t i = 0; i < sizeof FACTS / sizeof FACTS[0]; i++) {
        cJSON *fact = cJSON_DetachItemFromObjectCaseSensitive(plan, FACTS[i]);
        if (cJSON_HasObjectItem(s->root, FACTS[i])) cJSON_Delete(fact);
        else cJSON_AddItemToObject(s->root, FACTS[i], fact);
    }
}

static sa_status document_of(story *s, const sa_strategy *strategy, const sa_layout *layout)
{
    sa_plan_report report;
    sa_op_times times = {0};
    cJSON *plan = NULL;
    SA_TRY(sa_plan_report_create(s->net, strategy, layout, &report));
    sa_status status = sa_time_source_ops(&s->source, &report, false, &times);
    if (status == SA_OK) status = sa_plan_json(&report, &times, &plan);
    free(times.ms);
    sa_plan_report_free(&report);
    SA_TRY(status);
    move_facts(s, plan);
    cJSON_AddItemToArray(s->plans, plan);
    return SA_OK;
}

/* *number: that of the strategy's plan, an earlier one if it has the same program. */
static sa_status add_plan(story *s, const sa_strategy *strategy, int *number)
{
    sa_layout layout;
    SA_TRY(sa_layout_create(s->net, strategy, s->device, &s->options, &layout));
    const uint64_t signature = sa_program_signature(layout.program);
    int same = 0;
    while (same < s->count && s->signature[same] != signature) same++;
    sa_status status = SA_OK;
    if (same == PLANS_MAX) status = sa_error_set(SA_INVALID, "more than %d strategies", PLANS_MAX);
    else if (same == s->count) status = document_of(s, strategy, &layout);
    if (status == SA_OK && same == s->count) s->signature[s->count++] = signature;
    sa_layout_free(&layout);
    SA_TRY(status);
    *number = same;
    return SA_OK;
}

static sa_status add_rung(story *s, cJSON *ladder, const char *name)
{
    sa_strategy strategy;
    int plan;
    SA_TRY(sa_strategy_parse(name, &strategy));
    strategy.conv = s->request->conv;
    SA_TRY(add_plan(s, &strategy, &plan));
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "name", name);
    for (int i = 0; sa_preset_at(i); i++) {
        if (strcmp(sa_preset_at(i)->name, name) != 0) continue;
        cJSON_AddStringToObject(row, "help", sa_preset_at(i)->help);
        cJSON_AddStringToObject(row, "made_of", sa_preset_at(i)->switches);
    }
    cJSON_AddBoolToObject(row, "lossless", sa_strategy_is_lossless(&strategy));
    cJSON_AddNumberToObject(row, "plan", plan);
    cJSON_AddItemToArray(ladder, row);
    return SA_OK;
}

static sa_status add_ladder(story *s)
{
    cJSON *ladder = cJSON_AddArrayToObject(s->root, "ladder");
    char *list = strdup(s->request->strategies), *rest = list, *name;
    if (!list) SA_FAIL(SA_NOMEM, "no memory for a list of strategies");
    sa_status status = SA_OK;
    while (status == SA_OK && (name = strsep(&rest, ",")) != NULL) {
        if (strcmp(name, "ladder") != 0) status = add_rung(s, ladder, name);
        else
            for (int i = 0; sa_preset_at(i) && status == SA_OK; i++) status = add_rung(s, ladder, sa_preset_at(i)->name);
    }
    free(list);
    return status;
}

static sa_status add_frontier(story *s)
{
    sa_frontier frontier;
    cJSON *rows = cJSON_AddArrayToObject(s->root, "frontier");
    SA_TRY(sa_frontier_create(s->net, s->source.model, s->request->conv, &s->options, &frontier));
    sa_status status = SA_OK;
    for (size_t i = 0; i < frontier.count && status == SA_OK; i++) {
        const sa_frontier_point *point = &frontier.point[i];
        int plan;
        status = add_plan(s, &point->strategy, &plan);
        if (status != SA_OK) break;
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "strategy", point->strategy.name);
        cJSON_AddNumberToObject(row, "total_bytes", (double)point->bytes);
        cJSON_AddNumberToObject(row, "predicted_ms", point->cost.ms);
        cJSON_AddNumberToObject(row, "plan", plan);
        cJSON_AddItemToArray(rows, row);
    }
    sa_frontier_free(&frontier);
    return status;
}

/* What each switch does, for the page's sentences about rungs. */
static void add_switches(cJSON *root)
{
    cJSON *switches = cJSON_AddObjectToObject(root, "switches");
    for (int i = 0; i < SA_SWITCH_COUNT; i++) {
        const sa_switch_info *info = sa_switch_get_info((sa_switch)i);
        cJSON_AddStringToObject(switches, info->name, info->help);
    }
}

sa_status sa_story_net(const sa_story_request *request, const sa_net *net, sa_device *device, cJSON **json)
{
    story s = {.request = request, .net = net, .device = device, .options = {.training = sa_net_trains(net)}};
    SA_TRY(sa_time_source_open("story", device, request->costs, request->bench_path, &s.source));
    s.root = cJSON_CreateObject();
    s.plans = cJSON_CreateArray();
    add_switches(s.root);
    sa_status status = add_ladder(&s);
    if (status == SA_OK && request->frontier) status = add_frontier(&s);
    sa_time_source_close(&s.source);
    cJSON_AddItemToObject(s.root, "plans", s.plans);
    if (status != SA_OK) {
        cJSON_Delete(s.root);
        return status;
    }
    *json = s.root;
    return SA_OK;
}
