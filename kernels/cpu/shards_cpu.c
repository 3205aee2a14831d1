/* Exchanges between ranks and the sum over shards on the CPU. */
#include "core/exchange.h"
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"

enum { CHUNK = 4096 }; /* floats that one thread sums at a time */

/* Slices of the values to their owners; the other ranks' addends to this rank's slice. */
static sa_status start_to_owners(sa_exchange *x, const sa_exchange_args *args)
{
    const sa_slicing *s = &args->slicing;
    const int32_t senders = ((const sa_step_state *)args->step_state.ptr)->shards;
    float *values = args->values.ptr, *parts = args->parts.ptr; /* (count), (ranks - 1, own) */
    size_t begin;
    const size_t own = sa_slice_of(s, s->rank, &begin);
    for (int32_t from = 0; from < senders; from++) {
        if (from == s->rank || own == 0) continue;
        float *part = parts + own * (size_t)(from < s->rank ? from : from - 1);
        SA_TRY(x->functions->receive(x, args->number, from, part, own * sizeof *part));
    }
    if (s->rank >= senders) return SA_OK;
    for (int32_t k = 1; k < s->ranks; k++) { /* from the next rank on, so that not all begin with the same one */
        const int32_t to = (s->rank + k) % s->ranks;
        const size_t count = sa_slice_of(s, to, &begin);
        if (count > 0) SA_TRY(x->functions->send(x, args->number, to, values + begin, count * sizeof *values));
    }
    return SA_OK;
}

/* Whole values to all. */
static sa_status start_parts(sa_exchange *x, const sa_exchange_args *args)
{
    const sa_slicing *s = &args->slicing;
    const int32_t senders = ((const sa_step_state *)args->step_state.ptr)->shards;
    float *parts = args->parts.ptr; /* (ranks - 1, count) */
    for (int32_t from = 0; from < senders; from++) {
        if (from == s->rank) continue;
        float *part = parts + s->count * (size_t)(from < s->rank ? from : from - 1);
        SA_TRY(x->functions->receive(x, args->number, from, part, s->count * sizeof *part));
    }
    for (int32_t k = 1; k < s->ranks && s->rank < senders; k++)
        SA_TRY(x->functions->send(x, args->number, (s->rank + k) % s->ranks, args->values.ptr, s->count * sizeof(float)));
    return SA_OK;
}

static sa_status start_to_all(sa_exchange *x, const sa_exchange_args *args)
{
    const sa_slicing *s = &args->slicing;
    float *values = args->values.ptr; /* (count) */
    size_t own_begin, begin;
    const size_t own = sa_slice_of(s, s->rank, &own_begin);
    for (int32_t k = 1; k < s->ranks; k++) {
        const int32_t from = (s->rank + s->ranks - k) % s->ranks;
        const size_t count = sa_slice_of(s, from, &begin);
        if (count > 0) SA_TRY(x->functions->receive(x, args->number, from, values + begin, count * sizeof *values));
    }
    for (int32_t k = 1; k < s->ranks && own > 0; k++)
        SA_TRY(x->functions->send(x, args->number, (s->rank + k) % s->ranks, values + own_begin, own * sizeof *values));
    return SA_OK;
}

sa_status sa_cpu_exchange(sa_device *device, const sa_exchange_args *args)
{
    sa_exchange *x = device->exchange;
    if (!x || x->ranks != args->slicing.ranks || x->rank != args->slicing.rank)
        SA_FAIL(SA_INVALID, "exchange %d is planned for rank %d of %d", (int)args->number, (int)args->slicing.rank,
                (int)args->slicing.ranks);
    if (args->finish) return x->functions->finish(x, args->number);
    switch (args->way) {
    case SA_EXCHANGE_TO_OWNERS: return start_to_owners(x, args);
    case SA_EXCHANGE_PARTS: return start_parts(x, args);
    case SA_EXCHANGE_TO_ALL: break;
    }
    return start_to_all(x, args);
}

static void sum_chunk(const sa_shard_sum_args *args, int32_t addends, size_t begin, size_t end)
{
    const float *own = args->own.ptr, *parts = args->parts.ptr;
    float *restrict total = args->total.ptr;
    for (size_t i = begin; args->fresh && i < end; i++) total[i] = 0.0f;
    for (int32_t rank = 0; rank < addends; rank++) {
        const float *restrict addend =
            rank == args->rank ? own : parts + args->count * (size_t)(rank < args->rank ? rank : rank - 1);
        for (size_t i = begin; i < end; i++) total[i] += addend[i];
    }
}

sa_status sa_cpu_shard_sum(sa_device *device, const sa_shard_sum_args *args)
{
    const int32_t addends = ((const sa_step_state *)args->step_state.ptr)->shards;
    const size_t chunks = (args->count + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) num_threads(sa_cpu_crew(device, 0.3 * (double)args->count * addends))
    for (size_t chunk = 0; chunk < chunks; chunk++)
        sum_chunk(args, addends, chunk * CHUNK, chunk + 1 < chunks ? (chunk + 1) * CHUNK : args->count);
    return SA_OK;
}
