/* The program that the stand-in's tests run (tests/kernels/test_simt.c): one case a call, named on the command line.
 * Exit 0: the case finished and its numbers are right; 1: they are wrong; 2: the runtime reported an error (on stderr). */
#include "launch_types.cuh" /* before launch_any.cuh */

#include "check.h"
#include "kernels.cuh"
#include "library_cases.h"
#include "refusals.h"
#include "traffic_cases.h"

#include <cublas_v2.h>
#include <cudnn.h>
#include <string.h>

enum { N = 1000 };
static float host[4 * N];

static int correct_kernels(void)
{
    float *x, *y;
    double *sums, sum[4];
    int *count, negatives, expected_negatives = 0;
    CHECK(cudaMalloc(&x, sizeof host));
    CHECK(cudaMalloc(&y, sizeof host));
    CHECK(cudaMalloc(&sums, sizeof sum));
    CHECK(cudaMalloc(&count, sizeof *count));
    for (int i = 0; i < 4 * N; i++) {
        host[i] = (float)(i % 7) - 3.0f;
        expected_negatives += host[i] < 0;
    }
    CHECK(cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice));
    CHECK(cudaMemset(count, 0, sizeof *count));
    CHECK(sa_launch(row_sums, 4, 128, 0, 0, x, sums, N));
    CHECK(sa_launch(count_negative, 16, 256, 0, 0, x, 4 * N, count));
    CHECK(cudaMemcpy(sum, sums, sizeof sum, cudaMemcpyDeviceToHost));
    CHECK(cudaMemcpy(&negatives, count, sizeof negatives, cudaMemcpyDeviceToHost));
    int bad = negatives != expected_negatives;
    for (int r = 0; r < 4; r++) {
        double expected = 0;
        for (int i = 0; i < N; i++) expected += host[r * N + i];
        bad |= sum[r] != expected;
    }
    CHECK(sa_launch(tree_and_votes, 1, 128, 128 * sizeof(float), 0, x, y));
    CHECK(sa_launch(scale<3, float>, 4, 256, 0, 0, y + 3, Scale{0.5f, N, 0.25}));
    CHECK(cudaMemcpy(host, y, (N + 3) * sizeof(float), cudaMemcpyDeviceToHost));
    bad |= host[0] != -5.0f || host[1] != 10.0f || host[2] != 1.0f || host[3 + 10] != 15.25f;
    cudaError_t invalid = sa_launch(increment, 1, 2000, 0, 0, y, N);
    bad |= invalid != cudaErrorInvalidConfiguration || cudaGetLastError() != invalid || cudaGetLastError() != cudaSuccess;
    CHECK(cudaFree(x));
    CHECK(cudaFree(y));
    CHECK(cudaFree(sums));
    CHECK(cudaFree(count));
    return bad;
}

/* Two streams joined by an event; the case's name says which wait is left out. */
static int streams(const char *missing)
{
    float *y, *pinned;
    cudaStream_t a, b;
    cudaEvent_t event;
    CHECK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    CHECK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    CHECK(cudaEventCreate(&event));
    CHECK(cudaMalloc(&y, N * sizeof(float)));
    CHECK(cudaMallocHost(&pinned, N * sizeof(float)));
    for (int i = 0; i < N; i++) pinned[i] = (float)i;
    CHECK(cudaMemcpyAsync(y, pinned, N * sizeof(float), cudaMemcpyHostToDevice, a));
    if (!strcmp(missing, "reuse")) pinned[0] = 77.0f; /* overwritten before the copy is known to be done */
    CHECK(sa_launch(increment, 4, 256, 0, a, y, N));
    CHECK(cudaEventRecord(event, a));
    if (strcmp(missing, "event")) CHECK(cudaStreamWaitEvent(b, event, 0));
    CHECK(cudaMemcpyAsync(pinned, y, N * sizeof(float), cudaMemcpyDeviceToHost, b));
    if (strcmp(missing, "sync")) CHECK(cudaStreamSynchronize(b));
    int bad = pinned[0] != 1.0f || pinned[N - 1] != (float)N;
    CHECK(cudaStreamSynchronize(a));
    CHECK(cudaFree(y));
    CHECK(cudaFreeHost(pinned));
    CHECK(cudaEventDestroy(event));
    CHECK(cudaStreamDestroy(a));
    CHECK(cudaStreamDestroy(b));
    return bad;
}

static int graph(void)
{
    float *y, first = -1, last = -1;
    cudaStream_t stream;
    cudaGraph_t recorded;
    cudaGraphExec_t executable;
    size_t nodes = 0;
    CHECK(cudaStreamCreate(&stream));
    CHECK(cudaMalloc(&y, N * sizeof(float)));
    CHECK(cudaMemset(y, 0, N * sizeof(float)));
    CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    CHECK(sa_launch(increment, 4, 256, 0, stream, y, N));
    CHECK(sa_launch(increment, 4, 256, 0, stream, y, N));
    CHECK(cudaStreamEndCapture(stream, &recorded));
    CHECK(cudaGraphGetNodes(recorded, nullptr, &nodes));
    CHECK(cudaGraphInstantiate(&executable, recorded, 0));
    CHECK(cudaGraphDestroy(recorded));
    CHECK(cudaMemcpy(&first, y, sizeof first, cudaMemcpyDeviceToHost)); /* recording ran nothing */
    for (int i = 0; i < 3; i++) CHECK(cudaGraphLaunch(executable, stream));
    CHECK(cudaStreamSynchronize(stream));
    CHECK(cudaMemcpy(&last, y + N - 1, sizeof last, cudaMemcpyDeviceToHost));
    CHECK(cudaGraphExecDestroy(executable));
    /* synchronising is refused while capturing, and breaks the capture */
    CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    cudaError_t refused = cudaStreamSynchronize(stream), broken = cudaStreamEndCapture(stream, &recorded);
    CHECK(cudaStreamDestroy(stream));
    CHECK(cudaFree(y));
    return nodes != 2 || first != 0.0f || last != 6.0f || refused != cudaErrorStreamCaptureUnsupported ||
           broken != cudaErrorStreamCaptureInvalidated;
}

static int libraries(void)
{
    cublasHandle_t blas;
    cudnnHandle_t dnn;
    float matrix[6] = {1, 2, 3, 4, 5, 6}, product[9], one = 1, zero = 0, *a, *c;
    CHECK_LIBRARY(cublasCreate(&blas));
    CHECK_LIBRARY(cudnnCreate(&dnn));
    CHECK(cudaMalloc(&a, sizeof matrix));
    CHECK(cudaMalloc(&c, sizeof product));
    CHECK(cudaMemcpy(a, matrix, sizeof matrix, cudaMemcpyHostToDevice));
    CHECK_LIBRARY(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 3, 3, 2, &one, a, 3, a, 2, &zero, c, 3));
    CHECK(cudaMemcpy(product, c, sizeof product, cudaMemcpyDeviceToHost));
    int bad = product[0] != 9 || product[8] != 51;

    cudnnTensorDescriptor_t xd, yd;
    cudnnFilterDescriptor_t wd;
    cudnnConvolutionDescriptor_t conv;
    CHECK_LIBRARY(cudnnCreateTensorDescriptor(&xd));
    CHECK_LIBRARY(cudnnCreateTensorDescriptor(&yd));
    CHECK_LIBRARY(cudnnCreateFilterDescriptor(&wd));
    CHECK_LIBRARY(cudnnCreateConvolutionDescriptor(&conv));
    CHECK_LIBRARY(cudnnSetTensor4dDescriptor(xd, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 3, 8, 8));
    CHECK_LIBRARY(cudnnSetTensor4dDescriptor(yd, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 4, 8, 8));
    CHECK_LIBRARY(cudnnSetFilter4dDescriptor(wd, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, 4, 3, 3, 3));
    CHECK_LIBRARY(cudnnSetConvolution2dDescriptor(conv, 1, 1, 1, 1, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    float *x, *w, *y;
    CHECK(cudaMalloc(&x, 192 * sizeof(float)));
    CHECK(cudaMalloc(&w, 108 * sizeof(float)));
    CHECK(cudaMalloc(&y, 256 * sizeof(float)));
    for (int i = 0; i < 192; i++) host[i] = 1.0f;
    CHECK(cudaMemcpy(x, host, 192 * sizeof(float), cudaMemcpyHostToDevice));
    for (int i = 0; i < 108; i++) host[i] = 0.5f;
    CHECK(cudaMemcpy(w, host, 108 * sizeof(float), cudaMemcpyHostToDevice));
    CHECK_LIBRARY(
        cudnnConvolutionForward(dnn, &one, xd, x, wd, w, conv, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, nullptr, 0, &zero, yd, y));
    CHECK(cudaMemcpy(host, y, 256 * sizeof(float), cudaMemcpyDeviceToHost));
    bad |= host[0] != 6.0f || host[9] != 13.5f;
    cudnnStatus_t short_workspace =
        cudnnConvolutionForward(dnn, &one, xd, x, wd, w, conv, CUDNN_CONVOLUTION_FWD_ALGO_FFT, nullptr, 0, &zero, yd, y);
    bad |= short_workspace == CUDNN_STATUS_SUCCESS;
    CHECK(cudaFree(x));
    CHECK(cudaFree(w));
    CHECK(cudaFree(y));
    CHECK(cudaFree(a));
    CHECK(cudaFree(c));
    CHECK_LIBRARY(cudnnDestroyTensorDescriptor(xd));
    CHECK_LIBRARY(cudnnDestroyTensorDescriptor(yd));
    CHECK_LIBRARY(cudnnDestroyFilterDescriptor(wd));
    CHECK_LIBRARY(cudnnDestroyConvolutionDescriptor(conv));
    CHECK_LIBRARY(cudnnDestroy(dnn));
    CHECK_LIBRARY(cublasDestroy(blas));
    return bad;
}

/* A planted bug: caught by the stand-in, it never comes back; not caught, "undetected". */
static int planted(const char *name)
{
    float *x, *y;
    CHECK(cudaMalloc(&x, N * sizeof(float)));
    CHECK(cudaMalloc(&y, N * sizeof(float)));
    CHECK(cudaMemset(y, 0, N * sizeof(float)));
    if (strcmp(name, "uninitialised")) CHECK(cudaMemcpy(x, host, N * sizeof(float), cudaMemcpyHostToDevice));
    if (!strcmp(name, "missing_barrier")) CHECK(sa_launch(bug_missing_barrier, 1, 256, 0, 0, x, y));
    if (!strcmp(name, "off_by_one")) CHECK(sa_launch(bug_off_by_one, 8, 128, 0, 0, y, N));
    if (!strcmp(name, "shared_overrun")) CHECK(sa_launch(bug_shared_overrun, 1, 64, 0, 0, y));
    if (!strcmp(name, "global_race")) CHECK(sa_launch(bug_global_race, 4, 32, 0, 0, y));
    if (!strcmp(name, "divergent_barrier")) CHECK(sa_launch(bug_divergent_barrier, 1, 32, 0, 0, y));
    if (!strcmp(name, "shuffle_mask")) CHECK(sa_launch(bug_shuffle_mask, 1, 32, 0, 0, y));
    if (!strcmp(name, "shift")) CHECK(sa_launch(bug_shift, 1, 64, 0, 0, (unsigned *)y));
    if (!strcmp(name, "host_pointer")) CHECK(sa_launch(increment, 4, 256, 0, 0, host, N));
    if (!strcmp(name, "uninitialised")) CHECK(sa_launch(increment, 4, 256, 0, 0, x, N));
    if (!strcmp(name, "wrong_direction")) CHECK(cudaMemcpy(x, host, N * sizeof(float), cudaMemcpyDeviceToHost));
    if (!strcmp(name, "oversized_copy")) CHECK(cudaMemcpy(host, x, (N + 1) * sizeof(float), cudaMemcpyDeviceToHost));
    CHECK(cudaDeviceSynchronize());
    printf("undetected\n");
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    int devices = -1, bad;
    CHECK(cudaGetDeviceCount(&devices));
    if (!strcmp(name, "kernels")) bad = correct_kernels();
    else if (!strncmp(name, "streams", 7)) bad = streams(name[7] ? name + 8 : "");
    else if (!strcmp(name, "graph")) bad = graph();
    else if (!strcmp(name, "libraries")) bad = libraries();
    else if (!strcmp(name, "limits")) bad = limits_kept();
    else if (!strcmp(name, "traffic")) bad = traffic_cases();
    else if (!strncmp(name, "library:", 8)) bad = library_cases(name + 8);
    else if (!strncmp(name, "refused:", 8)) bad = refusals(name + 8);
    else bad = planted(name);
    if (bad == 1) fprintf(stderr, "%s: wrong numbers\n", name);
    return bad;
}
