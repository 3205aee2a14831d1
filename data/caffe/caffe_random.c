/* The Mersenne Twister: see caffe_random.h. */
#include "data/caffe/caffe_random.h"

enum { SHIFT = 397 };

void sa_mt_seed(sa_mt *mt, uint32_t seed)
{
    mt->word[0] = seed;
    for (uint32_t i = 1; i < SA_MT_WORDS; i++) mt->word[i] = 1812433253u * (mt->word[i - 1] ^ (mt->word[i - 1] >> 30)) + i;
    mt->at = SA_MT_WORDS;
}

static void refill(sa_mt *mt)
{
    for (int i = 0; i < SA_MT_WORDS; i++) {
        uint32_t x = (mt->word[i] & 0x80000000u) | (mt->word[(i + 1) % SA_MT_WORDS] & 0x7fffffffu);
        mt->word[i] = mt->word[(i + SHIFT) % SA_MT_WORDS] ^ (x >> 1) ^ (x & 1 ? 0x9908b0dfu : 0);
    }
    mt->at = 0;
}

uint32_t sa_mt_next(sa_mt *mt)
{
    if (mt->at == SA_MT_WORDS) refill(mt);
    uint32_t x = mt->word[mt->at++];
    x ^= x >> 11;
    x ^= (x << 7) & 0x9d2c5680u;
    x ^= (x << 15) & 0xefc60000u;
    return x ^ (x >> 18);
}

void sa_mt_skip(sa_mt *mt, uint64_t count)
{
    for (; count > 0; count--) {
        if (mt->at == SA_MT_WORDS) refill(mt);
        mt->at++;
    }
}

uint32_t sa_mt_below(sa_mt *mt, uint32_t limit)
{
    uint32_t width = UINT32_MAX / limit + (UINT32_MAX % limit == limit - 1);
    for (;;) {
        uint32_t value = sa_mt_next(mt) / width;
        if (value < limit) return value;
    }
}
