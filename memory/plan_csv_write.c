/* Writes placements as CSV. */
#include "memory/plan_csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_id(FILE *file, const char *id)
{
    if (!strpbrk(id, ",\"\r\n")) {
        fputs(id, file);
        return;
    }
    fputc('"', file);
    for (; *id; id++) {
        if (*id == '"') fputc('"', file);
        fputc(*id, file);
    }
    fputc('"', file);
}

static sa_status write_rows(FILE *file, const char *path, const sa_buffer *buffers, size_t count, const size_t *offset_bytes)
{
    fputs("id,lower,upper,size,offset\n", file);
    for (size_t i = 0; i < count; i++) {
        write_id(file, buffers[i].name);
        fprintf(file, ",%lld,%lld,%zu,%zu\n", (long long)buffers[i].begin, (long long)buffers[i].end, buffers[i].size_bytes,
                offset_bytes[i]);
    }
    if (fflush(file) != 0 || ferror(file)) SA_FAIL(SA_IO, "%s: cannot write: %s", path, strerror(errno));
    return SA_OK;
}

/* A device or a pipe cannot be replaced by a rename: it is written to. */
static sa_status write_in_place(const char *path, const sa_buffer *buffers, size_t count, const size_t *offset_bytes)
{
    FILE *file = fopen(path, "w");
    if (!file) SA_FAIL(SA_IO, "%s: cannot write: %s", path, strerror(errno));
    sa_status status = write_rows(file, path, buffers, count, offset_bytes);
    if (fclose(file) != 0 && status == SA_OK) status = sa_error_set(SA_IO, "%s: cannot write: %s", path, strerror(errno));
    return status;
}

sa_status sa_plan_csv_write(const char *path, const sa_buffer *buffers, size_t count, const size_t *offset_bytes)
{
    struct stat existing;
    bool exists = stat(path, &existing) == 0;
    if (exists && !S_ISREG(existing.st_mode)) return write_in_place(path, buffers, count, offset_bytes);
    size_t length = strlen(path) + sizeof ".XXXXXX";
    char *temporary = malloc(length);
    if (!temporary) SA_FAIL(SA_NOMEM, "%s: no memory to write it", path);
    snprintf(temporary, length, "%s.XXXXXX", path);
    int descriptor = mkstemp(temporary);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    sa_status status;
    if (!file) {
        status = sa_error_set(SA_IO, "%s: cannot write: %s", path, strerror(errno));
        if (descriptor >= 0) close(descriptor);
    } else {
        status = write_rows(file, path, buffers, count, offset_bytes);
        mode_t mask = umask(0);
        umask(mask);
        (void)fchmod(descriptor, exists ? existing.st_mode & 0777 : 0666 & ~mask); /* mkstemp's 0600 is for secrets */
        if (fclose(file) != 0 && status == SA_OK) status = sa_error_set(SA_IO, "%s: cannot write: %s", path, strerror(errno));
        if (status == SA_OK && rename(temporary, path) != 0) {
            status = sa_error_set(SA_IO, "%s: cannot write: %s", path, strerror(errno));
        }
    }
    if (descriptor >= 0 && status != SA_OK) unlink(temporary);
    free(temporary);
    return status;
}
