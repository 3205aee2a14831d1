/* The files that a command is told to write, looked at before anything is computed. */
#ifndef SA_CLI_OUTPUT_NAMES_H
#define SA_CLI_OUTPUT_NAMES_H

#include "cli/file_kind.h"

#include <stdbool.h>

typedef struct sa_cli_output {
    const char *option; /* "--csv" */
    const char *path;   /* NULL: not given */
    sa_file_kind kind;  /* what is written, and what alone may be replaced: never UNKNOWN */
} sa_cli_output;

/* SA_IO: a file cannot be written there (core/output_file.h). SA_INVALID: two options name one file, or a file would be
 * replaced that is not of the kind that is written: somebody's net, list, image, weights or notes. Empty files and streams pass:
 * "-", a FIFO, /dev/null. */
SA_CHECKED sa_status sa_cli_outputs_check(const sa_cli_output *output, int count);

/* Whether two paths lead to one file, which need not exist. */
bool sa_cli_same_file(const char *a, const char *b);

#endif
