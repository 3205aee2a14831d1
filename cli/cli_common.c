/* What the subcommands share: how they fail, and what they say beside their output. */
#include "cli/commands.h"
#include "cli/text_output.h"
#include "core/output_file.h"

#include <stdarg.h>
#include <stdio.h>

int sa_cli_fail(const char *command)
{
    sa_text_say(stderr, 0, "segarena %s: %s", command, sa_error_message());
    return 1;
}

void sa_cli_note(const char *command, const char *note)
{
    if (note[0]) sa_text_say(stderr, 0, "segarena %s: note: %s", command, note);
}

void sa_cli_wrote(const char *command, const char *path, const char *what, ...)
{
    char text[200];
    va_list arguments;
    if (sa_output_file_is_stdout(path)) return;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    sa_text_say(stderr, 0, "segarena %s: wrote %s (%s)", command, path, text);
}
