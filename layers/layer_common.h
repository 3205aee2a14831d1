/* Checks that several layer types make in setup. Private to layers/. */
#ifndef SA_LAYERS_LAYER_COMMON_H
#define SA_LAYERS_LAYER_COMMON_H

#include "layers/messages.h"
#include "program/layer.h"

/* bottom[i] must have 4 axes. */
static inline sa_status sa_layer_need_nchw(const sa_layer *layer, const sa_blob *blobs, int i)
{
    const sa_blob *blob = &blobs[layer->bottom[i]];
    if (blob->shape.axes != 4) SA_FAIL(SA_INVALID, "bottom '%s' has %d axes, needs 4 (N, C, H, W)", blob->name, blob->shape.axes);
    return SA_OK;
}

static inline size_t sa_blob_bytes(const sa_blob *blob)
{
    return sa_shape_elements(&blob->shape) * 4;
}

/* Does the layer overwrite its first bottom? */
static inline bool sa_is_in_place(const sa_layer *layer, const sa_blob *blobs)
{
    return layer->top_count > 0 && blobs[layer->top[0]].previous == layer->bottom[0];
}

/* Element-wise layers: top 0 takes the shape of bottom 0. */
static inline sa_status sa_layer_same_shape(sa_layer *layer, sa_blob *blobs)
{
    blobs[layer->top[0]].shape = blobs[layer->bottom[0]].shape;
    return SA_OK;
}

/* Elements of axes [begin, end). */
static inline size_t sa_shape_span(const sa_shape *shape, int begin, int end)
{
    size_t product = 1;
    for (int i = begin; i < end && i < shape->axes; i++) product *= (size_t)shape->dim[i];
    return product;
}

/* -1 is the last axis. SA_INVALID: outside of [-axes, axes). */
static inline sa_status sa_axis_resolve(const sa_shape *shape, int32_t axis, const char *name, int *index)
{
    if (axis < -shape->axes || axis >= shape->axes) SA_FAIL(SA_INVALID, "%s %d of a blob with %d axes", name, axis, shape->axes);
    *index = axis < 0 ? axis + shape->axes : axis;
    return SA_OK;
}

/* Scores as bottom 0, with classes along `axis`, and one label per place as bottom 1: (N, 1, H, W) for (N, C, H, W). Any shape with
 * the same first axis and as many values will do. */
static inline sa_status sa_layer_need_labels(const sa_layer *layer, const sa_blob *blobs, int axis)
{
    const sa_blob *scores = &blobs[layer->bottom[0]], *label = &blobs[layer->bottom[1]];
    const sa_shape *s = &scores->shape, *l = &label->shape;
    size_t places = sa_shape_span(s, 0, axis) * sa_shape_span(s, axis + 1, s->axes);
    bool first = axis == 0 || (l->axes > 0 && l->dim[0] == s->dim[0]);
    char a[SA_SHAPE_TEXT_BYTES], b[SA_SHAPE_TEXT_BYTES];
    if (first && sa_shape_elements(l) == places &&
        !(s->axes == 4 && l->axes == 4 && axis == 1 && (l->dim[2] != s->dim[2] || l->dim[3] != s->dim[3])))
        return SA_OK;
    if (s->axes == 4 && axis == 1)
        SA_FAIL(SA_INVALID, "label '%s' is %s, scores '%s' of %s need a label of %dx1x%dx%d", label->name, sa_shape_text(l, b),
                scores->name, sa_shape_text(s, a), s->dim[0], s->dim[2], s->dim[3]);
    SA_FAIL(SA_INVALID, "label '%s' is %s, scores '%s' of %s need %zu labels", label->name, sa_shape_text(l, b), scores->name,
            sa_shape_text(s, a), places);
}

/* The size of a convolution's output along one axis; below 1 if the kernel does not fit. Caffe: floor((H + 2p - e) / s) + 1. */
static inline int64_t sa_conv_out_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
    int64_t rest = size + 2 * pad - (dilation * (kernel - 1) + 1);
    return rest < 0 ? 0 : rest / stride + 1;
}

/* A private buffer that Caffe has on the device as well, and one that GPU mode keeps on the host. */
static inline sa_caffe_buffer sa_both(const char *member, const char *category, size_t bytes)
{
    return (sa_caffe_buffer){.suffix = member, .category = category, .gpu_bytes = bytes, .cpu_bytes = bytes, .member = member};
}

static inline sa_caffe_buffer sa_host_only(const char *member, size_t bytes)
{
    return (sa_caffe_buffer){.suffix = member, .category = SA_CAFFE_OTHER, .cpu_bytes = bytes, .member = member};
}

/* What BVLC Caffe's cuDNN convolutions take at most: three streams per group, each with a workspace of up to 8 MiB. */
static inline sa_caffe_buffer sa_caffe_cudnn_workspace(int32_t groups)
{
    return (sa_caffe_buffer){.suffix = "cudnn_workspace",
                             .category = SA_CAFFE_OTHER,
                             .member = "workspaceData",
                             .cudnn_most_bytes = (size_t)groups * 3 * ((size_t)8 << 20)};
}

/* The small arrays of integers in which BVLC Caffe's convolutions keep their shape (two spatial axes). Returns their number. */
static inline int sa_caffe_conv_shapes(sa_caffe_buffer *list)
{
    list[0] = sa_host_only("kernel_shape_", 8);
    list[1] = sa_host_only("stride_", 8);
    list[2] = sa_host_only("pad_", 8);
    list[3] = sa_host_only("dilation_", 8);
    list[4] = sa_host_only("conv_input_shape_", 12);
    return 5;
}

/* Its backward pass touches the gradient of every bottom before it asks whether one is wanted. */
static inline uint32_t sa_caffe_touches_all(const sa_layer *layer, const sa_blob *blobs)
{
    (void)blobs;
    return layer->needs_backward ? UINT32_MAX : 0;
}

#endif
