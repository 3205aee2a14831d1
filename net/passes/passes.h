/* The passes: one function a switch, each changes the realizations that the passes before it made. Private to net/. */
#ifndef SA_NET_PASSES_PASSES_H
#define SA_NET_PASSES_PASSES_H

#include "net/strategy.h"

#include <string.h>

typedef sa_status (*sa_pass)(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);

sa_status sa_pass_lean(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_fuse(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_compact_masks(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_virtual_upsample(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_inplace_grad(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_relrn(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_banded(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_repool(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_recompute(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_split_backward(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_image_tail(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_uint8_input(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);
sa_status sa_pass_bf16(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *r);

static inline bool sa_layer_is(const sa_layer *layer, const char *type)
{
    return !strcmp(layer->type->name, type);
}

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
