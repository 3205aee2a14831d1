/* Shipped nets by name: see shipped_nets.h. */
#include "cli/shipped_nets.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

static bool find_in(const char *folder, const char *name, const char *suffix, char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s/%s%s.prototxt", folder, name, suffix);
    if (length < PATH_MAX && is_file(path)) return true;
    length = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return length < PATH_MAX && is_file(path);
}

/* PREFIX/bin/segarena -> PREFIX/share/segarena/nets; TREE/build/segarena and TREE/build/asan/segarena -> TREE/nets. */
static bool find_beside_program(const char *name, const char *suffix, char path[PATH_MAX])
{
    static const char *const FOLDERS[] = {"../share/segarena/nets", "../nets", "../../nets"};
    char self[PATH_MAX], folder[PATH_MAX + 64], clean[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return false;
    self[length] = '\0';
    const char *home = dirname(self);
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        snprintf(folder, sizeof folder, "%s/%s", home, FOLDERS[i]);
        if (realpath(folder, clean) && find_in(clean, name, suffix, path)) return true;
    }
    return false;
}

bool sa_cli_shipped_net(const char *name, const char *suffix, char path[PATH_MAX])
{
    const char *given = getenv("SA_NETS");
    return given && given[0] ? find_in(given, name, suffix, path) : find_beside_program(name, suffix, path);
}

const char *sa_cli_net_path(const char *argument, const char *suffix, char path[PATH_MAX])
{
    if (is_file(argument) || argument[0] == '\0' || strchr(argument, '/')) return argument;
    return sa_cli_shipped_net(argument, suffix, path) ? path : argument;
}
