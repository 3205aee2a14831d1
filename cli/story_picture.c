/* Plans nets under strategies and draws the plans into one picture. */
#include "cli/story_picture.h"

#include "core/output_file.h"
#include "report/map_svg.h"

#include <stdlib.h>
#include <string.h>

enum { PANELS_MAX = 64 };

typedef struct panel {
    sa_strategy strategy;
    sa_layout layout;
    sa_plan_report report;
} panel;

static sa_status plan_panel(panel *p, const sa_story_request *request, const sa_story_nets *n, const char *name)
{
    const sa_program_options options = {.training = sa_net_trains(n->net)};
    SA_TRY(sa_strategy_parse(name, &p->strategy));
    p->strategy.conv = request->conv;
    SA_TRY(sa_layout_create(n->net, &p->strategy, n->device, &options, &p->layout));
    return sa_plan_report_create(n->net, &p->strategy, &p->layout, &p->report);
}

/* A row of panels per strategy. *count: of those begun, which are to be freed. */
static sa_status plan_all(const sa_story_request *request, const sa_story_nets *nets, size_t net_count, char *list, panel *panels,
                          size_t *count)
{
    char *rest = list, *name;
    while ((name = strsep(&rest, ",")) != NULL) {
        for (size_t i = 0; i < net_count; i++) {
            if (*count == PANELS_MAX) SA_FAIL(SA_INVALID, "more than %d maps in one picture", PANELS_MAX);
            SA_TRY(plan_panel(&panels[(*count)++], request, &nets[i], name));
        }
    }
    return SA_OK;
}

static sa_status draw(const char *path, const panel *panels, size_t count, const sa_map_svg_options *options)
{
    const sa_plan_report *reports[PANELS_MAX];
    char *text;
    for (size_t i = 0; i < count; i++) reports[i] = &panels[i].report;
    SA_TRY(sa_map_svg(reports, count, options, &text));
    sa_status status = sa_output_file_put(path, text, strlen(text));
    free(text);
    return status;
}

sa_status sa_story_write_svg(const char *path, const sa_story_request *request, const sa_story_nets *nets, size_t net_count,
                             size_t capacity_bytes)
{
    const sa_map_svg_options options = {.columns = net_count, .capacity_bytes = capacity_bytes};
    panel *panels = calloc(PANELS_MAX, sizeof *panels);
    char *list = strdup(request->strategies);
    size_t count = 0;
    sa_status status = panels && list ? plan_all(request, nets, net_count, list, panels, &count)
                                      : sa_error_set(SA_NOMEM, "no memory for a picture");
    if (status == SA_OK) status = draw(path, panels, count, &options);
    for (size_t i = 0; i < count; i++) {
        sa_plan_report_free(&panels[i].report);
        sa_layout_free(&panels[i].layout);
    }
    free(panels);
    free(list);
    return status;
}
