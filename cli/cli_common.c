/* What the subcommands share: how they fail. */
#include "cli/commands.h"
#include "core/status.h"

#include <stdio.h>

int sa_cli_fail(const char *command)
{
    fprintf(stderr, "segarena %s: %s\n", command, sa_error_message());
    return 1;
}

void sa_cli_note(const char *command, const char *note)
{
    if (note[0]) fprintf(stderr, "segarena %s: note: %s\n", command, note);
}
