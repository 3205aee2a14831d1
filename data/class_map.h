/* What is made of class scores: the class of each pixel, and probabilities. */
#ifndef SA_DATA_CLASS_MAP_H
#define SA_DATA_CLASS_MAP_H

#include "core/status.h"

#include <stddef.h>
#include <stdint.h>

enum { SA_CLASS_MAP_CLASSES_MAX = 65536 };

/* scores: (classes, pixels) -> map: (pixels), the class of the highest score; of equal ones, the first. SA_NUMERIC: a score is not
 * finite. */
SA_CHECKED sa_status sa_class_map(const float *scores, int32_t classes, size_t pixels, uint16_t *map);
/* Softmax over the classes, in place: (classes, pixels). */
void sa_class_probabilities(float *scores, int32_t classes, size_t pixels);
/* Nearest: source index floor(i * in / out). from: (height, width) -> to: (new_height, new_width). */
void sa_class_map_resize(const uint16_t *from, int32_t height, int32_t width, uint16_t *to, int32_t new_height, int32_t new_width);

#endif
