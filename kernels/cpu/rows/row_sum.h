/* The canonical reduction of ops.h: a row in 16 float64 lanes, lanes added 0..15 in order.
 *
 * A row may come in pieces as long as every piece but the last is a multiple of 16 long. Products of two float32 are exact in
 * float64. Adding the zeros that pad the last vector changes no bit: a lane starts at +0 and so never is -0. */
#ifndef SA_KERNELS_CPU_ROWS_ROW_SUM_H
#define SA_KERNELS_CPU_ROWS_ROW_SUM_H

#include "kernels/cpu/vector.h"

typedef struct sa_row_lanes {
    sa_f64x8 low, high;
} sa_row_lanes;

SA_INLINE void sa_row_halves(sa_f32x16 v, sa_f64x8 *low, sa_f64x8 *high)
{
#if SA_AVX512
    *low = (sa_f64x8)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)v));
    *high = (sa_f64x8)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)v, 1));
#else
    sa_f32x8 half[2];
    memcpy(half, &v, sizeof v);
    *low = __builtin_convertvector(half[0], sa_f64x8);
    *high = __builtin_convertvector(half[1], sa_f64x8);
#endif
}

SA_INLINE void sa_row_add_vector(sa_row_lanes *sum, sa_f32x16 a)
{
    sa_f64x8 low, high;
    sa_row_halves(a, &low, &high);
    sum->low += low;
    sum->high += high;
}

/* sum + a * b, where the product is exact: fused or not makes no difference */
SA_INLINE sa_f64x8 sa_row_add_product(sa_f64x8 sum, sa_f64x8 a, sa_f64x8 b)
{
#if SA_AVX512
    return (sa_f64x8)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)sum);
#else
    return sum + a * b;
#endif
}

/* sum += a, product += a * b */
SA_INLINE void sa_row_add_products(sa_row_lanes *sum, sa_row_lanes *product, sa_f32x16 a, sa_f32x16 b)
{
    sa_f64x8 a_low, a_high, b_low, b_high;
    sa_row_halves(a, &a_low, &a_high);
    sa_row_halves(b, &b_low, &b_high);
    sum->low += a_low;
    sum->high += a_high;
    product->low = sa_row_add_product(product->low, a_low, b_low);
    product->high = sa_row_add_product(product->high, a_high, b_high);
}

/* The loops work on copies of the sums, which the compiler keeps in registers. */
SA_INLINE void sa_row_add(sa_row_lanes *sum, const float *value, int count)
{
    sa_row_lanes s = *sum;
    for (int i = 0; i < count; i += SA_LANES) sa_row_add_vector(&s, sa_f32x16_load_part(value + i, count - i, 0.0f));
    *sum = s;
}

/* sum += a, square += a * a */
SA_INLINE void sa_row_add_square(sa_row_lanes *sum, sa_row_lanes *square, const float *a, int count)
{
    sa_row_lanes s = *sum, p = *square;
    for (int i = 0; i < count; i += SA_LANES) {
        sa_f32x16 v = sa_f32x16_load_part(a + i, count - i, 0.0f);
        sa_row_add_products(&s, &p, v, v);
    }
    *sum = s;
    *square = p;
}

/* The same of values that are float64 already. */
SA_INLINE void sa_row_add_f64(sa_row_lanes *sum, const double *value, int count)
{
    double lane[SA_LANES];
    memcpy(lane, sum, sizeof lane);
    for (int i = 0; i < count; i++) lane[i % SA_LANES] += value[i];
    memcpy(sum, lane, sizeof lane);
}

SA_INLINE double sa_row_total(const sa_row_lanes *lanes)
{
    double total = lanes->low[0];
    for (int l = 1; l < 8; l++) total += lanes->low[l];
    for (int l = 0; l < 8; l++) total += lanes->high[l];
    return total;
}

#endif
