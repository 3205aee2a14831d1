/* Opens and reads input files. Every open is O_NONBLOCK, since opening a FIFO without one waits for a writer. */
#include "core/input_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITER_WAIT_MS = 3000, FIRST_BYTES = 65536 };

static const char *kind_name(mode_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a pipe or FIFO"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISBLK(mode)  ? "a block device"
           : S_ISCHR(mode)  ? "a device"
                            : "no regular file";
}

/* Looks before it opens, since opening a device can do something, and once more at what was opened. */
static sa_status open_checked(const char *path, bool streams_too, int *descriptor, struct stat *info)
{
    int opened = -1;
    if (path[0] == '\0') SA_FAIL(SA_IO, "the name of a file to read is empty");
    bool allowed = stat(path, info) == 0;
    if (allowed) {
        allowed = S_ISREG(info->st_mode) || (streams_too && (S_ISFIFO(info->st_mode) || S_ISCHR(info->st_mode)));
        if (!allowed) SA_FAIL(SA_IO, "%s: it is %s; a file is needed", path, kind_name(info->st_mode));
        opened = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    if (opened < 0) SA_FAIL(SA_IO, "%s: cannot open: %s", path, strerror(errno));
    mode_t expected = info->st_mode & S_IFMT;
    if (fstat(opened, info) != 0 || (info->st_mode & S_IFMT) != expected) {
        close(opened);
        SA_FAIL(SA_IO, "%s: cannot open: it changed meanwhile", path);
    }
    *descriptor = opened;
    return SA_OK;
}

sa_status sa_input_file_open(const char *path, FILE **stream)
{
    int descriptor;
    struct stat info;
    SA_TRY(open_checked(path, false, &descriptor, &info));
    FILE *opened = fdopen(descriptor, "rb");
    if (!opened) {
        int cause = errno;
        close(descriptor);
        SA_FAIL(SA_IO, "%s: cannot open: %s", path, strerror(cause));
    }
    *stream = opened;
    return SA_OK;
}

typedef struct text {
    char *bytes;
    size_t length, room;
} text;

/* Room for at least one more byte, and the NUL behind it. */
static sa_status grow(const char *path, size_t most, text *t)
{
    if (t->length < t->room) return SA_OK;
    size_t room = t->room > most / 2 ? most : 2 * t->room;
    char *bytes = realloc(t->bytes, room + 1);
    if (!bytes) SA_FAIL(SA_NOMEM, "%s: out of memory for %zu bytes", path, room);
    t->bytes = bytes;
    t->room = room;
    return SA_OK;
}

/* read, which waits until there is something to read or the end; for the first byte of a FIFO not for ever. */
static ssize_t read_some(int descriptor, bool is_first, void *bytes, size_t byte_count)
{
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};
    int count = poll(&ready, 1, is_first ? WRITER_WAIT_MS : -1);
    if (count < 0) return -1; /* a signal too: it is there to end the waiting */
    ssize_t got = read(descriptor, bytes, byte_count);
    if (got < 0 && errno == EAGAIN && count == 0) /* there is a writer, but it is slow */
        return poll(&ready, 1, -1) < 0 ? -1 : read(descriptor, bytes, byte_count);
    if (got == 0 && count == 0) errno = ENXIO;
    return got == 0 && count == 0 ? -1 : got;
}

static sa_status read_all(const char *path, int descriptor, size_t most, text *t)
{
    for (ssize_t got = 1; got > 0 && t->length < most; t->length += (size_t)got) {
        SA_TRY(grow(path, most, t));
        got = read_some(descriptor, t->length == 0, t->bytes + t->length, t->room - t->length);
        if (got < 0 && errno == ENXIO) SA_FAIL(SA_IO, "%s: cannot read: it is a FIFO, and nobody writes to it", path);
        if (got < 0) SA_FAIL(SA_IO, "%s: cannot read: %s", path, strerror(errno));
    }
    return SA_OK;
}

static sa_status read_whole(const char *path, bool streams_too, size_t limit_bytes, char **bytes, size_t *length)
{
    int descriptor;
    struct stat info;
    const size_t most = limit_bytes + 1;
    text t = {.room = FIRST_BYTES};
    SA_TRY(open_checked(path, streams_too, &descriptor, &info));
    if (S_ISREG(info.st_mode) && info.st_size >= FIRST_BYTES) t.room = (size_t)info.st_size + 1;
    if (t.room > most) t.room = most;
    t.bytes = malloc(t.room + 1);
    sa_status status =
        t.bytes ? read_all(path, descriptor, most, &t) : sa_error_set(SA_NOMEM, "%s: out of memory for %zu bytes", path, t.room);
    close(descriptor);
    if (status != SA_OK) {
        free(t.bytes);
        return status;
    }
    t.bytes[t.length] = '\0';
    *bytes = t.bytes;
    *length = t.length;
    return SA_OK;
}

sa_status sa_input_file_read(const char *path, size_t limit_bytes, char **bytes, size_t *length)
{
    return read_whole(path, false, limit_bytes, bytes, length);
}

sa_status sa_input_text_read(const char *path, size_t limit_bytes, char **bytes, size_t *length)
{
    return read_whole(path, true, limit_bytes, bytes, length);
}
