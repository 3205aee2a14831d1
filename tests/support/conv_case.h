/* Convolution test cases: random data, float64 references, and runs with poisoned outputs and guarded buffers. */
#ifndef SA_TESTS_SUPPORT_CONV_CASE_H
#define SA_TESTS_SUPPORT_CONV_CASE_H

#include "kernels/ops.h"

typedef enum conv_gather {
    CONV_GATHER_NONE,
    CONV_GATHER_F32,   /* 3x3 windows, stride 2, pad 1 */
    CONV_GATHER_MASK2, /* 2x2, stride 2 */
    CONV_GATHER_MASK4, /* 3x3, stride 2: windows overlap */
    CONV_GATHERS
} conv_gather;

typedef struct conv_options {
    sa_conv_shape shape;
    int images;
    int virtual_x;  /* 0 dense, 1 RELU(AFFINE(XHAT(dense))), 2 UNPOOL of 2x2 windows, 3 UNPOOL(AFFINE(XHAT)) of 3x3 with MASK4 */
    int virtual_dy; /* 0 dense, 1 AFFINE(XHAT(dense)) */
    conv_gather gather;
    uint64_t seed;
} conv_options;

/* All data of a case; sources point into it. */
typedef struct conv_case {
    sa_conv_shape shape;
    int images, virtual_x, virtual_dy;
    conv_gather gather;
    sa_source x, dy;
    sa_slab mask;
    sa_window window;
    int pooled_height, pooled_width;
    float *weight, *bias;      /* (Cout, Cin / groups, Kh, Kw), (Cout) */
    float *dx_bias;            /* (Cin), unless dx is gathered */
    float *x_value, *dy_value; /* what the sources stand for: (N, Cin, H, W), (N, Cout, H', W') */
    int32_t *gather_index;     /* (N, Cin, pooled plane): index in the plane, -1 none */
    size_t y_count, dx_count, weight_count;
    void *owned[32];
    int owned_count;
} conv_case;

typedef struct conv_reference {
    double *y, *dx, *dweight, *dbias;
} conv_reference;

typedef struct conv_run_options {
    sa_conv_algorithm algorithm;
    int threads;
    size_t limit_bytes;
    bool separate_passes; /* dx, then dweight, instead of both in one op */
    bool image_by_image;
    bool dx_over_x;       /* if x is dense and dx is not gathered */
    int channels_at_once; /* forward, and backward of the weights; 0: all */
} conv_run_options;

typedef struct conv_result {
    float *y, *dx, *dweight, *dbias;
} conv_result;

float conv_random(uint64_t *state); /* [0, 1) */
void conv_case_make(conv_case *c, const conv_options *options);
void conv_case_free(conv_case *c);
void conv_reference_make(const conv_case *c, conv_reference *reference);
void conv_reference_free(conv_reference *reference);
/* Forward and backward with outputs full of NaN and a workspace of exactly the size asked for, between guard bytes. */
void conv_run(const conv_case *c, const conv_run_options *options, conv_result *result);
void conv_result_free(conv_result *result);
/* Relative L2 error at most `bound`, everything finite. */
void conv_assert_close(const char *what, const char *name, const float *value, const double *reference, size_t count, double bound);

#endif
