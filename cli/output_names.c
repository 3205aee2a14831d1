/* Looking at the names of output files: see output_names.h. */
#include "cli/output_names.h"

#include "core/output_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The folder of a path that does not exist, as the file system names it, and the name in it. */
static bool place_of(const char *path, char folder[PATH_MAX], const char **name)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (strlen(path) >= sizeof parent) return false;
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    return realpath(parent, folder) != NULL;
}

bool sa_cli_same_file(const char *a, const char *b)
{
    char folder_a[PATH_MAX], folder_b[PATH_MAX];
    const char *name_a, *name_b;
    struct stat at_a, at_b;
    bool is_a = stat(a, &at_a) == 0, is_b = stat(b, &at_b) == 0;
    if (is_a && is_b) return at_a.st_dev == at_b.st_dev && at_a.st_ino == at_b.st_ino;
    if (is_a || is_b || !place_of(a, folder_a, &name_a) || !place_of(b, folder_b, &name_b)) return false;
    return !strcmp(folder_a, folder_b) && !strcmp(name_a, name_b);
}

static sa_status check_one(const sa_cli_output *o)
{
    bool stream;
    SA_TRY(sa_output_file_check_place(o->path, &stream));
    if (stream) return SA_OK;
    struct stat found;
    if (stat(o->path, &found) != 0 || found.st_size == 0) return SA_OK;
    sa_file_kind there = sa_file_kind_of(o->path);
    if (there != SA_FILE_UNKNOWN && sa_file_kind_is(there, o->kind)) return SA_OK;
    SA_FAIL(SA_INVALID, "%s is %s, which %s would replace: remove it first, or give another name", o->path,
            sa_file_kind_name(there), o->option);
}

sa_status sa_cli_outputs_check(const sa_cli_output *output, int count)
{
    for (int i = 0; i < count; i++) {
        if (!output[i].path) continue;
        SA_TRY(check_one(&output[i]));
        struct stat status;
        bool is_stream = stat(output[i].path, &status) == 0 && !S_ISREG(status.st_mode);
        for (int k = 0; k < i && !is_stream; k++)
            if (output[k].path && sa_cli_same_file(output[k].path, output[i].path))
                SA_FAIL(SA_INVALID, "%s and %s both go to %s: give them different names", output[k].option, output[i].option,
                        output[i].path);
    }
    return SA_OK;
}
