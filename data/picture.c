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

/* Where output index i of an axis reads: between `low` and `high`, `weight` (of WEIGHT_ONE) going to high. */
typedef struct tap {
    int32_t low, high, weight;
} tap;

static tap make_tap(int32_t i, int32_t in, int32_t out)
{
    double position = (i + 0.5) * in / out - 0.5;
    if (position <= 0) return (tap){0, 0, 0};
    if (position >= in - 1) return (tap){in - 1, in - 1, 0};
    int32_t low = (int32_t)position;
    return (tap){low, low + 1, (int32_t)lrint((position - low) * WEIGHT_ONE)};
}

static void bilinear_row(const sa_picture *in, tap vertical, const tap *horizontal, int32_t out_width, uint16_t *out)
{
    size_t channels = (size_t)in->channels, stride = (size_t)in->width * channels;
    const uint16_t *top = in->pixels + (size_t)vertical.low * stride;
    const uint16_t *bottom = in->pixels + (size_t)vertical.high * stride;
    int32_t down = vertical.weight, up = WEIGHT_ONE - down;
    for (int32_t x = 0; x < out_width; x++) {
        size_t left = (size_t)horizontal[x].low * channels, right = (size_t)horizontal[x].high * channels;
        int32_t after = horizontal[x].weight, before = WEIGHT_ONE - after;
        for (size_t c = 0; c < channels; c++) {
            int32_t upper = top[left + c] * before + top[right + c] * after;
            int32_t lower = bottom[left + c] * before + bottom[right + c] * after;
            int64_t sum = (int64_t)upper * up + (int64_t)lower * down;
            *out++ = (uint16_t)((sum + (1 << (2 * WEIGHT_BITS - 1))) >> (2 * WEIGHT_BITS));
        }
    }
}

sa_status sa_picture_resize_bilinear(sa_picture *picture, int32_t height, int32_t width)
{
    if (picture->height == height && picture->width == width) return SA_OK;
    sa_picture resized = {.channels = 0};
    SA_TRY(sa_picture_alloc(picture->channels, height, width, &resized));
    tap *horizontal = malloc(sizeof *horizontal * (size_t)width);
    if (!horizontal) {
        sa_picture_free(&resized);
        SA_FAIL(SA_NOMEM, "out of memory for resizing to %dx%d", height, width);
    }
    for (int32_t x = 0; x < width; x++) horizontal[x] = make_tap(x, picture->width, width);
    for (int32_t y = 0; y < height; y++) {
        uint16_t *out = resized.pixels + (size_t)y * (size_t)width * (size_t)picture->channels;
        bilinear_row(picture, make_tap(y, picture->height, height), horizontal, width, out);
    }
    free(horizontal);
    replace(picture, resized);
    return SA_OK;
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
