/* Bilinear resizing along one axis, for both devices: which two places of `from` a place of `to` lies between, and how near it is
 * to the second. Ends meet ends: place 0 is 0, the last the last. DeepLab's InterpLayer, in float32 as there. */
#ifndef SA_KERNELS_INTERP_MATH_H
#define SA_KERNELS_INTERP_MATH_H

#include "kernels/slab.h"

typedef struct sa_interp_place {
    int32_t first, second; /* equal at the last place */
    float to_second, to_first;
} sa_interp_place;

/* Places of `from` per place of `to`. */
SA_HOST_DEVICE static inline float sa_interp_scale(int32_t from, int32_t to)
{
    return to > 1 ? (float)(from - 1) / (float)(to - 1) : 0.0f;
}

SA_HOST_DEVICE static inline sa_interp_place sa_interp_at(float scale, int32_t from, int32_t i)
{
    const float at = scale * (float)i;
    sa_interp_place p;
    p.first = (int32_t)at;
    if (p.first > from - 1) p.first = from - 1;
    p.second = p.first < from - 1 ? p.first + 1 : p.first;
    p.to_second = at - (float)p.first;
    p.to_first = 1.0f - p.to_second;
    return p;
}

/* The first place of `to` that lies between `place` of `from` and a neighbour of it. */
SA_HOST_DEVICE static inline int32_t sa_interp_first_of(float scale, int32_t from, int32_t to, int32_t place)
{
    int32_t i = 0;
    if (scale > 0.0f && place > 1) i = (int32_t)((float)(place - 1) / scale) - 2;
    if (i < 0) i = 0;
    while (i < to && sa_interp_at(scale, from, i).second < place) i++;
    return i;
}

#endif
