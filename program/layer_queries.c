/* What follows from the traits of several layers: who made a blob behind Splits, whose mask a layer reads, what Caffe calls a blob.
 */
#include "program/layer.h"

int sa_blob_behind_splits(const sa_layer *layers, const sa_blob *blobs, int blob)
{
    while (layers[blobs[blob].producer].type->shares_bottom) blob = layers[blobs[blob].producer].bottom[0];
    return blob;
}

const sa_layer *sa_layer_mask_maker(const sa_layer *layer, const sa_layer *layers, const sa_blob *blobs)
{
    if (!layer->type->mask_bottom) return NULL;
    const sa_blob *mask = &blobs[sa_blob_behind_splits(layers, blobs, layer->bottom[layer->type->mask_bottom])];
    const sa_layer *maker = &layers[mask->producer];
    if (!maker->type->makes_mask || mask->producer_top != 1) return NULL;
    const int32_t *plane = blobs[maker->bottom[0]].shape.dim, *out = blobs[layer->top[0]].shape.dim;
    return plane[2] == out[2] && plane[3] == out[3] ? maker : NULL;
}

const char *sa_caffe_blob_category(const sa_layer *maker, const sa_blob *blob, bool grad)
{
    const sa_layer_type *type = maker->type;
    if (grad && type->caffe_shares_data && !type->caffe_shares_diff) return SA_CAFFE_SPLIT_DIFFS;
    if (type->is_input) return grad ? SA_CAFFE_TOPS_DIFF : SA_CAFFE_INPUT;
    if (type->caffe_tops_on_host || (blob->shape.axes == 0 && !grad)) return SA_CAFFE_SCALARS;
    if (grad) return SA_CAFFE_TOPS_DIFF;
    return blob->producer_top == 1 && type->makes_mask ? SA_CAFFE_MASKS : SA_CAFFE_TOPS_DATA;
}

bool sa_layer_passes_gradient(const sa_layer *layer, int i)
{
    return i < layer->type->grad_bottoms && !(layer->cut_bottoms >> i & 1);
}
