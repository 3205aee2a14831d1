/* The load of a step: how many bytes any placement needs for the buffers alive at it. Internal to memory/. */
#ifndef SA_MEMORY_LOAD_H
#define SA_MEMORY_LOAD_H

#include "memory/buffer.h"

#include <stdbool.h>

/* The smallest alignment; all offsets are multiples of it, so sizes may be rounded up to it when buffers are stacked. 1 if none. */
size_t sa_load_unit(const sa_buffer *buffers, size_t count);
/* The sum of the sizes alive at `step`, each rounded up to unit. false on overflow. */
bool sa_load_at(const sa_buffer *buffers, size_t count, size_t unit, int64_t step, size_t *bytes);

#endif
