/* cuBLAS and cuDNN, and how their errors become statuses: for the files that call them. */
#ifndef SA_CUDA_LIBRARIES_CUH
#define SA_CUDA_LIBRARIES_CUH

#include "kernels/cuda/cuda_device.cuh"

#include <cublas_v2.h>
#include <cudnn.h>

sa_status sa_cuda_check_blas(cublasStatus_t status, const char *what);
sa_status sa_cuda_check_dnn(cudnnStatus_t status, const char *what);

#define SA_BLAS_TRY(expression) SA_TRY(sa_cuda_check_blas((expression), #expression))
#define SA_DNN_TRY(expression) SA_TRY(sa_cuda_check_dnn((expression), #expression))

#endif
