/* Calls that cuBLAS and cuDNN refuse, and what the device's memory figure shows of them. */
#include "library_cases.h"

#include "check.h"

#include <cublas_v2.h>
#include <cudnn.h>
#include <string.h>

static const float one = 1.0f, zero = 0.0f;

static int misaligned_workspace(void)
{
    cublasHandle_t blas;
    char *memory;
    CHECK(cudaMalloc(&memory, 4096));
    CHECK_LIBRARY(cublasCreate(&blas));
    CHECK_LIBRARY(cublasSetWorkspace(blas, memory + 256, 2048));
    CHECK_LIBRARY(cublasSetWorkspace(blas, memory + 128, 2048));
    printf("undetected\n");
    return 0;
}

/* A product recorded and replayed; where the library refuses to be recorded, the recording is lost and a plain product still works.
 */
static int captured(void)
{
    cublasHandle_t blas;
    cudaStream_t stream;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable;
    float *a, product = 0;
    const float host[2] = {3, 4};
    CHECK(cudaMalloc(&a, 3 * sizeof(float)));
    CHECK(cudaMemcpy(a, host, sizeof host, cudaMemcpyHostToDevice));
    CHECK(cudaStreamCreate(&stream));
    CHECK_LIBRARY(cublasCreate(&blas));
    CHECK_LIBRARY(cublasSetStream(blas, stream));
    CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    cublasStatus_t status = cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a, 1, a + 1, 1, &zero, a + 2, 1);
    cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    if (status) {
        printf("recording refused\n");
        if (ended != cudaErrorStreamCaptureInvalidated || graph) return 1;
        (void)cudaGetLastError();
        CHECK_LIBRARY(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a, 1, a + 1, 1, &zero, a + 2, 1));
    } else {
        CHECK(ended);
        CHECK(cudaGraphInstantiate(&executable, graph, 0));
        CHECK(cudaGraphLaunch(executable, stream));
    }
    CHECK(cudaStreamSynchronize(stream));
    CHECK(cudaMemcpy(&product, a + 2, sizeof product, cudaMemcpyDeviceToHost));
    return product != 12.0f;
}

/* What the driver shows is more than what the program took. */
static int memory_figure(void)
{
    size_t before, after, total;
    cublasHandle_t blas;
    float *a;
    CHECK(cudaMemGetInfo(&before, &total));
    int bad = before >= total;
    CHECK(cudaMalloc(&a, 100));
    CHECK(cudaMemset(a, 0, 100));
    CHECK(cudaMemGetInfo(&after, &total));
    bad |= before - after != 2 << 20;
    CHECK_LIBRARY(cublasCreate(&blas));
    CHECK(cudaMemGetInfo(&before, &total));
    bad |= after - before != 8 << 20;
    CHECK_LIBRARY(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a, 1, a + 1, 1, &zero, a + 2, 1));
    CHECK(cudaMemGetInfo(&after, &total));
    bad |= before - after != 32 << 20; /* no workspace was set */
    CHECK_LIBRARY(cublasDestroy(blas));
    CHECK(cudaFree(a));
    CHECK(cudaMemGetInfo(&after, &total));
    return bad || after - before != (10 << 20);
}

/* A list as unkind as cuDNN's may be, and what comes of believing it. */
static int ranking(void)
{
    cudnnHandle_t dnn;
    cudnnTensorDescriptor_t xd, yd;
    cudnnFilterDescriptor_t wd;
    cudnnConvolutionDescriptor_t conv;
    cudnnConvolutionFwdAlgoPerf_t entry[64];
    int most = 0, count = 0, failing = 0, exact = 0;
    float *x;
    char *workspace;
    size_t needed = 0;
    CHECK(cudaMalloc(&x, 4096 * sizeof(float)));
    CHECK(cudaMemset(x, 0, 4096 * sizeof(float)));
    CHECK(cudaMalloc(&workspace, 1 << 20));
    CHECK_LIBRARY(cudnnCreate(&dnn));
    CHECK_LIBRARY(cudnnCreateTensorDescriptor(&xd));
    CHECK_LIBRARY(cudnnCreateTensorDescriptor(&yd));
    CHECK_LIBRARY(cudnnCreateFilterDescriptor(&wd));
    CHECK_LIBRARY(cudnnCreateConvolutionDescriptor(&conv));
    CHECK_LIBRARY(cudnnSetTensor4dDescriptor(xd, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 3, 8, 8));
    CHECK_LIBRARY(cudnnSetTensor4dDescriptor(yd, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 4, 8, 8));
    CHECK_LIBRARY(cudnnSetFilter4dDescriptor(wd, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, 4, 3, 3, 3));
    CHECK_LIBRARY(cudnnSetConvolution2dDescriptor(conv, 1, 1, 1, 1, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    CHECK_LIBRARY(cudnnSetConvolutionMathType(conv, CUDNN_FMA_MATH));
    CHECK_LIBRARY(cudnnGetConvolutionForwardAlgorithmMaxCount(dnn, &most));
    CHECK_LIBRARY(cudnnGetConvolutionForwardAlgorithm_v7(dnn, xd, wd, conv, yd, 64, &count, entry));
    for (int i = 0; i < count; i++) {
        failing += entry[i].status != CUDNN_STATUS_SUCCESS;
        exact += entry[i].mathType == CUDNN_FMA_MATH && i < 12;
    }
    int bad = count <= 12 || count > most || failing == 0 || exact > 0;
    CHECK_LIBRARY(cudnnGetConvolutionForwardWorkspaceSize(dnn, xd, wd, conv, yd, entry[0].algo, &needed));
    bad |= needed <= entry[0].memory;
    if (bad) return 1;
    CHECK_LIBRARY(
        cudnnConvolutionForward(dnn, &one, xd, x, wd, x + 1024, conv, entry[0].algo, workspace, needed, &zero, yd, x + 2048));
    CHECK_LIBRARY(cudnnConvolutionForward(dnn, &one, xd, x, wd, x + 1024, conv, entry[0].algo, workspace, entry[0].memory, &zero,
                                          yd, x + 2048));
    printf("undetected\n");
    return 0;
}

int library_cases(const char *name)
{
    if (!strcmp(name, "misaligned_workspace")) return misaligned_workspace();
    if (!strcmp(name, "captured")) { /* twice */
        int bad = captured();
        return bad ? bad : captured();
    }
    if (!strcmp(name, "memory_figure")) return memory_figure();
    if (!strcmp(name, "ranking")) return ranking();
    return -1;
}
