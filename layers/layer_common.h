/* Checks that several layer types make in setup. Private to layers/. */
#ifndef SA_LAYERS_LAYER_COMMON_H
#define SA_LAYERS_LAYER_COMMON_H

#include "layers/layer.h"

/* bottom[i] must have 4 axes. */
static inline sa_status sa_layer_need_nchw(const sa_layer *layer, const sa_blob *blobs, int i)
{
    const sa_blob *blob = &blobs[layer->bottom[i]];
    if (blob->shape.axes != 4) SA_FAIL(SA_INVALID, "bottom '%s' has %d axes, needs 4 (N, C, H, W)", blob->name, blob->shape.axes);
    return SA_OK;
}

/* scores (N, C, H, W) with label (N, 1, H, W) as bottoms 0 and 1. */
static inline sa_status sa_layer_need_scores_and_label(const sa_layer *layer, const sa_blob *blobs)
{
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    SA_TRY(sa_layer_need_nchw(layer, blobs, 1));
    const int32_t *s = blobs[layer->bottom[0]].shape.dim, *l = blobs[layer->bottom[1]].shape.dim;
    if (l[0] != s[0] || l[1] != 1 || l[2] != s[2] || l[3] != s[3])
        SA_FAIL(SA_INVALID, "label '%s' is %dx%dx%dx%d, scores '%s' of %dx%dx%dx%d need a label of %dx1x%dx%d",
                blobs[layer->bottom[1]].name, l[0], l[1], l[2], l[3], blobs[layer->bottom[0]].name, s[0], s[1], s[2], s[3], s[0],
                s[2], s[3]);
    return SA_OK;
}

static inline size_t sa_blob_bytes(const sa_blob *blob)
{
    return sa_shape_elements(&blob->shape) * 4;
}

/* Element-wise layers: top 0 takes the shape of bottom 0. */
static inline sa_status sa_layer_same_shape(sa_layer *layer, sa_blob *blobs)
{
    blobs[layer->top[0]].shape = blobs[layer->bottom[0]].shape;
    return SA_OK;
}

#endif
