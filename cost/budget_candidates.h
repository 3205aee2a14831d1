/* The combinations of techniques that a budget chooses from. Private to net/. */
#ifndef SA_COST_BUDGET_CANDIDATES_H
#define SA_COST_BUDGET_CANDIDATES_H

#include "net/strategy.h"

typedef struct sa_candidates {
    size_t count;
    sa_strategy *strategy; /* owned */
    uint64_t *signature;   /* owned: hash of the choices a strategy makes for the net */
} sa_candidates;

/* Strategies without a workspace limit that make different choices for this net: of those that come to the same, the one with the
 * fewest switches is kept. */
SA_CHECKED sa_status sa_candidates_create(const sa_net *net, const sa_device *device, sa_conv_option conv,
                                          sa_candidates *candidates);
void sa_candidates_free(sa_candidates *candidates); /* zeroed ones are allowed */

#endif
