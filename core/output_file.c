/* Writes files: whole or not at all where that can be, directly where the path is a stream. */
#include "core/output_file.h"

#include "core/output_target.h"
#include "core/temporary_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { READER_TRIES = 250, READER_WAIT_NS = 20000000 }; /* 5 s for a FIFO's reader to come */

struct sa_output_file {
    char *path;
    FILE *stream;
    sa_output_target target;
    sa_temporary_file temporary; /* regular files */
    int cause;                   /* errno of the first write that failed */
};

static bool is_replaced(const sa_output_file *file)
{
    return file->target.folder >= 0;
}

static void release(sa_output_file *file)
{
    sa_output_target_release(&file->target);
    free(file->path);
    free(file);
}

static int open_temporary(sa_output_file *file)
{
    const sa_output_target *t = &file->target;
    sa_temporary_files_remove_stale(t->folder, t->name);
    int cause = sa_temporary_file_create(t->folder, t->name, t->exists ? 0600 : 0666, &file->temporary);
    if (cause) return cause;
    file->stream = fdopen(file->temporary.descriptor, "wb");
    if (file->stream) return 0;
    cause = errno;
    sa_temporary_file_remove(&file->temporary);
    close(file->temporary.descriptor);
    return cause;
}

/* Never waits for ever: without a reader, opening a FIFO in the usual way would. */
static int open_in_place(sa_output_file *file)
{
    const struct timespec pause = {.tv_nsec = READER_WAIT_NS};
    int flags = O_WRONLY | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, descriptor = open(file->path, flags);
    for (int i = 0; i < READER_TRIES && descriptor < 0 && errno == ENXIO; i++) {
        nanosleep(&pause, NULL);
        descriptor = open(file->path, flags);
    }
    if (descriptor < 0) return errno;
    (void)fcntl(descriptor, F_SETFL, O_WRONLY);
    file->stream = fdopen(descriptor, "wb");
    if (file->stream) return 0;
    int cause = errno;
    close(descriptor);
    return cause;
}

sa_status sa_output_file_open(const char *path, sa_output_file **file)
{
    sa_output_target target;
    SA_TRY(sa_output_target_find(path, &target));
    sa_output_file *opened = calloc(1, sizeof *opened);
    char *copy = strdup(path);
    if (!opened || !copy) {
        free(opened);
        free(copy);
        sa_output_target_release(&target);
        SA_FAIL(SA_NOMEM, "%s: out of memory", path);
    }
    *opened = (sa_output_file){.path = copy, .stream = target.standard, .target = target};
    int cause = target.standard ? 0 : target.in_place ? open_in_place(opened) : open_temporary(opened);
    if (cause) {
        bool no_reader = target.in_place && cause == ENXIO;
        release(opened);
        SA_FAIL(SA_IO, "%s: cannot write: %s", path, no_reader ? "a FIFO that nobody reads" : strerror(cause));
    }
    *file = opened;
    return SA_OK;
}

sa_status sa_output_growing_open(const char *path, FILE **stream)
{
    sa_output_file opened = {.path = (char *)path};
    SA_TRY(sa_output_target_find(path, &opened.target));
    int cause = 0;
    if (opened.target.standard) opened.stream = opened.target.standard;
    else if (opened.target.in_place) cause = open_in_place(&opened);
    else if (!(opened.stream = fopen(path, "w"))) cause = errno;
    sa_output_target_release(&opened.target);
    if (cause) SA_FAIL(SA_IO, "%s: cannot write: %s", path, cause == ENXIO ? "a FIFO that nobody reads" : strerror(cause));
    *stream = opened.stream;
    return SA_OK;
}

sa_status sa_output_file_write(sa_output_file *file, const void *bytes, size_t byte_count)
{
    if (byte_count == 0 || fwrite(bytes, 1, byte_count, file->stream) == byte_count) return SA_OK;
    if (!file->cause) file->cause = errno;
    SA_FAIL(SA_IO, "%s: cannot write: %s", file->path, strerror(file->cause));
}

/* The mode and, where that is allowed, the owner of the file that is replaced. */
static void copy_owner(int descriptor, const struct stat *existing)
{
    struct stat made;
    bool differs = fstat(descriptor, &made) == 0 && (made.st_uid != existing->st_uid || made.st_gid != existing->st_gid);
    /* What is not allowed stays as it is: the group may be ours to give where the owner is not. */
    if (differs && fchown(descriptor, existing->st_uid, existing->st_gid) != 0) {
        int refused = fchown(descriptor, (uid_t)-1, existing->st_gid);
        (void)refused;
    }
    (void)fchmod(descriptor, existing->st_mode & 0777);
}

/* All bytes to where they go; returns 0 or the errno. */
static int flush(sa_output_file *file)
{
    if (fflush(file->stream) != 0) return errno;
    if (!is_replaced(file)) return 0;
    if (file->target.exists) copy_owner(file->temporary.descriptor, &file->target.existing);
    return fsync(file->temporary.descriptor) == 0 || errno == EINVAL ? 0 : errno; /* EINVAL: this file system has no fsync */
}

sa_status sa_output_file_commit(sa_output_file *file)
{
    int cause = file->cause ? file->cause : flush(file);
    if (!file->target.standard && fclose(file->stream) != 0 && !cause) cause = errno;
    if (!cause && is_replaced(file)) cause = sa_temporary_file_rename(&file->temporary, file->target.name);
    if (cause) (void)sa_error_set(SA_IO, "%s: cannot write: %s", file->path, strerror(cause));
    if (is_replaced(file) && cause) sa_temporary_file_remove(&file->temporary);
    else if (is_replaced(file)) (void)fsync(file->target.folder); /* the new name; not every file system can */
    release(file);
    return cause ? SA_IO : SA_OK;
}

void sa_output_file_abandon(sa_output_file *file)
{
    if (!file) return;
    if (is_replaced(file)) sa_temporary_file_remove(&file->temporary);
    if (!file->target.standard) fclose(file->stream);
    release(file);
}

sa_status sa_output_file_put(const char *path, const void *bytes, size_t byte_count)
{
    sa_output_file *file;
    SA_TRY(sa_output_file_open(path, &file));
    sa_status status = sa_output_file_write(file, bytes, byte_count);
    if (status == SA_OK) return sa_output_file_commit(file);
    sa_output_file_abandon(file);
    return status;
}

static sa_status check_room(const char *path, const sa_output_target *target, size_t byte_count)
{
    struct statvfs disk;
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < byte_count)
        SA_FAIL(SA_IO, "%s: cannot write: it takes %zu bytes, and `ulimit -f` allows files of %llu", path, byte_count,
                (unsigned long long)limit.rlim_cur);
    if (fstatvfs(target->folder, &disk) != 0 || disk.f_frsize == 0) return SA_OK;
    if (disk.f_blocks > 0 && disk.f_bavail < byte_count / disk.f_frsize)
        SA_FAIL(SA_IO, "%s: cannot write: it takes %zu bytes, and %llu are free on its disk", path, byte_count,
                (unsigned long long)disk.f_bavail * disk.f_frsize);
    return SA_OK;
}

/* With `stream` NULL, a stream will not do. */
static sa_status check_target(const char *path, size_t byte_count, bool *stream)
{
    sa_output_target target;
    sa_temporary_file trial;
    SA_TRY(sa_output_target_find(path, &target));
    if (stream) *stream = target.folder < 0;
    if (target.folder < 0 && !stream) SA_FAIL(SA_IO, "%s: cannot write: it is a stream, and a regular file is needed", path);
    if (target.folder < 0) {
        sa_output_target_release(&target);
        return SA_OK;
    }
    sa_status status = check_room(path, &target, byte_count);
    int cause = status == SA_OK ? sa_temporary_file_create(target.folder, target.name, 0600, &trial) : 0;
    if (cause) status = sa_error_set(SA_IO, "%s: cannot write: %s", path, strerror(cause));
    if (status == SA_OK) {
        sa_temporary_file_remove(&trial);
        close(trial.descriptor);
    }
    sa_output_target_release(&target);
    return status;
}

sa_status sa_output_file_check(const char *path, size_t byte_count)
{
    return check_target(path, byte_count, NULL);
}

sa_status sa_output_file_check_place(const char *path, bool *stream)
{
    return check_target(path, 0, stream);
}

bool sa_output_file_is_stdout(const char *path)
{
    sa_output_target target;
    if (sa_output_target_find(path, &target) != SA_OK) return false;
    sa_output_target_release(&target);
    return target.standard == stdout;
}

void sa_output_file_remove_temporaries(void)
{
    sa_temporary_files_remove_all();
}
