/* Class maps: see class_map.h. */
#include "data/class_map.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 1024 };

/* A block of pixels at a time: the best scores so far stay in cache. */
sa_status sa_class_map(const float *scores, int32_t classes, size_t pixels, uint16_t *map)
{
    float best[BLOCK];
    for (size_t begin = 0; begin < pixels; begin += BLOCK) {
        size_t count = pixels - begin < BLOCK ? pixels - begin : BLOCK;
        int bad = 0;
        memcpy(best, scores + begin, count * sizeof *best);
        memset(map + begin, 0, count * sizeof *map);
        for (size_t i = 0; i < count; i++) bad |= !isfinite(best[i]);
        for (int32_t c = 1; c < classes; c++) {
            const float *row = scores + (size_t)c * pixels + begin;
            for (size_t i = 0; i < count; i++) {
                bad |= !isfinite(row[i]);
                map[begin + i] = row[i] > best[i] ? (uint16_t)c : map[begin + i];
                best[i] = row[i] > best[i] ? row[i] : best[i];
            }
        }
        if (bad)
            SA_FAIL(SA_NUMERIC,
                    "a class score is not finite: the weights do not fit the net or its data, or training has diverged");
    }
    return SA_OK;
}

void sa_class_probabilities(float *scores, int32_t classes, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++) {
        float most = scores[i];
        double sum = 0;
        for (int32_t c = 1; c < classes; c++) most = fmaxf(most, scores[(size_t)c * pixels + i]);
        for (int32_t c = 0; c < classes; c++) sum += exp((double)(scores[(size_t)c * pixels + i] - most));
        for (int32_t c = 0; c < classes; c++) {
            float *score = &scores[(size_t)c * pixels + i];
            *score = (float)(exp((double)(*score - most)) / sum);
        }
    }
}

void sa_class_map_resize(const uint16_t *from, int32_t height, int32_t width, uint16_t *to, int32_t new_height, int32_t new_width)
{
    for (int32_t y = 0; y < new_height; y++) {
        const uint16_t *row = from + (size_t)((int64_t)y * height / new_height) * (size_t)width;
        for (int32_t x = 0; x < new_width; x++) *to++ = row[(int64_t)x * width / new_width];
    }
}
