/* What bench_old and bench_new are: `segarena bench` with a fixed net, found beside the binary's folder. */
#ifndef SA_BENCH_BENCH_NET_H
#define SA_BENCH_BENCH_NET_H

#include "cli/bench_run.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* nets/NAME from the current folder; else from $SA_NETS; else from the folders above the binary. */
static inline const char *sa_bench_find_net(const char *name, char path[PATH_MAX])
{
    char self[PATH_MAX - 64];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *given = getenv("SA_NETS");
    snprintf(path, PATH_MAX, "%s/%s", given ? given : "nets", name);
    if (access(path, R_OK) == 0 || length <= 0) return path;
    self[length] = '\0';
    char *folder = self;
    for (int up = 0; up < 3; up++) {
        folder = dirname(folder);
        snprintf(path, PATH_MAX, "%s/nets/%s", folder, name);
        if (access(path, R_OK) == 0) return path;
        snprintf(path, PATH_MAX, "%s/share/segarena/nets/%s", folder, name);
        if (access(path, R_OK) == 0) return path;
    }
    snprintf(path, PATH_MAX, "nets/%s", name);
    return path;
}

static inline int sa_bench_net(int argc, char **argv, const char *name)
{
    char path[PATH_MAX];
    sa_bench_options options = {0};
    int status = sa_bench_parse(argc, argv, sa_bench_find_net(name, path), &options);
    return status >= 0 ? status : sa_bench_command(&options);
}

#endif
