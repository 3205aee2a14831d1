/* Plans: an offset for every buffer so that buffers alive at the same time never overlap. */
#ifndef SA_MEMORY_PLAN_H
#define SA_MEMORY_PLAN_H

#include "memory/buffer.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sa_plan {
    size_t count;
    size_t *offset_bytes;     /* owned; one per buffer, multiples of its alignment */
    size_t peak_bytes;        /* max over buffers of offset + size, rounded up to the smallest alignment: the arena's size */
    size_t lower_bound_bytes; /* max load: the largest sum of sizes alive at one op, each rounded up to the smallest alignment;
                               * no placement can be below it */
    size_t unshared_bytes;    /* sum of all sizes */
    bool optimal;             /* proven: peak equals the lower bound, or the search was exhausted */
    uint64_t fingerprint;     /* FNV-1a over sizes, lifetimes and offsets */
    double seconds;           /* time it took */
} sa_plan;

typedef enum sa_planner {
    SA_PLANNER_NAIVE,  /* no sharing: one after the other */
    SA_PLANNER_GREEDY, /* by size, best gap */
    SA_PLANNER_EXACT,  /* greedy, then branch and bound until the bound is met, the time is up or the search is exhausted */
} sa_planner;

typedef struct sa_plan_options {
    sa_planner planner;
    size_t capacity_bytes;  /* 0: minimise; else stop at the first placement within it */
    double timeout_seconds; /* 0: 10 s */
    bool strict_timeout;    /* it holds for the whole call, with what comes before and after the search: of very many buffers some
                             * may then lie unshared above the others, or it fails with SA_CAPACITY. Else a first placement gets the
                             * time that it takes. */
} sa_plan_options;

/* Makes a plan. On success *plan is owned by the caller (sa_plan_free). SA_CAPACITY if a capacity is given and no placement within
 * it was found (the message says whether that is proven). SA_INVALID for a bad buffer, named. */
SA_CHECKED sa_status sa_plan_make(const sa_buffer *buffers, size_t count, const sa_plan_options *options, sa_plan *plan);
void sa_plan_free(sa_plan *plan); /* NULL and zeroed plans are allowed */

/* The largest sum of sizes alive at one op, rounded as lower_bound_bytes says. SA_INVALID on overflow. */
SA_CHECKED sa_status sa_plan_max_load(const sa_buffer *buffers, size_t count, size_t *bytes);

/* Checks a plan independently of the planners: alignment, bounds, no overlap of two buffers alive together, peak, lower bound.
 * SA_INVALID names the two buffers. */
SA_CHECKED sa_status sa_plan_check(const sa_buffer *buffers, size_t count, const sa_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
