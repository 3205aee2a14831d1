/* The load of a step, the lower bound of planners and the live bytes of ledgers. */
#include "memory/load.h"

#include "core/checked.h"

size_t sa_load_unit(const sa_buffer *buffers, size_t count)
{
    size_t unit = count ? buffers[0].alignment_bytes : 1;
    for (size_t i = 1; i < count; i++) {
        if (buffers[i].alignment_bytes < unit) unit = buffers[i].alignment_bytes;
    }
    return unit;
}

bool sa_load_at(const sa_buffer *buffers, size_t count, size_t unit, int64_t step, size_t *bytes)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (buffers[i].begin > step || buffers[i].end <= step) continue;
        size_t rounded;
        if (!sa_size_align(buffers[i].size_bytes, unit, &rounded) || !sa_size_add(sum, rounded, &sum)) return false;
    }
    *bytes = sum;
    return true;
}
