/* Whether the threads' stacks are large enough for the kernels, which keep pieces of rows there. */
#ifndef SA_KERNELS_CPU_STACK_CHECK_H
#define SA_KERNELS_CPU_STACK_CHECK_H

#include "core/status.h"

/* Looks at the calling thread and, for more than one thread, at what OpenMP gives its workers; starts none. SA_INVALID with sizes
 * and the remedy. */
SA_CHECKED sa_status sa_cpu_check_stacks(int threads);

#endif
