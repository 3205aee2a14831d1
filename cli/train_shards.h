/* The shards of a training step, on this rank and on others: which batches are this rank's, what the shards' outputs are together,
 * whether all ranks train the same.
 *
 * Shard k of step t takes batch t * shards + k of one global order; pass p of rank r is shard p * ranks + r. So nothing that comes
 * out depends on how many ranks there are. */
#ifndef SA_CLI_TRAIN_SHARDS_H
#define SA_CLI_TRAIN_SHARDS_H

#include "cli/train_run.h"
#include "core/exchange.h"
#include "net/feed.h"
#include "net/step_outputs.h"

/* Plain data. */
typedef struct sa_train_shards {
    sa_exchange *exchange; /* borrowed; NULL: one rank */
    int32_t rank, ranks, shards;
    bool stop;     /* a rank was asked to stop in the last step */
    size_t floats; /* of a piece */
    float *piece;  /* (ranks, floats), owned: stop, batches without labels, outputs */
} sa_train_shards;

/* shards: of a step, at least as many as ranks. */
SA_CHECKED sa_status sa_train_shards_open(sa_exchange *exchange, int shards, const sa_step_outputs *outputs, sa_train_shards *made);
void sa_train_shards_close(sa_train_shards *shards);

/* The feed goes over the batches of other ranks that lie before this rank's in a pass, and behind it (a rank without a shard in the
 * pass: over all in the first call). */
void sa_train_shards_skip(const sa_train_shards *shards, int pass, bool behind, sa_feed *feed);

/* After a pass: `value` of outputs becomes the means over the shards of the step at its last pass. stop, void_batch: of this rank's
 * pass; *void_batches: of all ranks' passes. All ranks call it. */
SA_CHECKED sa_status sa_train_shards_add(sa_train_shards *shards, int pass, sa_step_outputs *outputs, bool stop, bool void_batch,
                                         uint64_t *void_batches);

/* What ranks have to agree on before the first step. */
typedef struct sa_train_agreement {
    uint64_t version, solver, net, data, options, start;
} sa_train_agreement;

/* Of this rank, once everything is there; net: the path of its file. SA_IO: a file cannot be read again. */
SA_CHECKED sa_status sa_train_agreement_of(const sa_train_options *options, const sa_train_result *result, const sa_feed *feed,
                                           sa_session *session, const char *net, sa_train_agreement *agreement);

/* Each rank comes with the status of its preparations. Where one failed, all get that rank's status and message; else SA_RANKS
 * names a rank that disagrees, and about what. */
SA_CHECKED sa_status sa_train_shards_agree(sa_exchange *exchange, sa_status prepared, const sa_train_agreement *agreement);

#endif
