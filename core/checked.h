/* Checked size arithmetic: shapes come from untrusted files, so sizes may overflow. */
#ifndef SA_CORE_CHECKED_H
#define SA_CORE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>

/* false on overflow; *result is then unspecified */
static inline bool sa_size_add(size_t a, size_t b, size_t *result)
{
    return !__builtin_add_overflow(a, b, result);
}

static inline bool sa_size_mul(size_t a, size_t b, size_t *result)
{
    return !__builtin_mul_overflow(a, b, result);
}

/* Rounds up to a multiple of alignment (a power of two). */
static inline bool sa_size_align(size_t size, size_t alignment, size_t *result)
{
    if (!sa_size_add(size, alignment - 1, &size)) return false;
    *result = size & ~(alignment - 1);
    return true;
}

static inline int sa_min_int(int a, int b)
{
    return a < b ? a : b;
}

static inline int sa_max_int(int a, int b)
{
    return a > b ? a : b;
}

#endif
