/* The FFT-tile convolution's hot loops with AVX2 vectors. */
#define SA_CONV_LANES 8
#define SA_KERNELS_NAME sa_fft_kernels_avx2
#define SA_PRODUCT_ROWS 2
#define SA_PRODUCT_VECTORS 2
#include "kernels/cpu/conv_fft_template.h"
