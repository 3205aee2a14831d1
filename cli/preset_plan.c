/* Planning presets by name, and picking one that fits. */
#include "cli/preset_plan.h"

#include "core/size_text.h"

#include <stdio.h>

sa_status sa_strategy_plan_bytes(const sa_net *net, const sa_strategy *strategy, const sa_device *device, size_t *bytes)
{
    const sa_program_options options = {.training = sa_net_trains(net)};
    sa_layout layout;
    SA_TRY(sa_layout_create(net, strategy, device, &options, &layout));
    *bytes = layout.plan.peak_bytes;
    sa_layout_free(&layout);
    return SA_OK;
}

sa_status sa_preset_plan_bytes(const sa_net *net, const char *strategy, sa_conv_option conv, const sa_device *device, size_t *bytes)
{
    sa_strategy parsed;
    SA_TRY(sa_strategy_parse(strategy, &parsed));
    parsed.conv = conv;
    sa_status status = sa_strategy_plan_bytes(net, &parsed, device, bytes);
    sa_strategy_free(&parsed);
    return status;
}

sa_status sa_strategy_load_bytes(const sa_net *net, const sa_strategy *strategy, const sa_device *device, size_t *bytes)
{
    const sa_program_options options = {.training = sa_net_trains(net)};
    sa_program *program;
    size_t load;
    if (!sa_strategy_has(strategy, SA_SWITCH_LIFETIMES)) return sa_strategy_plan_bytes(net, strategy, device, bytes);
    SA_TRY(sa_program_for_strategy(net, strategy, device, &options, &program));
    sa_status status = sa_plan_max_load(program->buffer, program->buffer_count, &load);
    sa_program_free(program);
    if (status == SA_OK) *bytes = load;
    return status;
}

sa_status sa_builtin_frontier(const sa_net *net, sa_conv_option conv, const sa_device *device, size_t budget_bytes,
                              sa_frontier *frontier)
{
    const sa_program_options options = {.training = sa_net_trains(net)};
    sa_cost_model *model;
    SA_TRY(sa_cost_model_create(device, &model));
    sa_status status = sa_frontier_create_for(net, model, conv, &options, budget_bytes, frontier);
    sa_cost_model_destroy(model);
    return status;
}

void sa_budget_text(size_t bytes, char text[SA_BUDGET_TEXT_BYTES])
{
    const size_t mebibytes = bytes >> 20, kibibytes = bytes >> 10;
    if (mebibytes >= 64) snprintf(text, SA_BUDGET_TEXT_BYTES, "--budget %zuMiB", mebibytes);
    else if (kibibytes >= 64) snprintf(text, SA_BUDGET_TEXT_BYTES, "--budget %zuKiB", kibibytes);
    else snprintf(text, SA_BUDGET_TEXT_BYTES, "--budget %zu", bytes);
}

size_t sa_budget_rounded(size_t bytes)
{
    return bytes >> 26 ? bytes >> 20 << 20 : bytes >> 16 ? bytes >> 10 << 10 : bytes;
}

/* The search for the bytes that are free; failing that, the least. */
static void advise_budget(const sa_net *net, sa_conv_option conv, const sa_device *device, size_t free_bytes,
                          char advice[SA_FIT_ADVICE_BYTES])
{
    char text[SA_SIZE_TEXT_BYTES], option[SA_BUDGET_TEXT_BYTES];
    sa_frontier f = {0};
    size_t index;
    const size_t budget = sa_budget_rounded(free_bytes);
    if (sa_builtin_frontier(net, conv, device, budget, &f) != SA_OK || f.count == 0)
        snprintf(advice, SA_FIT_ADVICE_BYTES, "no strategy can be planned for it");
    else if (sa_budget_solve(&f, budget, &index) == SA_OK) {
        sa_budget_text(budget, option);
        snprintf(advice, SA_FIT_ADVICE_BYTES, "%s needs %s bytes and fits, in about %.2f times the time of fastest", option,
                 sa_size_format_exact(f.point[index].bytes, text), f.point[index].cost.ms / f.point[0].cost.ms);
    } else {
        snprintf(advice, SA_FIT_ADVICE_BYTES, "no strategy found fits; the smallest found needs %s bytes",
                 sa_size_format_exact(f.point[f.count - 1].bytes, text));
    }
    sa_error_clear();
    sa_frontier_free(&f);
}

void sa_preset_fit_advice(const sa_net *net, sa_conv_option conv, const sa_device *device, size_t free_bytes,
                          char advice[SA_FIT_ADVICE_BYTES])
{
    char text[SA_SIZE_TEXT_BYTES];
    size_t bytes;
    if (sa_preset_plan_bytes(net, "fastest", conv, device, &bytes) == SA_OK && bytes <= free_bytes)
        snprintf(advice, SA_FIT_ADVICE_BYTES, "--strategy fastest needs %s bytes and fits", sa_size_format_exact(bytes, text));
    else advise_budget(net, conv, device, free_bytes, advice);
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
