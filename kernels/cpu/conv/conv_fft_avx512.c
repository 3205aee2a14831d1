/* The FFT-tile convolution's hot loops with AVX-512 vectors. */
#define SA_CONV_LANES 16
#define SA_KERNELS_NAME sa_fft_kernels_avx512
#define SA_TILE_ROWS 4
#define SA_TILE_VECTORS 2
#include "kernels/cpu/conv/conv_fft_template.h"
