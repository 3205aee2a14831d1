/* Shipped nets by name: see shipped_nets.h. */
#include "cli/shipped_nets.h"

#include "core/closest.h"

#include <dirent.h>
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

/* The folder of the shipped nets: $SA_NETS, else beside the program: PREFIX/bin/segarena -> PREFIX/share/segarena/nets;
 * TREE/build/segarena and TREE/build/asan/segarena -> TREE/nets. The i-th that exists; false: there are no more. */
static bool folder_at(int i, char folder[PATH_MAX])
{
    static const char *const FOLDERS[] = {"../share/segarena/nets", "../nets", "../../nets"};
    enum { COUNT = sizeof FOLDERS / sizeof FOLDERS[0] };
    const char *given = getenv("SA_NETS");
    char self[PATH_MAX], beside[PATH_MAX + 64];
    if (given && given[0]) return i == 0 && snprintf(folder, PATH_MAX, "%s", given) < PATH_MAX;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return false;
    self[length] = '\0';
    const char *home = dirname(self);
    for (int k = 0; k < COUNT; k++) {
        snprintf(beside, sizeof beside, "%s/%s", home, FOLDERS[k]);
        if (realpath(beside, folder) && i-- == 0) return true;
    }
    return false;
}

bool sa_cli_shipped_net(const char *name, const char *suffix, char path[PATH_MAX])
{
    char folder[PATH_MAX];
    for (int i = 0; folder_at(i, folder); i++)
        if (find_in(folder, name, suffix, path)) return true;
    return false;
}

const char *sa_cli_net_path(const char *argument, const char *suffix, char path[PATH_MAX])
{
    if (is_file(argument) || argument[0] == '\0' || strchr(argument, '/')) return argument;
    return sa_cli_shipped_net(argument, suffix, path) ? path : argument;
}

/* ------------------------------------------------------------------ misspelt names --------------------------------- */

enum { NAMES_MAX = 64, NAME_BYTES = 64 };

typedef struct name_list {
    char text[NAMES_MAX][NAME_BYTES];
    const char *name[NAMES_MAX];
    size_t count;
} name_list;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* NAME of a file NAME + suffix + ".prototxt"; nets are all but the solvers. */
static void add_name(const char *file, const char *suffix, name_list *list)
{
    char end[32];
    int length = snprintf(end, sizeof end, "%s.prototxt", suffix[0] ? suffix : "");
    const char *tail = strstr(file, end);
    if (!tail || tail == file || tail[length] || tail - file >= NAME_BYTES || list->count == NAMES_MAX) return;
    if (!suffix[0] && strstr(file, "_solver")) return;
    snprintf(list->text[list->count], NAME_BYTES, "%.*s", (int)(tail - file), file);
    list->name[list->count] = list->text[list->count];
    list->count++;
}

static void list_names(const char *suffix, name_list *list)
{
    char folder[PATH_MAX];
    list->count = 0;
    for (int i = 0; folder_at(i, folder) && list->count == 0; i++) {
        DIR *open = opendir(folder);
        for (const struct dirent *e = open ? readdir(open) : NULL; e; e = readdir(open)) add_name(e->d_name, suffix, list);
        if (open) closedir(open);
    }
    qsort(list->name, list->count, sizeof list->name[0], by_name);
}

sa_status sa_cli_net_expect(const char *path, const char *suffix)
{
    struct stat status;
    char hint[SA_HINT_BYTES], names[1024] = "";
    name_list list;
    if (strpbrk(path, "/.") || path[0] == '\0' || stat(path, &status) == 0) return SA_OK;
    list_names(suffix, &list);
    if (list.count == 0) SA_FAIL(SA_IO, "%s: there is no such file", path);
    for (size_t i = 0, used = 0; i < list.count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", list.name[i]);
    sa_closest_hint(path, list.name, list.count, hint);
    SA_FAIL(SA_IO, "%s: there is no such file, and no shipped net of this name%s%s%s%s", path, hint,
            hint[0] ? " They are: " : "; they are: ", names, suffix[0] ? " (with their solvers)" : "");
}
