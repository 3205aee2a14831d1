/* Streams, events and graphs of the stand-in runtime: see streams.h. */
#include "streams.h"

#include "engine.h"
#include "faults.h"

#include <algorithm>
#include <ctime>
#include <deque>
#include <memory>
#include <set>
#include <vector>

namespace simt
{

struct Graph {
    std::vector<Work> nodes;
};

struct Stream {
    std::deque<Work> queue;
    bool nonblocking = false;
    std::unique_ptr<Graph> recording;
    bool capture_broken = false;
};

struct Event {
    double milliseconds = 0;
    Stream *stream = nullptr;
    bool pending = false;
};

static Stream legacy; /* the default stream */
static std::vector<Stream *> &streams()
{
    static std::vector<Stream *> list;
    return list;
}

static bool deferring()
{
    static const bool on = environment("SA_SIMT_DEFER", 0) != 0;
    return on;
}

static Stream *stream_of(cudaStream_t stream)
{
    return (size_t)stream <= 2 ? &legacy : (Stream *)stream; /* 0 default, 1 legacy, 2 per thread */
}

static bool run_one(Stream *stream)
{
    if (stream->queue.empty()) return false;
    Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    work();
    return true;
}

static void run_queue(Stream *stream)
{
    while (run_one(stream)) {
    }
}

static void run_until_done(Event *event)
{
    while (event->pending && run_one(event->stream)) {
    }
}

void flush(cudaStream_t stream)
{
    if (stream_of(stream) == &legacy) flush_all();
    else run_queue(stream_of(stream));
}

void flush_all()
{
    std::vector<Stream *> list = streams();
    if (order() == Order::reverse) std::reverse(list.begin(), list.end());
    for (Stream *stream : list) run_queue(stream);
    run_queue(&legacy);
}

bool capturing(cudaStream_t stream)
{
    return stream_of(stream)->recording != nullptr;
}

bool any_capturing()
{
    return std::any_of(streams().begin(), streams().end(), [](Stream *s) { return s->recording != nullptr; });
}

cudaError_t refuse_in_capture()
{
    if (!any_capturing()) return cudaSuccess;
    for (Stream *stream : streams())
        if (stream->recording) stream->capture_broken = true;
    return set_error(cudaErrorStreamCaptureUnsupported);
}

bool deferred(cudaStream_t stream)
{
    return deferring() || capturing(stream);
}

void submit(cudaStream_t handle, Work work)
{
    Stream *stream = stream_of(handle);
    if (stream->recording) {
        stream->recording->nodes.push_back(std::move(work));
    } else if (!deferring()) {
        work();
    } else {
        /* the default stream waits for all blocking streams, and they for it */
        if (stream == &legacy) {
            for (Stream *other : streams())
                if (!other->nonblocking) run_queue(other);
        } else if (!stream->nonblocking) {
            run_queue(&legacy);
        }
        stream->queue.push_back(std::move(work));
    }
}

static double clock_milliseconds()
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static cudaError_t synchronize(cudaStream_t stream)
{
    if (cudaError_t error = enter(CallKind::sync)) return error;
    if (cudaError_t error = refuse_in_capture()) return error;
    flush(stream);
    return cudaSuccess;
}

} // namespace simt

using namespace simt;

#define ENTER(kind) \
    if (cudaError_t error_ = enter(CallKind::kind)) return error_

extern "C" {

int simt_enter_computing(cudaStream_t stream)
{
    if (!capturing(stream)) return 0;
    cudaError_t error = enter(CallKind::captured);
    return error ? refuse_in_capture() : 0;
}

void simt_submit(cudaStream_t stream, void (*call)(const void *bytes), const void *bytes, size_t count)
{
    std::vector<char> copy((const char *)bytes, (const char *)bytes + count);
    submit(stream, [=] { call(copy.data()); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    ENTER(stream);
    Stream *created = new Stream;
    created->nonblocking = flags & cudaStreamNonBlocking;
    streams().push_back(created);
    *stream = (cudaStream_t)created;
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    return cudaStreamCreateWithFlags(stream, 0);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    run_queue(stream_of(stream));
    auto &list = streams();
    list.erase(std::remove(list.begin(), list.end(), (Stream *)stream), list.end());
    delete (Stream *)stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    return synchronize(stream);
}

cudaError_t cudaDeviceSynchronize(void)
{
    return synchronize(nullptr);
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    return stream_of(stream)->queue.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data)
{
    ENTER(launch);
    submit(stream, [=] { function(data); });
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
    ENTER(event);
    *event = (cudaEvent_t) new Event;
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, 0);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    run_until_done((Event *)event);
    delete (Event *)event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    ENTER(event);
    Event *e = (Event *)event;
    e->stream = stream_of(stream);
    e->pending = !capturing(stream);
    submit(stream, [=] {
        e->milliseconds = clock_milliseconds();
        e->pending = false;
    });
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    ENTER(event);
    submit(stream, [=] { run_until_done((Event *)event); });
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    ENTER(sync);
    run_until_done((Event *)event);
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    return ((Event *)event)->pending ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
    ENTER(query);
    if (((Event *)begin)->pending || ((Event *)end)->pending) return set_error(cudaErrorNotReady);
    *milliseconds = (float)(((Event *)end)->milliseconds - ((Event *)begin)->milliseconds);
    return cudaSuccess;
}

/* ------------------------------------------------------------------ graphs ----------------------------------------- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
    ENTER(capture);
    Stream *s = stream_of(stream);
    if (s == &legacy || s->recording) return set_error(cudaErrorStreamCaptureUnsupported);
    s->recording.reset(new Graph);
    s->capture_broken = false;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    Stream *s = stream_of(stream);
    std::unique_ptr<Graph> recorded = std::move(s->recording);
    ENTER(capture);
    if (!recorded) return set_error(cudaErrorIllegalState);
    if (s->capture_broken) return set_error(cudaErrorStreamCaptureInvalidated);
    *graph = (cudaGraph_t)recorded.release();
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status)
{
    const Stream *s = stream_of(stream);
    *status = !s->recording       ? cudaStreamCaptureStatusNone
              : s->capture_broken ? cudaStreamCaptureStatusInvalidated
                                  : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long)
{
    ENTER(graph);
    *executable = (cudaGraphExec_t) new Graph(*(Graph *)graph);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    ENTER(launch);
    for (const Work &node : ((Graph *)executable)->nodes) submit(stream, node);
    return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count)
{
    if (nodes) return set_error(cudaErrorNotSupported);
    *count = ((Graph *)graph)->nodes.size();
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete (Graph *)graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable)
{
    flush_all();
    delete (Graph *)executable;
    return cudaSuccess;
}
}
