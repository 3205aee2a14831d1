/* The passes: one function per switch; each changes the realizations that the passes before it made. Private to net/. */
#ifndef SA_NET_PASSES_PASSES_H
#define SA_NET_PASSES_PASSES_H

#include "net/strategy.h"

typedef void sa_pass(const sa_strategy *strategy, const sa_net *net, sa_realizations *r);

sa_pass sa_pass_lean, sa_pass_fuse, sa_pass_compact_masks, sa_pass_virtual_upsample, sa_pass_inplace_grad, sa_pass_sums_in_place,
    sa_pass_relrn, sa_pass_banded, sa_pass_repool, sa_pass_recompute, sa_pass_split_backward, sa_pass_image_tail,
    sa_pass_uint8_input, sa_pass_bf16, sa_pass_placement;

/* The layer that reads a blob, NULL if none does. */
static inline const sa_layer *sa_blob_reader(const sa_net *net, int blob)
{
    int reader = net->blob[blob].consumer;
    return reader >= 0 ? &net->layer[reader] : NULL;
}

static inline const sa_layer *sa_blob_maker(const sa_net *net, int blob)
{
    return &net->layer[net->blob[blob].producer];
}

#endif
