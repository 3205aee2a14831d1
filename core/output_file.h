/* The one way in which a file is written.
 *
 * A regular file appears whole or not at all: its bytes go to a temporary file in the same folder, which takes its place when it is
 * complete and on the disk. A symbolic link is followed: its target is replaced, the link stays. Anything else ("-" for
 * standard output, a FIFO, a terminal, /dev/null) is written to directly and never replaced. */
#ifndef SA_CORE_OUTPUT_FILE_H
#define SA_CORE_OUTPUT_FILE_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct sa_output_file sa_output_file;

/* SA_IO: "path: cannot write: cause". *file is owned by the caller until commit or abandon. A FIFO waits some seconds for its
 * reader. Temporary files of this path that killed processes have left are removed. */
SA_CHECKED sa_status sa_output_file_open(const char *path, sa_output_file **file);
SA_CHECKED sa_status sa_output_file_write(sa_output_file *file, const void *bytes, size_t byte_count);
/* Flushes, to the disk if it is a regular file, and puts the file in its place, with the mode and owner of the file that it
 * replaces. Ends the file in every case; on failure a regular file is as it was before. SA_IO. */
SA_CHECKED sa_status sa_output_file_commit(sa_output_file *file);
/* Removes the temporary file; a regular file is as it was before. NULL is allowed. */
void sa_output_file_abandon(sa_output_file *file);

/* All of the above for bytes that are there. */
SA_CHECKED sa_status sa_output_file_put(const char *path, const void *bytes, size_t byte_count);

/* For what others watch as it grows, a log: a regular file is emptied and written to in its place. *stream is stdout or stderr
 * where the path is that, which stays open; else the caller's. SA_IO as for sa_output_file_open. */
SA_CHECKED sa_status sa_output_growing_open(const char *path, FILE **stream);

/* Whether a regular file of byte_count bytes could be written to path now; nothing changes. SA_IO: not so, with the cause: a folder
 * is missing or read-only, the name is empty or too long, it is a FIFO, a device or a folder, the disk or a limit is too small. */
SA_CHECKED sa_status sa_output_file_check(const char *path, size_t byte_count);
/* The same where a stream will do, too: *stream says that it is one, of which nothing is known before it is opened. */
SA_CHECKED sa_status sa_output_file_check_place(const char *path, bool *stream);
/* Whether bytes for path end up in standard output. */
bool sa_output_file_is_stdout(const char *path);

/* Removes the temporary files that this process has open, for a handler of signals that end it: async-signal-safe. */
void sa_output_file_remove_temporaries(void);

#endif
