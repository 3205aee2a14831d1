/* Which stored values may be dropped after the forward pass and computed again in the backward pass. Values in one buffer (one
 * overwrites another, or is a part of what is joined) share their fate: they are one unit, named by the blob that owns the buffer.
 */
#ifndef SA_NET_PASSES_RECOMPUTE_UNITS_H
#define SA_NET_PASSES_RECOMPUTE_UNITS_H

#include "program/realization.h"

/* The blob whose buffer holds the blob's data, -1: it is not in memory. */
int sa_recompute_unit(const sa_net *net, const sa_realizations *r, int blob);
/* May the blob be dropped, as far as it is concerned? Its unit may be if all of it may. */
bool sa_recompute_may_drop(const sa_net *net, const sa_realizations *r, int blob);
/* Drops the units of the blobs that are chosen, (net->blob_count), but for those that must stay. */
void sa_recompute_drop(const sa_net *net, sa_realizations *r, const bool *chosen);
/* Is the value fetched after the step, itself or as what shares it? */
bool sa_blob_is_output(const sa_net *net, int blob);

#endif
