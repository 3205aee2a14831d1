/* How errors of CUDA, cuBLAS and cuDNN become statuses with messages. */
#include "kernels/cuda/cuda_libraries.cuh"

sa_status sa_cuda_check(cudaError_t error, const char *what)
{
    if (error == cudaSuccess) return SA_OK;
    (void)cudaGetLastError(); /* so that the next call does not report it again */
    sa_status status = SA_DEVICE;
    if (error == cudaErrorMemoryAllocation) status = SA_NOMEM;
    if (error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver) status = SA_NO_DEVICE;
    SA_FAIL(status, "%s: %s (cuda error %d)", what, cudaGetErrorString(error), (int)error);
}

sa_status sa_cuda_check_blas(cublasStatus_t error, const char *what)
{
    if (error == CUBLAS_STATUS_SUCCESS) return SA_OK;
    (void)cudaGetLastError();
    SA_FAIL(error == CUBLAS_STATUS_ALLOC_FAILED ? SA_NOMEM : SA_DEVICE, "%s: %s (cublas status %d)", what,
            cublasGetStatusString(error), (int)error);
}

sa_status sa_cuda_check_dnn(cudnnStatus_t error, const char *what)
{
    if (error == CUDNN_STATUS_SUCCESS) return SA_OK;
    (void)cudaGetLastError();
    SA_FAIL(error == CUDNN_STATUS_ALLOC_FAILED ? SA_NOMEM : SA_DEVICE, "%s: %s (cudnn status %d)", what, cudnnGetErrorString(error),
            (int)error);
}
