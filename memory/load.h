/* The load of an op: how many bytes any placement needs for the buffers alive at it. Internal to memory/. */
#ifndef SA_MEMORY_LOAD_H
#define SA_MEMORY_LOAD_H

#include "core/status.h"
#include "memory/buffer.h"

/* The smallest alignment; all offsets are multiples of it, so sizes may be rounded up to it when buffers are stacked. 1 if none. */
size_t sa_load_unit(const sa_buffer *buffers, size_t count);
/* The largest sum of the sizes alive at an op, each rounded up to unit, and the first such op (0, 0 if nothing is alive).
 * SA_INVALID on overflow. */
SA_CHECKED sa_status sa_load_largest(const sa_buffer *buffers, size_t count, size_t unit, size_t *bytes, int64_t *op);

#endif
