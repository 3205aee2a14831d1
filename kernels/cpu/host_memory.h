/* How much memory this process may still take: the machine's, or its control group's if that is less. */
#ifndef SA_KERNELS_CPU_HOST_MEMORY_H
#define SA_KERNELS_CPU_HOST_MEMORY_H

#include "core/status.h"

#include <stddef.h>

/* SA_IO if /proc/meminfo cannot be read. */
SA_CHECKED sa_status sa_host_memory(size_t *available_bytes, size_t *total_bytes);

#endif
