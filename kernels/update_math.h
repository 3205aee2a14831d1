/* The update of one element (kernels/ops.h): the same code on every device. */
#ifndef SA_KERNELS_UPDATE_MATH_H
#define SA_KERNELS_UPDATE_MATH_H

#include "kernels/ops.h"

#include <math.h>

/* What is the same for all elements of a parameter. */
typedef struct sa_update_factors {
    float rate, decay, momentum, momentum2, rms_decay, delta;
    float clip; /* what gradients are multiplied by, 1: nothing */
    float part; /* 1 / passes */
} sa_update_factors;

SA_HOST_DEVICE static inline sa_update_factors sa_update_factors_of(const sa_update_rule *rule, const sa_step_state *state,
                                                                    float lr_mult, float decay, double squares)
{
    sa_update_factors f = {state->rate * lr_mult, decay, rule->momentum, rule->momentum2, rule->rms_decay, rule->delta, 1.0f, 1.0f};
    const float norm = (float)sqrt(squares);
    if (rule->kind == SA_UPDATE_ADAM) f.rate = f.rate * state->correction;
    if (rule->clip > 0.0f && norm > rule->clip) f.clip = rule->clip / norm;
    if (rule->passes > 1) f.part = 1.0f / (float)rule->passes;
    return f;
}

/* sa_step_state.correction of a step 1, 2, ... */
static inline float sa_update_correction(const sa_update_rule *rule, double step)
{
    if (rule->kind != SA_UPDATE_ADAM) return 1.0f;
    return (float)(sqrt(1.0 - pow((double)rule->momentum2, step)) / (1.0 - pow((double)rule->momentum, step)));
}

/* Changes the histories h and k (not used: any) and returns u. g: clipped, divided and decayed. */
SA_HOST_DEVICE static inline float sa_update_by(sa_update_kind kind, const sa_update_factors *f, float g, float *h, float *k)
{
    const float before = *h;
    switch (kind) {
    case SA_UPDATE_NESTEROV: *h = f->momentum * before + f->rate * g; return (1.0f + f->momentum) * *h - f->momentum * before;
    case SA_UPDATE_ADAGRAD: *h = before + g * g; return f->rate * (g / (sqrtf(*h) + f->delta));
    case SA_UPDATE_RMSPROP:
        *h = f->rms_decay * before + (1.0f - f->rms_decay) * (g * g);
        return f->rate * (g / (sqrtf(*h) + f->delta));
    case SA_UPDATE_ADADELTA: {
        *h = f->momentum * before + (1.0f - f->momentum) * (g * g);
        const float v = g * sqrtf((*k + f->delta) / (*h + f->delta));
        *k = f->momentum * *k + (1.0f - f->momentum) * (v * v);
        return f->rate * v;
    }
    case SA_UPDATE_ADAM:
        *h = f->momentum * before + (1.0f - f->momentum) * g;
        *k = f->momentum2 * *k + (1.0f - f->momentum2) * (g * g);
        return f->rate * (*h / (sqrtf(*k) + f->delta));
    default: *h = f->momentum * before + f->rate * g; return *h;
    }
}

SA_HOST_DEVICE static inline void sa_update_one(sa_update_kind kind, bool l1, bool clear, const sa_update_factors *f, float *param,
                                                float *grad, float *h, float *k)
{
    float g = *grad * f->clip * f->part;
    const float w = *param, sign = w > 0.0f ? 1.0f : w < 0.0f ? -1.0f : 0.0f;
    g = g + f->decay * (l1 ? sign : w);
    const float u = sa_update_by(kind, f, g, h, k);
    *param = w - u;
    *grad = clear ? 0.0f : u;
}

#endif
