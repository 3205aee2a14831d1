/* Clocks that only run forward. */
#ifndef SA_CORE_CLOCK_H
#define SA_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since some moment. */
static inline uint64_t sa_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline double sa_clock_seconds(void)
{
    return 1e-9 * (double)sa_clock_ns();
}

/* Processor time of this process, all threads together. */
static inline uint64_t sa_cpu_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
