/* Helpers shared by the CPU convolutions. The gather is in conv_gather.c. */
#include "kernels/cpu/conv/conv_common.h"

#include <string.h>

void sa_conv_load_row(const sa_source *source, int n, int c, int y, int x, int count, float *target, float *scratch)
{
    const sa_node *root = sa_source_root(source);
    int begin = sa_min_int(sa_max_int(x, 0), x + count), end = sa_max_int(sa_min_int(x + count, root->width), begin);
    if (y < 0 || y >= root->height) end = begin;
    memset(target, 0, (size_t)(begin - x) * sizeof *target);
    memset(target + (end - x), 0, (size_t)(x + count - end) * sizeof *target);
    if (sa_source_has_dense_images(source)) {
        if (end > begin) {
            const float *row = sa_slab_row(&root->slab, n, c, y);
            memcpy(target + (begin - x), row + begin, (size_t)(end - begin) * sizeof *target);
        }
        return;
    }
    for (int at = begin; at < end; at += SA_CPU_SEGMENT) {
        int piece = sa_min_int(end - at, SA_CPU_SEGMENT);
        const float *row = sa_cpu_pull(source, source->count - 1, n, c, y, at, piece, scratch);
        memcpy(target + (at - x), row, (size_t)piece * sizeof *target);
    }
}

/* Sum of one row by the rule of ops.h. */
static double row_sum(const sa_source *dy, int n, int o, int y, int width, float *scratch)
{
    double lane[16] = {0};
    for (int x = 0; x < width; x += SA_CPU_SEGMENT) {
        int count = sa_min_int(width - x, SA_CPU_SEGMENT), i = 0;
        const float *row = sa_cpu_pull(dy, dy->count - 1, n, o, y, x, count, scratch);
        for (; i + 16 <= count; i += 16)
            for (int l = 0; l < 16; l++) lane[l] += (double)row[i + l];
        for (int l = 0; i + l < count; l++) lane[l] += (double)row[i + l];
    }
    double sum = 0;
    for (int l = 0; l < 16; l++) sum += lane[l];
    return sum;
}

int sa_conv_crew(const sa_device *device, const sa_conv_shape *s, int images, int out_channels)
{
    const double sums_a_ns = 20; /* multiplications and additions of one thread */
    const double outputs = (double)images * out_channels * s->out_height * s->out_width;
    return sa_cpu_crew(device, outputs * sa_conv_group_in(s) * s->kernel_h * s->kernel_w / sums_a_ns);
}

/* sum_c of every channel of the range; accumulate: added to. */
static void channel_sums(const sa_device *device, const sa_source *source, const sa_range *range, bool accumulate, float *sums)
{
    const int height = sa_source_root(source)->height, width = sa_source_root(source)->width;
    const double elements = sa_range_elements(range, height, width);
#pragma omp parallel num_threads(sa_cpu_crew(device, sa_cpu_source_ns(source, elements)))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int c = range->channel_begin; c < range->channel_end; c++) {
            float total = accumulate ? sums[c] : 0;
            for (int n = range->image_begin; n < range->image_end; n++) {
                double sum = 0;
                for (int y = 0; y < height; y++) sum += row_sum(source, n, c, y, width, scratch);
                total += (float)sum;
            }
            sums[c] = total;
        }
    }
}

void sa_conv_bias_gradient(const sa_device *device, const sa_conv_backward_args *args)
{
    const sa_range all = {args->range.image_begin, args->range.image_end, 0, args->shape.in_channels};
    if (args->dbias.ptr) channel_sums(device, &args->dy, &args->range, args->accumulate, args->dbias.ptr);
    if (args->dx_dbias.ptr) channel_sums(device, &args->x, &all, args->accumulate, args->dx_dbias.ptr);
}
