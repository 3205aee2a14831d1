/* Planner instances and the brute-force optimum: slow, obvious, and apart from the code it judges. */
#include "tests/support/instances.h"

#include <stdbool.h>
#include <stdio.h>

sa_buffer sa_instance_buffer(size_t index, int64_t begin, int64_t end, size_t size_bytes, size_t alignment_bytes)
{
    sa_buffer buffer = {
        .kind = SA_BUFFER_ACTIVATION, .size_bytes = size_bytes, .alignment_bytes = alignment_bytes, .begin = begin, .end = end};
    snprintf(buffer.name, sizeof buffer.name, "b%zu", index);
    return buffer;
}

uint64_t sa_instance_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(0x2545F4914F6CDD1D)) >> 16;
}

void sa_instance_fill_random(sa_buffer *buffers, size_t count, int64_t steps, size_t largest_size, size_t alignment_bytes,
                             uint64_t *state)
{
    for (size_t i = 0; i < count; i++) {
        int64_t begin = (int64_t)(sa_instance_random(state) % (uint64_t)steps);
        int64_t end = begin + 1 + (int64_t)(sa_instance_random(state) % (uint64_t)(steps - begin));
        size_t alignment = alignment_bytes ? alignment_bytes : (size_t)1 << sa_instance_random(state) % 4;
        buffers[i] = sa_instance_buffer(i, begin, end, 1 + sa_instance_random(state) % largest_size, alignment);
    }
}

size_t sa_instance_fill_training(sa_buffer *buffers, int64_t depth, size_t largest_size, uint64_t *state)
{
    size_t count = 0;
    int64_t steps = 4 * depth;
    buffers[count] = sa_instance_buffer(count, 0, steps, largest_size, 64); /* parameters */
    count++;
    buffers[count] = sa_instance_buffer(count, steps / 2 - 1, steps, 4, 64); /* the loss */
    count++;
    for (int64_t level = 0; level < depth; level++) {
        int64_t forward = 2 * level, backward = steps - 2 * level - 2;
        size_t size = (8 + sa_instance_random(state) % (largest_size / 64)) * 64;
        buffers[count] = sa_instance_buffer(count, forward, backward + 2, size, 64); /* saved for backward */
        count++;
        buffers[count] =
            sa_instance_buffer(count, forward, forward + 3, (1 + sa_instance_random(state) % (largest_size / 64)) * 64, 64);
        count++;
        buffers[count] = sa_instance_buffer(count, forward + 1, backward + 1, size / 32,
                                            64); /* its mask, not always a multiple of the alignment */
        count++;
        buffers[count] = sa_instance_buffer(count, backward, level ? backward + 3 : steps, size, 64); /* gradient */
        count++;
    }
    return count;
}

/* The lowest aligned offset at or above all of the placed buffers that live with this one and lie below it in the order. */
static size_t lowest_offset(const sa_buffer *buffers, const size_t *order, const size_t *offsets, size_t placed, size_t buffer)
{
    size_t offset = 0;
    for (size_t k = 0; k < placed; k++) {
        const sa_buffer *a = &buffers[order[k]], *b = &buffers[buffer];
        if (a->end <= b->begin || b->end <= a->begin) continue;
        size_t top = offsets[order[k]] + a->size_bytes;
        while (offset < top) offset += b->alignment_bytes;
    }
    return offset;
}

static void search(const sa_buffer *buffers, size_t count, size_t *order, size_t *offsets, bool *used, size_t placed, size_t peak,
                   size_t *best)
{
    if (peak >= *best) return;
    if (placed == count) {
        *best = peak;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (used[i]) continue;
        offsets[i] = lowest_offset(buffers, order, offsets, placed, i);
        order[placed] = i;
        used[i] = true;
        size_t top = offsets[i] + buffers[i].size_bytes;
        search(buffers, count, order, offsets, used, placed + 1, top > peak ? top : peak, best);
        used[i] = false;
    }
}

/* An optimal placement, pushed down as far as it goes and read from bottom to top, is one of the orders tried. */
size_t sa_instance_lowest_peak(const sa_buffer *buffers, size_t count)
{
    size_t order[8], offsets[8], best = SIZE_MAX;
    bool used[8] = {false};
    search(buffers, count, order, offsets, used, 0, 0, &best);
    size_t alignment = buffers[0].alignment_bytes;
    for (size_t i = 1; i < count; i++) alignment = buffers[i].alignment_bytes < alignment ? buffers[i].alignment_bytes : alignment;
    return (best + alignment - 1) / alignment * alignment;
}
