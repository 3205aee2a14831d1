/* Reads a whole regular file. Its size is known before anything is allocated, so a header cannot ask for more than there is. */
#include "data/whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static sa_status read_stream(const char *path, FILE *stream, char **bytes, size_t *byte_count)
{
    struct stat info;
    if (fstat(fileno(stream), &info) != 0) SA_FAIL(SA_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) SA_FAIL(SA_IO, "%s: not a regular file", path);
    size_t size = (size_t)info.st_size;
    char *content = malloc(size + 1);
    if (!content) SA_FAIL(SA_NOMEM, "%s: out of memory for %zu bytes", path, size);
    size_t got = fread(content, 1, size, stream);
    if (got != size) {
        free(content);
        SA_FAIL(SA_IO, "%s: only %zu of %zu bytes could be read", path, got, size);
    }
    content[size] = '\0';
    *bytes = content;
    *byte_count = size;
    return SA_OK;
}

sa_status sa_whole_file_read(const char *path, char **bytes, size_t *byte_count)
{
    FILE *stream = fopen(path, "rb");
    if (!stream) SA_FAIL(SA_IO, "%s: cannot open: %s", path, strerror(errno));
    sa_status status = read_stream(path, stream, bytes, byte_count);
    fclose(stream);
    return status;
}
