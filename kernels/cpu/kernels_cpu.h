/* The CPU device's kernels but the convolutions (conv_cpu.h): members of sa_kernels, described in kernels/ops.h. */
#ifndef SA_KERNELS_CPU_KERNELS_CPU_H
#define SA_KERNELS_CPU_KERNELS_CPU_H

#include "kernels/ops.h"

sa_status sa_cpu_materialize(sa_device *device, const sa_materialize_args *args);
sa_status sa_cpu_bn_statistics(sa_device *device, const sa_bn_statistics_args *args);
sa_status sa_cpu_bn_running(sa_device *device, const sa_bn_running_args *args);
sa_status sa_cpu_bn_stored(sa_device *device, const sa_bn_stored_args *args);
sa_status sa_cpu_bn_reduce(sa_device *device, const sa_bn_reduce_args *args);
sa_status sa_cpu_pool_forward(sa_device *device, const sa_pool_forward_args *args);
sa_status sa_cpu_pool_stochastic(sa_device *device, const sa_pool_stochastic_args *args);
sa_status sa_cpu_unpool_scatter(sa_device *device, const sa_unpool_scatter_args *args);
sa_status sa_cpu_unpool_gather(sa_device *device, const sa_unpool_gather_args *args);
sa_status sa_cpu_softmax(sa_device *device, const sa_softmax_args *args);
sa_status sa_cpu_softmax_grad(sa_device *device, const sa_softmax_grad_args *args);
sa_status sa_cpu_argmax(sa_device *device, const sa_argmax_args *args);
sa_status sa_cpu_reduction(sa_device *device, const sa_reduction_args *args);
sa_status sa_cpu_permute(sa_device *device, const sa_permute_args *args);
sa_status sa_cpu_interp(sa_device *device, const sa_interp_args *args);
sa_status sa_cpu_loss(sa_device *device, const sa_loss_args *args);
sa_status sa_cpu_loss_grad(sa_device *device, const sa_loss_grad_args *args);
sa_status sa_cpu_accuracy(sa_device *device, const sa_accuracy_args *args);
sa_status sa_cpu_product(sa_device *device, const sa_product_args *args);
sa_status sa_cpu_column_sums(sa_device *device, const sa_column_sums_args *args);
sa_status sa_cpu_fill(sa_device *device, const sa_fill_args *args);
sa_status sa_cpu_update(sa_device *device, const sa_update_args *args);
sa_status sa_cpu_square_sum(sa_device *device, const sa_square_sum_args *args);
sa_status sa_cpu_exchange(sa_device *device, const sa_exchange_args *args);
sa_status sa_cpu_shard_sum(sa_device *device, const sa_shard_sum_args *args);

size_t sa_cpu_reduce_workspace_bytes(const sa_device *device, int32_t images, int32_t channels, int32_t height);
size_t sa_cpu_loss_workspace_bytes(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width);
size_t sa_cpu_accuracy_workspace_bytes(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width);

extern const sa_kernels sa_cpu_kernels; /* table_cpu.c */

#endif
