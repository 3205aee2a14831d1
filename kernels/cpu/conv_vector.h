/* Vectors of the convolutions' hot loops: GCC vector extensions, SA_LANES floats wide. The including file defines SA_LANES
 * (16, 8 or 4) and SA_ISA(name), which makes a name of its own for each build of the same source. */
#ifndef SA_KERNELS_CPU_CONV_VECTOR_H
#define SA_KERNELS_CPU_CONV_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SA_INLINE static inline __attribute__((always_inline))
#define SA_NOINLINE static __attribute__((noinline))

typedef float vec __attribute__((vector_size(SA_LANES * 4), may_alias));
typedef float vec_unaligned __attribute__((vector_size(SA_LANES * 4), aligned(4), may_alias));

SA_INLINE vec vec_load(const float *p)
{
    return *(const vec_unaligned *)p;
}

SA_INLINE void vec_store(float *p, vec v)
{
    *(vec_unaligned *)p = v;
}

SA_INLINE vec vec_all(float x)
{
    return x - (vec){0};
}

#endif
