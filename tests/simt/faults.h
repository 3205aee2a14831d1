/* Call counters and fault injection.
 *
 * SA_SIMT_FAIL=KIND:N makes the Nth call (from 1) of a kind fail, KIND:N+ that one and all later ones; KIND is one of the names
 * below or `any`. `captured` are computing calls of cuBLAS and cuDNN in a stream that is being recorded: one that fails spoils the
 * recording. A failed launch, copy, fill or synchronisation is sticky, as on a real device: every later call that touches the
 * device returns the same error. SA_SIMT_REPORT=FILE writes the counters as JSON when the process ends (`-` is stderr). */
#ifndef SA_SIMT_FAULTS_H
#define SA_SIMT_FAULTS_H

#include <cuda_runtime_api.h>

/* X(name, error of an injected failure, sticky) */
#define SIMT_CALL_KINDS(X)                               \
    X(device, cudaErrorDevicesUnavailable, false)        \
    X(malloc, cudaErrorMemoryAllocation, false)          \
    X(host_alloc, cudaErrorMemoryAllocation, false)      \
    X(free, cudaErrorIllegalAddress, true)               \
    X(memcpy, cudaErrorIllegalAddress, true)             \
    X(memset, cudaErrorIllegalAddress, true)             \
    X(launch, cudaErrorLaunchFailure, true)              \
    X(sync, cudaErrorIllegalAddress, true)               \
    X(stream, cudaErrorMemoryAllocation, false)          \
    X(event, cudaErrorMemoryAllocation, false)           \
    X(capture, cudaErrorStreamCaptureInvalidated, false) \
    X(graph, cudaErrorMemoryAllocation, false)           \
    X(query, cudaErrorUnknown, false)                    \
    X(cublas, cudaErrorUnknown, false)                   \
    X(cudnn, cudaErrorUnknown, false)                    \
    X(captured, cudaErrorStreamCaptureUnsupported, false)

namespace simt
{
enum class CallKind {
#define SIMT_KIND(name, error, sticky) name,
    SIMT_CALL_KINDS(SIMT_KIND)
#undef SIMT_KIND
        count
};

/* Counts a call. cudaSuccess, or the error this call has to return (which is also made the last error). */
cudaError_t enter(CallKind kind);
/* Makes an error this thread's last error and returns it. */
cudaError_t set_error(cudaError_t error);
cudaError_t last_error(bool clear);
} // namespace simt

extern "C" {
/* For tests and library stand-ins: the number of calls of a kind so far; -1 for an unknown name. */
long simt_call_count(const char *kind);
/* As simt::enter, by name: 0 or an error. */
int simt_enter(const char *kind);
}
#endif
