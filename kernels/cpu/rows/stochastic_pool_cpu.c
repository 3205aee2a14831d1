/* Stochastic pooling on the CPU: strips of windows of a row; their values are read once for the sums and, to draw, once more. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/mask_cpu.h"
#include "kernels/cpu/rows/rows_cpu.h"
#include "kernels/cpu/rows/source_cpu.h"

#include "core/checked.h"

enum { STRIP = 256 };

/* Windows [first, first + count) of row py of plane (n, c). */
typedef struct strip {
    int n, c, py, first, count;
    float sum[STRIP], squares[STRIP];   /* of all of a window's values */
    float reached[STRIP], value[STRIP]; /* the sum as far as it was read; the value where it stopped */
    _Alignas(64) int32_t token[STRIP];  /* what the mask says of that place */
    bool stopped[STRIP];
} strip;

static void add_value(strip *s, int i, float value)
{
    s->sum[i] = s->sum[i] + value;
    s->squares[i] = s->squares[i] + value * value;
}

static void draw_value(strip *s, int i, float value, float wanted, int32_t token)
{
    if (s->stopped[i]) return;
    s->reached[i] = s->reached[i] + value;
    s->value[i] = value;
    s->token[i] = token;
    s->stopped[i] = s->reached[i] >= wanted;
}

/* wanted: NULL to sum up, else the sum at which a window stops. Rows come in segments, so each window's order is row-major. */
static void read_windows(const sa_pool_stochastic_args *args, strip *s, const float *wanted, float *scratch)
{
    const sa_window *w = &args->window;
    const sa_node *root = sa_source_root(&args->x);
    const int top = s->py * w->stride_h, bottom = sa_min_int(top + w->kernel_h, root->height);
    const int begin = s->first * w->stride_w, end = sa_min_int(root->width, (s->first + s->count - 1) * w->stride_w + w->kernel_w);
    const bool indexed = args->mask.encoding == SA_F32;
    for (int y = top; y < bottom; y++)
        for (int x = begin; x < end; x += SA_CPU_SEGMENT) {
            const int columns = sa_min_int(SA_CPU_SEGMENT, end - x);
            const float *row = sa_cpu_pull(&args->x, args->x.count - 1, s->n, s->c, y, x, columns, scratch);
            for (int i = 0; i < s->count; i++) {
                const int left = (s->first + i) * w->stride_w;
                const int from = sa_max_int(left, x), to = sa_min_int(left + w->kernel_w, x + columns);
                for (int column = from; column < to; column++) {
                    const int32_t token = indexed ? y * root->width + column : (y - top) * w->kernel_w + column - left;
                    if (wanted) draw_value(s, i, row[column - x], wanted[i], token);
                    else add_value(s, i, row[column - x]);
                }
            }
        }
}

static void draw(const sa_pool_stochastic_args *args, strip *s, float *scratch)
{
    const uint32_t step = ((const sa_step_state *)args->step_state.ptr)->step;
    const uint64_t plane = (uint64_t)s->n * (uint64_t)sa_source_root(&args->x)->channels + (uint64_t)s->c;
    const uint64_t first = (plane * (uint64_t)args->out.height + (uint64_t)s->py) * (uint64_t)args->out.width + (uint64_t)s->first;
    float wanted[STRIP];
    for (int i = 0; i < s->count; i++) {
        wanted[i] = sa_uniform(args->seed, step, first + (uint64_t)i) * s->sum[i];
        s->reached[i] = 0.0f;
        s->stopped[i] = false;
    }
    read_windows(args, s, wanted, scratch);
}

static void pool_strip(const sa_pool_stochastic_args *args, strip *s, float *scratch)
{
    float *out = (float *)sa_slab_row(&args->out, s->n, s->c, s->py) + s->first;
    for (int i = 0; i < s->count; i++) s->sum[i] = s->squares[i] = 0.0f;
    read_windows(args, s, NULL, scratch);
    if (args->draws) draw(args, s, scratch);
    for (int i = 0; i < s->count; i++) out[i] = args->draws ? s->value[i] : s->sum[i] > 0.0f ? s->squares[i] / s->sum[i] : 0.0f;
    if (args->mask.at.ptr)
        sa_mask_write(sa_slab_row(&args->mask, s->n, s->c, s->py), args->mask.encoding, s->first, s->count, s->token);
}

sa_status sa_cpu_pool_stochastic(sa_device *device, const sa_pool_stochastic_args *args)
{
    const int height = args->out.height;
    const int64_t rows = sa_range_rows(&args->range, height);
    const double windows = (double)rows * args->out.width;
    const double read = windows * args->window.kernel_h * args->window.kernel_w;
#pragma omp parallel num_threads(sa_cpu_crew(device, 8.0 * read + sa_cpu_source_ns(&args->x, 2.0 * read)))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
        strip s;
#pragma omp for schedule(static)
        for (int64_t r = 0; r < rows; r++) {
            sa_range_row(&args->range, height, r, &s.n, &s.c, &s.py);
            for (s.first = 0; s.first < args->out.width; s.first += STRIP) {
                s.count = sa_min_int(STRIP, args->out.width - s.first);
                pool_strip(args, &s, scratch);
            }
        }
    }
    return SA_OK;
}
