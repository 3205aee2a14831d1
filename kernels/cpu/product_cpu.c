/* Products of whole matrices: InnerProduct.
 *
 * BLAS multiplies blocks of columns, single-threaded; the blocks' limits depend on the sizes alone, so no bit depends on the number
 * of threads. */
#include "core/checked.h"
#include "kernels/cpu/blas.h"
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"

enum { BLOCK = 128 /* columns of one product, and columns or rows that are summed together */ };

static void multiply_block(const sa_product_args *p, int first)
{
    const int columns = sa_min_int(BLOCK, p->columns - first);
    const float *b = p->b.ptr, *bias = p->bias.ptr;
    float *c = (float *)p->c.ptr + first;
    sa_product_run(&(sa_product){.rows = p->rows,
                                 .columns = columns,
                                 .depth = p->depth,
                                 .a = p->a.ptr,
                                 .a_pitch = p->a_transposed ? p->rows : p->depth,
                                 .a_transposed = p->a_transposed,
                                 .b = b + (p->b_transposed ? (size_t)first * (size_t)p->depth : (size_t)first),
                                 .b_pitch = p->b_transposed ? p->depth : p->columns,
                                 .b_transposed = p->b_transposed,
                                 .add = p->accumulate,
                                 .c = c,
                                 .c_pitch = p->columns});
    for (int r = 0; bias && r < p->rows; r++)
        for (int i = 0; i < columns; i++) c[(size_t)r * (size_t)p->columns + (size_t)i] += bias[first + i];
}

sa_status sa_cpu_product(sa_device *device, const sa_product_args *args)
{
    const double sums_a_ns = 20, work = (double)args->rows * args->columns * args->depth / sums_a_ns;
    const double bytes_a_ns = 8, weights = 4.0 * (double)args->columns * args->depth / bytes_a_ns;
#pragma omp parallel for num_threads(sa_cpu_crew(device, work > weights ? work : weights)) schedule(static)
    for (int first = 0; first < args->columns; first += BLOCK) multiply_block(args, first);
    return SA_OK;
}

sa_status sa_cpu_column_sums(sa_device *device, const sa_column_sums_args *args)
{
    const float *x = args->x.ptr;
    float *sums = args->sums.ptr;
#pragma omp parallel for num_threads(sa_cpu_crew(device, 0.5 * (double)args->rows * args->columns)) schedule(static)
    for (int first = 0; first < args->columns; first += BLOCK) {
        const int columns = sa_min_int(BLOCK, args->columns - first);
        double total[BLOCK] = {0};
        for (int r = 0; r < args->rows; r++)
            for (int i = 0; i < columns; i++) total[i] += (double)x[(size_t)r * (size_t)args->columns + (size_t)(first + i)];
        for (int i = 0; i < columns; i++) sums[first + i] = (args->accumulate ? sums[first + i] : 0) + (float)total[i];
    }
    return SA_OK;
}
