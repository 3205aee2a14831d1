/* The search's state, shared by search.c (set-up) and search_branch.c (the tree). Internal to these two. */
#ifndef SA_MEMORY_SEARCH_STATE_H
#define SA_MEMORY_SEARCH_STATE_H

#include "memory/search.h"

/* One buffer; sections are those of the search, where the problem's sections that can never be the tightest are left out. */
typedef struct sa_search_item {
    int first, last;     /* alive in sections [first, last) */
    int64_t size, align; /* units */
    uint64_t key;        /* random; a set's hash is the exclusive or of its items' keys */
} sa_search_item;

/* Buffers left to be placed in sections [begin, end), which no other buffers left touch. */
typedef struct sa_search_part {
    const int *items; /* in the order of trial */
    int count, begin, end;
} sa_search_part;

struct sa_search {
    const sa_problem *problem; /* borrowed */
    int count, sections;
    sa_search_item *items;
    int64_t *offset;          /* of items placed */
    int64_t *low;             /* an item: the lowest offset the floors allow; valid until the next placement */
    int64_t *floor;           /* a section */
    int64_t *slack;           /* a section */
    int64_t *load;            /* a section: sum of all sizes */
    int64_t *least;           /* a section, scratch */
    int *ways;                /* sections + 1, scratch */
    int *order;               /* items in the order of trial */
    double *priority;         /* an item */
    double *item_failures;    /* an item: branches that failed over it, older ones count less */
    double *section_failures; /* a section: the same */
    uint64_t *memo;           /* hashes of infeasible states */
    int64_t capacity;         /* units */
    unsigned char *stack;     /* memory of the nodes on the current path */
    size_t stack_bytes, stack_used;
    int depth, depth_limit;
    uint64_t nodes, node_limit;
    uint64_t work; /* since the last look at the clock */
    double deadline_seconds;
    bool follow_failures;
    bool stopped;
};

enum { SA_SEARCH_MEMO_COUNT = 1 << 20 };

/* Solves a part that may fall apart; on success offset[] of its items is set. False with `stopped` unset is a proof. */
bool sa_search_branch(sa_search *search, sa_search_part part);

#endif
