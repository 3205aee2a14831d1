/* Streams, events and graphs of the stand-in runtime: queues of closures.
 *
 * By default everything runs at once. SA_SIMT_DEFER=1 leaves work in its stream until something synchronises, so that the host
 * reads old data, and one stream does not see another's, wherever a wait is missing. A capturing stream records its work in a
 * graph instead; launching the graph submits the recorded closures again. */
#ifndef SA_SIMT_STREAMS_H
#define SA_SIMT_STREAMS_H

#include <cuda_runtime_api.h>

#include <functional>

namespace simt
{
typedef std::function<void()> Work;

/* Runs, queues or records work. The closure owns what it needs: it may run many times. */
void submit(cudaStream_t stream, Work work);
/* Work of this stream is recorded or kept for later: arguments have to be copied. */
bool deferred(cudaStream_t stream);
void flush(cudaStream_t stream);
void flush_all();
bool capturing(cudaStream_t stream);
bool any_capturing();
/* A call that may not happen during capture: invalidates the captures and returns the error, or cudaSuccess. */
cudaError_t refuse_in_capture();
} // namespace simt

extern "C" {
/* For library stand-ins: 0, or an error if the call that computes on this stream refuses to be recorded (SA_SIMT_FAIL=captured:N).
 */
int simt_enter_computing(cudaStream_t stream);
/* For library stand-ins: call(copy of the bytes) on the stream. */
void simt_submit(cudaStream_t stream, void (*call)(const void *bytes), const void *bytes, size_t count);
}
#endif
