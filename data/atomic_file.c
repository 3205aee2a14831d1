/* Write to a temporary name, fsync, rename: a crash at any point leaves the old file or the new one. */
#include "data/atomic_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sa_atomic_file {
    FILE *stream;
    char *path;
    char *temporary;
};

static void release(sa_atomic_file *file)
{
    free(file->path);
    free(file->temporary);
    free(file);
}

sa_status sa_atomic_file_open(const char *path, sa_atomic_file **file)
{
    size_t bytes = strlen(path) + 32;
    sa_atomic_file *opened = calloc(1, sizeof *opened);
    if (!opened) SA_FAIL(SA_NOMEM, "%s: out of memory", path);
    opened->path = strdup(path);
    opened->temporary = malloc(bytes);
    if (!opened->path || !opened->temporary) {
        release(opened);
        SA_FAIL(SA_NOMEM, "%s: out of memory", path);
    }
    snprintf(opened->temporary, bytes, "%s.tmp.%ld", path, (long)getpid());
    opened->stream = fopen(opened->temporary, "wb");
    if (!opened->stream) {
        int cause = errno;
        release(opened);
        SA_FAIL(SA_IO, "%s: cannot create: %s", path, strerror(cause));
    }
    *file = opened;
    return SA_OK;
}

sa_status sa_atomic_file_write(sa_atomic_file *file, const void *bytes, size_t byte_count)
{
    if (byte_count > 0 && fwrite(bytes, 1, byte_count, file->stream) != byte_count)
        SA_FAIL(SA_IO, "%s: cannot write %zu bytes: %s", file->path, byte_count, strerror(errno));
    return SA_OK;
}

/* Makes the rename itself durable. Not every file system can, so a failure here does not undo a good file. */
static void sync_folder(const char *path)
{
    char *folder = strdup(path);
    if (!folder) return;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder ? 1 : 0] = '\0';
    FILE *stream = fopen(slash ? folder : ".", "r");
    if (stream) {
        (void)fsync(fileno(stream));
        fclose(stream);
    }
    free(folder);
}

sa_status sa_atomic_file_commit(sa_atomic_file *file)
{
    sa_status status = SA_OK;
    if (fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0)
        status = sa_error_set(SA_IO, "%s: cannot write: %s", file->path, strerror(errno));
    if (fclose(file->stream) != 0 && status == SA_OK)
        status = sa_error_set(SA_IO, "%s: cannot write: %s", file->path, strerror(errno));
    file->stream = NULL;
    if (status == SA_OK && rename(file->temporary, file->path) != 0)
        status = sa_error_set(SA_IO, "%s: cannot rename the finished file: %s", file->path, strerror(errno));
    if (status == SA_OK) sync_folder(file->path);
    else (void)unlink(file->temporary);
    release(file);
    return status;
}

void sa_atomic_file_abandon(sa_atomic_file *file)
{
    if (!file) return;
    fclose(file->stream);
    (void)unlink(file->temporary);
    release(file);
}
