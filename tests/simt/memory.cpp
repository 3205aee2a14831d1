/* Device and pinned memory, copies and fills of the stand-in runtime.
 *
 * "Device" memory is host memory in a table, filled with NaN patterns when allocated. A copy whose direction does not match the
 * addresses is refused, which a real device with unified addressing may not do. */
#include "memory.h"

#include "checker.h"
#include "engine.h"
#include "faults.h"
#include "streams.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

namespace simt
{

typedef std::map<const char *, size_t> Regions; /* address -> bytes */
static Regions device, pinned;
static size_t used_bytes, used_pages_bytes, library_bytes;

static size_t in_pages(size_t bytes)
{
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

size_t device_bytes()
{
    static const size_t bytes = (size_t)environment("SA_SIMT_MEMORY_MIB", 16384) << 20;
    return bytes;
}

/* What cudaMalloc can still give. */
static size_t free_bytes()
{
    size_t taken = CONTEXT_BYTES + library_bytes + used_pages_bytes;
    return taken < device_bytes() ? device_bytes() - taken : 0;
}

static bool inside(const Regions &regions, const void *pointer, size_t bytes)
{
    auto next = regions.upper_bound((const char *)pointer);
    if (next == regions.begin()) return false;
    --next;
    return (const char *)pointer + bytes <= next->first + next->second;
}

static bool is_device(const void *pointer, size_t bytes)
{
    return inside(device, pointer, bytes);
}

static bool direction_is_right(const void *target, const void *source, size_t bytes, cudaMemcpyKind kind)
{
    if (bytes == 0 || kind == cudaMemcpyDefault) return true;
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    return is_device(target, bytes) == to_device && is_device(source, bytes) == from_device;
}

static void copy(void *target, const void *source, size_t bytes)
{
    memmove(target, source, bytes);
    checker.mark_written(target, bytes);
}

} // namespace simt

using namespace simt;

#define ENTER(kind) \
    if (cudaError_t error_ = enter(CallKind::kind)) return error_
#define REFUSE_IN_CAPTURE() \
    if (cudaError_t error_ = refuse_in_capture()) return error_

extern "C" {

int simt_is_device_memory(const void *pointer, size_t bytes)
{
    return is_device(pointer, bytes);
}

void simt_require_written(const void *pointer, size_t bytes, const char *what)
{
    checker.require_written(pointer, bytes, what);
}

void simt_mark_written(const void *pointer, size_t bytes)
{
    checker.mark_written(pointer, bytes);
}

cudaError_t cudaMalloc(void **pointer, size_t bytes)
{
    ENTER(malloc);
    REFUSE_IN_CAPTURE();
    if (!pointer) return set_error(cudaErrorInvalidValue);
    if (in_pages(bytes) > free_bytes()) return set_error(cudaErrorMemoryAllocation);
    void *memory = nullptr;
    if (bytes && posix_memalign(&memory, 256, bytes)) return set_error(cudaErrorMemoryAllocation);
    *pointer = memory;
    if (!bytes) return cudaSuccess;
    static const bool poison = environment("SA_SIMT_POISON", 1) != 0;
    if (poison) memset(memory, 0xff, bytes);
    device[(char *)memory] = bytes;
    used_bytes += bytes;
    used_pages_bytes += in_pages(bytes);
    checker.add_device(memory, bytes, false);
    return cudaSuccess;
}

/* A failed call frees all the same: what is left at the end is what the program forgot. */
cudaError_t cudaFree(void *pointer)
{
    cudaError_t error = enter(CallKind::free);
    if (!pointer) return error;
    flush_all();
    auto found = device.find((char *)pointer);
    if (found == device.end()) return error ? error : set_error(cudaErrorInvalidValue);
    used_bytes -= found->second;
    used_pages_bytes -= in_pages(found->second);
    checker.remove(pointer);
    device.erase(found);
    free(pointer);
    return error;
}

int simt_take_library_memory(long long bytes)
{
    if (bytes > 0 && (size_t)bytes > free_bytes()) return cudaErrorMemoryAllocation;
    library_bytes = (size_t)((long long)library_bytes + bytes);
    return 0;
}

size_t simt_device_bytes_in_use(void)
{
    return used_bytes;
}

cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned)
{
    ENTER(host_alloc);
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory) return set_error(cudaErrorMemoryAllocation);
    pinned[(char *)memory] = bytes;
    checker.add_device(memory, bytes, true); /* mapped: kernels may use it */
    *pointer = memory;
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes)
{
    return cudaHostAlloc(pointer, bytes, 0);
}

cudaError_t cudaHostGetDevicePointer(void **device_pointer, void *host, unsigned)
{
    ENTER(query);
    if (!inside(pinned, host, 1)) return set_error(cudaErrorInvalidValue);
    *device_pointer = host;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *pointer)
{
    if (!pointer) return cudaSuccess;
    flush_all();
    if (!pinned.erase((char *)pointer)) return set_error(cudaErrorInvalidValue);
    checker.remove(pointer);
    free(pointer);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *target, const void *source, size_t bytes, cudaMemcpyKind kind)
{
    ENTER(memcpy);
    REFUSE_IN_CAPTURE();
    flush_all();
    if (!direction_is_right(target, source, bytes, kind)) return set_error(cudaErrorInvalidValue);
    copy(target, source, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *target, const void *source, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    ENTER(memcpy);
    if (!direction_is_right(target, source, bytes, kind)) return set_error(cudaErrorInvalidValue);
    if (kind == cudaMemcpyHostToDevice && deferred(stream) && !inside(pinned, source, bytes)) {
        std::vector<char> staged((const char *)source, (const char *)source + bytes); /* pageable memory is staged at once */
        submit(stream, [=] { copy(target, staged.data(), bytes); });
        return cudaSuccess;
    }
    submit(stream, [=] { copy(target, source, bytes); });
    if (kind == cudaMemcpyDeviceToHost && !capturing(stream) && !inside(pinned, target, bytes)) flush(stream);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *target, int value, size_t bytes, cudaStream_t stream)
{
    ENTER(memset);
    if (!is_device(target, bytes)) return set_error(cudaErrorInvalidValue);
    submit(stream, [=] {
        memset(target, value, bytes);
        checker.mark_written(target, bytes);
    });
    return cudaSuccess;
}

cudaError_t cudaMemset(void *target, int value, size_t bytes)
{
    return cudaMemsetAsync(target, value, bytes, nullptr);
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    ENTER(query);
    *available = free_bytes();
    *total = device_bytes();
    return cudaSuccess;
}
}
