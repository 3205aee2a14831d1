/* The planner that shares nothing: one buffer after the other, in the order given. */
#include "memory/planner.h"

void sa_planner_naive(const sa_problem *problem, int64_t *offsets)
{
    int64_t top = 0;
    for (size_t i = 0; i < problem->count; i++) {
        const sa_problem_item *item = &problem->items[i];
        offsets[i] = (top + item->align - 1) / item->align * item->align;
        top = offsets[i] + item->size;
    }
}
