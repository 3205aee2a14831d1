/* A stack that is too small is known before the first kernel runs: `ulimit -s` and OMP_STACKSIZE would else end in a crash. */
#include "kernels/cpu/stack_check.h"

#include <ctype.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* What the deepest kernel takes (BN's reduction: 150 KiB of row sums, 120 KiB of pieces), and room for its callers. A worker has
 * the pieces only. */
enum { CALLER_KIB = 384, WORKER_KIB = 224 };

/* KiB of this thread's stack; 0: unknown. Of the first thread it is what `ulimit -s` allows. */
static size_t caller_kib(void)
{
    pthread_attr_t attributes;
    size_t bytes = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
    if (pthread_attr_getstacksize(&attributes, &bytes) != 0) bytes = 0;
    pthread_attr_destroy(&attributes);
    return bytes / 1024;
}

/* "512", "512k", "8 M": OpenMP's way to write a size, KiB without a unit. 0: none, or not one, which OpenMP ignores. */
static size_t size_of_variable(const char *text)
{
    static const char UNITS[] = "bkmg";
    char *end;
    if (!text) return 0;
    unsigned long long kib = strtoull(text, &end, 10);
    while (isspace((unsigned char)*end)) end++;
    int unit = 1;
    for (int i = 0; UNITS[i]; i++)
        if (tolower((unsigned char)*end) == UNITS[i]) unit = i;
    if (*end) end++;
    while (isspace((unsigned char)*end)) end++;
    if (*end || kib > (1ull << 40)) return 0;
    return unit == 0 ? (size_t)(kib / 1024) : (size_t)kib << (10 * (unit - 1));
}

/* KiB of the stacks that OpenMP's threads are going to have; 0: unknown. */
static size_t worker_kib(bool *is_set)
{
    pthread_attr_t attributes;
    size_t kib = size_of_variable(getenv("OMP_STACKSIZE")), bytes = 0;
    *is_set = kib > 0;
    if (kib > 0 || pthread_getattr_default_np(&attributes) != 0) return kib;
    if (pthread_attr_getstacksize(&attributes, &bytes) != 0) bytes = 0;
    pthread_attr_destroy(&attributes);
    return bytes / 1024;
}

sa_status sa_cpu_check_stacks(int threads)
{
    bool is_set = false;
    size_t caller = caller_kib(), worker = threads > 1 ? worker_kib(&is_set) : 0;
    if (caller > 0 && caller < CALLER_KIB)
        SA_FAIL(SA_INVALID, "the stack has %zu KiB, the kernels need %d: raise the limit, `ulimit -s 8192`", caller, CALLER_KIB);
    if (worker > 0 && worker < WORKER_KIB)
        SA_FAIL(SA_INVALID, "the threads' stacks have %zu KiB, the kernels need %d: %s", worker, WORKER_KIB,
                is_set ? "unset OMP_STACKSIZE, or set it to 8M" : "raise the limit, `ulimit -s 8192`");
    return SA_OK;
}
