/* The exchange between ranks: the processes, one a device, that train one net together. Messages go from memory to memory and are
 * found by their number; whoever starts one goes on working until it needs what comes. */
#ifndef SA_CORE_EXCHANGE_H
#define SA_CORE_EXCHANGE_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sa_exchange sa_exchange;

/* Ranks call these in the same order of numbers. */
typedef struct sa_exchange_functions {
    /* Start a message of exchange `number` to or from another rank and return. The memory is the message's until the exchange is
     * finished: what is sent does not change, what is received is not read. bytes > 0, the same on both sides. */
    sa_status (*send)(sa_exchange *exchange, int32_t number, int32_t to, const void *bytes, size_t count);
    sa_status (*receive)(sa_exchange *exchange, int32_t number, int32_t from, void *bytes, size_t count);
    /* Waits for all messages of the exchange. SA_RANKS: another rank has failed or is gone; the message says which. */
    sa_status (*finish)(sa_exchange *exchange, int32_t number);
    /* why: what this rank failed by, which ends the other ranks' waits; NULL: all went well. Frees the exchange. */
    void (*close)(sa_exchange *exchange, const char *why);
} sa_exchange_functions;

/* The head of every implementation's own struct. */
struct sa_exchange {
    const sa_exchange_functions *functions;
    int32_t rank, ranks;
    int32_t local_ranks;   /* on this machine */
    bool failure_is_known; /* to all ranks: close has nothing to tell them */
    bool first_is_gone;    /* rank 0 is, so rank 1 has to speak */
    uint64_t sent_bytes;   /* so far */
    uint64_t waited_ns;    /* in finish, so far */
};

/* Numbers from here on are free for exchanges outside of steps. */
enum { SA_EXCHANGE_OUTSIDE = 20000 };

/* Every rank's piece to every rank: pieces (ranks, bytes), of which this rank's own is filled in. NULL: there is one rank. */
SA_CHECKED sa_status sa_exchange_gather(sa_exchange *exchange, void *pieces, size_t bytes);

/* *word becomes what rank 0 has there. NULL: there is one rank. */
SA_CHECKED sa_status sa_exchange_first_word(sa_exchange *exchange, bool *word);

#ifdef __cplusplus
}
#endif
#endif
