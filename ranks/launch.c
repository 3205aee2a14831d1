/* What launchers tell a process by its environment. */
#include "ranks/ranks.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

int sa_ranks_launched(void)
{
    /* OpenMPI; MPICH, Intel MPI and srun with PMI; MVAPICH */
    static const char *const NAMES[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        const char *value = getenv(NAMES[i]);
        const long ranks = value ? strtol(value, NULL, 10) : 0;
        if (ranks > 0 && ranks < 1 << 20) return (int)ranks;
    }
    return 1;
}

int sa_ranks_threads(const sa_exchange *exchange)
{
    cpu_set_t set;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int usable = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    if (usable < cores) return usable; /* the launcher has bound each rank to cores of its own */
    return usable > exchange->local_ranks ? usable / exchange->local_ranks : 1;
}
