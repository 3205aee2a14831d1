/* Which values to compute again: sets to try, by segments of the net, and what a program made of one costs. */
#ifndef SA_NET_RECOMPUTE_SEARCH_H
#define SA_NET_RECOMPUTE_SEARCH_H

#include "net/strategy.h"
#include "program/program.h"

/* What a net's values that may be dropped take, and between which layers they wait. */
typedef struct sa_recompute_walk {
    const sa_net *net;
    int *unit;          /* (blob_count): see sa_realizations_find_droppable */
    int *first, *last;  /* (blob_count), of units: the first layer that makes a part of it, the last that reads it going forward */
    size_t *bytes;      /* (blob_count), of units */
    size_t total_bytes; /* of all units */
    size_t *born_bytes; /* (layer_count): of the units that begin with a layer */
    size_t *live_bytes; /* (layer_count): of those that are made by then and read by a later layer */
} sa_recompute_walk;

/* r: choices under which nothing is dropped. */
SA_CHECKED sa_status sa_recompute_walk_create(const sa_net *net, const sa_realizations *r, sa_recompute_walk *walk);
void sa_recompute_walk_free(sa_recompute_walk *walk);

/* Cuts the net where few bytes are alive into segments of about so many bytes; what is alive at a cut is kept, all else is dropped.
 * drop: (blob_count), set. */
void sa_recompute_segments(const sa_recompute_walk *walk, size_t segment_bytes, sa_again *drop);

/* Keeps, of what `program` drops, what fits beside the rest without raising its load. */
SA_CHECKED sa_status sa_recompute_keep_what_fits(const sa_recompute_walk *walk, const sa_program *program, size_t load,
                                                 sa_again *drop);

/* Multiplications that a program's convolutions do again, over all that they do. */
double sa_recompute_share(const sa_program *program);

#endif
