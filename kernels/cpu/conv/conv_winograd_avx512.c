/* The Winograd convolution's hot loops with AVX-512 vectors. */
#define SA_CONV_LANES 16
#define SA_KERNELS_NAME sa_wino_kernels_avx512
#define SA_WINO_ROWS 12
#include "kernels/cpu/conv/conv_winograd_template.h"
