/* exp and log in float32, written without branches so that loops over them vectorise.
 *
 * Not libm: an own polynomial, because results must not depend on where a loop's vector part ends, nor on the device: CUDA kernels
 * use the same code. Without contraction to fused multiply-add (the project's flags) a scalar, a vector lane and a CUDA thread
 * compute the same bits. Errors stay below 2 ulp (tests/kernels/test_row_ops.c). The polynomials are those of S. Moshier's Cephes
 * library (expf.c, logf.c). */
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

#endif
