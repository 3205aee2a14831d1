/* materialize on the CPU: stores a source's value, row by row. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/joined_rows.h"
#include "kernels/cpu/rows/rows_cpu.h"
#include "kernels/cpu/rows/source_cpu.h"
#include "kernels/cpu/vector.h"
#include "kernels/vector_math.h"

#include "core/checked.h"

#include <string.h>

/* The upper half of the nearest representable value, ties to even; NaN stays NaN. */
static void store_bf16(uint16_t *out, const float *value, int count)
{
    for (int i = 0; i < count; i++) {
        uint32_t bits = sa_bits_from_float(value[i]);
        uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
        out[i] = (uint16_t)(value[i] == value[i] ? rounded : (bits >> 16 | 0x40u));
    }
}

/* Whether the output should bypass the caches: too large for them, and not in place (its lines are in the cache then). */
static bool should_stream(const sa_materialize_args *args)
{
    const sa_slab *out = &args->out;
    if (out->encoding != SA_F32) return false;
    size_t row_bytes = sa_encoding_row_bytes(out->encoding, out->width);
    if (!sa_should_stream(row_bytes * (size_t)sa_range_rows(&args->range, out->height))) return false;
    for (int i = 0; i < args->source.count; i++)
        if (args->source.node[i].kind == SA_NODE_DENSE && args->source.node[i].slab.at.ptr == out->at.ptr) return false;
    return true;
}

static void materialize_row(const sa_materialize_args *args, int n, int c, int y, bool stream, float *scratch)
{
    void *row = sa_slab_row(&args->out, n, c, y);
    const int length = sa_cpu_piece_length(args->out.width, SA_CPU_SEGMENT);
    for (int x = 0; x < args->out.width; x += length) {
        int count = sa_min_int(length, args->out.width - x);
        if (stream || args->out.encoding == SA_BF16) {
            const float *value = sa_cpu_pull(&args->source, args->source.count - 1, n, c, y, x, count, scratch);
            if (stream) sa_stream((float *)row + x, value, count);
            else store_bf16((uint16_t *)row + x, value, count);
        } else {
            float *target = (float *)row + x;
            const float *value = sa_cpu_pull_into(&args->source, n, c, y, x, count, scratch, target);
            if (value != target) memcpy(target, value, (size_t)count * sizeof *target);
        }
    }
}

static void materialize_rows(const sa_materialize_args *args, int threads)
{
    sa_bands bands;
    sa_bands_start(&bands, &args->range, args->out.height, threads);
    const bool stream = should_stream(args);
#pragma omp parallel num_threads(threads)
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
        for (sa_band band; sa_bands_take(&bands, &band);)
            for (int c = args->range.channel_begin; c < args->range.channel_end; c++)
                for (int y = band.y_begin; y < band.y_end; y++) materialize_row(args, band.n, c, y, stream, scratch);
        sa_stream_end();
    }
}

sa_status sa_cpu_materialize(sa_device *device, const sa_materialize_args *args)
{
    if (args->out.encoding != SA_F32 && args->out.encoding != SA_BF16)
        SA_FAIL(SA_UNSUPPORTED, "materialize: output encoding %d is neither float32 nor bf16", (int)args->out.encoding);
    const double elements = sa_range_elements(&args->range, args->out.height, args->out.width);
    const int threads = sa_cpu_crew(device, sa_cpu_source_ns(&args->source, elements));
    const int images = args->range.image_end - args->range.image_begin;
    const int rows = sa_rows_to_join(images, args->out.height, args->out.width, threads);
    if (rows > 1 && sa_rows_can_join(&args->source) && sa_slab_rows_can_join(&args->out)) {
        sa_materialize_args joined = *args;
        sa_source_join_rows(&joined.source, rows);
        sa_slab_join_rows(&joined.out, rows);
        materialize_rows(&joined, threads);
    } else {
        materialize_rows(args, threads);
    }
    return SA_OK;
}
