/* The CUDA device as far as plans go: what sa_device_open_plan gives where there is no card. It knows workspaces and choices, which
 * are those of the device itself; it has no memory and runs nothing. */
#include "kernels/cuda_plan/cuda_plan.h"

#include <stdio.h>
#include <stdlib.h>

static sa_status no_card(const char *what)
{
    SA_FAIL(SA_NO_DEVICE, "cuda: %s needs a card; without one `plan` and `explain` know sizes alone", what);
}

static sa_status plan_alloc(sa_device *device, size_t bytes, void **pointer)
{
    (void)device, (void)bytes, (void)pointer;
    return no_card("memory");
}

static void plan_free(sa_device *device, void *pointer)
{
    (void)device, (void)pointer;
}

static sa_status plan_upload(sa_device *device, void *target, const void *host, size_t bytes)
{
    (void)device, (void)target, (void)host, (void)bytes;
    return no_card("an upload");
}

static sa_status plan_download(sa_device *device, void *host, const void *source, size_t bytes)
{
    (void)device, (void)host, (void)source, (void)bytes;
    return no_card("a download");
}

static sa_status plan_fill(sa_device *device, void *target, int byte, size_t bytes)
{
    (void)device, (void)target, (void)byte, (void)bytes;
    return no_card("a fill");
}

static sa_status plan_sync(sa_device *device)
{
    (void)device;
    return SA_OK;
}

static sa_status plan_mem_info(sa_device *device, size_t *free_bytes, size_t *total_bytes)
{
    (void)device, (void)free_bytes, (void)total_bytes;
    return no_card("its free memory");
}

static sa_status plan_time_ns(sa_device *device, uint64_t *ns)
{
    (void)device, (void)ns;
    return no_card("a time");
}

static sa_status plan_begin_step(sa_device *device, int *replay)
{
    (void)device, (void)replay;
    return no_card("a step");
}

static sa_status plan_end_step(sa_device *device, int *again)
{
    (void)device, (void)again;
    return no_card("a step");
}

static void plan_close(sa_device *device)
{
    free(device);
}

static const sa_device_functions functions = {
    .alloc = plan_alloc,
    .free = plan_free,
    .upload = plan_upload,
    .download = plan_download,
    .fill = plan_fill,
    .sync = plan_sync,
    .mem_info = plan_mem_info,
    .time_ns = plan_time_ns,
    .begin_step = plan_begin_step,
    .end_step = plan_end_step,
    .close = plan_close,
};

#define OP(kind, field)                                                            \
    static sa_status run_##field(sa_device *device, const sa_##field##_args *args) \
    {                                                                              \
        (void)device, (void)args;                                                  \
        return no_card("an op");                                                   \
    }
SA_OPS(OP)
#undef OP

static sa_status conv_workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes)
{
    (void)device;
    return sa_cuda_plan_conv_bytes(request, bytes);
}

static const sa_kernels kernels = {
#define KERNEL(kind, field) .field = run_##field,
    SA_OPS(KERNEL)
#undef KERNEL
        .conv_workspace_bytes = conv_workspace_bytes,
    .conv_choose = sa_cuda_conv_choose,
    .reduce_workspace_bytes = sa_cuda_reduce_workspace_bytes,
    .loss_workspace_bytes = sa_cuda_loss_workspace_bytes,
    .accuracy_workspace_bytes = sa_cuda_accuracy_workspace_bytes,
};

sa_status sa_device_open_cuda_plan(sa_device **device)
{
    sa_device *plan = calloc(1, sizeof *plan);
    if (!plan) SA_FAIL(SA_NOMEM, "cuda device: no memory for its state");
    plan->functions = &functions;
    plan->kernels = &kernels;
    plan->kind = "cuda";
    plan->threads = 1;
    plan->has_queue = plan->records_steps = true;
    snprintf(plan->description, sizeof plan->description, "any card (none is here: sizes alone)");
    *device = plan;
    return SA_OK;
}
