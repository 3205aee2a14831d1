/* The plan checker. It shares no code with the planners and believes nothing a plan says. */
#include "memory/plan.h"

#include <stdlib.h>

typedef struct event {
    int64_t step;
    size_t buffer;
    bool opens;
} event;

static int compare_events(const void *a, const void *b)
{
    const event *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    return (int)x->opens - (int)y->opens; /* a lifetime that ends at a step makes room for one that begins there */
}

static size_t round_up(size_t value, size_t multiple)
{
    size_t rest = value % multiple;
    return rest && value <= SIZE_MAX - (multiple - rest) ? value + (multiple - rest) : value;
}

static sa_status check_extent(const sa_buffer *buffer, size_t offset, size_t peak)
{
    if (buffer->size_bytes == 0 || buffer->alignment_bytes == 0 || buffer->begin >= buffer->end) {
        SA_FAIL(SA_INVALID, "buffer '%s': size %zu, alignment %zu, lifetime [%lld, %lld)", buffer->name, buffer->size_bytes,
                buffer->alignment_bytes, (long long)buffer->begin, (long long)buffer->end);
    }
    if (offset % buffer->alignment_bytes != 0) {
        SA_FAIL(SA_INVALID, "buffer '%s': offset %zu is no multiple of its alignment %zu", buffer->name, offset,
                buffer->alignment_bytes);
    }
    if (buffer->size_bytes > peak || offset > peak - buffer->size_bytes) {
        SA_FAIL(SA_INVALID, "buffer '%s': %zu bytes at offset %zu end above the plan's peak of %zu", buffer->name,
                buffer->size_bytes, offset, peak);
    }
    return SA_OK;
}

static sa_status check_pairs(const sa_buffer *buffers, size_t count, const size_t *offsets)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            const sa_buffer *a = &buffers[i], *b = &buffers[j];
            bool together = a->begin < b->end && b->begin < a->end;
            bool overlap = offsets[i] < offsets[j] + b->size_bytes && offsets[j] < offsets[i] + a->size_bytes;
            if (!together || !overlap) continue;
            SA_FAIL(SA_INVALID,
                    "buffers '%s' (bytes %zu to %zu, steps %lld to %lld) and '%s' (bytes %zu to %zu, steps %lld to %lld) "
                    "overlap",
                    a->name, offsets[i], offsets[i] + a->size_bytes, (long long)a->begin, (long long)a->end, b->name, offsets[j],
                    offsets[j] + b->size_bytes, (long long)b->begin, (long long)b->end);
        }
    }
    return SA_OK;
}

/* The largest load, by a sweep over the lifetimes' ends. */
static sa_status sweep_load(const sa_buffer *buffers, size_t count, size_t multiple, size_t *load)
{
    size_t sum = 0;
    event *events = malloc((2 * count + 1) * sizeof *events);
    if (!events) SA_FAIL(SA_NOMEM, "no memory to check a plan of %zu buffers", count);
    for (size_t i = 0; i < count; i++) {
        events[2 * i] = (event){buffers[i].begin, i, true};
        events[2 * i + 1] = (event){buffers[i].end, i, false};
    }
    qsort(events, 2 * count, sizeof *events, compare_events);
    *load = 0;
    for (size_t e = 0; e < 2 * count; e++) {
        size_t rounded = round_up(buffers[events[e].buffer].size_bytes, multiple);
        sum = events[e].opens ? sum + rounded : sum - rounded;
        if (!events[e].opens || sum <= *load) continue;
        *load = sum;
    }
    free(events);
    return SA_OK;
}

sa_status sa_plan_check(const sa_buffer *buffers, size_t count, const sa_plan *plan)
{
    size_t peak = 0, unshared = 0, load = 0, multiple = SIZE_MAX;
    if (plan->count != count) SA_FAIL(SA_INVALID, "a plan for %zu buffers, but there are %zu", plan->count, count);
    for (size_t i = 0; i < count; i++) {
        SA_TRY(check_extent(&buffers[i], plan->offset_bytes[i], plan->peak_bytes));
        size_t top = plan->offset_bytes[i] + buffers[i].size_bytes;
        if (top > peak) peak = top;
        unshared += buffers[i].size_bytes;
        if (buffers[i].alignment_bytes < multiple) multiple = buffers[i].alignment_bytes;
    }
    peak = round_up(peak, multiple);
    if (peak != plan->peak_bytes) SA_FAIL(SA_INVALID, "the plan's peak is %zu, but it says %zu", peak, plan->peak_bytes);
    if (unshared != plan->unshared_bytes) {
        SA_FAIL(SA_INVALID, "the buffers' sizes sum up to %zu, but the plan says %zu", unshared, plan->unshared_bytes);
    }
    SA_TRY(check_pairs(buffers, count, plan->offset_bytes));
    SA_TRY(sweep_load(buffers, count, multiple, &load));
    if (load != plan->lower_bound_bytes) {
        SA_FAIL(SA_INVALID, "the lower bound is %zu, but the plan says %zu", load, plan->lower_bound_bytes);
    }
    if (plan->optimal && plan->peak_bytes < load) SA_FAIL(SA_INVALID, "the plan's peak %zu is below the load", peak);
    return SA_OK;
}
