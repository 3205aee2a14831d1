/* cuDNN stand-in, preloaded in front of the real library: convolutions by im2col and OpenBLAS over the real descriptors.
 *
 * Descriptors are created, set and read by the real cuDNN, which needs no GPU for that; handles and compute calls are here. Every
 * algorithm gives the same numbers, so the choice of an algorithm under a limit is exercised, its numerics are not.
 * Workspace sizes are invented but differ by algorithm: GEMM needs none, FFT the most, as with the real library.
 *
 * SA_SIMT_DNN=hostile ranks as unkindly as the real library may: entries for tensor cores first, whose bytes are not those of
 * float32; entries that failed; several entries per algorithm, so that the list is long; backward algorithms that are not
 * deterministic. SA_SIMT_DNN_FAILS=N: algorithm N is ranked as usable and then refused. */
#include "cudnn_convolution.h"
#include "faults.h"
#include "memory.h"
#include "streams.h"

#include <cudnn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

struct cudnnContext {
    cudaStream_t stream;
    long long own_bytes;
};

namespace
{

/* Reads the geometry out of the real descriptors; CUDNN_STATUS_BAD_PARAM if they do not belong together. */
cudnnStatus_t read_geometry(cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t conv,
                            cudnnTensorDescriptor_t y, SimtConvolution &g)
{
    cudnnDataType_t type_x, type_w, type_y, type_conv;
    cudnnTensorFormat_t format;
    cudnnConvolutionMode_t mode;
    int w_channels, y_images, y_channels, dilation_h, dilation_w, expected[4], stride[8];
    if (cudnnGetTensor4dDescriptor(x, &type_x, &g.images, &g.in_channels, &g.in_height, &g.in_width, stride, stride + 1, stride + 2,
                                   stride + 3) ||
        cudnnGetTensor4dDescriptor(y, &type_y, &y_images, &y_channels, &g.out_height, &g.out_width, stride + 4, stride + 5,
                                   stride + 6, stride + 7) ||
        cudnnGetFilter4dDescriptor(w, &type_w, &format, &g.out_channels, &w_channels, &g.kernel_h, &g.kernel_w) ||
        cudnnGetConvolution2dDescriptor(conv, &g.pad_h, &g.pad_w, &g.stride_h, &g.stride_w, &dilation_h, &dilation_w, &mode,
                                        &type_conv) ||
        cudnnGetConvolution2dForwardOutputDim(conv, x, w, expected, expected + 1, expected + 2, expected + 3))
        return CUDNN_STATUS_BAD_PARAM;
    bool floats =
        type_x == CUDNN_DATA_FLOAT && type_y == CUDNN_DATA_FLOAT && type_w == CUDNN_DATA_FLOAT && type_conv == CUDNN_DATA_FLOAT;
    bool packed = stride[3] == 1 && stride[2] == g.in_width && stride[1] == g.in_width * g.in_height && stride[7] == 1 &&
                  stride[6] == g.out_width && stride[5] == g.out_width * g.out_height;
    if (!floats || !packed || format != CUDNN_TENSOR_NCHW || mode != CUDNN_CROSS_CORRELATION || dilation_h != 1 || dilation_w != 1)
        return CUDNN_STATUS_NOT_SUPPORTED;
    bool fits = expected[0] == y_images && expected[1] == y_channels && expected[2] == g.out_height && expected[3] == g.out_width;
    if (!fits || w_channels != g.in_channels || y_channels != g.out_channels) return CUDNN_STATUS_BAD_PARAM;
    g.x_image_stride = stride[0];
    g.y_image_stride = stride[4];
    return CUDNN_STATUS_SUCCESS;
}

size_t x_floats(const SimtConvolution &g)
{
    return (size_t)g.in_channels * (size_t)g.in_height * (size_t)g.in_width;
}

enum { HANDLE_BYTES = 16 << 20, MATH_TYPES = 3, NEVER_SUPPORTED = 3 };

bool hostile()
{
    static const bool value = [] {
        const char *text = getenv("SA_SIMT_DNN");
        return text && !strcmp(text, "hostile");
    }();
    return value;
}

/* Invented: nothing for algorithms 0 and 1, then growing shares of the column matrix; tensor cores need less. */
size_t workspace_for(const SimtConvolution &g, int algorithm, cudnnMathType_t math)
{
    size_t bytes = x_floats(g) * sizeof(float) * (size_t)std::max(algorithm - 1, 0);
    return math == CUDNN_TENSOR_OP_MATH || math == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION ? bytes / 2 : bytes;
}

/* May the algorithm run at all? */
bool supported(int algorithm)
{
    static const int failing = getenv("SA_SIMT_DNN_FAILS") ? atoi(getenv("SA_SIMT_DNN_FAILS")) : -1;
    return algorithm != failing && !(hostile() && algorithm == NEVER_SUPPORTED);
}

cudnnStatus_t workspace_under(const SimtConvolution &g, cudnnConvolutionDescriptor_t conv, int algorithm, size_t *bytes)
{
    cudnnMathType_t math;
    if (cudnnGetConvolutionMathType(conv, &math)) return CUDNN_STATUS_BAD_PARAM;
    if (!supported(algorithm)) return CUDNN_STATUS_NOT_SUPPORTED;
    *bytes = workspace_for(g, algorithm, math);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t enqueue(cudnnHandle_t handle, const SimtConvolution &g, cudnnConvolutionDescriptor_t conv, void *workspace,
                      size_t workspace_bytes, int algorithm)
{
    size_t needed = 0;
    if (!handle) return CUDNN_STATUS_NOT_INITIALIZED;
    if (simt_enter("cudnn")) return CUDNN_STATUS_EXECUTION_FAILED;
    if (cudnnStatus_t status = workspace_under(g, conv, algorithm, &needed)) return status;
    if (workspace_bytes < needed || (workspace_bytes && !workspace)) return CUDNN_STATUS_BAD_PARAM;
    if (!simt_convolution_pointers_ok(&g)) return CUDNN_STATUS_EXECUTION_FAILED;
    if (simt_enter_computing(handle->stream)) return CUDNN_STATUS_EXECUTION_FAILED;
    simt_submit(handle->stream, simt_run_convolution, &g, sizeof g);
    return CUDNN_STATUS_SUCCESS;
}

template <class Perf>
void add_entry(const SimtConvolution &g, int algorithm, cudnnMathType_t math, bool deterministic, int wanted, int *returned,
               Perf *results)
{
    if (*returned >= wanted) return;
    Perf &r = results[*returned];
    memset(&r, 0, sizeof r);
    r.algo = (decltype(r.algo))algorithm;
    r.status = hostile() && algorithm == NEVER_SUPPORTED ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_SUCCESS;
    r.memory = workspace_for(g, algorithm, math);
    r.determinism = deterministic ? CUDNN_DETERMINISTIC : CUDNN_NON_DETERMINISTIC;
    r.mathType = math;
    r.time = (float)(*returned)++;
}

/* The ranking every *_v7 call returns: fastest first, which here is the one with the largest workspace. */
template <class Perf> cudnnStatus_t rank(const SimtConvolution &g, int wanted, int *returned, Perf *results, int algorithms)
{
    static const cudnnMathType_t types[MATH_TYPES] = {CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION, CUDNN_TENSOR_OP_MATH, CUDNN_FMA_MATH};
    if (simt_enter("cudnn")) return CUDNN_STATUS_EXECUTION_FAILED;
    *returned = 0;
    for (int t = hostile() ? 0 : MATH_TYPES - 1; t < MATH_TYPES; t++)
        for (int a = algorithms - 1; a >= 0; a--) {
            bool deterministic = !hostile() || a != 0 || algorithms == CUDNN_CONVOLUTION_FWD_ALGO_COUNT;
            add_entry(g, a, types[t], deterministic, wanted, returned, results);
        }
    return CUDNN_STATUS_SUCCESS;
}

} // namespace

#define TRY(expression) \
    if (cudnnStatus_t status_ = (expression)) return status_

extern "C" {

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    if (simt_enter("cudnn")) return CUDNN_STATUS_NOT_INITIALIZED;
    if (simt_take_library_memory(HANDLE_BYTES)) return CUDNN_STATUS_ALLOC_FAILED;
    *handle = new cudnnContext{nullptr, HANDLE_BYTES};
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    if (!handle) return CUDNN_STATUS_NOT_INITIALIZED;
    simt_take_library_memory(-handle->own_bytes);
    delete handle;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    if (simt_enter("cudnn")) return CUDNN_STATUS_EXECUTION_FAILED;
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void *alpha, const cudnnTensorDescriptor_t xd, const void *x,
                                      const cudnnFilterDescriptor_t wd, const void *w, const cudnnConvolutionDescriptor_t conv,
                                      cudnnConvolutionFwdAlgo_t algorithm, void *workspace, size_t workspace_bytes,
                                      const void *beta, const cudnnTensorDescriptor_t yd, void *y)
{
    SimtConvolution g = {};
    TRY(read_geometry(xd, wd, conv, yd, g));
    g.pass = SIMT_CONV_FORWARD;
    g.x = (float *)x, g.w = (float *)w, g.y = (float *)y;
    g.alpha = *(const float *)alpha, g.beta = *(const float *)beta;
    return enqueue(handle, g, conv, workspace, workspace_bytes, algorithm);
}
cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void *alpha, const cudnnFilterDescriptor_t wd, const void *w,
                                           const cudnnTensorDescriptor_t dyd, const void *dy,
                                           const cudnnConvolutionDescriptor_t conv, cudnnConvolutionBwdDataAlgo_t algorithm,
                                           void *workspace, size_t workspace_bytes, const void *beta,
                                           const cudnnTensorDescriptor_t dxd, void *dx)
{
    SimtConvolution g = {};
    TRY(read_geometry(dxd, wd, conv, dyd, g));
    g.pass = SIMT_CONV_BACKWARD_DATA;
    g.x = (float *)dx, g.w = (float *)w, g.y = (float *)dy;
    g.alpha = *(const float *)alpha, g.beta = *(const float *)beta;
    return enqueue(handle, g, conv, workspace, workspace_bytes, algorithm);
}
cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void *alpha, const cudnnTensorDescriptor_t xd,
                                             const void *x, const cudnnTensorDescriptor_t dyd, const void *dy,
                                             const cudnnConvolutionDescriptor_t conv, cudnnConvolutionBwdFilterAlgo_t algorithm,
                                             void *workspace, size_t workspace_bytes, const void *beta,
                                             const cudnnFilterDescriptor_t dwd, void *dw)
{
    SimtConvolution g = {};
    TRY(read_geometry(xd, dwd, conv, dyd, g));
    g.pass = SIMT_CONV_BACKWARD_FILTER;
    g.x = (float *)x, g.w = (float *)dw, g.y = (float *)dy;
    g.alpha = *(const float *)alpha, g.beta = *(const float *)beta;
    return enqueue(handle, g, conv, workspace, workspace_bytes, algorithm);
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t, const cudnnTensorDescriptor_t x,
                                                      const cudnnFilterDescriptor_t w, const cudnnConvolutionDescriptor_t conv,
                                                      const cudnnTensorDescriptor_t y, cudnnConvolutionFwdAlgo_t algorithm,
                                                      size_t *bytes)
{
    SimtConvolution g = {};
    TRY(read_geometry(x, w, conv, y, g));
    return workspace_under(g, conv, algorithm, bytes);
}
cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t, const cudnnFilterDescriptor_t w,
                                                           const cudnnTensorDescriptor_t dy,
                                                           const cudnnConvolutionDescriptor_t conv,
                                                           const cudnnTensorDescriptor_t dx,
                                                           cudnnConvolutionBwdDataAlgo_t algorithm, size_t *bytes)
{
    SimtConvolution g = {};
    TRY(read_geometry(dx, w, conv, dy, g));
    return workspace_under(g, conv, algorithm, bytes);
}
cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t, const cudnnTensorDescriptor_t x,
                                                             const cudnnTensorDescriptor_t dy,
                                                             const cudnnConvolutionDescriptor_t conv,
                                                             const cudnnFilterDescriptor_t dw,
                                                             cudnnConvolutionBwdFilterAlgo_t algorithm, size_t *bytes)
{
    SimtConvolution g = {};
    TRY(read_geometry(x, dw, conv, dy, g));
    return workspace_under(g, conv, algorithm, bytes);
}

cudnnStatus_t cudnnGetConvolutionForwardAlgorithmMaxCount(cudnnHandle_t, int *count)
{
    *count = MATH_TYPES * CUDNN_CONVOLUTION_FWD_ALGO_COUNT;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithmMaxCount(cudnnHandle_t, int *count)
{
    *count = MATH_TYPES * CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithmMaxCount(cudnnHandle_t, int *count)
{
    *count = MATH_TYPES * CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t, const cudnnTensorDescriptor_t x,
                                                     const cudnnFilterDescriptor_t w, const cudnnConvolutionDescriptor_t conv,
                                                     const cudnnTensorDescriptor_t y, const int wanted, int *returned,
                                                     cudnnConvolutionFwdAlgoPerf_t *results)
{
    SimtConvolution g = {};
    TRY(read_geometry(x, w, conv, y, g));
    return rank(g, wanted, returned, results, CUDNN_CONVOLUTION_FWD_ALGO_COUNT);
}
cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t, const cudnnFilterDescriptor_t w,
                                                          const cudnnTensorDescriptor_t dy, const cudnnConvolutionDescriptor_t conv,
                                                          const cudnnTensorDescriptor_t dx, const int wanted, int *returned,
                                                          cudnnConvolutionBwdDataAlgoPerf_t *results)
{
    SimtConvolution g = {};
    TRY(read_geometry(dx, w, conv, dy, g));
    return rank(g, wanted, returned, results, CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT);
}
cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnnHandle_t, const cudnnTensorDescriptor_t x,
                                                            const cudnnTensorDescriptor_t dy,
                                                            const cudnnConvolutionDescriptor_t conv,
                                                            const cudnnFilterDescriptor_t dw, const int wanted, int *returned,
                                                            cudnnConvolutionBwdFilterAlgoPerf_t *results)
{
    SimtConvolution g = {};
    TRY(read_geometry(x, dw, conv, dy, g));
    return rank(g, wanted, returned, results, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT);
}
}
