/* What an output path stands for, looked at before anything is written: a regular file to be replaced as a whole, or something that
 * bytes go to directly (standard output, a pipe, a terminal, a device). */
#ifndef SA_CORE_OUTPUT_TARGET_H
#define SA_CORE_OUTPUT_TARGET_H

#include "core/status.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

typedef struct sa_output_target {
    FILE *standard;          /* stdout or stderr if the path is the same file ("-", /dev/stdout, a redirection), else NULL */
    bool in_place;           /* a FIFO or a character device: opened by its path and written to, never replaced */
    int folder;              /* regular files: descriptor of the folder; -1 otherwise */
    char name[NAME_MAX + 1]; /* regular files: the name in it, links followed */
    bool exists;             /* regular files: there is one already; `existing` says its mode and owner */
    struct stat existing;
} sa_output_target;

/* Follows links, also dangling ones. SA_IO, "path: cannot write: cause", for folders, sockets, block devices, missing folders,
 * write-protected files and names that are empty or too long. The caller releases *target. */
SA_CHECKED sa_status sa_output_target_find(const char *path, sa_output_target *target);
void sa_output_target_release(sa_output_target *target);

#endif
