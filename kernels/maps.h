/* Maps: the functions of one or two values that the nodes MAP and MAP2 (kernels/source.h) compute, element by element.
 *
 * One row is all that a new activation needs below its layer: X(KIND, name, value). The value is an expression of a and b, the
 * operands (both are the one of MAP), and p, q, r, the node's numbers. The same text is compiled for both devices, and the
 * functions in it (kernels/vector_math.h) are the project's own, so that both compute the same bits. Rows called x_GRAD are the
 * derivative of x times b, of a as the row says. Formulas: Caffe's layers of these names. */
#ifndef SA_KERNELS_MAPS_H
#define SA_KERNELS_MAPS_H

#include "kernels/vector_math.h"

SA_HOST_DEVICE static inline float sa_bnll_slope(float x)
{
    const float t = sa_expf(x < 50.0f ? x : 50.0f);
    return t / (t + 1.0f);
}

SA_HOST_DEVICE static inline float sa_swish_slope(float x, float beta)
{
    const float sigmoid = sa_sigmoidf(beta * x), y = beta * x * sigmoid;
    return y + sigmoid * (1.0f - y);
}

/* clang-format off */
#define SA_MAPS(X)                                                                                                      \
    X(CONSTANT,     constant,     p)                                                                                    \
    X(LINEAR,       linear,       p * a + q)                                                                            \
    X(LEAKY,        leaky,        a > 0.0f ? a : p * a)                                                                 \
    X(LEAKY_GRAD,   leaky_grad,   a > 0.0f ? b : p * b)                     /* a: input, or output if p >= 0 */         \
    X(NOT_ABOVE,    not_above,    a > 0.0f ? 0.0f : a)                                                                  \
    X(ELU,          elu,          a > 0.0f ? a : p * (sa_expf(a) - 1.0f))                                               \
    X(ELU_GRAD,     elu_grad,     b * (a > 0.0f ? 1.0f : a + p))            /* a: output, if p > 0 */                   \
    X(ELU_GRAD_IN,  elu_grad_in,  b * (a > 0.0f ? 1.0f : p * sa_expf(a)))   /* a: input */                              \
    X(SIGMOID,      sigmoid,      sa_sigmoidf(a))                                                                       \
    X(SIGMOID_GRAD, sigmoid_grad, b * a * (1.0f - a))                       /* a: output */                             \
    X(TANH,         tanh,         sa_tanhf(a))                                                                          \
    X(TANH_GRAD,    tanh_grad,    b * (1.0f - a * a))                       /* a: output */                             \
    X(ABS,          abs,          fabsf(a))                                                                             \
    X(ABS_GRAD,     abs_grad,     a > 0.0f ? b : a < 0.0f ? -b : 0.0f)       /* a: input */                              \
    X(SQUARE,       square,       (p * a + q) * (p * a + q))                                                            \
    X(SQUARE_GRAD,  square_grad,  b * (2.0f * p * (p * a + q)))             /* a: input */                              \
    X(POWER,        power,        sa_powf(p * a + q, r))                                                                \
    X(POWER_GRAD,   power_grad,   b * (p * r * sa_powf(p * a + q, r) / (p * a + q)))  /* a: input */                    \
    X(EXP,          exp,          q * sa_expf(p * a))                                                                   \
    X(EXP_GRAD,     exp_grad,     b * a * p)                                /* a: output */                             \
    X(LOG,          log,          r * sa_log_anyf(p * a + q))                                                           \
    X(LOG_GRAD,     log_grad,     b * (p * r / (p * a + q)))                /* a: input */                              \
    X(BNLL,         bnll,         (a > 0.0f ? a : 0.0f) + sa_logf(1.0f + sa_expf(-fabsf(a))))                           \
    X(BNLL_GRAD,    bnll_grad,    b * sa_bnll_slope(a))                     /* a: input */                              \
    X(CLIP,         clip,         a < p ? p : a > q ? q : a)                                                            \
    X(CLIP_GRAD,    clip_grad,    a >= p && a <= q ? b : 0.0f)              /* a: input */                              \
    X(INSIDE,       inside,       a > p && a < q ? b : 0.0f)                /* of a clipped value: a: input or output */ \
    X(SWISH,        swish,        a * sa_sigmoidf(p * a))                                                               \
    X(SWISH_GRAD,   swish_grad,   b * sa_swish_slope(a, p))                 /* a: input */ \
    X(STEP,         step,         a > p ? 1.0f : 0.0f)                                                                  \
    X(PRODUCT,      product,      a * b)                                                                                \
    X(QUOTIENT,     quotient,     a / b)                                                                                \
    X(DIFFERENCE,   difference,   a - b)                                                                                \
    X(LARGER,       larger,       a > b ? a : b)                                                                        \
    X(PASS_FROM_0,  pass_from_0,  a >= 0.0f ? b : 0.0f)
/* clang-format on */

typedef enum sa_map_kind {
#define SA_MAP_ENUM(kind, name, value) SA_MAP_##kind,
    SA_MAPS(SA_MAP_ENUM)
#undef SA_MAP_ENUM
        SA_MAP_KINDS
} sa_map_kind;

/* A function and its numbers. */
typedef struct sa_map {
    int32_t kind; /* sa_map_kind */
    float p, q, r;
} sa_map;

/* sa_map_leaky(a, b, p, q, r), ... */
#define SA_MAP_FUNCTION(kind, name, value)                                                        \
    SA_HOST_DEVICE static inline float sa_map_##name(float a, float b, float p, float q, float r) \
    {                                                                                             \
        (void)a, (void)b, (void)p, (void)q, (void)r;                                              \
        return value;                                                                             \
    }
SA_MAPS(SA_MAP_FUNCTION)
#undef SA_MAP_FUNCTION

static inline const char *sa_map_name(int kind)
{
    static const char *const NAME[] = {
#define SA_MAP_NAME(kind, name, value) #name,
        SA_MAPS(SA_MAP_NAME)
#undef SA_MAP_NAME
    };
    return kind >= 0 && kind < SA_MAP_KINDS ? NAME[kind] : "?";
}

#endif
