/* The solver's update and the fill on CUDA: flat passes over memory, four floats a thread where the addresses allow. */
#include "kernels/cuda/eval_launch.cuh"

typedef sa_block<256> sa_update_block;

SA_KERNEL(sa_fill_kernel, sa_update_block, float *__restrict__ target, size_t count, float value)
{
    size_t step = (size_t)gridDim.x * blockDim.x;
    size_t first = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    size_t quads = ((size_t)target & 15) == 0 ? count / 4 : 0;
    for (size_t i = first; i < quads; i += step) ((float4 *)target)[i] = make_float4(value, value, value, value);
    for (size_t i = quads * 4 + first; i < count; i += step) target[i] = value;
}

struct sa_update_factors {
    float rate, decay, momentum;
};

/* g += decay * w; h = momentum * h + rate * g; w -= h; the gradient buffer keeps h. */
static __device__ __forceinline__ void update_one(const sa_update_factors &f, float &param, float &grad, float &history)
{
    float g = grad + f.decay * param;
    float h = f.momentum * history + f.rate * g;
    history = h;
    param = param - h;
    grad = h;
}

/* A step in which a kernel found something wrong leaves parameters and momentum as they were. */
SA_KERNEL(sa_sgd_update_kernel, sa_update_block, float *__restrict__ param, float *__restrict__ grad, float *__restrict__ history,
          const sa_step_state *__restrict__ state, size_t count, float lr_mult, float decay, float momentum,
          const volatile sa_cuda_fault *fault)
{
    __shared__ int stop; /* one look a block: the word is in host memory */
    if (threadIdx.x == 0) stop = fault->kind != SA_CUDA_FAULT_NONE;
    __syncthreads();
    if (stop) return;
    const sa_update_factors factors = {state->rate * lr_mult, decay, momentum};
    size_t step = (size_t)gridDim.x * blockDim.x;
    size_t first = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    size_t quads = (((size_t)param | (size_t)grad | (size_t)history) & 15) == 0 ? count / 4 : 0;
    for (size_t i = first; i < quads; i += step) {
        float4 p = ((const float4 *)param)[i], g = ((const float4 *)grad)[i], h = ((const float4 *)history)[i];
        update_one(factors, p.x, g.x, h.x);
        update_one(factors, p.y, g.y, h.y);
        update_one(factors, p.z, g.z, h.z);
        update_one(factors, p.w, g.w, h.w);
        ((float4 *)param)[i] = p;
        ((float4 *)grad)[i] = g;
        ((float4 *)history)[i] = h;
    }
    for (size_t i = quads * 4 + first; i < count; i += step) update_one(factors, param[i], grad[i], history[i]);
}
SIMT_KERNEL(sa_fill_kernel)
SIMT_KERNEL(sa_sgd_update_kernel)

/* All kernels are compiled for the same cards: one stands for all. */
cudaError_t sa_cuda_find_code(void)
{
    cudaFuncAttributes attributes;
    return cudaFuncGetAttributes(&attributes, (const void *)sa_fill_kernel);
}

sa_status sa_cuda_fill(sa_device *device, const sa_fill_args *args)
{
    if (args->count == 0) return SA_OK;
    SA_CUDA_TRY(sa_launch(sa_fill_kernel, sa_blocks_for(args->count / 4, sa_update_block::threads), 0, sa_cuda(device)->stream,
                          (float *)args->target.ptr, args->count, args->value));
    return SA_OK;
}

sa_status sa_cuda_sgd_update(sa_device *device, const sa_sgd_update_args *args)
{
    if (args->count == 0) return SA_OK;
    SA_CUDA_TRY(sa_launch(sa_sgd_update_kernel, sa_blocks_for(args->count / 4, sa_update_block::threads), 0,
                          sa_cuda(device)->stream, (float *)args->param.ptr, (float *)args->grad.ptr, (float *)args->history.ptr,
                          (const sa_step_state *)args->step_state.ptr, args->count, args->lr_mult, args->decay, args->momentum,
                          sa_cuda(device)->fault_device));
    return SA_OK;
}
