/* exp, log, tanh and powers in float32, written without branches so that loops over them vectorise.
 *
 * Not libm: an own polynomial, because results must not depend on where a loop's vector part ends, nor on the device: CUDA kernels
 * use the same code. Without contraction to fused multiply-add (the project's flags) a scalar, a vector lane and a CUDA thread
 * compute the same bits. Errors stay below 2 ulp, of tanh and sigmoid below 3 (tests/kernels/test_row_ops.c). The polynomials are
 * those of S. Moshier's Cephes library (expf.c, logf.c, tanhf.c). */
#ifndef SA_KERNELS_VECTOR_MATH_H
#define SA_KERNELS_VECTOR_MATH_H

#include "kernels/slab.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

SA_HOST_DEVICE static inline float sa_float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

SA_HOST_DEVICE static inline uint32_t sa_bits_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* e^x: x = n ln 2 + r, |r| <= ln 2 / 2. 0 and infinity beyond the range of float32, denormals in between; NaN stays NaN. */
SA_HOST_DEVICE static inline float sa_expf(float x)
{
    const float round = 12582912.0f; /* 1.5 * 2^23: adding and taking it away rounds to a whole number */
    float clamped = x < -104.0f ? -104.0f : x;
    clamped = clamped > 89.0f ? 89.0f : clamped;
    float n = (clamped * 1.44269504088896341f + round) - round;
    float r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    /* 2^n in two factors, since n may be beyond the exponents of float32 */
    int32_t whole = (int32_t)n, half = whole / 2;
    float first = sa_float_from_bits((uint32_t)(half + 127) << 23);
    float second = sa_float_from_bits((uint32_t)(whole - half + 127) << 23);
    float result = p * first * second;
    return x == x ? result : x;
}

/* ln x for normal positive x (zero and denormals are not treated); NaN and infinity give NaN. */
SA_HOST_DEVICE static inline float sa_logf(float x)
{
    uint32_t bits = sa_bits_from_float(x);
    /* x = m 2^e, m in [sqrt(1/2), sqrt(2)) */
    int32_t e = (int32_t)((bits - 0x3f3504f3u) & 0xff800000u) >> 23;
    float m = sa_float_from_bits(bits - ((uint32_t)e << 23)) - 1.0f;
    float n = (float)e, square = m * m;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    p = p * m * square;
    p = p + n * -2.12194440e-4f;
    p = p - 0.5f * square;
    return ((m + p) + n * 0.693359375f) + (x - x); /* the last term is 0, or NaN for NaN; a choice would become a branch */
}

/* ln x for any x, as libm has it: -infinity of 0, NaN below, infinity of infinity. */
SA_HOST_DEVICE static inline float sa_log_anyf(float x)
{
    const bool small = x < 1.17549435e-38f; /* denormals, 0 and what is below */
    const float scaled = small ? x * 16777216.0f : x, result = sa_logf(scaled) - (small ? 16.6355323f : 0.0f);
    const float edge = x > 0.0f ? x : x == 0.0f ? -INFINITY : NAN;
    return x > 0.0f && x < INFINITY ? result : edge;
}

/* A polynomial near 0, 1 - 2 / (e^2x + 1) elsewhere; odd, and 1 at most. */
SA_HOST_DEVICE static inline float sa_tanhf(float x)
{
    const float size = fabsf(x), square = x * x;
    float p = -5.70498872745e-3f;
    p = p * square + 2.06390887954e-2f;
    p = p * square - 5.37397155531e-2f;
    p = p * square + 1.33314422036e-1f;
    p = p * square - 3.33332819422e-1f;
    const float near_zero = p * square * x + x, far = 1.0f - 2.0f / (sa_expf(2.0f * size) + 1.0f);
    const float signed_far = x < 0.0f ? -far : far;
    return size < 0.625f ? near_zero : signed_far;
}

/* 1 / (1 + e^-x) */
SA_HOST_DEVICE static inline float sa_sigmoidf(float x)
{
    return 0.5f * sa_tanhf(0.5f * x) + 0.5f;
}

SA_HOST_DEVICE static inline double sa_double_from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ln x in float64 for normal positive x, by the series of artanh. Private to sa_powf. */
SA_HOST_DEVICE static inline double sa_log_double(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int32_t e = (int32_t)((uint32_t)(bits >> 32) - 0x3fe6a09eu) >> 20; /* x = m 2^e, m in [sqrt(1/2), sqrt(2)) */
    const double m = sa_double_from_bits(bits - ((uint64_t)(uint32_t)e << 52));
    const double s = (m - 1.0) / (m + 1.0), square = s * s;
    double p = 1.0 / 21.0;
    p = p * square + 1.0 / 19.0;
    p = p * square + 1.0 / 17.0;
    p = p * square + 1.0 / 15.0;
    p = p * square + 1.0 / 13.0;
    p = p * square + 1.0 / 11.0;
    p = p * square + 1.0 / 9.0;
    p = p * square + 1.0 / 7.0;
    p = p * square + 1.0 / 5.0;
    p = p * square + 1.0 / 3.0;
    return 2.0 * (s + s * square * p) + (double)e * 0.69314718055994530942;
}

/* e^x in float64 for |x| < 700, by Taylor's series. Private to sa_powf. */
SA_HOST_DEVICE static inline double sa_exp_double(double x)
{
    const double round = 6755399441055744.0; /* 1.5 * 2^52 */
    const double n = (x * 1.44269504088896340736 + round) - round;
    const double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    return p * sa_double_from_bits((uint64_t)(uint32_t)((int32_t)n + 1023) << 52);
}

/* x^power, as libm has it (but for the sign of a zero): computed in float64, so that large powers lose nothing. */
SA_HOST_DEVICE static inline float sa_powf(float x, float power)
{
    const float size = fabsf(x);
    double exponent = (double)power * sa_log_double((double)(size > 0.0f ? size : 1.0f));
    exponent = exponent < -150.0 ? -150.0 : exponent;
    exponent = exponent > 150.0 ? 150.0 : exponent;
    const float result = (float)sa_exp_double(exponent);
    const bool whole = floorf(power) == power, odd = whole && floorf(power * 0.5f) * 2.0f != power;
    const float of_negative = !whole ? NAN : odd ? -result : result;
    const float of_zero = power > 0.0f ? 0.0f : power < 0.0f ? INFINITY : 1.0f;
    const float number = x > 0.0f ? result : x < 0.0f ? of_negative : of_zero;
    return x == x || power == 0.0f ? number : x;
}

/* b^-beta, of normal positive b */
SA_HOST_DEVICE static inline float sa_negative_powerf(float b, float beta)
{
    if (beta == 0.75f) {
        const float root = sqrtf(b);
        return 1.0f / (root * sqrtf(root));
    }
    return sa_expf(-beta * sa_logf(b));
}

#endif
