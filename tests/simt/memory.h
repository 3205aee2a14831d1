/* Device memory of the stand-in runtime, for the library stand-ins. */
#ifndef SA_SIMT_MEMORY_H
#define SA_SIMT_MEMORY_H

#include <cstddef>

namespace simt
{
size_t device_bytes(); /* the size of the device */
}

extern "C" {
size_t simt_device_bytes_in_use(void);
int simt_is_device_memory(const void *pointer, size_t bytes);
/* Checker: fails if a byte was never written; marks bytes as written. Nothing when no checked kernels are loaded. */
void simt_require_written(const void *pointer, size_t bytes, const char *what);
void simt_mark_written(const void *pointer, size_t bytes);
}
#endif
