/* The planners' view of a set of buffers: time cut into sections, sizes in units. Internal to memory/.
 *
 * A section is a stretch of ops over which the set of alive buffers does not change; sections are numbered 0, 1, ... A unit is
 * a number of bytes such that some optimal placement has all its offsets on multiples of it: the greatest common divisor of
 * the (aligned) sizes where the alignments divide that, else the smallest alignment. */
#ifndef SA_MEMORY_PROBLEM_H
#define SA_MEMORY_PROBLEM_H

#include "memory/buffer.h"

typedef struct sa_problem_item {
    int64_t size;    /* units, rounded up */
    int64_t align;   /* units, power of two or 1 */
    int first, last; /* alive in sections [first, last) */
} sa_problem_item;

typedef struct sa_problem {
    size_t count;
    size_t unit_bytes;
    int sections;
    sa_problem_item *items; /* owned */
} sa_problem;

/* The buffers have been validated. On success the caller owns *problem's arrays. */
SA_CHECKED sa_status sa_problem_make(const sa_buffer *buffers, size_t count, sa_problem *problem);
void sa_problem_free(sa_problem *problem);
/* max(offset + size) of a placement */
size_t sa_problem_peak_bytes(const sa_problem *problem, const int64_t *offsets);

#endif
