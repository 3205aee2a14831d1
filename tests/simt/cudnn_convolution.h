/* The convolution behind the cuDNN stand-in: plain im2col and OpenBLAS on packed NCHW floats. */
#ifndef SA_SIMT_CUDNN_CONVOLUTION_H
#define SA_SIMT_CUDNN_CONVOLUTION_H

#include <cstddef>

enum SimtConvolutionPass { SIMT_CONV_FORWARD, SIMT_CONV_BACKWARD_DATA, SIMT_CONV_BACKWARD_FILTER };

struct SimtConvolution {
    SimtConvolutionPass pass;
    int images, in_channels, in_height, in_width, out_channels, out_height, out_width;
    int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    int x_image_stride, y_image_stride; /* floats */
    float *x, *w, *y;                   /* (N, Cin, H, W), (Cout, Cin, K, K), (N, Cout, H', W'); the pass says which is written */
    float alpha, beta;                  /* written = alpha * result + beta * written */
};

/* All three are device memory. */
bool simt_convolution_pointers_ok(const SimtConvolution *convolution);
/* Runs a SimtConvolution given as bytes (the form simt_submit takes). */
void simt_run_convolution(const void *convolution);

#endif
