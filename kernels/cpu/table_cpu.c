/* The CPU device's kernel table. */
#include "kernels/cpu/conv/conv_cpu.h"
#include "kernels/cpu/kernels_cpu.h"

const sa_kernels sa_cpu_kernels = {
#define KERNEL(kind, field) .field = sa_cpu_##field,
    SA_OPS(KERNEL)
#undef KERNEL
        .conv_workspace_bytes = sa_cpu_conv_workspace_bytes,
    .conv_choose = sa_cpu_conv_choose,
    .reduce_workspace_bytes = sa_cpu_reduce_workspace_bytes,
    .loss_workspace_bytes = sa_cpu_loss_workspace_bytes,
    .accuracy_workspace_bytes = sa_cpu_accuracy_workspace_bytes,
};
