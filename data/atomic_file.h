/* A file that appears whole or not at all: written under a temporary name in the same folder, then renamed. */
#ifndef SA_DATA_ATOMIC_FILE_H
#define SA_DATA_ATOMIC_FILE_H

#include "core/status.h"

#include <stddef.h>

typedef struct sa_atomic_file sa_atomic_file;

/* Opens "<path>.tmp.<pid>" for writing. SA_IO: "path: cause". *file is owned by the caller until commit or abandon. */
SA_CHECKED sa_status sa_atomic_file_open(const char *path, sa_atomic_file **file);
SA_CHECKED sa_status sa_atomic_file_write(sa_atomic_file *file, const void *bytes, size_t byte_count);
/* Flushes to the disk and renames to path. Ends the file in every case; on failure path is as it was before. */
SA_CHECKED sa_status sa_atomic_file_commit(sa_atomic_file *file);
/* Removes the temporary file; path is as it was before. NULL is allowed. */
void sa_atomic_file_abandon(sa_atomic_file *file);

#endif
