/* The direct convolution's hot loops with four-float vectors. */
#define SA_CONV_LANES 4
#define SA_KERNELS_NAME sa_direct_kernels_portable
#define SA_WIDE_GROUPS 1
#define SA_WIDE_VECTORS 3
#define SA_NARROW_VECTORS 3
#define SA_ONE_VECTORS 6
#define SA_WEIGHT_COLUMNS 3
#include "kernels/cpu/conv/conv_direct_template.h"
