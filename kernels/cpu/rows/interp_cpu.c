/* interp on the CPU: one row of the output after the other. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/rows_cpu.h"
#include "kernels/interp_math.h"

#include <string.h>

/* y[i] is between two places of the two rows that it is between. */
static void resize_row(const sa_interp_args *args, int n, int c, int y, float *out)
{
    const sa_interp_place row = sa_interp_at(sa_interp_scale(args->rows, args->out.height), args->rows, y);
    const float scale = sa_interp_scale(args->columns, args->out.width);
    const float *upper = (const float *)sa_slab_row(&args->x, n, c, args->top + row.first) + args->left;
    const float *lower = (const float *)sa_slab_row(&args->x, n, c, args->top + row.second) + args->left;
    for (int i = 0; i < args->out.width; i++) {
        const sa_interp_place column = sa_interp_at(scale, args->columns, i);
        out[i] = row.to_first * (column.to_first * upper[column.first] + column.to_second * upper[column.second]) +
                 row.to_second * (column.to_first * lower[column.first] + column.to_second * lower[column.second]);
    }
}

/* Adds what a row of dy sends to a row of dx that has the weight `row` in it. */
static void add_row(const sa_interp_args *args, const float *dy, float row, float *dx)
{
    const float scale = sa_interp_scale(args->columns, args->x.width);
    for (int i = 0; i < args->x.width; i++) {
        const sa_interp_place column = sa_interp_at(scale, args->columns, i);
        dx[column.first] = dx[column.first] + row * column.to_first * dy[i];
        dx[column.second] = dx[column.second] + row * column.to_second * dy[i];
    }
}

static void gradient_row(const sa_interp_args *args, int n, int c, int y, float *out)
{
    const float scale = sa_interp_scale(args->rows, args->x.height);
    const int place = y - args->top;
    memset(out, 0, (size_t)args->out.width * sizeof *out);
    if (place < 0 || place >= args->rows) return;
    for (int i = sa_interp_first_of(scale, args->rows, args->x.height, place); i < args->x.height; i++) {
        const sa_interp_place row = sa_interp_at(scale, args->rows, i);
        const float *dy = sa_slab_row(&args->x, n, c, i);
        if (row.first > place) break;
        if (row.first == place) add_row(args, dy, row.to_first, out + args->left);
        if (row.second == place) add_row(args, dy, row.to_second, out + args->left);
    }
}

sa_status sa_cpu_interp(sa_device *device, const sa_interp_args *args)
{
    const sa_range range = {0, args->out.images, 0, args->out.channels};
    const int64_t rows = sa_range_rows(&range, args->out.height);
    const double work = 2.0 * (double)(args->gradient ? sa_slab_bytes(&args->x) : sa_slab_bytes(&args->out));
#pragma omp parallel for num_threads(sa_cpu_crew(device, work)) schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        int n, c, y;
        sa_range_row(&range, args->out.height, r, &n, &c, &y);
        float *out = sa_slab_row(&args->out, n, c, y);
        if (args->gradient) gradient_row(args, n, c, y, out);
        else resize_row(args, n, c, y, out);
    }
    return SA_OK;
}
