/* The Winograd convolution's hot loops with four-float vectors. */
#define SA_CONV_LANES 4
#define SA_KERNELS_NAME sa_wino_kernels_portable
#define SA_WINO_ROWS 6
#include "kernels/cpu/conv/conv_winograd_template.h"
