/* The load of an op, the lower bound of planners and the live bytes of ledgers. */
#include "memory/load.h"

#include "core/checked.h"

#include <stdlib.h>

size_t sa_load_unit(const sa_buffer *buffers, size_t count)
{
    size_t unit = count ? buffers[0].alignment_bytes : 1;
    for (size_t i = 1; i < count; i++) {
        if (buffers[i].alignment_bytes < unit) unit = buffers[i].alignment_bytes;
    }
    return unit;
}

typedef struct event {
    int64_t op;
    size_t bytes;
} event;

static int compare_events(const void *a, const void *b)
{
    const event *x = a, *y = b;
    return (x->op > y->op) - (x->op < y->op);
}

/* The load is largest where some buffer begins. */
static sa_status sweep(event *begin, event *end, size_t count, size_t *bytes, int64_t *op)
{
    size_t load = 0, largest = 0, ended = 0;
    int64_t at = 0;
    qsort(begin, count, sizeof *begin, compare_events);
    qsort(end, count, sizeof *end, compare_events);
    for (size_t i = 0; i < count; i++) {
        for (; end[ended].op <= begin[i].op; ended++) load -= end[ended].bytes;
        if (!sa_size_add(load, begin[i].bytes, &load))
            SA_FAIL(SA_INVALID, "the sizes alive at op %lld overflow", (long long)begin[i].op);
        if (load <= largest) continue;
        largest = load;
        at = begin[i].op;
    }
    *bytes = largest;
    *op = at;
    return SA_OK;
}

sa_status sa_load_largest(const sa_buffer *buffers, size_t count, size_t unit, size_t *bytes, int64_t *op)
{
    event *begin = malloc((2 * count + 1) * sizeof *begin);
    size_t alive = 0;
    sa_status status = SA_OK;
    if (!begin) SA_FAIL(SA_NOMEM, "no memory for the load of %zu buffers", count);
    event *end = begin + count;
    for (size_t i = 0; i < count && status == SA_OK; i++) {
        size_t rounded = 0;
        if (buffers[i].begin >= buffers[i].end) continue;
        if (!sa_size_align(buffers[i].size_bytes, unit, &rounded))
            status = sa_error_set(SA_INVALID, "the sizes alive at op %lld overflow", (long long)buffers[i].begin);
        begin[alive] = (event){buffers[i].begin, rounded};
        end[alive++] = (event){buffers[i].end, rounded};
    }
    if (status == SA_OK) status = sweep(begin, end, alive, bytes, op);
    free(begin);
    return status;
}
