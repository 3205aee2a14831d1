/* The solver's update and the fill on the CPU: plain passes over flat memory. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"

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

sa_status sa_cpu_sgd_update(sa_device *device, const sa_sgd_update_args *args)
{
    float *restrict param = args->param.ptr, *restrict grad = args->grad.ptr, *restrict history = args->history.ptr; /* (count) */
    const float rate = ((const sa_step_state *)args->step_state.ptr)->rate * args->lr_mult;
    const float decay = args->decay, momentum = args->momentum;
    const size_t chunks = chunk_count(args->count);
#pragma omp parallel for schedule(static) num_threads(sa_cpu_crew(device, 0.6 * (double)args->count))
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        for (size_t i = chunk * CHUNK, end = chunk_end(chunk, args->count); i < end; i++) {
            float g = grad[i] + decay * param[i];
            float h = momentum * history[i] + rate * g;
            history[i] = h;
            param[i] = param[i] - h;
            grad[i] = h;
        }
    }
    return SA_OK;
}
