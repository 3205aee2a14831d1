/* The `segarena` command: picks the subcommand. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/process_frame.h"
#include "cli/start.h"
#include "cli/text_output.h"
#include "core/version.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} COMMANDS[] = {
#define SA_COMMAND_ROW(function, name, help) {name, help, sa_cmd_##function},
    SA_COMMANDS(SA_COMMAND_ROW)
#undef SA_COMMAND_ROW
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

/* Read by argp: every command has --version. */
const char *argp_program_version = "segarena " SA_VERSION;

static void usage(FILE *stream)
{
    sa_text_say(
        stream, 0,
        "segarena: where the memory of a training step goes, and where it need not\n\nusage: segarena COMMAND [OPTION...]\n");
    for (int i = 0; i < COMMAND_COUNT; i++) sa_text_say(stream, 14, "  %-12s%s", COMMANDS[i].name, COMMANDS[i].help);
    sa_text_say(stream, 0, "\n`segarena COMMAND --help` lists the options of a command.");
}

int main(int argc, char **argv)
{
    sa_cli_start(argv);
    sa_process_begin();
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) return puts(argp_program_version) == EOF;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        static char name[64]; /* argv points at it to the end */
        if (strcmp(argv[1], COMMANDS[i].name)) continue;
        snprintf(name, sizeof name, "segarena %s", argv[1]);
        argv[1] = name;
        return COMMANDS[i].run(argc - 1, argv + 1);
    }
    const char *names[COMMAND_COUNT];
    for (int i = 0; i < COMMAND_COUNT; i++) names[i] = COMMANDS[i].name;
    sa_cli_unknown_command(argv[1], names, COMMAND_COUNT);
    return 2;
}
