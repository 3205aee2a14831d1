/* The matrix product of the im2col convolution: OpenBLAS's, or an own plain one in a build without it (make BLAS=0). */
#ifndef SA_KERNELS_CPU_BLAS_H
#define SA_KERNELS_CPU_BLAS_H

#include <stdbool.h>

/* c = a * b, or c += a * b: a is (rows, depth), b (depth, columns), c (rows, columns), row after row, `pitch` floats apart. A
 * transposed operand is stored as (depth, rows) or (columns, depth). */
typedef struct sa_product {
    int rows, columns, depth;
    const float *a, *b;
    int a_pitch, b_pitch;
    bool a_transposed, b_transposed, add;
    float *c;
    int c_pitch;
} sa_product;

/* On the calling thread alone. The bits depend on the sizes, not on the addresses or on who else runs. */
void sa_product_run(const sa_product *product);
/* The same, summed as plainly as can be in any build: what OpenBLAS's kernels are checked against. */
void sa_product_run_plain(const sa_product *product);

/* The kernels in use, "Haswell"; "plain loops" in a build without OpenBLAS. */
const char *sa_blas_kernels(void);

/* OpenBLAS takes a processor that is newer than itself for the simplest one it knows (0.3.21: a recent Intel for a Prescott, with a
 * third of the speed). What OPENBLAS_CORETYPE should say, before the library is loaded, instead of `kernels`: NULL where those use
 * the vectors that this processor has, or are not known here. */
const char *sa_blas_better_kernels(const char *kernels);

/* Whether the kernels in use multiply small matrices as plain loops do. */
bool sa_blas_is_right(void);

#endif
