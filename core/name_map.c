/* Open addressing; at most half of the slots are taken. */
#include "core/name_map.h"

#include "core/hash.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct sa_name_slot {
    char *name; /* NULL: free */
    int number;
};

/* Where a name is, or the free slot where it would go. */
static struct sa_name_slot *find(const sa_name_map *map, const char *name)
{
    size_t i = (size_t)sa_hash_text(name) & (map->slots - 1);
    while (map->slot[i].name && strcmp(map->slot[i].name, name) != 0) i = (i + 1) & (map->slots - 1);
    return &map->slot[i];
}

int sa_name_map_get(const sa_name_map *map, const char *name)
{
    if (map->slots == 0) return -1;
    const struct sa_name_slot *found = find(map, name);
    return found->name ? found->number : -1;
}

static sa_status grow(sa_name_map *map)
{
    sa_name_map larger = {.count = map->count, .slots = map->slots ? 2 * map->slots : 64};
    larger.slot = calloc(larger.slots, sizeof *larger.slot);
    if (!larger.slot) SA_FAIL(SA_NOMEM, "no memory for %zu names", larger.slots);
    for (size_t i = 0; i < map->slots; i++)
        if (map->slot[i].name) *find(&larger, map->slot[i].name) = map->slot[i];
    free(map->slot);
    *map = larger;
    return SA_OK;
}

sa_status sa_name_map_set(sa_name_map *map, const char *name, int number)
{
    if (2 * (map->count + 1) > map->slots) SA_TRY(grow(map));
    struct sa_name_slot *slot = find(map, name);
    if (!slot->name) {
        slot->name = strdup(name);
        if (!slot->name) SA_FAIL(SA_NOMEM, "no memory for the name '%s'", name);
        map->count++;
    }
    slot->number = number;
    return SA_OK;
}

void sa_name_map_free(sa_name_map *map)
{
    for (size_t i = 0; i < map->slots; i++) free(map->slot[i].name);
    free(map->slot);
    *map = (sa_name_map){0};
}
