/* The CUDA device: one stream, the libraries' handles, pinned staging for uploads, and the recording of steps.
 *
 * Device memory is only what alloc gives out (the arena); kernels report what they find wrong through a pinned host word. */
#include "kernels/cuda/cuda_libraries.cuh"

#include <nvtx3/nvToolsExt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAGING_HALF_BYTES = 2 << 20, OLDEST_CAPABILITY = 75 };

/* Steps before all is as it stays: kernels and libraries are loaded by the first, a graph is made by the second. */
enum { WARMUP_PLAIN = 1, WARMUP_GRAPH = 2 };

/* ------------------------------------------------------------------ steps ------------------------------------------ */

/* Recorded addresses may not be valid any more. */
static void forget_recordings(sa_cuda_device *cuda)
{
    while (cuda->recordings) {
        sa_cuda_recording *recording = cuda->recordings;
        cuda->recordings = recording->next;
        if (recording->graph) cudaGraphExecDestroy(recording->graph);
        free(recording);
    }
    cuda->current = nullptr;
}

static sa_status find_recording(sa_cuda_device *cuda, const void *owner, sa_cuda_recording **result)
{
    sa_cuda_recording *recording = cuda->recordings;
    while (recording && recording->owner != owner) recording = recording->next;
    if (!recording) {
        recording = (sa_cuda_recording *)calloc(1, sizeof *recording);
        if (!recording) SA_FAIL(SA_NOMEM, "cuda device: no host memory to note a recording");
        recording->owner = owner;
        recording->next = cuda->recordings;
        cuda->recordings = recording;
    }
    *result = recording;
    return SA_OK;
}

static bool is_recording(const sa_cuda_device *cuda)
{
    return cuda->current && cuda->current->state == SA_CUDA_GRAPH_RECORDING;
}

/* Ends a recording that goes nowhere. */
static void abandon_recording(sa_cuda_device *cuda)
{
    cudaGraph_t recorded = nullptr;
    if (!is_recording(cuda)) return;
    cuda->update_count = 0; /* nothing of it has run */
    if (cudaStreamEndCapture(cuda->stream, &recorded) == cudaSuccess && recorded) cudaGraphDestroy(recorded);
    (void)cudaGetLastError();
    cuda->current->state = SA_CUDA_GRAPH_NONE;
}

/* This step cannot be recorded: it and the later ones of its owner run as they are. The reason is the thread's error message. */
static void refuse_recording(sa_cuda_device *cuda)
{
    abandon_recording(cuda);
    cuda->current->state = SA_CUDA_GRAPH_REFUSED;
    snprintf(cuda->base.note, sizeof cuda->base.note, "steps run op by op, since this one cannot be recorded: %.160s",
             sa_error_message());
    sa_error_clear();
}

static sa_status begin_step(sa_device *device, int *replay)
{
    sa_cuda_device *cuda = sa_cuda(device);
    abandon_recording(cuda); /* a step that failed half-way may have no end_step */
    SA_TRY(sa_cuda_launch_updates(cuda));
    cuda->step_failed = false;
    cuda->current = nullptr;
    *replay = 0;
    if (!cuda->use_graph) return SA_OK;
    SA_TRY(find_recording(cuda, device->step_owner, &cuda->current));
    if (cuda->current->state == SA_CUDA_GRAPH_WARM) {
        const cudaError_t error = cudaStreamBeginCapture(cuda->stream, cudaStreamCaptureModeThreadLocal);
        if (sa_cuda_check(error, "cudaStreamBeginCapture") == SA_OK) cuda->current->state = SA_CUDA_GRAPH_RECORDING;
        else refuse_recording(cuda);
    }
    *replay = cuda->current->state == SA_CUDA_GRAPH_READY;
    return SA_OK;
}

static sa_status end_recording(sa_cuda_device *cuda)
{
    cudaGraph_t recorded = nullptr;
    sa_cuda_recording *recording = cuda->current;
    recording->state = SA_CUDA_GRAPH_NONE;
    SA_CUDA_TRY(cudaStreamEndCapture(cuda->stream, &recorded));
    cudaError_t error = cudaGraphInstantiate(&recording->graph, recorded, 0);
    cudaGraphDestroy(recorded);
    if (error != cudaSuccess) recording->graph = nullptr;
    SA_TRY(sa_cuda_check(error, "cudaGraphInstantiate"));
    recording->state = SA_CUDA_GRAPH_READY;
    return SA_OK;
}

/* The first step runs as it is, so that libraries and kernels are loaded before a recording forbids it. While a step is recorded
 * nothing runs: if that fails, whatever the reason, the step is asked for again and runs as it is. A real fault comes up then. */
static sa_status end_step(sa_device *device, int *again)
{
    sa_cuda_device *cuda = sa_cuda(device);
    *again = 0;
    const sa_status updated = sa_cuda_launch_updates(cuda);
    if (updated != SA_OK) cuda->step_failed = true;
    if (!is_recording(cuda)) SA_TRY(updated); /* a recording that failed is done again, and fails then */
    if (!cuda->current) return SA_OK;
    if (is_recording(cuda)) {
        const bool recorded = !cuda->step_failed && end_recording(cuda) == SA_OK;
        if (!recorded) {
            refuse_recording(cuda);
            *again = 1;
            return SA_OK;
        }
    }
    if (cuda->step_failed) return SA_OK;
    if (cuda->current->state == SA_CUDA_GRAPH_NONE) cuda->current->state = SA_CUDA_GRAPH_WARM;
    else if (cuda->current->state == SA_CUDA_GRAPH_READY) SA_CUDA_TRY(cudaGraphLaunch(cuda->current->graph, cuda->stream));
    return SA_OK;
}

/* ------------------------------------------------------------------ memory ----------------------------------------- */

static sa_status refuse_in_recording(const sa_cuda_device *cuda, const char *what)
{
    if (is_recording(cuda))
        SA_FAIL(SA_INVALID, "cuda device: %s between begin_step and end_step of a step that is being recorded", what);
    return SA_OK;
}

static sa_status cuda_mem_info(sa_device *device, size_t *free_bytes, size_t *total_bytes)
{
    (void)device;
    size_t available, total;
    SA_CUDA_TRY(cudaMemGetInfo(&available, &total));
    *free_bytes = available;
    *total_bytes = total;
    return SA_OK;
}

static sa_status cuda_alloc(sa_device *device, size_t bytes, void **pointer)
{
    sa_cuda_device *cuda = sa_cuda(device);
    void *memory = nullptr;
    if (bytes == 0) SA_FAIL(SA_INVALID, "cuda device: an allocation of 0 bytes");
    SA_TRY(refuse_in_recording(cuda, "an allocation"));
    forget_recordings(cuda);
    sa_cuda_allocation *entry = (sa_cuda_allocation *)malloc(sizeof *entry);
    if (!entry) SA_FAIL(SA_NOMEM, "cuda device: no host memory to note an allocation of %zu bytes", bytes);
    cudaError_t error = cudaMalloc(&memory, bytes);
    if (error != cudaSuccess) {
        size_t free_bytes = 0, total_bytes = 0;
        free(entry);
        (void)cudaGetLastError();
        if (error != cudaErrorMemoryAllocation) return sa_cuda_check(error, "cudaMalloc");
        if (cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) (void)cudaGetLastError();
        SA_FAIL(SA_NOMEM, "cuda device: %zu bytes wanted, %zu free of %zu", bytes, free_bytes, total_bytes);
    }
    *entry = {cuda->allocations, memory, bytes};
    cuda->allocations = entry;
    device->allocation_count++;
    device->allocated_bytes += bytes;
    if (device->allocated_bytes > device->peak_allocated_bytes) device->peak_allocated_bytes = device->allocated_bytes;
    *pointer = memory;
    return SA_OK;
}

static void cuda_free(sa_device *device, void *pointer)
{
    sa_cuda_device *cuda = sa_cuda(device);
    if (!pointer) return;
    abandon_recording(cuda);
    if (sa_cuda_launch_updates(cuda) != SA_OK) sa_error_clear(); /* a failure is a later call's to report */
    forget_recordings(cuda);
    for (sa_cuda_allocation **link = &cuda->allocations; *link; link = &(*link)->next) {
        sa_cuda_allocation *entry = *link;
        if (entry->pointer != pointer) continue;
        *link = entry->next;
        device->allocated_bytes -= entry->bytes;
        free(entry);
        break;
    }
    if (cudaFree(pointer) != cudaSuccess) (void)cudaGetLastError(); /* an earlier failure, reported then */
}

/* What kernels reported since the last look. */
static sa_status take_fault(sa_cuda_device *cuda)
{
    const sa_cuda_fault fault = *cuda->fault;
    cuda->fault->kind = SA_CUDA_FAULT_NONE;
    if (fault.kind == SA_CUDA_FAULT_LABEL)
        SA_FAIL(SA_NUMERIC, "loss: the label of pixel (n %d, y %d, x %d) is outside the classes", fault.n, fault.y, fault.x);
    if (fault.kind == SA_CUDA_FAULT_MASK)
        SA_FAIL(SA_NUMERIC, "unpool_scatter: mask (%d, %d, %d, %d) is %g, outside the plane", fault.n, fault.c, fault.y, fault.x,
                (double)fault.value);
    return SA_OK;
}

static sa_status cuda_sync(sa_device *device)
{
    sa_cuda_device *cuda = sa_cuda(device);
    SA_TRY(refuse_in_recording(cuda, "a synchronisation"));
    SA_TRY(sa_cuda_launch_updates(cuda));
    SA_CUDA_TRY(cudaStreamSynchronize(cuda->stream));
    return take_fault(cuda);
}

static sa_status cuda_upload(sa_device *device, void *target, const void *host, size_t bytes)
{
    sa_cuda_device *cuda = sa_cuda(device);
    SA_TRY(refuse_in_recording(cuda, "an upload"));
    SA_TRY(sa_cuda_launch_updates(cuda));
    for (size_t done = 0; done < bytes;) {
        const size_t part = bytes - done < STAGING_HALF_BYTES ? bytes - done : (size_t)STAGING_HALF_BYTES;
        const int half = cuda->staging_half;
        char *staging = cuda->staging + (size_t)half * STAGING_HALF_BYTES;
        SA_CUDA_TRY(cudaEventSynchronize(cuda->staging_free[half]));
        memcpy(staging, (const char *)host + done, part);
        SA_CUDA_TRY(cudaMemcpyAsync((char *)target + done, staging, part, cudaMemcpyHostToDevice, cuda->stream));
        SA_CUDA_TRY(cudaEventRecord(cuda->staging_free[half], cuda->stream));
        cuda->staging_half = !half;
        done += part;
    }
    return SA_OK;
}

static sa_status cuda_download(sa_device *device, void *host, const void *source, size_t bytes)
{
    sa_cuda_device *cuda = sa_cuda(device);
    SA_TRY(refuse_in_recording(cuda, "a download"));
    SA_TRY(sa_cuda_launch_updates(cuda));
    SA_CUDA_TRY(cudaMemcpyAsync(host, source, bytes, cudaMemcpyDeviceToHost, cuda->stream));
    return cuda_sync(device);
}

static sa_status cuda_fill_bytes(sa_device *device, void *target, int byte, size_t bytes)
{
    SA_TRY(sa_cuda_launch_updates(sa_cuda(device)));
    SA_CUDA_TRY(cudaMemsetAsync(target, byte, bytes, sa_cuda(device)->stream));
    return SA_OK;
}

/* Differences of successive events are added up, since the time of an event is a float of milliseconds. */
static sa_status cuda_time_ns(sa_device *device, uint64_t *ns)
{
    sa_cuda_device *cuda = sa_cuda(device);
    float milliseconds;
    SA_TRY(refuse_in_recording(cuda, "a look at the time"));
    SA_TRY(sa_cuda_launch_updates(cuda));
    SA_CUDA_TRY(cudaEventRecord(cuda->time_now, cuda->stream));
    SA_CUDA_TRY(cudaEventSynchronize(cuda->time_now));
    SA_CUDA_TRY(cudaEventElapsedTime(&milliseconds, cuda->time_before, cuda->time_now));
    cuda->elapsed_ns += (double)milliseconds * 1e6;
    cudaEvent_t before = cuda->time_before;
    cuda->time_before = cuda->time_now;
    cuda->time_now = before;
    *ns = (uint64_t)cuda->elapsed_ns;
    return SA_OK;
}

/* ------------------------------------------------------------------ open and close ---------------------------------- */

static sa_status cuda_set_option(sa_device *device, const char *name, int value)
{
    sa_cuda_device *cuda = sa_cuda(device);
    SA_TRY(refuse_in_recording(cuda, "a change of options"));
    forget_recordings(cuda);
    if (!strcmp(name, "graph")) {
        cuda->use_graph = value != 0;
        device->warmup_steps = cuda->use_graph ? WARMUP_GRAPH : WARMUP_PLAIN;
        return SA_OK;
    }
    if (!strcmp(name, "tf32")) {
        SA_BLAS_TRY(cublasSetMathMode(cuda->blas, value ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH));
        cuda->use_tf32 = value != 0;
        return SA_OK;
    }
    SA_FAIL(SA_INVALID, "cuda device: no option '%s'; there are graph and tf32", name);
}

/* Also of a device that was opened half-way. */
static void cuda_close(sa_device *device)
{
    sa_cuda_device *cuda = sa_cuda(device);
    abandon_recording(cuda);
    while (cuda->allocations) cuda_free(device, cuda->allocations->pointer);
    forget_recordings(cuda);
    sa_cuda_conv_dnn_forget(cuda);
    if (cuda->dnn) cudnnDestroy(cuda->dnn);
    if (cuda->blas) cublasDestroy(cuda->blas);
    cudaEvent_t events[] = {cuda->time_before, cuda->time_now, cuda->staging_free[0], cuda->staging_free[1]};
    for (cudaEvent_t event : events)
        if (event) cudaEventDestroy(event);
    if (cuda->staging) cudaFreeHost(cuda->staging);
    if (cuda->fault) cudaFreeHost(cuda->fault);
    if (cuda->stream) cudaStreamDestroy(cuda->stream);
    (void)cudaGetLastError();
    free(cuda);
}

static sa_device_functions make_functions()
{
    sa_device_functions f = {};
    f.alloc = cuda_alloc, f.free = cuda_free;
    f.upload = cuda_upload, f.download = cuda_download, f.fill = cuda_fill_bytes;
    f.sync = cuda_sync, f.mem_info = cuda_mem_info, f.time_ns = cuda_time_ns;
    f.begin_step = begin_step, f.end_step = end_step;
    f.close = cuda_close, f.set_option = cuda_set_option;
    return f;
}
static const sa_device_functions functions = make_functions();

/* The table's entries: each op as a range in NVTX's timeline (Nsight Systems), failures noted for the recording. Updates that
 * follow one another wait for the next op of another kind. */
#define SA_CUDA_ENTRY(kind, field)                                                          \
    static sa_status run_##field(sa_device *device, const sa_##field##_args *args)          \
    {                                                                                       \
        nvtxRangePushA(#field);                                                             \
        sa_status status = SA_OK;                                                           \
        if (SA_OP_##kind != SA_OP_UPDATE) status = sa_cuda_launch_updates(sa_cuda(device)); \
        if (status == SA_OK) status = sa_cuda_##field(device, args);                        \
        nvtxRangePop();                                                                     \
        if (status != SA_OK) sa_cuda(device)->step_failed = true;                           \
        return status;                                                                      \
    }
SA_OPS(SA_CUDA_ENTRY)
#undef SA_CUDA_ENTRY
#define SA_CUDA_ENTRY(kind, field) run_##field,
static const sa_kernels kernels = {SA_OPS(SA_CUDA_ENTRY) sa_cuda_conv_workspace_bytes, sa_cuda_conv_choose,
                                   sa_cuda_reduce_workspace_bytes, sa_cuda_loss_workspace_bytes, sa_cuda_accuracy_workspace_bytes};
#undef SA_CUDA_ENTRY

static sa_status find_card(int index, cudaDeviceProp *card)
{
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess) {
        (void)cudaGetLastError();
        SA_FAIL(SA_NO_DEVICE, "cuda device %d: %s (cuda error %d)", index, cudaGetErrorString(error), (int)error);
    }
    if (index < 0 || index >= count) SA_FAIL(SA_NO_DEVICE, "cuda device %d: there are %d", index, count);
    SA_CUDA_TRY(cudaSetDevice(index));
    SA_CUDA_TRY(cudaGetDeviceProperties(card, index));
    if (card->major * 10 + card->minor < OLDEST_CAPABILITY)
        SA_FAIL(SA_NO_DEVICE, "cuda device %d: %s has compute capability %d.%d, %d.%d is needed", index, card->name, card->major,
                card->minor, OLDEST_CAPABILITY / 10, OLDEST_CAPABILITY % 10);
    error = sa_cuda_find_code();
    if (error != cudaSuccess) {
        (void)cudaGetLastError();
        SA_FAIL(SA_NO_DEVICE,
                "cuda device %d: this program has no code that %s (compute capability %d.%d) can run: %s (cuda error "
                "%d); build it on this machine, or with make GENCODE=-arch=sm_%d%d",
                index, card->name, card->major, card->minor, cudaGetErrorString(error), (int)error, card->major, card->minor);
    }
    return SA_OK;
}

static sa_status open_parts(sa_cuda_device *cuda)
{
    cudaEvent_t *events[] = {&cuda->time_before, &cuda->time_now};
    SA_CUDA_TRY(cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking));
    for (cudaEvent_t *event : events) SA_CUDA_TRY(cudaEventCreate(event));
    for (cudaEvent_t &event : cuda->staging_free) SA_CUDA_TRY(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    SA_CUDA_TRY(cudaEventRecord(cuda->time_before, cuda->stream));
    SA_CUDA_TRY(cudaHostAlloc((void **)&cuda->staging, 2 * STAGING_HALF_BYTES, cudaHostAllocDefault));
    SA_CUDA_TRY(cudaHostAlloc((void **)&cuda->fault, sizeof *cuda->fault, cudaHostAllocMapped));
    memset(cuda->fault, 0, sizeof *cuda->fault);
    SA_CUDA_TRY(cudaHostGetDevicePointer((void **)&cuda->fault_device, cuda->fault, 0));
    SA_BLAS_TRY(cublasCreate(&cuda->blas));
    SA_BLAS_TRY(cublasSetStream(cuda->blas, cuda->stream));
    SA_DNN_TRY(cudnnCreate(&cuda->dnn));
    SA_DNN_TRY(cudnnSetStream(cuda->dnn, cuda->stream));
    return SA_OK;
}

static bool is_set(const char *variable)
{
    const char *text = getenv(variable);
    return text && *text && strcmp(text, "0") != 0;
}

sa_status sa_device_open_cuda(int index, sa_device **device)
{
    cudaDeviceProp card;
    SA_TRY(find_card(index, &card));
    sa_cuda_device *cuda = (sa_cuda_device *)calloc(1, sizeof *cuda);
    if (!cuda) SA_FAIL(SA_NOMEM, "cuda device %d: no host memory for its state", index);
    cuda->base.functions = &functions;
    cuda->base.kernels = &kernels;
    cuda->base.kind = "cuda";
    cuda->base.threads = 1;
    snprintf(cuda->base.description, sizeof cuda->base.description, "%.48s, %d SMs, %zu MiB, sm_%d%d", card.name,
             card.multiProcessorCount, card.totalGlobalMem >> 20, card.major, card.minor);
    cuda->base.records_steps = cuda->base.has_queue = true;
    cuda->use_graph = !is_set("SA_NO_GRAPH");
    cuda->base.warmup_steps = cuda->use_graph ? WARMUP_GRAPH : WARMUP_PLAIN;
    sa_status status = open_parts(cuda);
    if (status == SA_OK && is_set("SA_TF32")) status = cuda_set_option(&cuda->base, "tf32", 1);
    if (status != SA_OK) {
        cuda_close(&cuda->base);
        return sa_error_prefix(status, "cuda device %d (%s)", index, card.name);
    }
    *device = &cuda->base;
    return SA_OK;
}
