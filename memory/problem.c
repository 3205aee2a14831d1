/* Turns buffers into the planners' view: compressed time and scaled sizes. */
#include "memory/problem.h"

#include "core/checked.h"
#include "memory/load.h"

#include <stdlib.h>

static size_t greatest_common_divisor(size_t a, size_t b)
{
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static size_t choose_unit(const sa_buffer *buffers, size_t count)
{
    size_t smallest = sa_load_unit(buffers, count), largest = 1, divisor = 0;
    for (size_t i = 0; i < count; i++) {
        size_t rounded = buffers[i].size_bytes;
        (void)sa_size_align(rounded, smallest, &rounded); /* overflow was ruled out by validation */
        divisor = greatest_common_divisor(rounded, divisor);
        if (buffers[i].alignment_bytes > largest) largest = buffers[i].alignment_bytes;
    }
    /* Pushed down, every buffer rests on a stack of others, so offsets are multiples of the divisor. */
    return divisor && divisor % largest == 0 ? divisor : smallest;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int section_of(const int64_t *times, int count, int64_t time)
{
    int low = 0, high = count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (times[middle] < time) low = middle + 1;
        else high = middle;
    }
    return low;
}

sa_status sa_problem_make(const sa_buffer *buffers, size_t count, sa_problem *problem)
{
    sa_problem made = {.count = count, .unit_bytes = choose_unit(buffers, count)};
    int64_t *times = malloc((2 * count + 1) * sizeof *times);
    made.items = calloc(count + 1, sizeof *made.items);
    if (!times || !made.items) {
        free(times);
        free(made.items);
        SA_FAIL(SA_NOMEM, "no memory to plan %zu buffers", count);
    }
    for (size_t i = 0; i < count; i++) {
        times[2 * i] = buffers[i].begin;
        times[2 * i + 1] = buffers[i].end;
    }
    qsort(times, 2 * count, sizeof *times, compare_times);
    int distinct = 0;
    for (size_t i = 0; i < 2 * count; i++) {
        if (i == 0 || times[i] != times[i - 1]) times[distinct++] = times[i];
    }
    made.sections = distinct > 0 ? distinct - 1 : 0;
    for (size_t i = 0; i < count; i++) {
        size_t unit = made.unit_bytes, align = buffers[i].alignment_bytes / unit;
        made.items[i] = (sa_problem_item){.size = (int64_t)((buffers[i].size_bytes - 1) / unit + 1),
                                          .align = align ? (int64_t)align : 1,
                                          .first = section_of(times, distinct, buffers[i].begin),
                                          .last = section_of(times, distinct, buffers[i].end)};
    }
    free(times);
    *problem = made;
    return SA_OK;
}

void sa_problem_free(sa_problem *problem)
{
    free(problem->items);
    *problem = (sa_problem){0};
}

size_t sa_problem_peak_bytes(const sa_problem *problem, const int64_t *offsets)
{
    int64_t peak = 0;
    for (size_t i = 0; i < problem->count; i++) {
        int64_t top = offsets[i] + problem->items[i].size;
        if (top > peak) peak = top;
    }
    return (size_t)peak * problem->unit_bytes;
}
