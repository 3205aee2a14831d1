/* softmax over channels on the CPU, and its gradient. */
#include "kernels/cpu/rows/softmax_cpu.h"
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"

#include "core/checked.h"

/* The exponentials go to the output first: it may be the slab of the scores, whose other channels are not read again. */
static void softmax_segment(const sa_softmax_args *args, int n, int y, int x, int count, float *scratch)
{
    _Alignas(64) float max[SA_CPU_SEGMENT], sum[SA_CPU_SEGMENT];
    const int channels = sa_source_root(&args->x)->channels;
    sa_softmax_max(&args->x, channels, n, y, x, count, scratch, max);
    memset(sum, 0, (size_t)count * sizeof *sum);
    for (int c = 0; c < channels; c++) {
        float *prob = (float *)sa_slab_row(&args->prob, n, c, y) + x;
        sa_softmax_exponential(sa_cpu_pull(&args->x, args->x.count - 1, n, c, y, x, count, scratch), max, count, prob);
        sa_softmax_add(prob, count, sum);
    }
    for (int c = 0; c < channels; c++) {
        float *prob = (float *)sa_slab_row(&args->prob, n, c, y) + x;
        for (int i = 0; i < count; i++) prob[i] = prob[i] / sum[i];
    }
}

sa_status sa_cpu_softmax(sa_device *device, const sa_softmax_args *args)
{
    const int height = args->prob.height, width = args->prob.width;
    const sa_range *range = &args->range;
    const int channels = sa_source_root(&args->x)->channels;
    if (range->channel_begin != 0 || range->channel_end != channels)
        SA_FAIL(SA_INVALID, "softmax: channels %d to %d given, but it is over all %d", range->channel_begin, range->channel_end,
                channels);
    const int64_t rows = (int64_t)(range->image_end - range->image_begin) * height;
    const int threads = sa_cpu_crew(device, 5 * sa_range_elements(range, height, width));
#pragma omp parallel num_threads(threads)
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) {
            int n = range->image_begin + (int)(row / height), y = (int)(row % height);
            for (int x = 0; x < width; x += SA_CPU_SEGMENT)
                softmax_segment(args, n, y, x, sa_min_int(SA_CPU_SEGMENT, width - x), scratch);
        }
    }
    return SA_OK;
}

static void gradient_segment(const sa_softmax_grad_args *args, int n, int y, int x, int count, float *scratch)
{
    _Alignas(64) float sum[SA_CPU_SEGMENT];
    float *other = scratch + SA_CPU_SCRATCH_FLOATS;
    memset(sum, 0, (size_t)count * sizeof *sum);
    for (int c = 0; c < args->dx.channels; c++) {
        const float *a = sa_cpu_pull(&args->y, args->y.count - 1, n, c, y, x, count, scratch);
        const float *dy = sa_cpu_pull(&args->dy, args->dy.count - 1, n, c, y, x, count, other);
        for (int i = 0; i < count; i++) sum[i] = sum[i] + dy[i] * a[i];
    }
    for (int c = 0; c < args->dx.channels; c++) {
        const float *a = sa_cpu_pull(&args->y, args->y.count - 1, n, c, y, x, count, scratch);
        const float *dy = sa_cpu_pull(&args->dy, args->dy.count - 1, n, c, y, x, count, other);
        float *out = (float *)sa_slab_row(&args->dx, n, c, y) + x;
        for (int i = 0; i < count; i++) out[i] = a[i] * (dy[i] - sum[i]);
    }
}

sa_status sa_cpu_softmax_grad(sa_device *device, const sa_softmax_grad_args *args)
{
    const int height = args->dx.height, width = args->dx.width;
    const sa_range *range = &args->range;
    const int64_t rows = (int64_t)(range->image_end - range->image_begin) * height;
#pragma omp parallel num_threads(sa_cpu_crew(device, 3 * sa_range_elements(range, height, width)))
    {
        _Alignas(64) float scratch[2 * SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++)
            for (int x = 0; x < width; x += SA_CPU_SEGMENT)
                gradient_segment(args, range->image_begin + (int)(row / height), (int)(row % height), x,
                                 sa_min_int(SA_CPU_SEGMENT, width - x), scratch);
    }
    return SA_OK;
}
