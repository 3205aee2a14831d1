/* Upsample through a stored mask on the CPU: scatter (forward, float masks of any origin) and gather (backward).
 *
 * Upsample by the mask of its own pooling is the source node UNPOOL, not an op. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/mask_cpu.h"
#include "kernels/cpu/rows/rows_cpu.h"
#include "kernels/cpu/rows/source_cpu.h"

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
    const double elements = sa_range_elements(&args->range, args->out.height, args->out.width);
#pragma omp parallel num_threads(sa_cpu_crew(device, elements))
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

/* index[i]: where in its plane the mask of window (py, px + i), i < 16, points; -1: nowhere. Row and column of a position in the
 * window are looked up in `rows` and `columns`. */
SA_INLINE sa_i32x16 gather_indices(const sa_unpool_gather_args *args, const void *mask, int py, int px, sa_i32x16 rows,
                                   sa_i32x16 columns)
{
    const int height = args->dy.height, width = args->dy.width, left = args->mask.width - px;
    const sa_i32x16 nowhere = sa_i32x16_splat(-1), lanes = sa_i32x16_lanes();
    if (args->mask.encoding == SA_F32) {
        sa_f32x16 value = sa_f32x16_load_part((const float *)mask + px, left, -1.0f);
        sa_i32x16 index = __builtin_convertvector(value, sa_i32x16);
        return sa_i32x16_select((value >= 0.0f) & (index >= 0) & (index < height * width), index, nowhere);
    }
    sa_i32x16 code = sa_mask_codes(mask, args->mask.encoding, args->mask.width, px);
    sa_i32x16 y = sa_i32x16_lookup(rows, code) + (py * args->window.stride_h - args->window.pad_h);
    sa_i32x16 x =
        sa_i32x16_lookup(columns, code) + (px * args->window.stride_w - args->window.pad_w) + lanes * args->window.stride_w;
    sa_i32x16 inside = (y >= 0) & (y < height) & (x >= 0) & (x < width);
    if (args->mask.encoding == SA_MASK4) inside &= code != SA_MASK4_NONE;
    return sa_i32x16_select(inside, y * width + x, nowhere);
}

/* Asks for the part of dy that 16 windows two rows further on most likely name: the hardware sees no pattern in such reads. */
SA_INLINE void prefetch_ahead(const sa_unpool_gather_args *args, const float *plane, int py, int px)
{
    enum { ROWS_AHEAD = 2, LINE_FLOATS = 16 };
    const int y = (py + ROWS_AHEAD) * args->dy.height / args->dx.height, rows = args->dy.height / args->dx.height;
    const int x = px * args->dy.width / args->dx.width, columns = SA_LANES * args->dy.width / args->dx.width;
    if (y + rows > args->dy.height) return;
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column += LINE_FLOATS)
            __builtin_prefetch(plane + (size_t)(y + row) * (size_t)args->dy.width + x + column);
}

static void gather_row(const sa_unpool_gather_args *args, int n, int c, int py)
{
    const float *dy = sa_slab_row(&args->dy, n, c, 0); /* (H, W) */
    const void *mask = sa_slab_row(&args->mask, n, c, py);
    float *dx = sa_slab_row(&args->dx, n, c, py);
    sa_i32x16 rows = {0}, columns = {0};
    for (int position = 0; position < SA_LANES && args->mask.encoding != SA_F32; position++) {
        rows[position] = position / args->window.kernel_w;
        columns[position] = position % args->window.kernel_w;
    }
    for (int px = 0; px < args->dx.width; px += SA_LANES) {
        prefetch_ahead(args, dy, py, px);
        sa_i32x16 index = gather_indices(args, mask, py, px, rows, columns);
        sa_f32x16 value = sa_f32x16_gather(dy, index, index >= 0);
        int count = args->dx.width - px;
        if (count >= SA_LANES) sa_f32x16_store(dx + px, value);
        else memcpy(dx + px, &value, (size_t)count * sizeof *dx);
    }
}

sa_status sa_cpu_unpool_gather(sa_device *device, const sa_unpool_gather_args *args)
{
    sa_bands bands;
    const int threads = sa_cpu_crew(device, sa_range_elements(&args->range, args->dx.height, args->dx.width));
    sa_bands_start(&bands, &args->range, args->dx.height, threads);
#pragma omp parallel num_threads(threads)
    for (sa_band band; sa_bands_take(&bands, &band);)
        for (int c = args->range.channel_begin; c < args->range.channel_end; c++)
            for (int py = band.y_begin; py < band.y_end; py++) gather_row(args, band.n, c, py);
    return SA_OK;
}
