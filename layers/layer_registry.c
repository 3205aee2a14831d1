/* The registry of layer types, and small things all layers share. A new type adds its line to LAYER_TYPES. */
#include "layers/layer_registry.h"

#include <stdio.h>
#include <string.h>

/* Their shapes and Caffe's memory are known, ops they have none. */
#define ACCOUNTED_LAYER_TYPES(X)      \
    X(sa_layer_axpy)                  \
    X(sa_layer_data)                  \
    X(sa_layer_deconvolution)         \
    X(sa_layer_embed)                 \
    X(sa_layer_hdf5_data)             \
    X(sa_layer_hdf5_output)           \
    X(sa_layer_im2col)                \
    X(sa_layer_image_data)            \
    X(sa_layer_image_seg_data)        \
    X(sa_layer_inner_product)         \
    X(sa_layer_memory_data)           \
    X(sa_layer_python)                \
    X(sa_layer_normalize)             \
    X(sa_layer_reorg)                 \
    X(sa_layer_shuffle_channel)       \
    X(sa_layer_unpooling)             \
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
    X(sa_layer_batch_norm)       \
    X(sa_layer_scale)            \
    X(sa_layer_bias)             \
    X(sa_layer_mvn)              \
    X(sa_layer_relu)             \
    X(sa_layer_relu6)            \
    X(sa_layer_pooling)          \
    X(sa_layer_interp)           \
    X(sa_layer_upsample)         \
    X(sa_layer_absval)           \
    X(sa_layer_bnll)             \
    X(sa_layer_clip)             \
    X(sa_layer_elu)              \
    X(sa_layer_exp)              \
    X(sa_layer_log)              \
    X(sa_layer_power)            \
    X(sa_layer_prelu)            \
    X(sa_layer_sigmoid)          \
    X(sa_layer_swish)            \
    X(sa_layer_tanh)             \
    X(sa_layer_threshold)        \
    X(sa_layer_eltwise)          \
    X(sa_layer_dropout)          \
    X(sa_layer_softmax)          \
    X(sa_layer_softmax_loss)     \
    X(sa_layer_infogain_loss)    \
    X(sa_layer_hinge_loss)       \
    X(sa_layer_multinomial_loss) \
    X(sa_layer_euclidean_loss)   \
    X(sa_layer_sigmoid_loss)     \
    X(sa_layer_contrastive_loss) \
    X(sa_layer_accuracy)         \
    X(sa_layer_silence)          \
    X(sa_layer_concat)           \
    X(sa_layer_slice)            \
    X(sa_layer_crop)             \
    X(sa_layer_flatten)          \
    X(sa_layer_reshape)          \
    X(sa_layer_permute)          \
    X(sa_layer_reduction)        \
    X(sa_layer_argmax)           \
    X(sa_layer_tile)             \
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
