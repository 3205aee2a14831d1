/* reduction on the CPU: one sum per channel, or its gradient. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/row_sum.h"
#include "kernels/cpu/rows/source_cpu.h"

#include "core/checked.h"

#include <math.h>

static const float *pull(const sa_reduction_args *args, int c, int y, int x, int count, float *scratch)
{
    return sa_cpu_pull(&args->x, args->x.count - 1, 0, c, y, x, count, scratch);
}

static float sum_channel(const sa_reduction_args *args, int c, float *scratch)
{
    _Alignas(64) float value[SA_CPU_SEGMENT];
    const int length = sa_cpu_piece_length(args->width, SA_CPU_SEGMENT);
    double total = 0;
    for (int y = 0; y < args->height; y++) {
        sa_row_lanes lanes = {{0}, {0}};
        for (int x = 0; x < args->width; x += length) {
            const int count = sa_min_int(length, args->width - x);
            const float *a = pull(args, c, y, x, count, scratch);
            for (int i = 0; i < count; i++)
                value[i] = args->kind == SA_REDUCTION_ASUM ? fabsf(a[i]) : args->kind == SA_REDUCTION_SUMSQ ? a[i] * a[i] : a[i];
            sa_row_add(&lanes, value, count);
        }
        total += sa_row_total(&lanes);
    }
    return args->factor * (float)total;
}

static void spread_channel(const sa_reduction_args *args, int c, float *scratch)
{
    const float gradient = args->factor * ((const float *)args->sums.ptr)[c];
    const int length = sa_cpu_piece_length(args->width, SA_CPU_SEGMENT);
    for (int y = 0; y < args->height; y++)
        for (int x = 0; x < args->width; x += length) {
            const int count = sa_min_int(length, args->width - x);
            float *out = (float *)sa_slab_row(&args->dx, 0, c, y) + x;
            if (args->kind == SA_REDUCTION_SUM) {
                for (int i = 0; i < count; i++) out[i] = gradient;
                continue;
            }
            const float *a = pull(args, c, y, x, count, scratch);
            for (int i = 0; i < count; i++)
                out[i] = gradient * (args->kind == SA_REDUCTION_SUMSQ ? 2.0f * a[i] : a[i] > 0 ? 1.0f : a[i] < 0 ? -1.0f : 0.0f);
        }
}

sa_status sa_cpu_reduction(sa_device *device, const sa_reduction_args *args)
{
    const double elements = (double)args->channels * args->height * args->width;
#pragma omp parallel num_threads(sa_cpu_crew(device, elements + sa_cpu_source_ns(&args->x, elements)))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int c = 0; c < args->channels; c++) {
            if (args->backward) spread_channel(args, c, scratch);
            else ((float *)args->sums.ptr)[c] = sum_channel(args, c, scratch);
        }
    }
    return SA_OK;
}
