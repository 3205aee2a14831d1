/* What all exchanges share. */
#include "core/exchange.h"

sa_status sa_exchange_gather(sa_exchange *exchange, void *pieces, size_t bytes)
{
    char *at = pieces; /* (ranks, bytes) */
    if (!exchange || bytes == 0) return SA_OK;
    for (int32_t k = 1; k < exchange->ranks; k++) {
        const int32_t to = (exchange->rank + k) % exchange->ranks, from = (exchange->rank + exchange->ranks - k) % exchange->ranks;
        SA_TRY(exchange->functions->receive(exchange, SA_EXCHANGE_OUTSIDE, from, at + (size_t)from * bytes, bytes));
        SA_TRY(exchange->functions->send(exchange, SA_EXCHANGE_OUTSIDE, to, at + (size_t)exchange->rank * bytes, bytes));
    }
    return exchange->functions->finish(exchange, SA_EXCHANGE_OUTSIDE);
}

sa_status sa_exchange_first_word(sa_exchange *exchange, bool *word)
{
    if (!exchange) return SA_OK;
    for (int32_t to = 1; to < exchange->ranks && exchange->rank == 0; to++)
        SA_TRY(exchange->functions->send(exchange, SA_EXCHANGE_OUTSIDE, to, word, sizeof *word));
    if (exchange->rank > 0) SA_TRY(exchange->functions->receive(exchange, SA_EXCHANGE_OUTSIDE, 0, word, sizeof *word));
    return exchange->functions->finish(exchange, SA_EXCHANGE_OUTSIDE);
}
