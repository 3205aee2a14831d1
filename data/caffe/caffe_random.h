/* The 32-bit Mersenne Twister (Matsumoto, Nishimura 1998), which Caffe draws the choices of its data layers from: crops, mirrors,
 * orders. Everything else here draws from data/random.h. */
#ifndef SA_DATA_CAFFE_CAFFE_RANDOM_H
#define SA_DATA_CAFFE_CAFFE_RANDOM_H

#include <stdint.h>

enum { SA_MT_WORDS = 624 };

typedef struct sa_mt {
    uint32_t word[SA_MT_WORDS];
    int at;
} sa_mt;

void sa_mt_seed(sa_mt *mt, uint32_t seed);
uint32_t sa_mt_next(sa_mt *mt);
void sa_mt_skip(sa_mt *mt, uint64_t count);
/* Uniform in 0 .. limit-1, as boost's uniform_int draws it. */
uint32_t sa_mt_below(sa_mt *mt, uint32_t limit);

#endif
