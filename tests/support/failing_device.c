/* The failing device: forwards every call, and counts down. */
#include "tests/support/failing_device.h"

#include "kernels/ops.h"

#include <stdlib.h>

typedef struct failing_device {
    sa_device base;
    sa_device *inner;
    int successes_left; /* negative: without end */
    bool failed;
} failing_device;

static sa_status count_down(failing_device *d, const char *call)
{
    if (d->successes_left == 0) {
        d->successes_left = -1; /* what is done to clean up works */
        d->failed = true;
        SA_FAIL(SA_DEVICE, "injected failure of %s", call);
    }
    if (d->successes_left > 0) d->successes_left--;
    return SA_OK;
}

static void copy_counts(failing_device *d)
{
    d->base.allocation_count = d->inner->allocation_count;
    d->base.allocated_bytes = d->inner->allocated_bytes;
    d->base.peak_allocated_bytes = d->inner->peak_allocated_bytes;
}

static sa_status failing_alloc(sa_device *device, size_t bytes, void **pointer)
{
    failing_device *d = (failing_device *)device;
    SA_TRY(count_down(d, "alloc"));
    sa_status status = d->inner->functions->alloc(d->inner, bytes, pointer);
    copy_counts(d);
    return status;
}

static void failing_free(sa_device *device, void *pointer)
{
    failing_device *d = (failing_device *)device;
    d->inner->functions->free(d->inner, pointer);
    copy_counts(d);
}

/* FORWARD(call, parameters, arguments): a function of sa_device_functions that may fail. */
#define FORWARD(call, parameters, arguments)          \
    static sa_status failing_##call parameters        \
    {                                                 \
        failing_device *d = (failing_device *)device; \
        SA_TRY(count_down(d, #call));                 \
        device = d->inner;                            \
        return device->functions->call arguments;     \
    }
FORWARD(upload, (sa_device * device, void *target, const void *host, size_t bytes), (device, target, host, bytes))
FORWARD(download, (sa_device * device, void *host, const void *source, size_t bytes), (device, host, source, bytes))
FORWARD(fill, (sa_device * device, void *target, int byte, size_t bytes), (device, target, byte, bytes))
FORWARD(sync, (sa_device * device), (device))
FORWARD(mem_info, (sa_device * device, size_t *free_bytes, size_t *total_bytes), (device, free_bytes, total_bytes))
FORWARD(time_ns, (sa_device * device, uint64_t *ns), (device, ns))
FORWARD(begin_step, (sa_device * device, int *replay), (device, replay))
FORWARD(end_step, (sa_device * device, int *again), (device, again))

static void failing_close(sa_device *device)
{
    sa_device_close(((failing_device *)device)->inner);
    free(device);
}

static const sa_device_functions functions = {
    .alloc = failing_alloc,
    .free = failing_free,
    .upload = failing_upload,
    .download = failing_download,
    .fill = failing_fill,
    .sync = failing_sync,
    .mem_info = failing_mem_info,
    .time_ns = failing_time_ns,
    .begin_step = failing_begin_step,
    .end_step = failing_end_step,
    .close = failing_close,
};

#define KERNEL(kind, field)                                                                   \
    static sa_status failing_kernel_##field(sa_device *device, const sa_##field##_args *args) \
    {                                                                                         \
        failing_device *d = (failing_device *)device;                                         \
        SA_TRY(count_down(d, #field));                                                        \
        return d->inner->kernels->field(d->inner, args);                                      \
    }
SA_OPS(KERNEL)

static sa_status workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes)
{
    const sa_device *inner = ((const failing_device *)device)->inner;
    return inner->kernels->conv_workspace_bytes(inner, request, bytes);
}

static sa_conv_algorithm choose(const sa_device *device, const sa_conv_shape *shape, int images)
{
    const sa_device *inner = ((const failing_device *)device)->inner;
    return inner->kernels->conv_choose(inner, shape, images);
}

static size_t reduce_bytes(const sa_device *device, int32_t images, int32_t channels, int32_t height)
{
    const sa_device *inner = ((const failing_device *)device)->inner;
    return inner->kernels->reduce_workspace_bytes(inner, images, channels, height);
}

static size_t loss_bytes(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width)
{
    const sa_device *inner = ((const failing_device *)device)->inner;
    return inner->kernels->loss_workspace_bytes(inner, images, classes, height, width);
}

static size_t accuracy_bytes(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width)
{
    const sa_device *inner = ((const failing_device *)device)->inner;
    return inner->kernels->accuracy_workspace_bytes(inner, images, classes, height, width);
}

static const sa_kernels kernels = {
#define ENTRY(kind, field) .field = failing_kernel_##field,
    SA_OPS(ENTRY)
#undef ENTRY
        .conv_workspace_bytes = workspace_bytes,
    .conv_choose = choose,
    .reduce_workspace_bytes = reduce_bytes,
    .loss_workspace_bytes = loss_bytes,
    .accuracy_workspace_bytes = accuracy_bytes,
};

sa_device *sa_failing_device_open(sa_device *inner)
{
    failing_device *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->base = *inner;
    d->base.functions = &functions;
    d->base.kernels = &kernels;
    d->inner = inner;
    d->successes_left = -1;
    return &d->base;
}

void sa_failing_device_arm(sa_device *device, int successes)
{
    ((failing_device *)device)->successes_left = successes;
    ((failing_device *)device)->failed = false;
}

bool sa_failing_device_has_failed(const sa_device *device)
{
    return ((const failing_device *)device)->failed;
}
