/* Looks at an output path. The links are followed here, not by rename, which would replace the link itself. */
#include "core/output_target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { LINKS_MAX = 40 };

static bool same_file(const struct stat *info, int descriptor)
{
    struct stat other;
    return fstat(descriptor, &other) == 0 && other.st_dev == info->st_dev && other.st_ino == info->st_ino;
}

/* Cuts a path at its last slash: "a/b" gives "a", "b" gives ".", "/b" gives "/". Returns the name. */
static const char *split(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (!slash) strcpy(folder, ".");
    else snprintf(folder, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return slash ? slash + 1 : path;
}

/* The links of /proc/<pid>/fd stand for open files; their texts are no paths. */
static bool is_in_proc(const char *path)
{
    char folder[PATH_MAX];
    struct statfs info;
    split(path, folder);
    return statfs(folder, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

/* Replaces a link's path by what it points at. */
static sa_status follow(const char *path, char at[PATH_MAX])
{
    char text[PATH_MAX], folder[PATH_MAX];
    ssize_t length = readlink(at, text, sizeof text - 1);
    if (length < 0) SA_FAIL(SA_IO, "%s: cannot write: %s", path, strerror(errno));
    text[length] = '\0';
    split(at, folder);
    int wanted =
        text[0] == '/' ? snprintf(at, PATH_MAX, "%s", text) : snprintf(at, PATH_MAX, "%.*s/%s", PATH_MAX / 2, folder, text);
    if (wanted >= PATH_MAX) SA_FAIL(SA_IO, "%s: cannot write: %s", path, strerror(ENAMETOOLONG));
    return SA_OK;
}

/* The end of the chain of links, in at; *is_proc if that is a link of /proc, which cannot be followed by its text. */
static sa_status follow_all(const char *path, char at[PATH_MAX], bool *is_proc)
{
    struct stat info;
    *is_proc = false;
    for (int links = 0; lstat(at, &info) == 0 && S_ISLNK(info.st_mode); links++) {
        *is_proc = is_in_proc(at);
        if (*is_proc) return SA_OK;
        if (links == LINKS_MAX) SA_FAIL(SA_IO, "%s: cannot write: %s", path, strerror(ELOOP));
        SA_TRY(follow(path, at));
    }
    return SA_OK;
}

static sa_status check_kind(const char *path, mode_t mode)
{
    const char *kind = S_ISDIR(mode) ? "folder" : S_ISSOCK(mode) ? "socket" : S_ISBLK(mode) ? "block device" : NULL;
    if (kind) SA_FAIL(SA_IO, "%s: cannot write: it is a %s", path, kind);
    return SA_OK;
}

/* A folder that may be entered but not read can still take files. */
static int open_folder(const char *folder)
{
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return descriptor < 0 && errno == EACCES ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : descriptor;
}

static sa_status find_regular(const char *path, const char *at, sa_output_target *target)
{
    char folder[PATH_MAX];
    const char *name = split(at, folder);
    if (!*name) SA_FAIL(SA_IO, "%s: cannot write: it is the name of a folder", path);
    if (strlen(name) > NAME_MAX) SA_FAIL(SA_IO, "%s: cannot write: %s", path, strerror(ENAMETOOLONG));
    strcpy(target->name, name);
    target->folder = open_folder(folder);
    if (target->folder < 0) SA_FAIL(SA_IO, "%s: cannot write: its folder %s: %s", path, folder, strerror(errno));
    if (!target->exists || faccessat(target->folder, name, W_OK, AT_EACCESS) == 0) return SA_OK;
    int cause = errno;
    sa_output_target_release(target);
    SA_FAIL(SA_IO, "%s: cannot write: %s", path, strerror(cause));
}

sa_status sa_output_target_find(const char *path, sa_output_target *target)
{
    char at[PATH_MAX];
    bool is_proc;
    sa_output_target found = {.folder = -1};
    if (!*path) SA_FAIL(SA_IO, "the name of an output file is empty");
    if (strlen(path) >= PATH_MAX) SA_FAIL(SA_IO, "%.60s...: cannot write: %s", path, strerror(ENAMETOOLONG));
    if (!strcmp(path, "-")) found.standard = stdout;
    else if (stat(path, &found.existing) == 0) {
        SA_TRY(check_kind(path, found.existing.st_mode));
        found.exists = true;
        found.standard = same_file(&found.existing, STDOUT_FILENO)   ? stdout
                         : same_file(&found.existing, STDERR_FILENO) ? stderr
                                                                     : NULL;
        found.in_place = !S_ISREG(found.existing.st_mode);
    } else if (errno != ENOENT) {
        SA_FAIL(SA_IO, "%s: cannot write: %s", path, strerror(errno));
    }
    if (!found.standard && !found.in_place) {
        strcpy(at, path);
        SA_TRY(follow_all(path, at, &is_proc));
        if (is_proc) found.in_place = true;
        else SA_TRY(find_regular(path, at, &found));
    }
    *target = found;
    return SA_OK;
}

void sa_output_target_release(sa_output_target *target)
{
    if (target->folder >= 0) close(target->folder);
    target->folder = -1;
}
