/* For the layer types that segarena has no ops for yet: their shapes and what Caffe allocates for them. Private to this folder. The
 * rules are BVLC Caffe's (master, 2020). */
#ifndef SA_LAYERS_ACCOUNTED_H
#define SA_LAYERS_ACCOUNTED_H

#include "layers/layer_common.h"

/* Bytes of the blob's bottom or top i. */
static inline size_t sa_bottom_bytes(const sa_layer *layer, const sa_blob *blobs, int i)
{
    return sa_blob_bytes(&blobs[layer->bottom[i]]);
}

static inline size_t sa_top_bytes(const sa_layer *layer, const sa_blob *blobs, int i)
{
    return sa_blob_bytes(&blobs[layer->top[i]]);
}

#endif
