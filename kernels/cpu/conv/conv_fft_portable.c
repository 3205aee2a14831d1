/* The FFT-tile convolution's hot loops with four-float vectors. */
#define SA_CONV_LANES 4
#define SA_KERNELS_NAME sa_fft_kernels_portable
#define SA_TILE_ROWS 3
#define SA_TILE_VECTORS 1
#include "kernels/cpu/conv/conv_fft_template.h"
