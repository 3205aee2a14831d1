/* The Winograd convolution's hot loops with AVX2 vectors. */
#define SA_CONV_LANES 8
#define SA_KERNELS_NAME sa_wino_kernels_avx2
#define SA_WINO_ROWS 6
#include "kernels/cpu/conv/conv_winograd_template.h"
