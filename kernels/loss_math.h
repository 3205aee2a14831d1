/* The formulas of the losses (sa_loss_kind in kernels/ops.h) for one value: the same code on every device. */
#ifndef SA_KERNELS_LOSS_MATH_H
#define SA_KERNELS_LOSS_MATH_H

#include "kernels/ops.h"
#include "kernels/vector_math.h"

#include <float.h>

/* The least probability whose logarithm is taken. */
SA_HOST_DEVICE static inline float sa_loss_least(sa_loss_kind kind)
{
    return kind == SA_LOSS_SOFTMAX ? FLT_MIN : 1e-20f;
}

/* max(p, least); a NaN must reach the loss */
SA_HOST_DEVICE static inline float sa_loss_clamp(float p, float least)
{
    return p < least ? least : p;
}

SA_HOST_DEVICE static inline float sa_hinge_margin(float score, bool is_label)
{
    float m = 1.0f + (is_label ? -score : score);
    return m < 0.0f ? 0.0f : m;
}

SA_HOST_DEVICE static inline float sa_hinge_gradient(float score, bool is_label, bool squared)
{
    float m = sa_hinge_margin(score, is_label), size = squared ? 2.0f * m : (m > 0.0f ? 1.0f : 0.0f);
    return is_label ? -size : size;
}

SA_HOST_DEVICE static inline float sa_euclidean_term(float a, float b)
{
    float d = a - b;
    return 0.5f * d * d;
}

SA_HOST_DEVICE static inline float sa_sigmoid_term(float x, float target)
{
    float size = x < 0.0f ? -x : x, positive = x < 0.0f ? 0.0f : x;
    return positive - x * target + sa_logf(1.0f + sa_expf(-size));
}

SA_HOST_DEVICE static inline float sa_sigmoid_gradient(float x, float target)
{
    float e = sa_expf(x < 0.0f ? x : -x), small = e / (1.0f + e);
    return (x < 0.0f ? small : 1.0f / (1.0f + e)) - target;
}

/* Of a pixel with d^2 = square. */
SA_HOST_DEVICE static inline float sa_contrastive_term(sa_loss_kind kind, float square, bool similar, float margin)
{
    if (similar) return 0.5f * square;
    if (kind == SA_LOSS_CONTRASTIVE_LEGACY) return 0.5f * (square < margin ? margin - square : 0.0f);
    float distance = sqrtf(square), m = distance < margin ? margin - distance : 0.0f;
    return 0.5f * m * m;
}

/* What the difference s_c - b_c is multiplied by. */
SA_HOST_DEVICE static inline float sa_contrastive_factor(sa_loss_kind kind, float square, bool similar, float margin)
{
    if (similar) return 1.0f;
    if (kind == SA_LOSS_CONTRASTIVE_LEGACY) return square < margin ? -1.0f : 0.0f;
    float distance = sqrtf(square);
    return distance < margin ? -(margin - distance) / (distance + 1e-4f) : 0.0f;
}

#endif
