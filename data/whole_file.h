/* Reads a whole regular file into memory. */
#ifndef SA_DATA_WHOLE_FILE_H
#define SA_DATA_WHOLE_FILE_H

#include "core/status.h"

#include <stddef.h>

/* *bytes is malloc'd, followed by a NUL that byte_count does not count, and owned by the caller. SA_IO: "path: cause". */
SA_CHECKED sa_status sa_whole_file_read(const char *path, char **bytes, size_t *byte_count);

#endif
