/* Upsample through a stored mask on the CPU: scatter (forward, float masks of any origin) and gather (backward).
 *
 * Upsample by the mask of its own pooling is the source node UNPOOL, not an op. */
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/mask_cpu.h"
#include "kernels/cpu/rows_cpu.h"
#include "kernels/cpu/source_cpu.h"

#include "core/checked.h"

/* false if an index is outside the plane: its place in *bad_y, *bad_x */
static bool scatter_plane(const sa_unpool_scatter_args *args, int n, int c, float *scratch, int *bad_y, int *bad_x)
{
    float *out = sa_slab_row(&args->out, n, c, 0); /* (H, W) */
    const size_t elements = (size_t)args->out.height * (size_t)args->out.width;
    memset(out, 0, elements * sizeof *out);
    for (int y = 0; y < args->mask.height; y++) {
        const float *mask = sa_slab_row(&args->mask, n, c, y);
        for (int x = 0; x < args->mask.width; x += SA_CPU_SEGMENT) {
            int count = sa_min_int(SA_CPU_SEGMENT, args->mask.width - x);
            const float *value = sa_cpu_pull(&args->x, args->x.count - 1, n, c, y, x, count, scratch);
            for (int i = 0; i < count; i++) {
                float index = mask[x + i];
                if (!(index >= 0.0f && index < (float)elements) || (size_t)index >= elements) {
                    *bad_y = y;
                    *bad_x = x + i;
                    return false;
                }
                out[(size_t)index] = value[i];
            }
        }
    }
    return true;
}

sa_status sa_cpu_unpool_scatter(sa_device *device, const sa_unpool_scatter_args *args)
{
    const int64_t planes = sa_range_rows(&args->range, 1);
    int64_t bad_plane = planes; /* the first, whichever thread meets one first */
    int bad_y = 0, bad_x = 0;
#pragma omp parallel num_threads(device->threads)
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int64_t plane = 0; plane < planes; plane++) {
            int n, c, zero, y, x;
            sa_range_row(&args->range, 1, plane, &n, &c, &zero);
            if (scatter_plane(args, n, c, scratch, &y, &x)) continue;
#pragma omp critical(sa_unpool_scatter_bad)
            if (plane < bad_plane) {
                bad_plane = plane;
                bad_y = y;
                bad_x = x;
            }
        }
    }
    if (bad_plane == planes) return SA_OK;
    int n, c, zero;
    sa_range_row(&args->range, 1, bad_plane, &n, &c, &zero);
    SA_FAIL(SA_NUMERIC, "unpool_scatter: mask (%d, %d, %d, %d) is %g, outside the plane of %d x %d", n, c, bad_y, bad_x,
            (double)((const float *)sa_slab_row(&args->mask, n, c, bad_y))[bad_x], args->out.height, args->out.width);
}

sa_status sa_cpu_unpool_gather(sa_device *device, const sa_unpool_gather_args *args)
{
    const int64_t rows = sa_range_rows(&args->range, args->dx.height);
    const sa_encoding encoding = args->mask.encoding;
    const int height = args->dy.height, width = args->dy.width;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int64_t row = 0; row < rows; row++) {
        int n, c, py;
        sa_range_row(&args->range, args->dx.height, row, &n, &c, &py);
        const float *dy = sa_slab_row(&args->dy, n, c, 0); /* (H, W) */
        const void *mask = sa_slab_row(&args->mask, n, c, py);
        float *dx = sa_slab_row(&args->dx, n, c, py);
        for (int px = 0; px < args->dx.width; px++) {
            int y, x;
            bool inside = sa_mask_target(mask, encoding, &args->window, py, px, height, width, &y, &x);
            dx[px] = inside ? dy[(size_t)y * (size_t)width + (size_t)x] : 0.0f;
        }
    }
    return SA_OK;
}
