/* argmax on the CPU: the greatest values over the channels of each place, one rank after the other. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/source_cpu.h"

#include "core/checked.h"

#include <math.h>

/* Of the values that come behind (value, index) in rank, the first; both are replaced. */
static void next_rank(const sa_argmax_args *args, int n, int y, int x, int count, float *scratch, float *value, int *index)
{
    float best[SA_CPU_SEGMENT];
    int at[SA_CPU_SEGMENT];
    for (int i = 0; i < count; i++) best[i] = -INFINITY, at[i] = -1;
    for (int c = 0; c < sa_source_root(&args->x)->channels; c++) {
        const float *a = sa_cpu_pull(&args->x, args->x.count - 1, n, c, y, x, count, scratch);
        for (int i = 0; i < count; i++) {
            bool behind = a[i] < value[i] || (a[i] == value[i] && c < index[i]);
            if (behind && a[i] >= best[i]) best[i] = a[i], at[i] = c;
        }
    }
    for (int i = 0; i < count; i++) value[i] = best[i], index[i] = at[i];
}

static void rank_piece(const sa_argmax_args *args, int n, int y, int x, int count, float *scratch)
{
    float value[SA_CPU_SEGMENT];
    int index[SA_CPU_SEGMENT];
    for (int i = 0; i < count; i++) value[i] = INFINITY, index[i] = INT32_MAX;
    for (int k = 0; k < args->top_k; k++) {
        next_rank(args, n, y, x, count, scratch, value, index);
        if (args->index.at.ptr) {
            float *out = (float *)sa_slab_row(&args->index, n, k, y) + x;
            for (int i = 0; i < count; i++) out[i] = (float)index[i];
        }
        if (args->value.at.ptr) {
            float *out = (float *)sa_slab_row(&args->value, n, k, y) + x;
            for (int i = 0; i < count; i++) out[i] = value[i];
        }
    }
}

sa_status sa_cpu_argmax(sa_device *device, const sa_argmax_args *args)
{
    const sa_node *root = sa_source_root(&args->x);
    int32_t first;
    const int64_t rows = (int64_t)sa_source_images(&args->x, &first) * root->height;
    const double elements = (double)rows * root->width * root->channels;
#pragma omp parallel num_threads(sa_cpu_crew(device, 2.0 * elements * args->top_k))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++)
            for (int x = 0; x < root->width; x += SA_CPU_SEGMENT)
                rank_piece(args, first + (int)(row / root->height), (int)(row % root->height), x,
                           sa_min_int(SA_CPU_SEGMENT, root->width - x), scratch);
    }
    return SA_OK;
}
