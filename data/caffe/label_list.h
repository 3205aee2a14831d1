/* ImageData's list files: on every line the name of an image and, behind the last space, a class.
 *
 * Caffe's rules: the name is all before the last space, the class is what atoi makes of the rest; a line without a space is both. A
 * tab is part of a name, a carriage return at the end does no harm. */
#ifndef SA_DATA_CAFFE_LABEL_LIST_H
#define SA_DATA_CAFFE_LABEL_LIST_H

#include "core/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct sa_label_list {
    char *path; /* for messages */
    size_t count;
    char **name;    /* (count) */
    char **word;    /* (count): what stands behind the last space; "": no space */
    int32_t *label; /* (count) */
    char *text;     /* the names' storage */
} sa_label_list;

/* Line i is entry i - 1: no line is left out. SA_IO: cannot be read; SA_PARSE: no line. *list is owned by the caller. */
SA_CHECKED sa_status sa_label_list_read(const char *path, sa_label_list *list);
void sa_label_list_free(sa_label_list *list); /* a cleared one is allowed */

#endif
