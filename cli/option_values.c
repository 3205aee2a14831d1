/* Values of options. */
#include "cli/option_values.h"

#include "core/size_text.h"
#include "cost/budget.h"

#include <stdlib.h>
#include <string.h>

int sa_cli_number(struct argp_state *state, const char *name, const char *text, int low, int high)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end || value < low || value > high)
        argp_error(state, "--%s %s: a whole number from %d to %d is expected", name, text, low, high);
    return (int)value;
}

size_t sa_cli_size(struct argp_state *state, const char *name, const char *text)
{
    size_t bytes = 0;
    if (sa_size_parse_positive(text, &bytes) != SA_OK) argp_error(state, "--%s: %s", name, sa_error_message());
    return bytes;
}

size_t sa_cli_budget_size(struct argp_state *state, const char *text)
{
    return strcmp(text, "min") ? sa_cli_size(state, "budget", text) : SA_BUDGET_MIN;
}
