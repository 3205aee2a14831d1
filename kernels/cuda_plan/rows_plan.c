/* Workspaces of the CUDA device's sums: batch norm, loss, accuracy. */
#include "kernels/cuda_plan/cuda_plan.h"

size_t sa_cuda_reduce_workspace_bytes(const sa_device *device, int32_t images, int32_t channels, int32_t height)
{
    (void)device;
    return (size_t)images * (size_t)channels * (size_t)height * SA_CUDA_ROW_SUMS_BYTES;
}

size_t sa_cuda_loss_workspace_bytes(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width)
{
    (void)device, (void)classes, (void)width;
    return (size_t)images * (size_t)height * SA_CUDA_ROW_LOSS_BYTES;
}

size_t sa_cuda_accuracy_workspace_bytes(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width)
{
    (void)device, (void)images, (void)height, (void)width;
    return (size_t)sa_cuda_count_of(classes) * SA_CUDA_COUNT_BYTES;
}
