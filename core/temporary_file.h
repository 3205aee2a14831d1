/* Temporary files beside the file that they are to replace: "NAME.tmp-<12 random characters>". The library's own; see
 * core/output_file.h. */
#ifndef SA_CORE_TEMPORARY_FILE_H
#define SA_CORE_TEMPORARY_FILE_H

#include <limits.h>
#include <sys/types.h>

enum { SA_TEMPORARIES_OPEN_MAX = 16 }; /* those beyond are not removed when a signal ends the process */

typedef struct sa_temporary_file {
    int folder; /* borrowed: descriptor of the folder */
    int descriptor;
    int slot; /* in the list of open ones; -1: none was free */
    char name[NAME_MAX + 1];
} sa_temporary_file;

/* Creates one for `name` in folder; the file is locked while it is open. Returns 0, or the errno. */
int sa_temporary_file_create(int folder, const char *name, mode_t mode, sa_temporary_file *file);
/* Gives it its final name. The descriptor stays open. Returns 0, or the errno; then the file is still there. */
int sa_temporary_file_rename(sa_temporary_file *file, const char *name);
/* Removes it. The descriptor stays open. */
void sa_temporary_file_remove(sa_temporary_file *file);
/* Removes all that this process has open: async-signal-safe. */
void sa_temporary_files_remove_all(void);
/* Removes those of `name` whose process is gone: no process has them locked and nobody wrote to them for a minute. */
void sa_temporary_files_remove_stale(int folder, const char *name);

#endif
