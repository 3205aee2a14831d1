/* Planning presets by name, and picking one that fits. */
#include "cli/preset_plan.h"

#include "core/size_text.h"

#include <stdio.h>

sa_status sa_preset_plan_bytes(const sa_net *net, const char *strategy, sa_conv_option conv, const sa_device *device, size_t *bytes)
{
    const sa_program_options options = {.training = sa_net_trains(net)};
    sa_strategy parsed;
    sa_layout layout;
    SA_TRY(sa_strategy_parse(strategy, &parsed));
    parsed.conv = conv;
    SA_TRY(sa_layout_create(net, &parsed, device, &options, &layout));
    *bytes = layout.plan.peak_bytes;
    sa_layout_free(&layout);
    return SA_OK;
}

sa_status sa_preset_load_bytes(const sa_net *net, const char *strategy, sa_conv_option conv, const sa_device *device, size_t *bytes)
{
    const sa_program_options options = {.training = sa_net_trains(net)};
    sa_strategy parsed;
    sa_program *program;
    size_t load;
    SA_TRY(sa_strategy_parse(strategy, &parsed));
    parsed.conv = conv;
    if (!sa_strategy_has(&parsed, SA_SWITCH_LIFETIMES)) return sa_preset_plan_bytes(net, strategy, conv, device, bytes);
    SA_TRY(sa_program_for_strategy(net, &parsed, device, &options, &program));
    sa_status status = sa_plan_max_load(program->buffer, program->buffer_count, &load);
    sa_program_free(program);
    if (status == SA_OK) *bytes = load;
    return status;
}

sa_status sa_builtin_frontier(const sa_net *net, sa_conv_option conv, const sa_device *device, sa_frontier *frontier)
{
    const sa_program_options options = {.training = sa_net_trains(net)};
    sa_cost_model *model;
    SA_TRY(sa_cost_model_create(device, &model));
    sa_status status = sa_frontier_create(net, model, conv, &options, frontier);
    sa_cost_model_destroy(model);
    return status;
}

/* The fastest of the presets first; `lossy` is never advised. */
static bool advise_preset(const sa_net *net, sa_conv_option conv, const sa_device *device, size_t free_bytes, size_t *least,
                          char advice[SA_FIT_ADVICE_BYTES])
{
    static const char *const FASTEST_FIRST[] = {"fastest", "balanced", "recomputed", "smallest", "extreme"};
    char text[SA_SIZE_TEXT_BYTES];
    size_t bytes;
    for (size_t i = 0; i < sizeof FASTEST_FIRST / sizeof FASTEST_FIRST[0]; i++) {
        if (sa_preset_plan_bytes(net, FASTEST_FIRST[i], conv, device, &bytes) != SA_OK) continue;
        if (bytes < *least) *least = bytes;
        if (bytes > free_bytes) continue;
        snprintf(advice, SA_FIT_ADVICE_BYTES, "--strategy %s needs %s bytes and fits", FASTEST_FIRST[i],
                 sa_size_format_exact(bytes, text));
        return true;
    }
    return false;
}

void sa_preset_fit_advice(const sa_net *net, sa_conv_option conv, const sa_device *device, size_t free_bytes,
                          char advice[SA_FIT_ADVICE_BYTES])
{
    char text[SA_SIZE_TEXT_BYTES];
    size_t least = SIZE_MAX, index;
    sa_frontier f = {0};
    if (advise_preset(net, conv, device, free_bytes, &least, advice)) return;
    bool searched = sa_builtin_frontier(net, conv, device, &f) == SA_OK && f.count > 0;
    if (searched && f.point[f.count - 1].bytes < least) least = f.point[f.count - 1].bytes;
    if (searched && sa_budget_solve(&f, free_bytes, &index) == SA_OK)
        snprintf(advice, SA_FIT_ADVICE_BYTES, "--strategy %s needs %s bytes and fits", f.point[index].strategy.name,
                 sa_size_format_exact(f.point[index].bytes, text));
    else if (least == SIZE_MAX) snprintf(advice, SA_FIT_ADVICE_BYTES, "no strategy can be planned for it");
    else
        snprintf(advice, SA_FIT_ADVICE_BYTES, "no strategy found fits; the smallest found needs %s bytes",
                 sa_size_format_exact(least, text));
    sa_frontier_free(&f);
}

sa_status sa_preset_advise(sa_status status, const sa_net *net, sa_conv_option conv, sa_device *device)
{
    char cause[800], advice[SA_FIT_ADVICE_BYTES];
    size_t free_bytes, total_bytes;
    if (status != SA_NOMEM) return status;
    snprintf(cause, sizeof cause, "%s", sa_error_message());
    if (device->functions->mem_info(device, &free_bytes, &total_bytes) != SA_OK) return sa_error_set(status, "%s", cause);
    sa_preset_fit_advice(net, conv, device, free_bytes, advice);
    return sa_error_set(status, "%s; %s", cause, advice);
}
