/* Which offsets are taken at any time of a range of sections. Internal to memory/.
 *
 * A binary tree over the sections; what is placed is noted at O(log sections) nodes and asked for at as many. A node keeps unions
 * of extents, not single ones: buffers that touch are one extent, and those that live from start to end are few, however many. */
#ifndef SA_MEMORY_OCCUPIED_H
#define SA_MEMORY_OCCUPIED_H

#include "core/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct sa_extent {
    int64_t begin, end; /* offsets in units, half-open */
} sa_extent;

typedef struct sa_occupied sa_occupied;

/* *occupied is owned by the caller. */
SA_CHECKED sa_status sa_occupied_create(int sections, sa_occupied **occupied);
void sa_occupied_free(sa_occupied *occupied); /* NULL is allowed */
void sa_occupied_clear(sa_occupied *occupied);
/* Takes the extent in sections [first, last). */
SA_CHECKED sa_status sa_occupied_add(sa_occupied *occupied, int first, int last, sa_extent extent);
/* The extents taken somewhere in sections [first, last), ascending by begin; they may overlap. *extents is borrowed until the next
 * call. */
SA_CHECKED sa_status sa_occupied_find(sa_occupied *occupied, int first, int last, const sa_extent **extents, size_t *count);

#endif
