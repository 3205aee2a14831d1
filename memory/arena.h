/* The arena: one device allocation of exactly the plan's size, out of which every buffer of a training step is cut.
 *
 * Debug mode puts red zones between neighbours, fills buffers with NaN when their lifetime starts and when it ends, and (under
 * AddressSanitizer, on the CPU) poisons every byte that is not alive. The arena is then larger than the plan. */
#ifndef SA_MEMORY_ARENA_H
#define SA_MEMORY_ARENA_H

#include "core/device.h"
#include "memory/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sa_arena sa_arena;

typedef struct sa_arena_options {
    bool debug;
} sa_arena_options;

/* Borrows device; copies what it needs of buffers and plan, which is checked first. In debug mode it plans again with red zones,
 * and PARAM and HISTORY buffers have to be alive in all ops (SA_INVALID). */
SA_CHECKED sa_status sa_arena_create(sa_device *device, const sa_buffer *buffers, size_t count, const sa_plan *plan,
                                     const sa_arena_options *options, sa_arena **arena);
/* Cuts the memory of `whole` up by another plan; nothing is taken from the device. The contents are left as they are. whole has to
 * outlive the new arena, and none of its own buffers may be used meanwhile. SA_CAPACITY: the plan needs more. */
SA_CHECKED sa_status sa_arena_create_within(const sa_arena *whole, const sa_buffer *buffers, size_t count, const sa_plan *plan,
                                            const sa_arena_options *options, sa_arena **arena);
void sa_arena_destroy(sa_arena *arena);                       /* NULL is allowed */
const void *sa_arena_base(const sa_arena *arena);             /* where the allocation starts */
void *sa_arena_pointer(const sa_arena *arena, size_t buffer); /* stable for the arena's life */
size_t sa_arena_bytes(const sa_arena *arena);                 /* what was taken from the device, also within another */
/* Tells the arena that op `op` is about to run (debug: opens and closes lifetimes, checks red zones; SA_INVALID names the
 * buffer that was overrun or written outside of its lifetime). Steps go 0, 1, ..., and start at 0 again after sa_arena_leave.
 * PARAM and HISTORY buffers are alive from creation on and keep their contents; all others hold NaN (0xFF bytes) when their
 * lifetime starts, so they are written after entering their first op and read before entering the op they end at. */
SA_CHECKED sa_status sa_arena_enter_op(sa_arena *arena, int64_t op);
/* After the last op of a training step, and after its results (the loss, say) were downloaded: closes all lifetimes but those of
 * persistent kinds (PARAM, HISTORY), and checks all bytes that nobody owns. */
SA_CHECKED sa_status sa_arena_leave(sa_arena *arena);

#ifdef __cplusplus
}
#endif
#endif
