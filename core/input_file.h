/* The one way in which files are opened for reading: what is at a path is looked at first, so that no FIFO, device or folder is
 * read by mistake and nothing waits for ever. */
#ifndef SA_CORE_INPUT_FILE_H
#define SA_CORE_INPUT_FILE_H

#include "core/status.h"

#include <stddef.h>
#include <stdio.h>

/* Opens a regular file, links followed. SA_IO: "path: cannot open: cause", or "path: it is a folder" (FIFO, socket, device), where
 * a regular file is needed. */
SA_CHECKED sa_status sa_input_file_open(const char *path, FILE **stream);

/* Reads a whole regular file, at most limit_bytes and one more, so that the caller sees that there is more. *bytes is malloc'd,
 * owned by the caller and followed by a NUL that *length does not count. SA_IO as above; SA_NOMEM. */
SA_CHECKED sa_status sa_input_file_read(const char *path, size_t limit_bytes, char **bytes, size_t *length);

/* The same for a text, which besides a regular file may come from a terminal, a pipe (/dev/stdin, `<(...)`) or a FIFO, of which a
 * writer has to come within some seconds. */
SA_CHECKED sa_status sa_input_text_read(const char *path, size_t limit_bytes, char **text, size_t *length);

#endif
