/* cuBLAS stand-in, preloaded in front of the real library: the calls segarena makes, carried out by OpenBLAS.
 *
 * Results are those of a float32 SGEMM, not cuBLAS's bits. Work goes through the stand-in runtime's streams, so that capture and
 * deferral see it. Handles and stream order are checked; the workspace set by the program must be device memory, on a multiple of
 * 256 bytes. A handle takes memory of its own, and more at the first product if the program set no workspace. */
#include "faults.h"
#include "memory.h"
#include "streams.h"

#include <cblas.h>
#include <cublas_v2.h>

struct cublasContext {
    cudaStream_t stream;
    cublasMath_t math;
    bool has_workspace;
    long long own_bytes;
};

namespace
{

enum { HANDLE_BYTES = 8 << 20, WORKSPACE_BYTES = 32 << 20, WORKSPACE_ALIGNMENT = 256 }; /* the first two invented */

bool take_memory(cublasHandle_t handle, long long bytes)
{
    if (simt_take_library_memory(bytes)) return false;
    handle->own_bytes += bytes;
    return true;
}

struct Gemm {
    CBLAS_TRANSPOSE transpose_a, transpose_b;
    int m, n, k, lda, ldb, ldc, batch;
    float alpha, beta;
    const float *a, *b;
    float *c;
    long long stride_a, stride_b, stride_c;
};

size_t matrix_bytes(int rows, int columns, int leading)
{
    return rows && columns ? ((size_t)leading * (size_t)(columns - 1) + (size_t)rows) * sizeof(float) : 0;
}

void run_gemm(const void *bytes)
{
    const Gemm &g = *(const Gemm *)bytes;
    bool plain_a = g.transpose_a == CblasNoTrans, plain_b = g.transpose_b == CblasNoTrans;
    for (int i = 0; i < g.batch; i++) {
        const float *a = g.a + i * g.stride_a, *b = g.b + i * g.stride_b;
        float *c = g.c + i * g.stride_c;
        simt_require_written(a, matrix_bytes(plain_a ? g.m : g.k, plain_a ? g.k : g.m, g.lda), "cublasSgemm: A");
        simt_require_written(b, matrix_bytes(plain_b ? g.k : g.n, plain_b ? g.n : g.k, g.ldb), "cublasSgemm: B");
        if (g.beta != 0) simt_require_written(c, matrix_bytes(g.m, g.n, g.ldc), "cublasSgemm: C");
        cblas_sgemm(CblasColMajor, g.transpose_a, g.transpose_b, g.m, g.n, g.k, g.alpha, a, g.lda, b, g.ldb, g.beta, c, g.ldc);
        for (int column = 0; column < g.n; column++)
            simt_mark_written(c + (size_t)column * (size_t)g.ldc, (size_t)g.m * sizeof(float));
    }
}

cublasStatus_t enqueue(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, Gemm g)
{
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (simt_enter("cublas")) return CUBLAS_STATUS_EXECUTION_FAILED;
    bool plain_a = ta == CUBLAS_OP_N, plain_b = tb == CUBLAS_OP_N;
    int rows_a = plain_a ? g.m : g.k, rows_b = plain_b ? g.k : g.n;
    if (g.m < 0 || g.n < 0 || g.k < 0 || g.batch < 0 || g.lda < rows_a || g.ldb < rows_b || g.ldc < g.m)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (g.m == 0 || g.n == 0 || g.batch == 0) return CUBLAS_STATUS_SUCCESS;
    if (!simt_is_device_memory(g.a, matrix_bytes(rows_a, plain_a ? g.k : g.m, g.lda)) ||
        !simt_is_device_memory(g.b, matrix_bytes(rows_b, plain_b ? g.n : g.k, g.ldb)) ||
        !simt_is_device_memory(g.c, matrix_bytes(g.m, g.n, g.ldc)))
        return CUBLAS_STATUS_EXECUTION_FAILED;
    if (simt_enter_computing(handle->stream)) return CUBLAS_STATUS_EXECUTION_FAILED;
    if (!handle->has_workspace && handle->own_bytes == HANDLE_BYTES && !take_memory(handle, WORKSPACE_BYTES))
        return CUBLAS_STATUS_ALLOC_FAILED;
    g.transpose_a = plain_a ? CblasNoTrans : CblasTrans;
    g.transpose_b = plain_b ? CblasNoTrans : CblasTrans;
    simt_submit(handle->stream, run_gemm, &g, sizeof g);
    return CUBLAS_STATUS_SUCCESS;
}

} // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
{
    if (simt_enter("cublas")) return CUBLAS_STATUS_ALLOC_FAILED;
    cublasHandle_t created = new cublasContext{nullptr, CUBLAS_DEFAULT_MATH, false, 0};
    if (!take_memory(created, HANDLE_BYTES)) {
        delete created;
        return CUBLAS_STATUS_ALLOC_FAILED;
    }
    *handle = created;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    simt_take_library_memory(-handle->own_bytes);
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream)
{
    if (simt_enter("cublas")) return CUBLAS_STATUS_EXECUTION_FAILED;
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace, size_t bytes)
{
    if (simt_enter("cublas")) return CUBLAS_STATUS_EXECUTION_FAILED;
    bool usable = simt_is_device_memory(workspace, bytes) && (size_t)workspace % WORKSPACE_ALIGNMENT == 0;
    if (bytes && !usable) return CUBLAS_STATUS_INVALID_VALUE;
    handle->has_workspace = bytes > 0;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t math)
{
    if (simt_enter("cublas")) return CUBLAS_STATUS_EXECUTION_FAILED;
    handle->math = math;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                              const float *alpha, const float *a, int lda, const float *b, int ldb, const float *beta, float *c,
                              int ldc)
{
    return enqueue(handle, ta, tb, {CblasNoTrans, CblasNoTrans, m, n, k, lda, ldb, ldc, 1, *alpha, *beta, a, b, c, 0, 0, 0});
}
cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                                         const float *alpha, const float *a, int lda, long long stride_a, const float *b, int ldb,
                                         long long stride_b, const float *beta, float *c, int ldc, long long stride_c, int batch)
{
    return enqueue(
        handle, ta, tb,
        {CblasNoTrans, CblasNoTrans, m, n, k, lda, ldb, ldc, batch, *alpha, *beta, a, b, c, stride_a, stride_b, stride_c});
}
}
