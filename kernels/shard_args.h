/* Ops of steps on several shards and ranks: arguments, and the slices that parameters are cut into. Part of kernels/ops.h. */
#ifndef SA_KERNELS_SHARD_ARGS_H
#define SA_KERNELS_SHARD_ARGS_H

#include "kernels/slab.h"

#include <stddef.h>
#include <stdint.h>

/* Parameters are cut into slices, one for each rank, which keeps its histories and updates it. A slice is whole grains; what has
 * fewer grains than there are ranks is a few ranks', others for each `turn`. */
enum { SA_SLICE_GRAIN = 4096 }; /* floats */

typedef struct sa_slicing {
    int32_t ranks, rank; /* the rank that runs the op */
    int32_t turn;
    size_t count; /* floats of the whole value */
} sa_slicing;

/* The slice of a rank: floats [*begin, *begin + the number returned). */
static inline size_t sa_slice_of(const sa_slicing *s, int32_t rank, size_t *begin)
{
    const size_t grains = (s->count + SA_SLICE_GRAIN - 1) / SA_SLICE_GRAIN, ranks = (size_t)s->ranks;
    const size_t place = (size_t)(rank + s->turn) % ranks;
    const size_t first = grains * place / ranks * SA_SLICE_GRAIN, end = grains * (place + 1) / ranks * SA_SLICE_GRAIN;
    *begin = first < s->count ? first : s->count;
    return (end < s->count ? end : s->count) - *begin;
}

typedef enum sa_exchange_way {
    SA_EXCHANGE_TO_OWNERS, /* each rank sends the slices of its values to their owners, and receives what others have of its own */
    SA_EXCHANGE_PARTS,     /* each rank sends its values to all others, and receives theirs */
    SA_EXCHANGE_TO_ALL,    /* each rank sends its slice to all others, and receives theirs, in place */
} sa_exchange_way;

/* One exchange is two ops of the same number: the first starts it and returns, the second (finish) returns when it is done. What
 * is sent must not change between them. TO_OWNERS and PARTS: only ranks
 * below step_state->shards send. */
typedef struct sa_exchange_args {
    sa_exchange_way way;
    bool finish;
    int32_t number;
    sa_slicing slicing;
    sa_ref values; /* (count) */
    sa_ref own;    /* TO_ALL: this rank's slice of the values; absent if it has none */
    sa_ref parts;  /* TO_OWNERS: (ranks - 1, own slice), PARTS: (ranks - 1, count), in order of the other ranks */
    sa_ref step_state;
} sa_exchange_args;

/* total = (fresh ? 0 : total) + the addends of ranks 0, 1, ... below step_state->shards, added in this order, in float32. */
typedef struct sa_shard_sum_args {
    bool fresh;
    int32_t ranks, rank;
    size_t count;
    sa_ref own;   /* (count): this rank's addend */
    sa_ref parts; /* (ranks - 1, count): the others'; absent with one rank */
    sa_ref total; /* (count) */
    sa_ref step_state;
} sa_shard_sum_args;

#endif
