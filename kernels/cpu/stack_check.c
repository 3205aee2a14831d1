/* A stack that is too small is known before the first kernel runs: `ulimit -s` and OMP_STACKSIZE would else end in a crash. */
#include "kernels/cpu/stack_check.h"

#include <omp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

/* What the deepest kernel takes (BN's reduction: 150 KiB of row sums, 120 KiB of pieces), and room for its callers. A worker has
 * the pieces only. Guard pages are not counted. */
enum { CALLER_KIB = 384, WORKER_KIB = 224 };

/* Bytes of this thread's stack; 0: unknown. Of the first thread it is what `ulimit -s` allows. */
static size_t stack_bytes(void)
{
    pthread_attr_t attributes;
    size_t bytes = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
    if (pthread_attr_getstacksize(&attributes, &bytes) != 0) bytes = 0;
    pthread_attr_destroy(&attributes);
    return bytes;
}

sa_status sa_cpu_check_stacks(int threads)
{
    size_t caller = stack_bytes(), least = 0;
    if (caller > 0 && caller < (size_t)CALLER_KIB * 1024)
        SA_FAIL(SA_INVALID, "the stack has %zu KiB, the kernels need %d: raise the limit, `ulimit -s 8192`", caller / 1024,
                CALLER_KIB);
#pragma omp parallel num_threads(threads)
    {
        size_t bytes = omp_get_thread_num() > 0 ? stack_bytes() : 0;
#pragma omp critical
        if (bytes > 0 && (least == 0 || bytes < least)) least = bytes;
    }
    if (least > 0 && least < (size_t)WORKER_KIB * 1024)
        SA_FAIL(SA_INVALID, "the threads' stacks have %zu KiB, the kernels need %d: %s", least / 1024, WORKER_KIB,
                getenv("OMP_STACKSIZE") ? "unset OMP_STACKSIZE, or set it to 8M" : "raise the limit, `ulimit -s 8192`");
    return SA_OK;
}
