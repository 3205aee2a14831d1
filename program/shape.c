/* Shapes of blobs and parameters. */
#include "core/checked.h"
#include "program/layer.h"

#include <stdio.h>

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
    for (int i = 0; i < shape->axes; i++) {
        const int slot = i < 2 ? i : i == shape->axes - 1 ? 3 : 2;
        nchw[slot] *= shape->dim[i];
    }
}
