/* permute on CUDA: one element of the output a thread. */
#include "kernels/cuda/eval_launch.cuh"

/* Axes as the kernel wants them. */
struct sa_axis_order {
    int axes;
    int dim[SA_AXES_MAX], stride[SA_AXES_MAX];
};

SA_KERNEL(sa_permute_kernel, sa_eval_block, const float *__restrict__ x, float *__restrict__ out, size_t count,
          const __grid_constant__ sa_axis_order order)
{
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        size_t rest = i, at = 0;
        for (int k = order.axes - 1; k >= 0; k--) {
            at += rest % (size_t)order.dim[k] * (size_t)order.stride[k];
            rest /= (size_t)order.dim[k];
        }
        out[i] = x[at];
    }
}
SIMT_KERNEL(sa_permute_kernel)

sa_status sa_cuda_permute(sa_device *device, const sa_permute_args *args)
{
    sa_axis_order order;
    const size_t count = sa_slab_bytes(&args->out) / sizeof(float);
    order.axes = args->axes;
    for (int k = 0; k < SA_AXES_MAX; k++) order.dim[k] = args->dim[k], order.stride[k] = args->stride[k];
    if (count == 0) return SA_OK;
    SA_CUDA_TRY(sa_launch(sa_permute_kernel, sa_blocks_for(count, SA_EVAL_THREADS), 0, sa_cuda(device)->stream,
                          (const float *)args->x.at.ptr, (float *)args->out.at.ptr, count, order));
    return SA_OK;
}
