/* The registry of layer types, and small things all layers share. A new type adds its line to LAYER_TYPES. */
#include "layers/layer.h"

#include "core/checked.h"

#include <stdio.h>
#include <string.h>

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
    X(sa_layer_split)

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

sa_status sa_shape_count(const sa_shape *shape, size_t *count)
{
    size_t product = 4, length = 0;
    char text[64] = "";
    for (int i = 0; i < shape->axes; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%d", i ? "x" : "", shape->dim[i]);
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
