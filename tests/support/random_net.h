/* Small random nets for the check of gradients: SegNets of one or two levels, and plain chains with strides and overlapping
 * windows. */
#ifndef SA_TESTS_SUPPORT_RANDOM_NET_H
#define SA_TESTS_SUPPORT_RANDOM_NET_H

#include <stdint.h>

enum { RANDOM_NET_BYTES = 8192 };

typedef struct random_net {
    char text[RANDOM_NET_BYTES];
    int classes; /* labels are 0 .. classes; `classes` itself is ignored by every loss */
} random_net;

/* The net of a seed: inputs "data" and "label", one loss or two. */
void random_net_make(uint32_t seed, random_net *net);

/* xorshift64*: uniform below `below`, and about normal. *state must not be 0. */
uint32_t random_below(uint64_t *state, uint32_t below);
float random_normal(uint64_t *state);

#endif
