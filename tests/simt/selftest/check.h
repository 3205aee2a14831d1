/* Errors of the self-test's programs end them with exit status 2. */
#ifndef SA_SIMT_SELFTEST_CHECK_H
#define SA_SIMT_SELFTEST_CHECK_H

#include <cuda_runtime.h>

#include <stdio.h>

#define CHECK(expression)                                                                               \
    do {                                                                                                \
        cudaError_t error_ = (expression);                                                              \
        if (error_ != cudaSuccess) {                                                                    \
            fprintf(stderr, "%s: error %d %s\n", #expression, (int)error_, cudaGetErrorString(error_)); \
            return 2;                                                                                   \
        }                                                                                               \
    } while (0)
#define CHECK_LIBRARY(expression)                                     \
    do {                                                              \
        int status_ = (int)(expression);                              \
        if (status_) {                                                \
            fprintf(stderr, "%s: status %d\n", #expression, status_); \
            return 2;                                                 \
        }                                                             \
    } while (0)

#endif
