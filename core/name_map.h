/* A table from names to numbers. */
#ifndef SA_CORE_NAME_MAP_H
#define SA_CORE_NAME_MAP_H

#include "core/status.h"

#include <stddef.h>

typedef struct sa_name_map {
    size_t count, slots;
    struct sa_name_slot *slot; /* owned, names included */
} sa_name_map;                 /* zeroed: empty */

/* The number of a name, -1 if it has none. */
int sa_name_map_get(const sa_name_map *map, const char *name);
/* Gives a name a number >= 0, a new one if it has one. The name is copied. */
SA_CHECKED sa_status sa_name_map_set(sa_name_map *map, const char *name, int number);
void sa_name_map_free(sa_name_map *map);

#endif
