/* Reading a command line: what argp does, after a look for names that it would misread or only call unknown. */
#ifndef SA_CLI_COMMAND_LINE_H
#define SA_CLI_COMMAND_LINE_H

#include <argp.h>
#include <stdbool.h>

/* Parses argv (argv[0]: "segarena plan") into input. Misspelt options and Caffe's own spellings are told in one line on stderr,
 * with ours. False: wrong usage, which was told; the command returns 2. */
bool sa_cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* One line on stderr about a command that does not exist. names: (count), those that do. */
void sa_cli_unknown_command(const char *command, const char *const *names, int count);

#endif
