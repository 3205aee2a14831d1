/* Sharing work among the threads of a parallel region so that each stays in its own part of it.
 *
 * Two cores that do not share a cache pay dearly for data that the other one has written, or whose cache lines it writes too.
 * Each thread therefore takes items from the front of its own contiguous part, and only when that is empty from the back of
 * the others' parts, which evens out what other programs or unequal items cost. */
#ifndef SA_KERNELS_CPU_WORK_SHARE_H
#define SA_KERNELS_CPU_WORK_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SA_WORK_PARTS = 256 }; /* more threads share parts */

typedef struct sa_work_part {
    _Alignas(64) _Atomic uint64_t left; /* begin in the upper half, end in the lower */
} sa_work_part;

typedef struct sa_work_share {
    int parts;
    sa_work_part part[SA_WORK_PARTS];
} sa_work_share;

/* Where part number `part` of `parts` about equal ones of `count` items begins; the next one's begin is its end. */
static inline int sa_work_part_begin(int count, int part, int parts)
{
    return (int)((int64_t)count * part / parts);
}

/* Items 0 .. count - 1 for `threads` threads. Not thread-safe. */
void sa_work_share_start(sa_work_share *share, int count, int threads);

/* The calling OpenMP thread's next item; false when none is left. */
bool sa_work_share_take(sa_work_share *share, int *item);

#endif
