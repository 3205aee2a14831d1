/* Allocation, resizing and luminance of pictures. */
#include "data/picture.h"

#include "core/checked.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_BITS = 11, WEIGHT_ONE = 1 << WEIGHT_BITS };

sa_status sa_picture_alloc(int32_t channels, int32_t height, int32_t width, sa_picture *picture)
{
    size_t bytes = (size_t)channels;
    uint16_t *pixels = NULL;
    if (sa_size_mul(bytes, (size_t)height, &bytes) && sa_size_mul(bytes, (size_t)width, &bytes) &&
        sa_size_mul(bytes, sizeof *pixels, &bytes))
        pixels = malloc(bytes);
    if (!pixels) SA_FAIL(SA_NOMEM, "out of memory for a picture of %dx%d pixels, %d channels", height, width, channels);
    *picture = (sa_picture){channels, height, width, pixels};
    return SA_OK;
}

void sa_picture_free(sa_picture *picture)
{
    if (!picture) return;
    free(picture->pixels);
    memset(picture, 0, sizeof *picture);
}

static void replace(sa_picture *picture, sa_picture resized)
{
    free(picture->pixels);
    *picture = resized;
}

/* Where output index i of an axis reads: between `low` and `high`, with weights that OpenCV rounds one by one. */
typedef struct tap {
    int32_t low, high, before, after; /* weights of WEIGHT_BITS bits */
} tap;

/* `clips`: beyond the border the pixel there has all the weight (columns); else only the two places are clipped (rows). */
static tap make_tap(int32_t i, int32_t in, int32_t out, bool clips)
{
    float position = (float)((i + 0.5) * ((double)in / out) - 0.5);
    int32_t low = (int32_t)floorf(position), last = in - 1;
    float part = position - (float)low;
    if (clips && low < 0) low = 0, part = 0;
    if (clips && low >= last) low = last, part = 0;
    tap t = {low, low + 1, (int32_t)lrintf((1 - part) * WEIGHT_ONE), (int32_t)lrintf(part * WEIGHT_ONE)};
    t.low = t.low < 0 ? 0 : t.low > last ? last : t.low;
    t.high = t.high < 0 ? 0 : t.high > last ? last : t.high;
    return t;
}

/* The sums along the row keep WEIGHT_BITS - 4 bits behind the point, those across it two; the last are rounded. */
static void bilinear_row(const sa_picture *in, tap vertical, const tap *horizontal, int32_t out_width, uint16_t *out)
{
    size_t channels = (size_t)in->channels, stride = (size_t)in->width * channels;
    const uint16_t *top = in->pixels + (size_t)vertical.low * stride;
    const uint16_t *bottom = in->pixels + (size_t)vertical.high * stride;
    for (int32_t x = 0; x < out_width; x++) {
        const tap *h = &horizontal[x];
        size_t left = (size_t)h->low * channels, right = (size_t)h->high * channels;
        for (size_t c = 0; c < channels; c++) {
            int64_t upper = top[left + c] * h->before + top[right + c] * h->after;
            int64_t lower = bottom[left + c] * h->before + bottom[right + c] * h->after;
            int64_t sum = ((vertical.before * (upper >> 4)) >> 16) + ((vertical.after * (lower >> 4)) >> 16);
            *out++ = (uint16_t)((sum + 2) >> 2);
        }
    }
}

/* Exactly half: the mean of four. */
static void halve(const sa_picture *in, sa_picture *out)
{
    size_t channels = (size_t)in->channels, stride = (size_t)in->width * channels;
    uint16_t *to = out->pixels;
    for (int32_t y = 0; y < out->height; y++)
        for (int32_t x = 0; x < out->width; x++)
            for (size_t c = 0; c < channels; c++) {
                const uint16_t *from = in->pixels + 2 * (size_t)y * stride + 2 * (size_t)x * channels + c;
                *to++ = (uint16_t)((from[0] + from[channels] + from[stride] + from[stride + channels] + 2) >> 2);
            }
}

static sa_status interpolate(const sa_picture *in, sa_picture *out)
{
    tap *horizontal = malloc(sizeof *horizontal * (size_t)out->width);
    if (!horizontal) SA_FAIL(SA_NOMEM, "out of memory for resizing to %dx%d", out->height, out->width);
    for (int32_t x = 0; x < out->width; x++) horizontal[x] = make_tap(x, in->width, out->width, true);
    for (int32_t y = 0; y < out->height; y++)
        bilinear_row(in, make_tap(y, in->height, out->height, false), horizontal, out->width,
                     out->pixels + (size_t)y * (size_t)out->width * (size_t)in->channels);
    free(horizontal);
    return SA_OK;
}

sa_status sa_picture_resize_bilinear(sa_picture *picture, int32_t height, int32_t width)
{
    if (picture->height == height && picture->width == width) return SA_OK;
    sa_picture resized = {.channels = 0};
    sa_status status = SA_OK;
    SA_TRY(sa_picture_alloc(picture->channels, height, width, &resized));
    if (picture->height == 2 * (int64_t)height && picture->width == 2 * (int64_t)width) halve(picture, &resized);
    else status = interpolate(picture, &resized);
    if (status == SA_OK) replace(picture, resized);
    else sa_picture_free(&resized);
    return status;
}

sa_status sa_picture_resize_nearest(sa_picture *picture, int32_t height, int32_t width)
{
    if (picture->height == height && picture->width == width) return SA_OK;
    sa_picture resized = {.channels = 0};
    SA_TRY(sa_picture_alloc(picture->channels, height, width, &resized));
    size_t channels = (size_t)picture->channels;
    uint16_t *out = resized.pixels;
    for (int32_t y = 0; y < height; y++) {
        size_t row = (size_t)((int64_t)y * picture->height / height);
        const uint16_t *line = picture->pixels + row * (size_t)picture->width * channels;
        for (int32_t x = 0; x < width; x++, out += channels)
            memcpy(out, line + (size_t)((int64_t)x * picture->width / width) * channels, channels * sizeof *out);
    }
    replace(picture, resized);
    return SA_OK;
}

void sa_picture_to_grey(sa_picture *picture)
{
    if (picture->channels == 1) return;
    size_t count = (size_t)picture->height * (size_t)picture->width;
    const uint16_t *in = picture->pixels;
    for (size_t i = 0; i < count; i++, in += picture->channels) /* weights of 14 bits */
        picture->pixels[i] = (uint16_t)((in[0] * 4899 + in[1] * 9617 + in[2] * 1868 + (1 << 13)) >> 14);
    picture->channels = 1;
}

void sa_picture_to_planes(const sa_picture *picture, sa_picture_window w, int32_t channels, const float *mean, float scale,
                          float *out)
{
    for (int32_t c = 0; c < channels; c++) {
        int32_t from = picture->channels == 1 ? 0 : c < 3 ? 2 - c : c;
        for (int32_t y = 0; y < w.height; y++) {
            size_t pixel = (size_t)(w.top + y) * (size_t)picture->width + (size_t)w.left;
            const uint16_t *in = picture->pixels + pixel * (size_t)picture->channels + from;
            ptrdiff_t step = picture->channels;
            if (w.mirrored) {
                in += (w.width - 1) * step;
                step = -step;
            }
            for (int32_t x = 0; x < w.width; x++) *out++ = ((float)in[x * step] - mean[c]) * scale;
        }
    }
}
