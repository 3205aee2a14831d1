/* Values of options: a wrong one ends the program with one line and exit status 2, as argp_error does. */
#ifndef SA_CLI_OPTION_VALUES_H
#define SA_CLI_OPTION_VALUES_H

#include <argp.h>
#include <stddef.h>

/* name: without its dashes. low <= value <= high. */
int sa_cli_number(struct argp_state *state, const char *name, const char *text, int low, int high);
/* More than 0 bytes. */
size_t sa_cli_size(struct argp_state *state, const char *name, const char *text);
/* The same, or "min": SA_BUDGET_MIN. */
size_t sa_cli_budget_size(struct argp_state *state, const char *text);

#endif
