/* The FFT-tile convolution's hot loops with AVX2 vectors. */
#define SA_CONV_LANES 8
#define SA_KERNELS_NAME sa_fft_kernels_avx2
#define SA_MULTIPLY_ROWS 3
#define SA_MULTIPLY_VECTORS 1
#define SA_CONJUGATE_ROWS 2
#define SA_CONJUGATE_VECTORS 2
#include "kernels/cpu/conv_fft_template.h"
