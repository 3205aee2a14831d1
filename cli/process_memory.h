/* The process's resident memory, from /proc. */
#ifndef SA_CLI_PROCESS_MEMORY_H
#define SA_CLI_PROCESS_MEMORY_H

#include <stddef.h>

/* Resident bytes now; the peak starts anew from here (where the kernel allows it). */
size_t sa_process_reset_peak(void);
/* Highest resident bytes since then. */
size_t sa_process_peak_bytes(void);

#endif
