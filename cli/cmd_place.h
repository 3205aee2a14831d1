/* `segarena place`. */
#ifndef SA_CLI_CMD_PLACE_H
#define SA_CLI_CMD_PLACE_H

/* argv[0] is the command's own name. Returns the exit code: 0, 1 (no placement, or an error, said on stderr), 2 (wrong usage). */
int sa_cmd_place(int argc, char **argv);

#endif
