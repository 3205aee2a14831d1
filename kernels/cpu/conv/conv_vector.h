/* Vectors of the convolutions' hot loops: GCC vector extensions, SA_CONV_LANES floats wide. The including file
 * defines SA_CONV_LANES (16, 8 or 4); it is built with flags of its own and includes nothing else that defines functions. */
#ifndef SA_KERNELS_CPU_CONV_CONV_VECTOR_H
#define SA_KERNELS_CPU_CONV_CONV_VECTOR_H

#include "kernels/cpu/shuffle.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define SA_CONV_INLINE static inline __attribute__((always_inline))
#define SA_CONV_NOINLINE static __attribute__((noinline))

typedef float vec __attribute__((vector_size(SA_CONV_LANES * 4), may_alias));
typedef float vec_unaligned __attribute__((vector_size(SA_CONV_LANES * 4), aligned(4), may_alias));

SA_CONV_INLINE vec vec_load(const float *p)
{
    return *(const vec_unaligned *)p;
}

SA_CONV_INLINE void vec_store(float *p, vec v)
{
    *(vec_unaligned *)p = v;
}

/* The first `count` floats. */
SA_CONV_INLINE void vec_store_part(float *p, vec v, int count)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
#else
    for (int i = 0; i < count; i++) p[i] = v[i];
#endif
}

/* Lanes [low, high) from p, 0 in the others, whose memory is not touched. */
SA_CONV_INLINE vec vec_load_part(const float *p, int low, int high)
{
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << high) - (1u << low)), p);
#else
    vec v = {0};
    for (int i = low; i < high; i++) v[i] = p[i];
    return v;
#endif
}

/* a b + c, rounded once where there is such an instruction, and so in the same way whatever the compiler. */
SA_CONV_INLINE vec vec_fma(vec a, vec b, vec c)
{
#if defined(__AVX512F__)
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* Past the caches, for what is not read again soon; p is aligned. */
SA_CONV_INLINE void vec_stream(float *p, vec v)
{
#if defined(__AVX512F__)
    _mm512_stream_ps(p, (__m512)v);
#else
    *(vec *)p = v;
#endif
}

SA_CONV_INLINE vec vec_all(float x)
{
    return x - (vec){0};
}

/* All lanes from memory; the compiler would rather load a scalar and spread it by a shuffle. */
SA_CONV_INLINE vec vec_broadcast(const float *p)
{
#if defined(__AVX__)
    vec v;
    __asm__("vbroadcastss %1, %0" : "=v"(v) : "m"(*p));
    return v;
#else
    return vec_all(*p);
#endif
}

/* Lane l of row i and of row i + d after one step of a transposition: exchange of d x d blocks. */
#define SA_LOW(l, d) ((l) & (d) ? SA_CONV_LANES + (l) - (d) : (l))
#define SA_HIGH(l, d) ((l) & (d) ? SA_CONV_LANES + (l) : (l) + (d))
#define SA_LANES4(F, l, d) F(l, d), F((l) + 1, d), F((l) + 2, d), F((l) + 3, d)
#if SA_CONV_LANES == 16
#define SA_LANE_LIST(F, d) SA_LANES4(F, 0, d), SA_LANES4(F, 4, d), SA_LANES4(F, 8, d), SA_LANES4(F, 12, d)
#elif SA_CONV_LANES == 8
#define SA_LANE_LIST(F, d) SA_LANES4(F, 0, d), SA_LANES4(F, 4, d)
#else
#define SA_LANE_LIST(F, d) SA_LANES4(F, 0, d)
#endif

typedef int32_t vec_index __attribute__((vector_size(SA_CONV_LANES * 4)));

#define SA_TRANSPOSE_STEP(row, d)                                                    \
    do {                                                                             \
        _Pragma("GCC unroll 16") for (int i_ = 0; i_ < SA_CONV_LANES; i_++)          \
        {                                                                            \
            if (i_ & (d)) continue;                                                  \
            vec a_ = row[i_], b_ = row[i_ | (d)];                                    \
            row[i_] = SA_SHUFFLE(vec_index, a_, b_, SA_LANE_LIST(SA_LOW, d));        \
            row[i_ | (d)] = SA_SHUFFLE(vec_index, a_, b_, SA_LANE_LIST(SA_HIGH, d)); \
        }                                                                            \
    } while (0)

/* Transposes a square of vectors in registers. */
SA_CONV_INLINE void vec_transpose(vec row[SA_CONV_LANES])
{
    SA_TRANSPOSE_STEP(row, 1);
    SA_TRANSPOSE_STEP(row, 2);
#if SA_CONV_LANES >= 8
    SA_TRANSPOSE_STEP(row, 4);
#endif
#if SA_CONV_LANES >= 16
    SA_TRANSPOSE_STEP(row, 8);
#endif
}

#endif
