/* Buffers for planner tests: short declarations, random instances, and a brute-force optimum. */
#ifndef TESTS_SUPPORT_INSTANCES_H
#define TESTS_SUPPORT_INSTANCES_H

#include "memory/buffer.h"

/* "b<index>", kind ACTIVATION */
sa_buffer sa_instance_buffer(size_t index, int64_t begin, int64_t end, size_t size_bytes, size_t alignment_bytes);

/* xorshift64*; *state is not 0 */
uint64_t sa_instance_random(uint64_t *state);

/* count buffers with sizes 1 to largest_size and lifetimes within `steps` steps; all of one alignment, or, if alignment is 0, each
 * of 1, 2, 4 or 8 bytes. */
void sa_instance_fill_random(sa_buffer *buffers, size_t count, int64_t steps, size_t largest_size, size_t alignment_bytes,
                             uint64_t *state);

/* Lifetimes like those of a training step: depth levels, each with a saved value from forward to backward, short activations
 * and their gradients. Returns the number of buffers; room for 4 * depth + 2. */
size_t sa_instance_fill_training(sa_buffer *buffers, int64_t depth, size_t largest_size, uint64_t *state);

/* The lowest peak of any placement, rounded up to the smallest alignment: pushes the buffers down in all orders. For count 1 to 8.
 */
size_t sa_instance_lowest_peak(const sa_buffer *buffers, size_t count);

#endif
