/* Enumerates combinations of what is decided for a net as a whole: a rung of the ladder to start from, times the values of each
 * further technique. What a net has no use for (a tail by image at batch 1, bands without a cheap level) makes the same choices as
 * without it and drops out. */
#include "cost/budget_candidates.h"

#include "core/growing_array.h"
#include "core/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One axis: the ways to go on with a name; "" first. */
typedef struct axis {
    const char *const *text;
    int count;
} axis;

static const char *const PLAIN[] = {"tiled", "virtual"}; /* where storing more saves time; further techniques go on from: */
static const char *const BASES[] = {"inplace"};
static const char *const BANDS[] = {"", "+banded=32", "+banded=16", "+banded=8", "+banded=4"};
static const char *const TAILS[] = {"", "+image-tail"};
enum { AXES = 3 };
#define AXIS(list)                          \
    {                                       \
        list, sizeof(list) / sizeof *(list) \
    }
static const axis AXIS_LIST[AXES] = {AXIS(BASES), AXIS(BANDS), AXIS(TAILS)};

/* ------------------------------------------------------------------ choices --------------------------------------- */

static uint64_t hash_choices(const sa_net *net, const sa_realizations *r)
{
    uint64_t hash = SA_HASH_START;
    for (int b = 0; b < net->blob_count; b++) {
        const sa_blob_choice *c = &r->blob[b];
        const uint64_t choices[] = {c->data, c->encoding, c->again, c->grad, c->head_bytes};
        hash = sa_hash_bytes(hash, choices, sizeof choices);
    }
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer_choice *c = &r->layer[l];
        const uint64_t choices[] = {c->mask_encoding,           c->algorithm,         c->workspace_limit_bytes, c->backward,
                                    (uint64_t)c->band_channels, (uint64_t)c->band_end};
        hash = sa_hash_bytes(hash, choices, sizeof choices);
    }
    const uint64_t choices[] = {r->caffe_layout, r->shared_workspace, r->lifetimes, r->early_update};
    return sa_hash_bytes(hash, choices, sizeof choices);
}

/* ------------------------------------------------------------------ the list --------------------------------------- */

static sa_status append(sa_candidates *c, const sa_strategy *strategy, uint64_t signature)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->signature[i] == signature) return SA_OK;
    sa_strategy *strategies = sa_array_room(c->strategy, c->count, sizeof *strategies);
    if (strategies) c->strategy = strategies;
    uint64_t *signatures = sa_array_room(c->signature, c->count, sizeof *signatures);
    if (signatures) c->signature = signatures;
    if (!strategies || !signatures) SA_FAIL(SA_NOMEM, "no memory for %zu strategies", c->count + 1);
    c->strategy[c->count] = *strategy;
    c->signature[c->count++] = signature;
    return SA_OK;
}

/* All combinations make sense: `inplace` has what each technique needs. */
static sa_status try_name(const sa_net *net, const sa_device *device, sa_conv_option conv, const char *name, sa_candidates *c)
{
    sa_strategy strategy;
    sa_realizations r;
    SA_TRY(sa_strategy_parse(name, &strategy));
    strategy.conv = conv;
    SA_TRY(sa_strategy_apply(&strategy, net, device, &r));
    uint64_t signature = hash_choices(net, &r);
    sa_realizations_free(&r);
    return append(c, &strategy, signature);
}

/* All of the axes, like the digits of a counter. */
static sa_status try_all(const sa_net *net, const sa_device *device, sa_conv_option conv, sa_candidates *c)
{
    int place[AXES] = {0};
    for (size_t i = 0; i < sizeof PLAIN / sizeof PLAIN[0]; i++) SA_TRY(try_name(net, device, conv, PLAIN[i], c));
    while (place[0] < AXIS_LIST[0].count) {
        char name[sizeof((sa_strategy *)0)->name] = "";
        for (int i = 0; i < AXES; i++) strncat(name, AXIS_LIST[i].text[place[i]], sizeof name - strlen(name) - 1);
        SA_TRY(try_name(net, device, conv, name, c));
        int i = AXES - 1;
        place[i]++;
        for (; i > 0 && place[i] == AXIS_LIST[i].count; i--) {
            place[i] = 0;
            place[i - 1]++;
        }
    }
    return SA_OK;
}

sa_status sa_candidates_create(const sa_net *net, const sa_device *device, sa_conv_option conv, sa_candidates *candidates)
{
    sa_candidates c = {0};
    sa_status status = try_all(net, device, conv, &c);
    if (status != SA_OK) {
        sa_candidates_free(&c);
        return status;
    }
    *candidates = c;
    return SA_OK;
}

void sa_candidates_free(sa_candidates *candidates)
{
    free(candidates->strategy);
    free(candidates->signature);
    memset(candidates, 0, sizeof *candidates);
}
