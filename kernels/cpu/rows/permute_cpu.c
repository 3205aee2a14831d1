/* permute on the CPU: one row of the output after the other. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"

#include <string.h>

/* Where element 0 of a row of the output comes from. */
static size_t row_start(const sa_permute_args *args, size_t row)
{
    size_t at = 0;
    for (int k = args->axes - 2; k >= 0; k--) {
        at += row % (size_t)args->dim[k] * (size_t)args->stride[k];
        row /= (size_t)args->dim[k];
    }
    return at;
}

sa_status sa_cpu_permute(sa_device *device, const sa_permute_args *args)
{
    const float *x = args->x.at.ptr;
    float *out = args->out.at.ptr;
    const size_t count = sa_slab_bytes(&args->out) / sizeof *out;
    const size_t width = (size_t)args->dim[args->axes - 1], stride = (size_t)args->stride[args->axes - 1], rows = count / width;
#pragma omp parallel for num_threads(sa_cpu_crew(device, 2.0 * (double)count)) schedule(static)
    for (size_t row = 0; row < rows; row++) {
        const float *from = x + row_start(args, row);
        float *to = out + row * width;
        if (stride == 1) {
            memcpy(to, from, width * sizeof *to);
            continue;
        }
        for (size_t i = 0; i < width; i++) to[i] = from[i * stride];
    }
    return SA_OK;
}
