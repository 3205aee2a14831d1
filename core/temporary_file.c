/* Temporary files. Their names cannot be guessed and O_EXCL refuses what is there, so that no planted link is written through; two
 * processes with one number (containers) do not meet. A lock tells a live one from one that a killed process has left. */
#include "core/temporary_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MARK ".tmp-"
enum { RANDOM_CHARACTERS = 12, SUFFIX_BYTES = sizeof MARK - 1 + RANDOM_CHARACTERS, TRIES = 100, STALE_SECONDS = 60 };

/* A signal handler reads this list: a slot is filled while it is TAKEN and looked at only when it is LIVE. */
enum { FREE, TAKEN, LIVE };
static struct {
    atomic_int state;
    int folder;
    char name[NAME_MAX + 1];
} open_files[SA_TEMPORARIES_OPEN_MAX];

static int list_add(int folder, const char *name)
{
    for (int i = 0; i < SA_TEMPORARIES_OPEN_MAX; i++) {
        int expected = FREE;
        if (!atomic_compare_exchange_strong(&open_files[i].state, &expected, TAKEN)) continue;
        open_files[i].folder = folder;
        strcpy(open_files[i].name, name);
        atomic_store(&open_files[i].state, LIVE);
        return i;
    }
    return -1;
}

static void list_drop(int slot)
{
    if (slot >= 0) atomic_store(&open_files[slot].state, FREE);
}

void sa_temporary_files_remove_all(void)
{
    for (int i = 0; i < SA_TEMPORARIES_OPEN_MAX; i++)
        if (atomic_load(&open_files[i].state) == LIVE) unlinkat(open_files[i].folder, open_files[i].name, 0);
}

/* The part of the name that all temporary files of one target share; cut where the whole would be too long. */
static int stem_bytes(const char *name)
{
    size_t length = strlen(name);
    return length > NAME_MAX - SUFFIX_BYTES ? NAME_MAX - SUFFIX_BYTES : (int)length;
}

static int make_name(const char *target, char name[NAME_MAX + 1])
{
    unsigned char random[RANDOM_CHARACTERS];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return errno ? errno : EIO;
    int at = snprintf(name, NAME_MAX + 1, "%.*s" MARK, stem_bytes(target), target);
    for (int i = 0; i < RANDOM_CHARACTERS; i++) name[at++] = "abcdefghijklmnopqrstuvwxyz234567"[random[i] % 32];
    name[at] = '\0';
    return 0;
}

int sa_temporary_file_create(int folder, const char *name, mode_t mode, sa_temporary_file *file)
{
    int cause = EEXIST;
    for (int i = 0; i < TRIES && cause == EEXIST; i++) {
        sa_temporary_file made = {.folder = folder};
        cause = make_name(name, made.name);
        if (cause) return cause;
        made.slot = list_add(folder, made.name); /* before it is there: a signal in between finds nothing to remove */
        made.descriptor = openat(folder, made.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (made.descriptor >= 0) {
            (void)flock(made.descriptor, LOCK_EX | LOCK_NB);
            *file = made;
            return 0;
        }
        cause = errno;
        list_drop(made.slot);
    }
    return cause;
}

int sa_temporary_file_rename(sa_temporary_file *file, const char *name)
{
    if (renameat(file->folder, file->name, file->folder, name) != 0) return errno;
    list_drop(file->slot);
    file->slot = -1;
    return 0;
}

void sa_temporary_file_remove(sa_temporary_file *file)
{
    (void)unlinkat(file->folder, file->name, 0);
    list_drop(file->slot);
    file->slot = -1;
}

static bool is_of_target(const char *entry, const char *target)
{
    size_t stem = (size_t)stem_bytes(target);
    return strlen(entry) == stem + SUFFIX_BYTES && !strncmp(entry, target, stem) && !strncmp(entry + stem, MARK, sizeof MARK - 1);
}

static void remove_if_stale(int folder, const char *name)
{
    struct stat info, now_there;
    int descriptor = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) return;
    bool old = fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() &&
               time(NULL) - info.st_mtime > STALE_SECONDS;
    if (old && flock(descriptor, LOCK_EX | LOCK_NB) == 0 && fstatat(folder, name, &now_there, AT_SYMLINK_NOFOLLOW) == 0 &&
        now_there.st_ino == info.st_ino)
        (void)unlinkat(folder, name, 0);
    close(descriptor);
}

void sa_temporary_files_remove_stale(int folder, const char *name)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
    if (!entries) {
        if (copy >= 0) close(copy);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (is_of_target(entry->d_name, name)) remove_if_stale(folder, entry->d_name);
    closedir(entries);
}
