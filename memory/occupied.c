/* The tree: node 1 is all sections, nodes 2n and 2n + 1 are the halves of node n. */
#include "memory/occupied.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Disjoint extents that do not touch, ascending. */
typedef struct extents {
    size_t count, capacity;
    sa_extent *extent;
} extents;

typedef struct node {
    extents some;  /* taken at some time of the node's sections */
    extents whole; /* of these, noted here: taken during all of them */
} node;

struct sa_occupied {
    int leaves; /* a power of two */
    node *node; /* (2 * leaves) */
    extents found;
};

static sa_status grow(extents *list, size_t count)
{
    if (count <= list->capacity) return SA_OK;
    size_t capacity = count < 4 ? 4 : 2 * count;
    sa_extent *grown = realloc(list->extent, capacity * sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %zu extents", capacity);
    list->extent = grown;
    list->capacity = capacity;
    return SA_OK;
}

/* The first extent whose end is not below offset. */
static size_t find_touching(const extents *list, int64_t offset)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->extent[middle].end < offset) low = middle + 1;
        else high = middle;
    }
    return low;
}

static sa_status unite(extents *list, sa_extent extent)
{
    size_t from = find_touching(list, extent.begin), to = from;
    for (; to < list->count && list->extent[to].begin <= extent.end; to++) {
        if (list->extent[to].begin < extent.begin) extent.begin = list->extent[to].begin;
        if (list->extent[to].end > extent.end) extent.end = list->extent[to].end;
    }
    if (to == from) SA_TRY(grow(list, list->count + 1));
    memmove(list->extent + from + 1, list->extent + to, (list->count - to) * sizeof *list->extent);
    list->count = list->count - (to - from) + 1;
    list->extent[from] = extent;
    return SA_OK;
}

sa_status sa_occupied_create(int sections, sa_occupied **occupied)
{
    sa_occupied *made = calloc(1, sizeof *made);
    if (made) {
        for (made->leaves = 1; made->leaves < sections;) made->leaves *= 2;
        made->node = calloc(2 * (size_t)made->leaves, sizeof *made->node);
    }
    if (!made || !made->node) {
        free(made);
        SA_FAIL(SA_NOMEM, "no memory to plan %d sections of time", sections);
    }
    *occupied = made;
    return SA_OK;
}

void sa_occupied_free(sa_occupied *occupied)
{
    if (!occupied) return;
    for (int n = 0; n < 2 * occupied->leaves; n++) {
        free(occupied->node[n].some.extent);
        free(occupied->node[n].whole.extent);
    }
    free(occupied->node);
    free(occupied->found.extent);
    free(occupied);
}

void sa_occupied_clear(sa_occupied *occupied)
{
    for (int n = 0; n < 2 * occupied->leaves; n++) occupied->node[n].some.count = occupied->node[n].whole.count = 0;
}

/* Walks up from both ends of [first, last): the nodes that the range is made of, without those below them. */
static sa_status each_part(sa_occupied *o, int first, int last, sa_status (*visit)(sa_occupied *o, int n, void *context),
                           void *context)
{
    for (int low = first + o->leaves, high = last + o->leaves; low < high; low /= 2, high /= 2) {
        if (low & 1) SA_TRY(visit(o, low++, context));
        if (high & 1) SA_TRY(visit(o, --high, context));
    }
    return SA_OK;
}

static sa_status note_whole(sa_occupied *o, int n, void *context)
{
    return unite(&o->node[n].whole, *(const sa_extent *)context);
}

/* Every node above the range's parts: on the way up from its first and from its last section. */
static sa_status each_above(sa_occupied *o, int first, int last, sa_status (*visit)(sa_occupied *o, int n, void *context),
                            void *context)
{
    int low = first + o->leaves, high = last - 1 + o->leaves;
    for (int size = 1; low > 0; low /= 2, high /= 2, size *= 2) {
        /* a node within the range is a part, or below one */
        int low_begin = low * size - o->leaves, high_begin = high * size - o->leaves;
        bool low_within = low_begin >= first && low_begin + size <= last,
             high_within = high_begin >= first && high_begin + size <= last;
        if (!low_within) SA_TRY(visit(o, low, context));
        if (high != low && !high_within) SA_TRY(visit(o, high, context));
    }
    return SA_OK;
}

static sa_status note_some(sa_occupied *o, int n, void *context)
{
    return unite(&o->node[n].some, *(const sa_extent *)context);
}

static sa_status note_part(sa_occupied *o, int n, void *context)
{
    SA_TRY(note_whole(o, n, context));
    return note_some(o, n, context);
}

sa_status sa_occupied_add(sa_occupied *o, int first, int last, sa_extent extent)
{
    SA_TRY(each_part(o, first, last, note_part, &extent));
    return each_above(o, first, last, note_some, &extent);
}

/* Merges a list into what was found, from the back. */
static sa_status collect(sa_occupied *o, const extents *list)
{
    size_t found = o->found.count, left = list->count, to = found + left;
    SA_TRY(grow(&o->found, to));
    o->found.count = to;
    sa_extent *extent = o->found.extent;
    while (left > 0) {
        bool later = found > 0 && extent[found - 1].begin > list->extent[left - 1].begin;
        extent[--to] = later ? extent[--found] : list->extent[--left];
    }
    return SA_OK;
}

static sa_status collect_some(sa_occupied *o, int n, void *context)
{
    (void)context;
    return collect(o, &o->node[n].some);
}

static sa_status collect_whole(sa_occupied *o, int n, void *context)
{
    (void)context;
    return collect(o, &o->node[n].whole);
}

sa_status sa_occupied_find(sa_occupied *o, int first, int last, const sa_extent **found, size_t *count)
{
    o->found.count = 0;
    SA_TRY(each_part(o, first, last, collect_some, NULL));
    SA_TRY(each_above(o, first, last, collect_whole, NULL));
    *found = o->found.extent;
    *count = o->found.count;
    return SA_OK;
}
