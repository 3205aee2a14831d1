/* What strategies ask of convolutions. */
#ifndef SA_LAYERS_CONVOLUTION_H
#define SA_LAYERS_CONVOLUTION_H

#include "program/layer.h"

/* Of a layer that convolves; in, out: (N, C, H, W) of its bottom and top. */
sa_conv_shape sa_convolution_shape(const sa_layer *convolution, const int32_t in[4], const int32_t out[4]);

#endif
