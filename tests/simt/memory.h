/* Device memory of the stand-in runtime, for the library stand-ins.
 *
 * The device holds what the program allocates, in pages of 2 MiB; a context, taken by the first call that needs the device; and
 * pools of the libraries. cudaMemGetInfo shows all of them, as a driver does, so its difference is more than the program's own
 * bytes. The sizes of context and pools are invented, but of the order that cards show. */
#ifndef SA_SIMT_MEMORY_H
#define SA_SIMT_MEMORY_H

#include <cstddef>

namespace simt
{
size_t device_bytes(); /* the size of the device: SA_SIMT_MEMORY_MIB */
enum : size_t { CONTEXT_BYTES = (size_t)480 << 20, PAGE_BYTES = (size_t)2 << 20 };
} // namespace simt

extern "C" {
size_t simt_device_bytes_in_use(void);
/* Memory that a library takes for itself (negative: gives back). 0, or an error if the device has no room. */
int simt_take_library_memory(long long bytes);
int simt_is_device_memory(const void *pointer, size_t bytes);
/* Checker: fails if a byte was never written; marks bytes as written. Nothing when no checked kernels are loaded. */
void simt_require_written(const void *pointer, size_t bytes, const char *what);
void simt_mark_written(const void *pointer, size_t bytes);
}
#endif
