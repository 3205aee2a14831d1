/* Shards of a training step: see train_shards.h. */
#include "cli/train_shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STOP, VOID_BATCH, VALUES }; /* places in a piece */

sa_status sa_train_shards_open(sa_exchange *exchange, int shards, const sa_step_outputs *outputs, sa_train_shards *made)
{
    sa_train_shards s = {.exchange = exchange, .ranks = 1, .shards = shards, .floats = VALUES + outputs->value_count};
    if (exchange) s.rank = exchange->rank;
    if (exchange) s.ranks = exchange->ranks;
    s.piece = calloc((size_t)s.ranks * s.floats, sizeof *s.piece);
    if (!s.piece) SA_FAIL(SA_NOMEM, "no memory for the outputs of %d ranks", (int)s.ranks);
    *made = s;
    return SA_OK;
}

void sa_train_shards_close(sa_train_shards *shards)
{
    free(shards->piece);
    memset(shards, 0, sizeof *shards);
}

/* Shards of the pass, on all ranks. */
static int32_t shards_in(const sa_train_shards *s, int pass)
{
    const int32_t left = s->shards - (int32_t)pass * s->ranks;
    return left < s->ranks ? left : s->ranks;
}

void sa_train_shards_skip(const sa_train_shards *s, int pass, bool behind, sa_feed *feed)
{
    const int32_t here = shards_in(s, pass), before = s->rank < here ? s->rank : here;
    const int32_t rest = s->rank < here ? here - s->rank - 1 : 0;
    sa_feed_skip(feed, (uint64_t)(behind ? rest : before));
}

sa_status sa_train_shards_add(sa_train_shards *s, int pass, sa_step_outputs *outputs, bool stop, bool void_batch,
                              uint64_t *void_batches)
{
    float *own = s->piece + (size_t)s->rank * s->floats;
    own[STOP] = stop;
    own[VOID_BATCH] = void_batch;
    memcpy(own + VALUES, outputs->value, outputs->value_count * sizeof *own);
    SA_TRY(sa_exchange_gather(s->exchange, s->piece, s->floats * sizeof *s->piece));
    s->stop = false;
    for (int32_t rank = 0; rank < s->ranks; rank++) {
        const float *piece = s->piece + (size_t)rank * s->floats;
        s->stop = s->stop || piece[STOP] != 0.0f;
        if (rank >= shards_in(s, pass)) continue;
        *void_batches += piece[VOID_BATCH] != 0.0f;
        memcpy(outputs->value, piece + VALUES, outputs->value_count * sizeof *piece);
        sa_step_outputs_mean(outputs, pass * s->ranks + rank, s->shards);
    }
    return SA_OK;
}

/* ---- agreement ---- */

typedef struct opinion {
    sa_status prepared;
    char message[600];
    sa_train_agreement agreement;
} opinion;

static sa_status compare(const opinion *all, int32_t ranks, int32_t rank)
{
    static const char *const ABOUT[] = {"the version of segarena",
                                        "the solver file",
                                        "the net file",
                                        "the training data",
                                        "strategy, convolutions, seed, sizes or shards",
                                        "the parameters to start from"};
    enum { COUNT = sizeof ABOUT / sizeof ABOUT[0] };
    _Static_assert(sizeof(sa_train_agreement) == COUNT * sizeof(uint64_t), "a text for each");
    uint64_t first[COUNT], other[COUNT];
    for (int32_t k = 0; k < ranks; k++) {
        if (all[k].prepared == SA_OK) continue;
        if (k == rank) return all[k].prepared;
        return sa_error_set(all[k].prepared, "rank %d: %s", (int)k, all[k].message);
    }
    memcpy(first, &all[0].agreement, sizeof first);
    for (int32_t k = 1; k < ranks; k++) {
        memcpy(other, &all[k].agreement, sizeof other);
        for (int i = 0; i < COUNT; i++)
            if (other[i] != first[i])
                SA_FAIL(SA_RANKS, "ranks 0 and %d do not agree about %s: all ranks have to train the same", (int)k, ABOUT[i]);
    }
    return SA_OK;
}

sa_status sa_train_shards_agree(sa_exchange *exchange, sa_status prepared, const sa_train_agreement *agreement)
{
    if (!exchange) return prepared;
    opinion *all = calloc((size_t)exchange->ranks, sizeof *all);
    if (!all) SA_FAIL(SA_NOMEM, "no memory for the opinions of %d ranks", (int)exchange->ranks);
    opinion *own = &all[exchange->rank];
    own->prepared = prepared;
    own->agreement = *agreement;
    if (prepared != SA_OK) snprintf(own->message, sizeof own->message, "%s", sa_error_message());
    sa_status status = sa_exchange_gather(exchange, all, sizeof *all);
    if (status == SA_OK) {
        status = compare(all, exchange->ranks, exchange->rank);
        exchange->failure_is_known = status != SA_OK;
    }
    free(all);
    return status;
}
