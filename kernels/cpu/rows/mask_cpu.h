/* Reading and writing one row of a pooling mask, in its three encodings.
 *
 * A MASK2 or MASK4 code is the position (row * kernel_w + column) within the window before clipping; a float mask holds the index
 * within the plane below the pooling, -1 for none. */
#ifndef SA_KERNELS_CPU_ROWS_MASK_CPU_H
#define SA_KERNELS_CPU_ROWS_MASK_CPU_H

#include "core/checked.h"
#include "kernels/cpu/vector.h"
#include "kernels/slab.h"

enum { SA_MASK4_NONE = 15 };

/* The code of window px. row: MASK2 or MASK4 words. */
static inline int sa_mask_code(const void *row, sa_encoding encoding, int px)
{
    const uint32_t *word = row;
    if (encoding == SA_MASK2) return (int)(word[px / 16] >> (2 * (px % 16)) & 3);
    return (int)(word[px / 8] >> (4 * (px % 8)) & 15);
}

/* 32 bits from bit `bit` on of a row of `words` words; bits beyond the row are 0. */
SA_INLINE uint32_t sa_mask_bits(const uint32_t *row, int words, size_t bit)
{
    size_t word = bit / 32;
    uint64_t low = row[word];
    uint64_t high = word + 1 < (size_t)words ? row[word + 1] : 0;
    return (uint32_t)((low | high << 32) >> (bit % 32));
}

/* The codes of windows px .. px + 15 of a row of `width` windows, px a multiple of 16; unspecified beyond the row. */
SA_INLINE sa_i32x16 sa_mask_codes(const void *row, sa_encoding encoding, int width, int px)
{
    const uint32_t *word = (const uint32_t *)row + (size_t)px / (encoding == SA_MASK2 ? 16 : 8);
    const sa_i32x16 lanes = sa_i32x16_lanes();
    if (encoding == SA_MASK2) return (sa_i32x16)(((sa_u32x16){0} + *word) >> (sa_u32x16)(lanes * 2) & 3);
    uint64_t bits = 0;
    memcpy(&bits, word, px + 8 < width ? sizeof bits : sizeof *word);
#if SA_AVX512 && defined(__AVX512VBMI__)
    __m512i shifted = _mm512_multishift_epi64_epi8((__m512i)(lanes * 4), _mm512_set1_epi64((long long)bits)); /* lowest bytes */
    return (sa_i32x16)shifted & 15;
#else
    sa_u32x16 half = (sa_u32x16)sa_i32x16_select(lanes < 8, sa_i32x16_splat((int32_t)bits), sa_i32x16_splat((int32_t)(bits >> 32)));
    return (sa_i32x16)(half >> (sa_u32x16)((lanes & 7) * 4) & 15);
#endif
}

/* Where the mask of window (py, px) points: true and its place, if that is within the plane (height, width). */
static inline bool sa_mask_target(const void *row, sa_encoding encoding, const sa_window *window, int py, int px, int height,
                                  int width, int *y, int *x)
{
    if (encoding == SA_F32) {
        float index = ((const float *)row)[px];
        if (!(index >= 0.0f && index < (float)height * (float)width)) return false; /* NaN too */
        *y = (int)index / width;
        *x = (int)index % width;
        return *y < height;
    }
    int code = sa_mask_code(row, encoding, px);
    if (encoding == SA_MASK4 && code == SA_MASK4_NONE) return false;
    *y = py * window->stride_h - window->pad_h + code / window->kernel_w;
    *x = px * window->stride_w - window->pad_w + code % window->kernel_w;
    return *y >= 0 && *y < height && *x >= 0 && *x < width;
}

/* The lowest `bits` (2 or 4) of 16 codes side by side, those of lane 0 lowest. */
SA_INLINE uint64_t sa_mask_pack(sa_i32x16 code, int bits)
{
#if SA_AVX512 && defined(__BMI2__)
    const uint64_t used = bits == 2 ? 0x0303030303030303u : 0x0f0f0f0f0f0f0f0fu;
    __m128i bytes = _mm512_cvtepi32_epi8((__m512i)code);
    uint64_t low = _pext_u64((uint64_t)_mm_cvtsi128_si64(bytes), used);
    uint64_t high = _pext_u64((uint64_t)_mm_extract_epi64(bytes, 1), used);
    return low | high << (8 * bits);
#else
    uint64_t packed = 0;
    for (int i = 0; i < SA_LANES; i++) packed |= (uint64_t)(uint32_t)code[i] << (bits * i);
    return packed;
#endif
}

/* Writes windows px .. px + count - 1; px a multiple of 16. token: the index (-1: none) for SA_F32, else the code;
 * readable up to a multiple of 16. */
static inline void sa_mask_write(void *row, sa_encoding encoding, int px, int count, const int32_t *token)
{
    if (encoding == SA_F32) {
        float *index = (float *)row + px;
        for (int i = 0; i < count; i++) index[i] = (float)token[i];
        return;
    }
    const int bits = encoding == SA_MASK2 ? 2 : 4;
    uint8_t *target = (uint8_t *)row + (size_t)px * (size_t)bits / 8;
    for (int i = 0; i < count; i += SA_LANES) {
        sa_i32x16 code;
        memcpy(&code, token + i, sizeof code);
        if (count - i < SA_LANES) code = sa_i32x16_select(sa_i32x16_lanes() < count - i, code, sa_i32x16_splat(0));
        uint64_t packed = sa_mask_pack(code, bits);
        int words = (sa_min_int(SA_LANES, count - i) * bits + 31) / 32;
        memcpy(target, &packed, (size_t)words * sizeof(uint32_t));
        target += SA_LANES * bits / 8;
    }
}

#endif
