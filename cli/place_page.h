/* The page of `segarena place --html`. */
#ifndef SA_CLI_PLACE_PAGE_H
#define SA_CLI_PLACE_PAGE_H

#include "memory/plan.h"

/* Writes the placement of `count` buffers as a page (report/timeline.h), to a file that appears whole or not at all. The times of
 * the instance are whatever its maker counts: a column of the map is a stretch in which no buffer begins or ends. instance: its
 * path. SA_IO, SA_NOMEM. */
SA_CHECKED sa_status sa_place_write_html(const char *path, const char *instance, const sa_buffer *buffers, size_t count,
                                         const sa_plan *plan);

#endif
