/* Strategies that decide the same about a net, told by what their passes have decided. */
#include "core/hash.h"
#include "net/session.h"

/* The choices are plain data. Bytes between their fields may differ where the fields do not: then equal strategies look different,
 * which costs time only. */
static uint64_t add_choices(uint64_t hash, const sa_net *net, const sa_realizations *r)
{
    const uint64_t flags[] = {r->caffe_layout, r->shared_workspace, r->lifetimes, r->early_update};
    hash = sa_hash_bytes(hash, r->blob, (size_t)net->blob_count * sizeof *r->blob);
    hash = sa_hash_bytes(hash, r->layer, (size_t)net->layer_count * sizeof *r->layer);
    return sa_hash_bytes(hash, flags, sizeof flags);
}

sa_status sa_strategy_signature(const sa_net *net, const sa_strategy *strategy, const sa_device *device, uint64_t *signature)
{
    sa_strategy told = *strategy;
    const bool tries =
        sa_strategy_has(strategy, SA_SWITCH_RECOMPUTE) && strategy->recompute_count < 0 && !strategy->recompute_blobs;
    const uint64_t after_passes[] = {tries ? (uint64_t)-strategy->recompute_count : 0,
                                     sa_strategy_has(strategy, SA_SWITCH_SMALL_WORKSPACE),
                                     sa_strategy_has(strategy, SA_SWITCH_SPLIT_BACKWARD)};
    uint64_t hash = sa_hash_bytes(SA_HASH_START, after_passes, sizeof after_passes);
    for (int count = 0; count < (tries ? SA_RECOMPUTE_TRIES : 1); count++) {
        sa_realizations r;
        if (tries) told.recompute_count = count;
        SA_TRY(sa_strategy_apply(&told, net, device, &r));
        hash = add_choices(hash, net, &r);
        sa_realizations_free(&r);
    }
    *signature = hash;
    return SA_OK;
}
