/* Ranks as threads of one process: an exchange in memory for tests. What is sent is copied as late as the interface allows, when
 * the receiver finishes, so that a sender that overwrites it too early is found out. */
#ifndef SA_TESTS_SUPPORT_THREAD_RANKS_H
#define SA_TESTS_SUPPORT_THREAD_RANKS_H

#include "core/exchange.h"

enum { SA_THREAD_RANKS_MAX = 8 };

/* Called by one thread for each rank; exchange: NULL with one rank. It is closed for the caller: with what is in `why` (bytes), if
 * not "". */
typedef void (*sa_rank_body)(void *context, sa_exchange *exchange, char *why, size_t bytes);

/* Runs body as ranks 0 .. ranks-1 at the same time; returns when all have. */
void sa_thread_ranks_run(int ranks, sa_rank_body body, void *context);

#endif
