/* Debug mode of the arena: lifetimes are enforced. Internal to memory/.
 *
 * A buffer's slot in the arena, alive:
 *
 *     | red zone, 0xA5 | the buffer, 0xFF (NaN) until it is written | red zone, 0xA5 |
 *
 * Everything else is 0xFF, and poisoned under AddressSanitizer on a CPU device, as are the red zones. Red zones are looked at
 * when an op is entered and at the end; bytes that nobody owns when a slot opens over them and at the end. Goes through the
 * device interface only, so it works on any device. */
#ifndef SA_MEMORY_ARENA_DEBUG_H
#define SA_MEMORY_ARENA_DEBUG_H

#include "core/device.h"
#include "memory/plan.h"

typedef struct sa_arena_debug sa_arena_debug;

/* Plans again with red zones: fills offset_bytes (one per buffer, where the buffer itself begins) and the bytes needed. SA_INVALID
 * if a PARAM or HISTORY buffer is not alive over all ops: it has to outlive a training step. */
SA_CHECKED sa_status sa_arena_debug_create(const sa_buffer *buffers, size_t count, size_t *offset_bytes, size_t *bytes,
                                           sa_arena_debug **debug);
/* Takes the arena's memory: fills it and opens the persistent buffers. */
SA_CHECKED sa_status sa_arena_debug_bind(sa_arena_debug *debug, sa_device *device, unsigned char *base);
SA_CHECKED sa_status sa_arena_debug_enter_op(sa_arena_debug *debug, int64_t op);
SA_CHECKED sa_status sa_arena_debug_leave(sa_arena_debug *debug);
void sa_arena_debug_destroy(sa_arena_debug *debug); /* NULL is allowed */

#endif
