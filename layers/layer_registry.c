/* The registry of layer types, and small things all layers share. A new type adds its line to LAYER_TYPES. */
#include "layers/layer.h"

#include "core/checked.h"

#include <stdio.h>
#include <string.h>

/* Their shapes and Caffe's memory are known, ops they have none. */
#define ACCOUNTED_LAYER_TYPES(X)      \
    X(sa_layer_absval)                \
    X(sa_layer_argmax)                \
    X(sa_layer_axpy)                  \
    X(sa_layer_batch_norm)            \
    X(sa_layer_bias)                  \
    X(sa_layer_bnll)                  \
    X(sa_layer_clip)                  \
    X(sa_layer_concat)                \
    X(sa_layer_contrastive_loss)      \
    X(sa_layer_crop)                  \
    X(sa_layer_data)                  \
    X(sa_layer_deconvolution)         \
    X(sa_layer_eltwise)               \
    X(sa_layer_elu)                   \
    X(sa_layer_embed)                 \
    X(sa_layer_euclidean_loss)        \
    X(sa_layer_exp)                   \
    X(sa_layer_flatten)               \
    X(sa_layer_hdf5_data)             \
    X(sa_layer_hdf5_output)           \
    X(sa_layer_hinge_loss)            \
    X(sa_layer_im2col)                \
    X(sa_layer_image_data)            \
    X(sa_layer_image_seg_data)        \
    X(sa_layer_infogain_loss)         \
    X(sa_layer_inner_product)         \
    X(sa_layer_interp)                \
    X(sa_layer_log)                   \
    X(sa_layer_memory_data)           \
    X(sa_layer_multinomial_loss)      \
    X(sa_layer_mvn)                   \
    X(sa_layer_permute)               \
    X(sa_layer_power)                 \
    X(sa_layer_prelu)                 \
    X(sa_layer_python)                \
    X(sa_layer_reduction)             \
    X(sa_layer_reshape)               \
    X(sa_layer_scale)                 \
    X(sa_layer_sigmoid)               \
    X(sa_layer_sigmoid_loss)          \
    X(sa_layer_slice)                 \
    X(sa_layer_swish)                 \
    X(sa_layer_tanh)                  \
    X(sa_layer_threshold)             \
    X(sa_layer_tile)                  \
    X(sa_layer_normalize)             \
    X(sa_layer_relu6)                 \
    X(sa_layer_reorg)                 \
    X(sa_layer_shuffle_channel)       \
    X(sa_layer_depthwise_convolution) \
    X(sa_layer_convolution_depthwise) \
    X(sa_layer_window_data)

#define LAYER_TYPES(X)           \
    X(sa_layer_input)            \
    X(sa_layer_dummy_data)       \
    X(sa_layer_dense_image_data) \
    X(sa_layer_lrn)              \
    X(sa_layer_convolution)      \
    X(sa_layer_bn)               \
    X(sa_layer_relu)             \
    X(sa_layer_pooling)          \
    X(sa_layer_upsample)         \
    X(sa_layer_dropout)          \
    X(sa_layer_softmax)          \
    X(sa_layer_softmax_loss)     \
    X(sa_layer_accuracy)         \
    X(sa_layer_silence)          \
    X(sa_layer_split)            \
    ACCOUNTED_LAYER_TYPES(X)

#define DECLARE(type) extern const sa_layer_type type;
LAYER_TYPES(DECLARE)
#undef DECLARE

static const sa_layer_type *const TYPES[] = {
#define ENTRY(type) &type,
    LAYER_TYPES(ENTRY)
#undef ENTRY
};

const sa_layer_type *sa_layer_type_at(int i)
{
    return i >= 0 && i < (int)(sizeof TYPES / sizeof TYPES[0]) ? TYPES[i] : NULL;
}

const sa_layer_type *sa_layer_type_find(const char *name)
{
    for (int i = 0; sa_layer_type_at(i); i++)
        if (!strcmp(TYPES[i]->name, name)) return TYPES[i];
    return NULL;
}

bool sa_layer_passes_gradient(const sa_layer *layer, int i)
{
    return i < layer->type->grad_bottoms && !(layer->cut_bottoms >> i & 1);
}

const char *sa_shape_text(const sa_shape *shape, char text[SA_SHAPE_TEXT_BYTES])
{
    int length = 0;
    if (shape->axes == 0) snprintf(text, SA_SHAPE_TEXT_BYTES, "one value");
    for (int i = 0; i < shape->axes; i++)
        length += snprintf(text + length, (size_t)(SA_SHAPE_TEXT_BYTES - length), "%s%d", i ? "x" : "", shape->dim[i]);
    return text;
}

sa_status sa_shape_count(const sa_shape *shape, size_t *count)
{
    size_t product = 4;
    char text[SA_SHAPE_TEXT_BYTES];
    (void)sa_shape_text(shape, text);
    for (int i = 0; i < shape->axes; i++) {
        if (shape->dim[i] < 1) SA_FAIL(SA_INVALID, "a shape of %s is empty", text);
        if (!sa_size_mul(product, (size_t)shape->dim[i], &product))
            SA_FAIL(SA_INVALID, "a shape of %s is too large to address", text);
    }
    *count = product / 4;
    return SA_OK;
}

size_t sa_shape_elements(const sa_shape *shape)
{
    size_t product = 1;
    for (int i = 0; i < shape->axes; i++) product *= (size_t)shape->dim[i];
    return product;
}

void sa_shape_nchw(const sa_shape *shape, int32_t nchw[4])
{
    for (int i = 0; i < 4; i++) nchw[i] = 1;
    if (shape->axes == 1) {
        nchw[1] = shape->dim[0];
        return;
    }
    for (int i = 0; i < shape->axes; i++) nchw[i] = shape->dim[i];
}
