/* Sixteen-lane vectors as GCC vector extensions: one AVX-512 register, two of AVX2, or plain code elsewhere.
 *
 * Not a portable SIMD layer: only what the row kernels need where the compiler does not vectorise by itself. */
#ifndef SA_KERNELS_CPU_VECTOR_H
#define SA_KERNELS_CPU_VECTOR_H

#include "kernels/cpu/shuffle.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define SA_AVX512 1
#include <immintrin.h>
#else
#define SA_AVX512 0
#endif

enum { SA_LANES = 16 };

typedef float sa_f32x16 __attribute__((vector_size(64)));
typedef int32_t sa_i32x16 __attribute__((vector_size(64)));
typedef uint32_t sa_u32x16 __attribute__((vector_size(64)));
typedef float sa_f32x8 __attribute__((vector_size(32)));
typedef double sa_f64x8 __attribute__((vector_size(64)));

#define SA_INLINE static inline __attribute__((always_inline))

SA_INLINE sa_f32x16 sa_f32x16_load(const float *from)
{
    sa_f32x16 v;
    memcpy(&v, from, sizeof v);
    return v;
}

/* The first `count` (at most 16, or none) values; `rest` in the other lanes. */
SA_INLINE sa_f32x16 sa_f32x16_load_part(const float *from, int count, float rest)
{
    if (count >= SA_LANES) return sa_f32x16_load(from);
#if SA_AVX512
    __mmask16 lanes = (__mmask16)((1u << (count > 0 ? count : 0)) - 1);
    return (sa_f32x16)_mm512_mask_loadu_ps(_mm512_set1_ps(rest), lanes, from);
#else
    float part[SA_LANES];
    for (int i = 0; i < SA_LANES; i++) part[i] = rest;
    for (int i = 0; i < count; i++) part[i] = from[i];
    return sa_f32x16_load(part);
#endif
}

SA_INLINE void sa_f32x16_store(float *to, sa_f32x16 v)
{
    memcpy(to, &v, sizeof v);
}

/* The first `count` values, all if there are more than 16. */
SA_INLINE void sa_f32x16_store_part(float *to, int count, sa_f32x16 v)
{
    if (count >= SA_LANES) {
        sa_f32x16_store(to, v);
        return;
    }
#if SA_AVX512
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)v);
#else
    memcpy(to, &v, (size_t)count * sizeof *to);
#endif
}

/* A copy whose target goes straight to memory where the processor can do that: for outputs larger than the caches. Ordinary stores
 * would read the target first. sa_stream_end before another thread may read it. */
static inline void sa_stream(float *to, const float *from, int count)
{
#if SA_AVX512
    int i = 0, head = (int)(-((uintptr_t)to / sizeof *to) % SA_LANES);
    for (; i < head && i < count; i++) to[i] = from[i];
    for (; i + SA_LANES <= count; i += SA_LANES) _mm512_stream_ps(to + i, _mm512_loadu_ps(from + i));
    for (; i < count; i++) to[i] = from[i];
#else
    memcpy(to, from, (size_t)count * sizeof *to);
#endif
}

/* Whether an output of so many bytes is: more than about a last-level cache. */
static inline bool sa_should_stream(size_t bytes)
{
    return bytes >= (size_t)32 << 20;
}

static inline void sa_stream_end(void)
{
#if SA_AVX512
    _mm_sfence();
#endif
}

SA_INLINE sa_i32x16 sa_i32x16_splat(int32_t value)
{
    return (sa_i32x16){0} + value;
}

SA_INLINE sa_f32x16 sa_f32x16_splat(float value)
{
    return (sa_f32x16){value, value, value, value, value, value, value, value,
                       value, value, value, value, value, value, value, value};
}

SA_INLINE sa_i32x16 sa_i32x16_lanes(void)
{
    return (sa_i32x16){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

/* mask lanes are all ones or all zeros (the result of a comparison) */
SA_INLINE sa_i32x16 sa_i32x16_select(sa_i32x16 mask, sa_i32x16 a, sa_i32x16 b)
{
    return (mask & a) | (~mask & b);
}

SA_INLINE sa_f32x16 sa_f32x16_select(sa_i32x16 mask, sa_f32x16 a, sa_f32x16 b)
{
    return (sa_f32x16)sa_i32x16_select(mask, (sa_i32x16)a, (sa_i32x16)b);
}

/* A truth value a lane; & and | are defined. */
#if SA_AVX512
typedef __mmask16 sa_bool16;
#else
typedef sa_i32x16 sa_bool16; /* all ones or all zeros */
#endif

SA_INLINE sa_bool16 sa_f32x16_greater(sa_f32x16 a, sa_f32x16 b)
{
#if SA_AVX512
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
#else
    return a > b;
#endif
}

SA_INLINE sa_bool16 sa_i32x16_equal(sa_i32x16 a, sa_i32x16 b)
{
#if SA_AVX512
    return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
#else
    return a == b;
#endif
}

/* a where true, b elsewhere */
SA_INLINE sa_i32x16 sa_i32x16_where(sa_bool16 where, sa_i32x16 a, sa_i32x16 b)
{
#if SA_AVX512
    return (sa_i32x16)_mm512_mask_mov_epi32((__m512i)b, where, (__m512i)a);
#else
    return sa_i32x16_select(where, a, b);
#endif
}

SA_INLINE sa_f32x16 sa_f32x16_where(sa_bool16 where, sa_f32x16 a, sa_f32x16 b)
{
    return (sa_f32x16)sa_i32x16_where(where, (sa_i32x16)a, (sa_i32x16)b);
}

/* The first `count` lanes, all if there are more than 16. */
SA_INLINE sa_bool16 sa_bool16_first(int count)
{
#if SA_AVX512
    return (sa_bool16)(count >= SA_LANES ? 0xffffu : (1u << (count > 0 ? count : 0)) - 1);
#else
    return sa_i32x16_lanes() < count;
#endif
}

/* lane 15 of `before`, then lanes 0..14 of `now` */
SA_INLINE sa_f32x16 sa_f32x16_shift_in(sa_f32x16 before, sa_f32x16 now)
{
    return SA_SHUFFLE(sa_i32x16, before, now, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

SA_INLINE sa_i32x16 sa_i32x16_shift_in(sa_i32x16 before, sa_i32x16 now)
{
    return SA_SHUFFLE(sa_i32x16, before, now, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

/* lanes 1..15 of `now`, then lane 0 of `next` */
SA_INLINE sa_f32x16 sa_f32x16_shift_out(sa_f32x16 now, sa_f32x16 next)
{
    return SA_SHUFFLE(sa_i32x16, now, next, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
}

/* a + b where true, a elsewhere */
SA_INLINE sa_f32x16 sa_f32x16_add_where(sa_bool16 where, sa_f32x16 a, sa_f32x16 b)
{
#if SA_AVX512
    return (sa_f32x16)_mm512_mask_add_ps((__m512)a, where, (__m512)a, (__m512)b);
#else
    return sa_f32x16_select(where, a + b, a);
#endif
}

/* a > b ? a : b, so b where either is NaN or both are zeros */
SA_INLINE sa_f32x16 sa_f32x16_max(sa_f32x16 a, sa_f32x16 b)
{
#if SA_AVX512
    return (sa_f32x16)_mm512_max_ps((__m512)a, (__m512)b);
#else
    return sa_f32x16_select(a > b, a, b);
#endif
}

/* from[index] in lanes where mask is all ones, 0 in the others (whose places are not read) */
SA_INLINE sa_f32x16 sa_f32x16_gather(const float *from, sa_i32x16 index, sa_i32x16 mask)
{
#if SA_AVX512
    __mmask16 lanes = _mm512_movepi32_mask((__m512i)mask);
    return (sa_f32x16)_mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, (__m512i)index, from, 4);
#else
    sa_f32x16 value = {0};
    for (int l = 0; l < SA_LANES; l++) value[l] = mask[l] ? from[index[l]] : 0.0f;
    return value;
#endif
}

/* table[index & 15] */
SA_INLINE sa_i32x16 sa_i32x16_lookup(sa_i32x16 table, sa_i32x16 index)
{
#if defined(__clang__)
    sa_i32x16 value = {0};
    for (int l = 0; l < SA_LANES; l++) value[l] = table[index[l] & (SA_LANES - 1)];
    return value;
#else
    return __builtin_shuffle(table, index);
#endif
}

/* lanes 0, 2, .. 30 and 1, 3, .. 31 of a followed by b */
SA_INLINE sa_f32x16 sa_f32x16_even(sa_f32x16 a, sa_f32x16 b)
{
    return SA_SHUFFLE(sa_i32x16, a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

SA_INLINE sa_f32x16 sa_f32x16_odd(sa_f32x16 a, sa_f32x16 b)
{
    return SA_SHUFFLE(sa_i32x16, a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

/* The first `count` (at least 1), all if there are more than 32, of even[0], odd[0], even[1], odd[1], ... */
SA_INLINE void sa_f32x16_interleave(float *to, int count, sa_f32x16 even, sa_f32x16 odd)
{
    sa_f32x16_store_part(to, count, SA_SHUFFLE(sa_i32x16, even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
    if (count <= SA_LANES) return;
    sa_f32x16_store_part(to + SA_LANES, count - SA_LANES,
                         SA_SHUFFLE(sa_i32x16, even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
}

#endif
