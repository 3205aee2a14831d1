/* Debug mode of the arena. What a slot looks like is drawn in arena_debug.h. */
#include "memory/arena_debug.h"

#include "core/checked.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

enum { DEAD_BYTE = 0xFF, ZONE_BYTE = 0xA5, ZONE_BYTES = SA_BUFFER_ALIGNMENT, CHUNK_BYTES = 1 << 16 };

typedef struct arena_slot {
    sa_buffer buffer;
    size_t begin_bytes, offset_bytes, end_bytes; /* red zone from begin to offset, and from offset + size to end */
    int64_t closed_at;                           /* the op that closed it last; -1 if none did */
    bool open, persistent;
} arena_slot;

struct sa_arena_debug {
    sa_device *device;   /* borrowed */
    unsigned char *base; /* borrowed */
    size_t bytes, count;
    int64_t op;           /* the op entered last; -1 between training steps */
    arena_slot *slots;    /* owned, one per buffer */
    unsigned char *chunk; /* owned host copy, CHUNK_BYTES */
};

static void poison(const sa_arena_debug *debug, size_t begin, size_t end, bool on)
{
    if (!debug->base || !debug->device->host_memory) return;
    if (on) ASAN_POISON_MEMORY_REGION(debug->base + begin, end - begin);
    else ASAN_UNPOISON_MEMORY_REGION(debug->base + begin, end - begin);
}

/* Leaves [begin, end) poisoned. */
static sa_status fill_poisoned(sa_arena_debug *debug, size_t begin, size_t end, int byte)
{
    if (begin == end) return SA_OK;
    poison(debug, begin, end, false);
    sa_status status = debug->device->functions->fill(debug->device, debug->base + begin, byte, end - begin);
    poison(debug, begin, end, true);
    return status;
}

/* The first byte in [begin, end), which is poisoned, that is not `byte`; end if all are. */
static sa_status find_damage(sa_arena_debug *debug, size_t begin, size_t end, int byte, size_t *damage)
{
    for (size_t at = begin; at < end; at += CHUNK_BYTES) {
        size_t bytes = end - at < CHUNK_BYTES ? end - at : CHUNK_BYTES;
        poison(debug, at, at + bytes, false);
        sa_status status = debug->device->functions->download(debug->device, debug->chunk, debug->base + at, bytes);
        poison(debug, at, at + bytes, true);
        if (status != SA_OK) return status;
        for (size_t i = 0; i < bytes; i++) {
            if (debug->chunk[i] == byte) continue;
            *damage = at + i;
            return SA_OK;
        }
    }
    *damage = end;
    return SA_OK;
}

static sa_status check_zones(sa_arena_debug *debug, const arena_slot *slot)
{
    size_t damage, top = slot->offset_bytes + slot->buffer.size_bytes;
    SA_TRY(find_damage(debug, slot->begin_bytes, slot->offset_bytes, ZONE_BYTE, &damage));
    if (damage < slot->offset_bytes) {
        SA_FAIL(SA_INVALID, "buffer '%s' (%zu bytes): a write %zu bytes before its begin, at op %lld or the one before",
                slot->buffer.name, slot->buffer.size_bytes, slot->offset_bytes - damage, (long long)debug->op);
    }
    SA_TRY(find_damage(debug, top, slot->end_bytes, ZONE_BYTE, &damage));
    if (damage < slot->end_bytes) {
        SA_FAIL(SA_INVALID, "buffer '%s' (%zu bytes): a write %zu bytes past its end, at op %lld or the one before",
                slot->buffer.name, slot->buffer.size_bytes, damage - top, (long long)debug->op);
    }
    return SA_OK;
}

/* Names the dead buffer that owned the damaged byte last. */
static sa_status report_dead_write(const sa_arena_debug *debug, size_t damage)
{
    const arena_slot *owner = NULL;
    for (size_t i = 0; i < debug->count; i++) {
        const arena_slot *slot = &debug->slots[i];
        if (slot->open || damage < slot->begin_bytes || damage >= slot->end_bytes) continue;
        if (!owner || slot->closed_at > owner->closed_at) owner = slot;
    }
    if (!owner) SA_FAIL(SA_INVALID, "byte %zu of the arena, owned by no buffer, was written", damage);
    SA_FAIL(SA_INVALID,
            "byte %zu of the arena was written outside of a lifetime before op %lld; buffer '%s', alive in ops [%lld, %lld), "
            "owned it",
            damage, (long long)debug->op, owner->buffer.name, (long long)owner->buffer.begin, (long long)owner->buffer.end);
}

static sa_status check_dead(sa_arena_debug *debug, size_t begin, size_t end)
{
    size_t damage;
    SA_TRY(find_damage(debug, begin, end, DEAD_BYTE, &damage));
    return damage < end ? report_dead_write(debug, damage) : SA_OK;
}

static sa_status open_slot(sa_arena_debug *debug, arena_slot *slot)
{
    size_t top = slot->offset_bytes + slot->buffer.size_bytes;
    SA_TRY(check_dead(debug, slot->begin_bytes, slot->end_bytes));
    SA_TRY(fill_poisoned(debug, slot->begin_bytes, slot->offset_bytes, ZONE_BYTE));
    SA_TRY(fill_poisoned(debug, top, slot->end_bytes, ZONE_BYTE));
    poison(debug, slot->offset_bytes, top, false); /* dead bytes are NaN already */
    slot->open = true;
    return SA_OK;
}

static sa_status close_slot(sa_arena_debug *debug, arena_slot *slot)
{
    slot->open = false;
    slot->closed_at = debug->op;
    return fill_poisoned(debug, slot->begin_bytes, slot->end_bytes, DEAD_BYTE);
}

static sa_status check_persistent(const sa_buffer *buffers, size_t count)
{
    int64_t begin = INT64_MAX, end = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        if (buffers[i].begin < begin) begin = buffers[i].begin;
        if (buffers[i].end > end) end = buffers[i].end;
    }
    for (size_t i = 0; i < count; i++) {
        bool persistent = buffers[i].kind == SA_BUFFER_PARAM || buffers[i].kind == SA_BUFFER_HISTORY;
        if (!persistent || (buffers[i].begin == begin && buffers[i].end == end)) continue;
        SA_FAIL(SA_INVALID, "buffer '%s' of kind %s is alive in ops [%lld, %lld) only, not in all of [%lld, %lld)", buffers[i].name,
                sa_buffer_kind_name(buffers[i].kind), (long long)buffers[i].begin, (long long)buffers[i].end, (long long)begin,
                (long long)end);
    }
    return SA_OK;
}

static sa_status pad_buffers(const sa_buffer *buffers, size_t count, sa_buffer *padded)
{
    for (size_t i = 0; i < count; i++) {
        padded[i] = buffers[i];
        if (padded[i].alignment_bytes < ZONE_BYTES) padded[i].alignment_bytes = ZONE_BYTES;
        /* The front zone is as long as the alignment, so that the buffer behind it is aligned as the slot is. */
        if (!sa_size_add(padded[i].size_bytes, padded[i].alignment_bytes + ZONE_BYTES, &padded[i].size_bytes)) {
            SA_FAIL(SA_INVALID, "buffer '%s' of %zu bytes: too large for red zones", buffers[i].name, buffers[i].size_bytes);
        }
    }
    return SA_OK;
}

static void set_slots(sa_arena_debug *debug, const sa_buffer *buffers, const sa_buffer *padded, const sa_plan *plan,
                      size_t *offset_bytes)
{
    for (size_t i = 0; i < debug->count; i++) {
        size_t begin = plan->offset_bytes[i];
        bool persistent = buffers[i].kind == SA_BUFFER_PARAM || buffers[i].kind == SA_BUFFER_HISTORY;
        debug->slots[i] = (arena_slot){.buffer = buffers[i],
                                       .begin_bytes = begin,
                                       .offset_bytes = begin + padded[i].alignment_bytes,
                                       .end_bytes = begin + padded[i].size_bytes,
                                       .closed_at = -1,
                                       .persistent = persistent};
        offset_bytes[i] = debug->slots[i].offset_bytes;
    }
}

sa_status sa_arena_debug_create(const sa_buffer *buffers, size_t count, size_t *offset_bytes, size_t *bytes, sa_arena_debug **debug)
{
    SA_TRY(check_persistent(buffers, count));
    sa_arena_debug *made = calloc(1, sizeof *made);
    sa_buffer *padded = calloc(count + 1, sizeof *padded);
    sa_plan plan = {0};
    sa_status status = SA_OK;
    if (made) {
        made->count = count;
        made->op = -1;
        made->slots = calloc(count + 1, sizeof *made->slots);
        made->chunk = malloc(CHUNK_BYTES);
    }
    if (!made || !padded || !made->slots || !made->chunk) {
        status = sa_error_set(SA_NOMEM, "no memory for a debug arena of %zu buffers", count);
        goto done;
    }
    SA_TRY_GOTO(status, done, pad_buffers(buffers, count, padded));
    const sa_plan_options greedy = {.planner = SA_PLANNER_GREEDY};
    SA_TRY_GOTO(status, done, sa_plan_make(padded, count, &greedy, &plan));
    set_slots(made, buffers, padded, &plan, offset_bytes);
    made->bytes = plan.peak_bytes;
    *bytes = plan.peak_bytes;
    *debug = made;
    made = NULL;
done:
    sa_arena_debug_destroy(made);
    sa_plan_free(&plan);
    free(padded);
    return status;
}

sa_status sa_arena_debug_bind(sa_arena_debug *debug, sa_device *device, unsigned char *base)
{
    debug->device = device;
    debug->base = base;
    SA_TRY(fill_poisoned(debug, 0, debug->bytes, DEAD_BYTE));
    for (size_t i = 0; i < debug->count; i++) {
        if (debug->slots[i].persistent) SA_TRY(open_slot(debug, &debug->slots[i]));
    }
    return SA_OK;
}

sa_status sa_arena_debug_enter_op(sa_arena_debug *debug, int64_t op)
{
    if (op <= debug->op) {
        SA_FAIL(SA_INVALID, "op %lld entered after op %lld of the same training step", (long long)op, (long long)debug->op);
    }
    debug->op = op;
    for (size_t i = 0; i < debug->count; i++) {
        if (debug->slots[i].open) SA_TRY(check_zones(debug, &debug->slots[i]));
    }
    /* Close first: what opens now may lie where something else ends. */
    for (size_t i = 0; i < debug->count; i++) {
        arena_slot *slot = &debug->slots[i];
        if (slot->open && !slot->persistent && slot->buffer.end <= op) SA_TRY(close_slot(debug, slot));
    }
    for (size_t i = 0; i < debug->count; i++) {
        arena_slot *slot = &debug->slots[i];
        bool alive = slot->buffer.begin <= op && op < slot->buffer.end;
        if (!slot->open && alive) SA_TRY(open_slot(debug, slot));
    }
    return SA_OK;
}

static int compare_slots(const void *a, const void *b)
{
    const arena_slot *const *x = a, *const *y = b;
    return ((*x)->begin_bytes > (*y)->begin_bytes) - ((*x)->begin_bytes < (*y)->begin_bytes);
}

/* All bytes between the open slots, which do not overlap. */
static sa_status check_all_dead(sa_arena_debug *debug)
{
    const arena_slot **open = malloc((debug->count + 1) * sizeof *open);
    if (!open) SA_FAIL(SA_NOMEM, "no memory to check an arena of %zu buffers", debug->count);
    size_t open_count = 0, top = 0;
    for (size_t i = 0; i < debug->count; i++) {
        if (debug->slots[i].open) open[open_count++] = &debug->slots[i];
    }
    qsort(open, open_count, sizeof(const arena_slot *), compare_slots);
    sa_status status = SA_OK;
    for (size_t k = 0; k < open_count && status == SA_OK; k++) {
        status = check_dead(debug, top, open[k]->begin_bytes);
        top = open[k]->end_bytes;
    }
    if (status == SA_OK) status = check_dead(debug, top, debug->bytes);
    free(open);
    return status;
}

sa_status sa_arena_debug_leave(sa_arena_debug *debug)
{
    for (size_t i = 0; i < debug->count; i++) {
        arena_slot *slot = &debug->slots[i];
        if (!slot->open) continue;
        SA_TRY(check_zones(debug, slot));
        if (!slot->persistent) SA_TRY(close_slot(debug, slot));
    }
    SA_TRY(check_all_dead(debug));
    debug->op = -1;
    return SA_OK;
}

void sa_arena_debug_destroy(sa_arena_debug *debug)
{
    if (!debug) return;
    poison(debug, 0, debug->bytes, false);
    free(debug->slots);
    free(debug->chunk);
    free(debug);
}
