/* Decoding and transforming images as Caffe does: see decoded.h. */
#include "data/caffe/decoded.h"

#include "core/checked.h"
#include "data/image_file.h"

#include <stdlib.h>
#include <string.h>

void sa_decoded_free(sa_decoded *d)
{
    free(d->values);
    memset(d, 0, sizeof *d);
}

sa_status sa_decoded_reserve(sa_decoded *d)
{
    size_t count = (size_t)d->channels, bytes;
    bool fits = sa_size_mul(count, (size_t)d->height, &count) && sa_size_mul(count, (size_t)d->width, &count) &&
                sa_size_mul(count, sizeof *d->values, &bytes);
    if (fits && count <= d->capacity) return SA_OK;
    float *grown = fits ? realloc(d->values, bytes) : NULL;
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for an image of %dx%dx%d", d->channels, d->height, d->width);
    d->values = grown;
    d->capacity = count;
    return SA_OK;
}

/* ---- images ---- */

/* Blue, green, red; a grey picture gives as many equal channels as are wanted. */
static sa_status take_picture(const sa_picture *picture, int32_t channels, sa_decoded *d)
{
    d->channels = channels;
    d->height = picture->height;
    d->width = picture->width;
    SA_TRY(sa_decoded_reserve(d));
    static const float NO_MEAN[4];
    const sa_picture_window whole = {.height = picture->height, .width = picture->width};
    sa_picture_to_planes(picture, whole, channels, NO_MEAN, 1, d->values);
    return SA_OK;
}

static sa_image_want want_of(const sa_image_info *info, sa_decode_colour colour)
{
    if (colour == SA_DECODE_GREY) return SA_IMAGE_GREY;
    return colour == SA_DECODE_NATIVE && info->alpha && !info->palette ? SA_IMAGE_ALPHA : SA_IMAGE_PLAIN;
}

sa_status sa_decoded_image(const char *name, const void *bytes, size_t count, sa_decode_colour colour, int32_t height,
                           int32_t width, sa_decoded *d)
{
    sa_image_info info;
    sa_picture picture;
    SA_TRY(sa_image_bytes_info(name, bytes, count, &info));
    if (colour == SA_DECODE_NATIVE && info.bits == 16)
        SA_FAIL(SA_UNSUPPORTED, "'%s': 16 bits per sample; Caffe takes 8 unless force_color or force_gray is set", name);
    SA_TRY(sa_image_bytes_read(name, bytes, count, want_of(&info, colour), &picture));
    sa_status status = height > 0 ? sa_picture_resize_bilinear(&picture, height, width) : SA_OK;
    int32_t channels = colour == SA_DECODE_COLOUR ? 3 : picture.channels;
    if (status == SA_OK) status = take_picture(&picture, channels, d);
    sa_picture_free(&picture);
    return status;
}

/* ---- the transformer ---- */

sa_status sa_transform_check(const sa_transform *t, const sa_decoded *d)
{
    if (t->mean_count > 1 && t->mean_count != d->channels)
        SA_FAIL(SA_INVALID, "%d mean_value for %d channels: give one, or one for each", (int)t->mean_count, (int)d->channels);
    if (t->mean && (t->mean_shape[0] != d->channels || t->mean_shape[1] != d->height || t->mean_shape[2] != d->width))
        SA_FAIL(SA_INVALID, "the mean_file is of %dx%dx%d, the image of %dx%dx%d", (int)t->mean_shape[0], (int)t->mean_shape[1],
                (int)t->mean_shape[2], (int)d->channels, (int)d->height, (int)d->width);
    if (t->crop > d->height || t->crop > d->width)
        SA_FAIL(SA_INVALID, "crop_size %d is larger than the image of %dx%d", (int)t->crop, (int)d->height, (int)d->width);
    return SA_OK;
}

static float mean_of(const sa_transform *t, int32_t channel, size_t at)
{
    if (t->mean) return t->mean[at];
    return t->mean_count == 0 ? 0 : t->mean_value[t->mean_count == 1 ? 0 : channel];
}

void sa_transform_apply(const sa_transform *t, const sa_decoded *d, int32_t top, int32_t left, bool mirrored, float *out)
{
    int32_t height = t->crop ? t->crop : d->height, width = t->crop ? t->crop : d->width;
    for (int32_t c = 0; c < d->channels; c++)
        for (int32_t y = 0; y < height; y++) {
            size_t row = ((size_t)c * (size_t)d->height + (size_t)(top + y)) * (size_t)d->width + (size_t)left;
            for (int32_t x = 0; x < width; x++)
                out[mirrored ? width - 1 - x : x] = (d->values[row + (size_t)x] - mean_of(t, c, row + (size_t)x)) * t->scale;
            out += width;
        }
}
