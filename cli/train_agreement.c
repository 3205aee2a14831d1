/* What ranks compare before the first step: fingerprints of all that their bits depend on. */
#include "cli/train_shards.h"
#include "core/hash.h"
#include "core/version.h"
#include "data/whole_file.h"

#include <stdlib.h>
#include <string.h>

static sa_status hash_file(const char *path, uint64_t *hash)
{
    char *bytes;
    size_t count;
    SA_TRY(sa_whole_file_read(path, &bytes, &count));
    *hash = sa_hash_bytes(SA_HASH_START, bytes, count);
    free(bytes);
    return SA_OK;
}

sa_status sa_train_agreement_of(const sa_train_options *o, const sa_train_result *r, const sa_feed *feed, sa_session *session,
                                const char *net, sa_train_agreement *agreement)
{
    sa_train_agreement a = {.data = SA_HASH_START};
    const uint64_t numbers[] = {r->total_steps,     r->seed,      (uint64_t)r->batch, (uint64_t)r->shards,
                                (uint64_t)r->ranks, r->first_step};
    const uint64_t entries = sa_feed_entry_count(feed);
    a.version = sa_hash_text(SA_VERSION);
    a.options = sa_hash_bytes(sa_hash_text(r->strategy.name), numbers, sizeof numbers);
    a.options = sa_hash_bytes(a.options, o->conv, strlen(o->conv));
    SA_TRY(hash_file(o->solver, &a.solver));
    SA_TRY(hash_file(net, &a.net));
    if (sa_feed_list_path(feed)[0]) SA_TRY(hash_file(sa_feed_list_path(feed), &a.data));
    a.data = sa_hash_number(a.data, entries);
    SA_TRY(sa_session_params_hash(session, &a.start));
    *agreement = a;
    return SA_OK;
}
