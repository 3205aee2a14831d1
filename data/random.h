/* Random numbers as a function of (key, index): no hidden state, the same on every machine, any element on its own.
 *
 * Mixing function: splitmix64's finaliser (Steele, Lea, Flood 2014; Stafford's variant 13). Gaussians: the inverse normal
 * distribution function, Wichura's AS 241, with a logarithm made of + - * / only, so that no libm enters. Not for cryptography,
 * and not Caffe's streams (those are boost mt19937 draws). */
#ifndef SA_DATA_RANDOM_H
#define SA_DATA_RANDOM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline uint64_t sa_random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* 64 random bits. */
static inline uint64_t sa_random_bits(uint64_t key, uint64_t index)
{
    return sa_random_mix(key + (index + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

/* Uniform in [0, 1), a multiple of 2^-53. */
static inline double sa_random_uniform(uint64_t key, uint64_t index)
{
    return (double)(sa_random_bits(key, index) >> 11) * 0x1p-53;
}

/* Uniform in 0 .. limit-1 (limit > 0); the bias is below limit / 2^64. */
static inline uint64_t sa_random_below(uint64_t key, uint64_t index, uint64_t limit)
{
    return (uint64_t)(((unsigned __int128)sa_random_bits(key, index) * limit) >> 64);
}

/* Mean 0, standard deviation 1. */
double sa_random_gaussian(uint64_t key, uint64_t index);

/* The key of a stream of its own, e.g. of parameter `index` of layer `name` in a net of this seed. */
uint64_t sa_random_key(uint64_t seed, const char *name, uint64_t index);

#ifdef __cplusplus
}
#endif
#endif
