/* Planning presets by name, and picking one that fits. */
#include "cli/preset_plan.h"

#include "core/size_text.h"

#include <stdio.h>

sa_status sa_preset_plan_bytes(const sa_net *net, const char *strategy, sa_conv_option conv, const sa_device *device, size_t *bytes)
{
    const sa_program_options options = {.training = true};
    sa_strategy parsed;
    sa_layout layout;
    SA_TRY(sa_strategy_parse(strategy, &parsed));
    parsed.conv = conv;
    SA_TRY(sa_layout_create(net, &parsed, device, &options, &layout));
    *bytes = layout.plan.peak_bytes;
    sa_layout_free(&layout);
    return SA_OK;
}

void sa_preset_fit_advice(const sa_net *net, sa_conv_option conv, const sa_device *device, size_t free_bytes,
                          char advice[SA_FIT_ADVICE_BYTES])
{
    static const char *const FASTEST_FIRST[] = {"fastest", "balanced", "recomputed", "smallest", "extreme"};
    char text[SA_SIZE_TEXT_BYTES];
    size_t bytes, least = SIZE_MAX;
    for (size_t i = 0; i < sizeof FASTEST_FIRST / sizeof FASTEST_FIRST[0]; i++) {
        if (sa_preset_plan_bytes(net, FASTEST_FIRST[i], conv, device, &bytes) != SA_OK) continue;
        if (bytes < least) least = bytes;
        if (bytes > free_bytes) continue;
        snprintf(advice, SA_FIT_ADVICE_BYTES, "--strategy %s needs %s bytes and fits", FASTEST_FIRST[i],
                 sa_size_format_exact(bytes, text));
        return;
    }
    snprintf(advice, SA_FIT_ADVICE_BYTES, "no preset fits; the smallest of them needs %s bytes", sa_size_format_exact(least, text));
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
