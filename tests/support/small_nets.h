/* Small nets for tests of strategies and programs: one for each structure that a technique may trip over. */
#ifndef SA_TESTS_SMALL_NETS_H
#define SA_TESTS_SMALL_NETS_H

#include "net/net.h"

typedef struct sa_small_net {
    const char *name;
    const char *path; /* a prototxt below tests/, or NULL */
    const char *text; /* its prototxt, if there is no path */
    bool deploy;      /* TEST phase, no loss: forward only */
} sa_small_net;

/* The i-th net, NULL after the last. */
const sa_small_net *sa_small_net_at(int i);
/* NULL if there is none of that name. */
const sa_small_net *sa_small_net_find(const char *name);
SA_CHECKED sa_status sa_small_net_load(const sa_small_net *small, sa_net **net);

#endif
