/* The arena: one device allocation cut up by a plan. The checks of debug mode are in arena_debug.c. */
#include "memory/arena.h"

#include "memory/arena_debug.h"

#include <stdlib.h>

struct sa_arena {
    sa_device *device; /* borrowed */
    unsigned char *base;
    size_t bytes;
    bool borrowed; /* the memory is another arena's */
    size_t count;
    size_t *offset_bytes;  /* owned */
    sa_arena_debug *debug; /* owned; NULL unless in debug mode */
};

static sa_status take_offsets(sa_arena *arena, const sa_buffer *buffers, const sa_plan *plan, bool debug)
{
    arena->offset_bytes = malloc((arena->count + 1) * sizeof *arena->offset_bytes);
    if (!arena->offset_bytes) SA_FAIL(SA_NOMEM, "no memory for an arena of %zu buffers", arena->count);
    if (debug) return sa_arena_debug_create(buffers, arena->count, arena->offset_bytes, &arena->bytes, &arena->debug);
    for (size_t i = 0; i < arena->count; i++) arena->offset_bytes[i] = plan->offset_bytes[i];
    arena->bytes = plan->peak_bytes;
    return SA_OK;
}

static sa_status check_base(const sa_arena *arena, const sa_buffer *buffers)
{
    for (size_t i = 0; i < arena->count; i++) {
        if ((uintptr_t)arena->base % buffers[i].alignment_bytes == 0) continue;
        SA_FAIL(SA_INVALID, "buffer '%s' wants an alignment of %zu bytes, the device's allocation has less", buffers[i].name,
                buffers[i].alignment_bytes);
    }
    return SA_OK;
}

static sa_status take_memory(sa_arena *arena, const sa_arena *whole)
{
    void *base = NULL;
    if (whole) {
        if (arena->bytes > whole->bytes)
            SA_FAIL(SA_CAPACITY, "%zu buffers need %zu bytes, the arena has %zu", arena->count, arena->bytes, whole->bytes);
        arena->borrowed = true;
        arena->base = whole->base;
        arena->bytes = whole->bytes;
        return SA_OK;
    }
    if (arena->bytes == 0) return SA_OK;
    sa_status status = arena->device->functions->alloc(arena->device, arena->bytes, &base);
    if (status != SA_OK) return sa_error_prefix(status, "an arena of %zu bytes for %zu buffers", arena->bytes, arena->count);
    arena->base = base;
    return SA_OK;
}

/* whole: NULL, or whose memory is used. */
static sa_status create(sa_device *device, const sa_arena *whole, const sa_buffer *buffers, size_t count, const sa_plan *plan,
                        const sa_arena_options *options, sa_arena **arena)
{
    SA_TRY(sa_plan_check(buffers, count, plan));
    sa_arena *made = calloc(1, sizeof *made);
    if (!made) SA_FAIL(SA_NOMEM, "no memory for an arena of %zu buffers", count);
    made->device = device;
    made->count = count;
    sa_status status = take_offsets(made, buffers, plan, options && options->debug);
    if (status == SA_OK) status = take_memory(made, whole);
    if (status == SA_OK) status = check_base(made, buffers);
    if (status == SA_OK && made->debug) status = sa_arena_debug_bind(made->debug, device, made->base);
    if (status != SA_OK) {
        sa_arena_destroy(made);
        return status;
    }
    *arena = made;
    return SA_OK;
}

sa_status sa_arena_create(sa_device *device, const sa_buffer *buffers, size_t count, const sa_plan *plan,
                          const sa_arena_options *options, sa_arena **arena)
{
    return create(device, NULL, buffers, count, plan, options, arena);
}

sa_status sa_arena_create_within(const sa_arena *whole, const sa_buffer *buffers, size_t count, const sa_plan *plan,
                                 const sa_arena_options *options, sa_arena **arena)
{
    return create(whole->device, whole, buffers, count, plan, options, arena);
}

void sa_arena_destroy(sa_arena *arena)
{
    if (!arena) return;
    sa_arena_debug_destroy(arena->debug); /* before the memory goes: it lifts the poison */
    if (arena->base && !arena->borrowed) arena->device->functions->free(arena->device, arena->base);
    free(arena->offset_bytes);
    free(arena);
}

const void *sa_arena_base(const sa_arena *arena)
{
    return arena->base;
}

void *sa_arena_pointer(const sa_arena *arena, size_t buffer)
{
    return buffer < arena->count ? arena->base + arena->offset_bytes[buffer] : NULL;
}

size_t sa_arena_bytes(const sa_arena *arena)
{
    return arena->bytes;
}

sa_status sa_arena_enter_op(sa_arena *arena, int64_t op)
{
    return arena->debug ? sa_arena_debug_enter_op(arena->debug, op) : SA_OK;
}

sa_status sa_arena_leave(sa_arena *arena)
{
    return arena->debug ? sa_arena_debug_leave(arena->debug) : SA_OK;
}
