/* DenseImageData's list files: on every line one or more image names and a label name, separated by spaces or tabs.
 *
 * Lines end in LF, CRLF or CR; a UTF-8 byte order mark and blank lines are skipped. All lines must hold the same number of names.
 * Only the form is checked here, not the files. */
#ifndef SA_DATA_LIST_FILE_H
#define SA_DATA_LIST_FILE_H

#include "core/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sa_list_file {
    char *path; /* for messages */
    size_t count;
    size_t names_per_line; /* the images, then the label: at least 2 */
    char **name;           /* (count, names_per_line), as written in the file */
    int *line;             /* (count) line numbers from 1 */
    char *text;            /* the names' storage */
} sa_list_file;

/* SA_IO: cannot be read; SA_PARSE: "path:line: cause". *list is owned by the caller. */
SA_CHECKED sa_status sa_list_file_read(const char *path, sa_list_file *list);
/* The same of a list that needs no labels: a name per line is enough. */
SA_CHECKED sa_status sa_list_file_read_images(const char *path, sa_list_file *list);
void sa_list_file_free(sa_list_file *list); /* also clears it; NULL and a cleared list are allowed */

/* malloc'd "<root>/<name>", or name alone if root is NULL or "" or name is absolute. NULL: out of memory. */
char *sa_path_join(const char *root, const char *name);

#ifdef __cplusplus
}
#endif
#endif
