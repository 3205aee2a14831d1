/* The solver's update and the fill on the CPU: plain passes over flat memory. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/row_sum.h"
#include "kernels/update_math.h"

/* Elements that one thread takes at a time. */
enum { CHUNK = 16384 };

static size_t chunk_count(size_t count)
{
    return (count + CHUNK - 1) / CHUNK;
}

static size_t chunk_end(size_t chunk, size_t count)
{
    return chunk + 1 < chunk_count(count) ? (chunk + 1) * CHUNK : count;
}

sa_status sa_cpu_fill(sa_device *device, const sa_fill_args *args)
{
    float *target = args->target.ptr; /* (count) */
    const size_t chunks = chunk_count(args->count);
#pragma omp parallel for schedule(static) num_threads(sa_cpu_crew(device, 0.2 * (double)args->count))
    for (size_t chunk = 0; chunk < chunks; chunk++)
        for (size_t i = chunk * CHUNK; i < chunk_end(chunk, args->count); i++) target[i] = args->value;
    return SA_OK;
}

/* kind is a constant where it is inlined, so that the loop has no choices in it. */
SA_INLINE void update_elements(sa_update_kind kind, const sa_update_args *args, const sa_update_factors *f, size_t begin,
                               size_t end)
{
    float *restrict param = args->param.ptr, *restrict grad = args->grad.ptr, *restrict h = args->history.ptr; /* (count) */
    float *restrict k = args->history2.ptr;
    const bool l1 = args->rule.l1, clear = args->rule.passes > 1;
    float none = 0.0f;
    for (size_t i = begin; i < end; i++)
        sa_update_one(kind, l1, clear, f, &param[i], &grad[i], &h[i], sa_update_histories(kind) > 1 ? &k[i] : &none);
}

static void update_chunk(const sa_update_args *args, const sa_update_factors *f, size_t begin, size_t end)
{
    switch (args->rule.kind) {
    case SA_UPDATE_SGD: update_elements(SA_UPDATE_SGD, args, f, begin, end); break;
    case SA_UPDATE_NESTEROV: update_elements(SA_UPDATE_NESTEROV, args, f, begin, end); break;
    case SA_UPDATE_ADAGRAD: update_elements(SA_UPDATE_ADAGRAD, args, f, begin, end); break;
    case SA_UPDATE_RMSPROP: update_elements(SA_UPDATE_RMSPROP, args, f, begin, end); break;
    case SA_UPDATE_ADADELTA: update_elements(SA_UPDATE_ADADELTA, args, f, begin, end); break;
    case SA_UPDATE_ADAM: update_elements(SA_UPDATE_ADAM, args, f, begin, end); break;
    }
}

sa_status sa_cpu_update(sa_device *device, const sa_update_args *args)
{
    const double squares = args->squares.ptr ? *(const double *)args->squares.ptr : 0.0;
    const sa_update_factors factors = sa_update_factors_of(&args->rule, args->step_state.ptr, args->lr_mult, args->decay, squares);
    const size_t chunks = chunk_count(args->count);
#pragma omp parallel for schedule(static) num_threads(sa_cpu_crew(device, 0.6 * (double)args->count))
    for (size_t chunk = 0; chunk < chunks; chunk++) update_chunk(args, &factors, chunk * CHUNK, chunk_end(chunk, args->count));
    return SA_OK;
}

sa_status sa_cpu_square_sum(sa_device *device, const sa_square_sum_args *args)
{
    const float *values = args->values.ptr; /* (count) */
    double *row_sums = args->workspace.ptr, *result = args->sum.ptr;
    const size_t rows = (args->count + SA_SQUARE_ROW - 1) / SA_SQUARE_ROW;
    if (args->workspace_bytes < rows * sizeof *row_sums)
        SA_FAIL(SA_CAPACITY, "square_sum: a workspace of %zu bytes for %zu rows", args->workspace_bytes, rows);
#pragma omp parallel for schedule(static) num_threads(sa_cpu_crew(device, 0.3 * (double)args->count))
    for (size_t row = 0; row < rows; row++) {
        const size_t begin = row * SA_SQUARE_ROW, left = args->count - begin;
        sa_row_lanes ignored = {{0}, {0}}, square = {{0}, {0}};
        sa_row_add_square(&ignored, &square, values + begin, (int)(left < SA_SQUARE_ROW ? left : SA_SQUARE_ROW));
        row_sums[row] = sa_row_total(&square);
    }
    double sum = args->add ? *result : 0.0;
    for (size_t row = 0; row < rows; row++) sum += row_sums[row];
    *result = sum;
    return SA_OK;
}
