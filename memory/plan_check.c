/* The plan checker. It shares no code with the planners and believes nothing a plan says. */
#include "memory/plan.h"

#include <stdlib.h>

typedef struct event {
    int64_t op;
    size_t buffer;
    bool opens;
} event;

static int compare_events(const void *a, const void *b)
{
    const event *x = a, *y = b;
    if (x->op != y->op) return x->op < y->op ? -1 : 1;
    return (int)x->opens - (int)y->opens; /* a lifetime that ends at an op makes room for one that begins there */
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

static sa_status overlap_error(const sa_buffer *a, size_t at, const sa_buffer *b, size_t bt)
{
    SA_FAIL(SA_INVALID, "buffers '%s' (bytes %zu to %zu, ops %lld to %lld) and '%s' (bytes %zu to %zu, ops %lld to %lld) overlap",
            a->name, at, at + a->size_bytes, (long long)a->begin, (long long)a->end, b->name, bt, bt + b->size_bytes,
            (long long)b->begin, (long long)b->end);
}

/* Says which buffer overlaps buffer i; there is one. */
static sa_status name_overlap(const sa_buffer *buffers, size_t count, const size_t *offsets, size_t i)
{
    for (size_t j = 0; j < count; j++) {
        const sa_buffer *a = &buffers[i], *b = &buffers[j];
        bool together = a->begin < b->end && b->begin < a->end;
        bool overlap = offsets[i] < offsets[j] + b->size_bytes && offsets[j] < offsets[i] + a->size_bytes;
        if (j != i && together && overlap)
            return j < i ? overlap_error(b, offsets[j], a, offsets[i]) : overlap_error(a, offsets[i], b, offsets[j]);
    }
    SA_FAIL(SA_INVALID, "buffer '%s' overlaps another", buffers[i].name);
}

/* A skyline over time: how high the buffers seen so far reach. A tree over sections between the ops at which something begins or
 * ends: node 1 is all of them, nodes 2n and 2n + 1 the halves of node n. */
typedef struct skyline {
    size_t leaves;
    size_t *highest; /* (2 * leaves): anywhere in the node's sections */
    size_t *all;     /* of these, what was noted for all of the node's sections */
} skyline;

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t height(const skyline *s, size_t first, size_t last)
{
    size_t highest = 0;
    for (size_t low = first + s->leaves, high = last + s->leaves; low < high; low /= 2, high /= 2) {
        if (low & 1) highest = larger(highest, s->highest[low++]);
        if (high & 1) highest = larger(highest, s->highest[--high]);
    }
    for (size_t low = first + s->leaves, high = last - 1 + s->leaves; low > 0; low /= 2, high /= 2) {
        highest = larger(highest, larger(s->all[low], s->all[high]));
    }
    return highest;
}

static void note_all(skyline *s, size_t n, size_t top)
{
    s->all[n] = larger(s->all[n], top);
    for (; n > 0; n /= 2) s->highest[n] = larger(s->highest[n], top);
}

static void raise(skyline *s, size_t first, size_t last, size_t top)
{
    for (size_t low = first + s->leaves, high = last + s->leaves; low < high; low /= 2, high /= 2) {
        if (low & 1) note_all(s, low++, top);
        if (high & 1) note_all(s, --high, top);
    }
}

typedef struct placed {
    size_t offset, buffer;
} placed;

static int compare_placed(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->buffer > y->buffer) - (x->buffer < y->buffer);
}

static int compare_ops(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static size_t section_of(const int64_t *ops, size_t count, int64_t op)
{
    const int64_t *found = bsearch(&op, ops, count, sizeof *ops, compare_ops);
    return (size_t)(found - ops);
}

/* From the lowest buffer up: each has to start at or above all below it that live with it. */
static sa_status check_from_below(const sa_buffer *buffers, size_t count, const size_t *offsets, const placed *order,
                                  const int64_t *ops, size_t op_count, skyline *s)
{
    for (size_t k = 0; k < count; k++) {
        size_t i = order[k].buffer;
        size_t first = section_of(ops, op_count, buffers[i].begin), last = section_of(ops, op_count, buffers[i].end);
        if (height(s, first, last) > offsets[i]) return name_overlap(buffers, count, offsets, i);
        raise(s, first, last, offsets[i] + buffers[i].size_bytes);
    }
    return SA_OK;
}

static sa_status check_overlaps(const sa_buffer *buffers, size_t count, const size_t *offsets)
{
    skyline s = {.leaves = 1};
    placed *order = malloc((count + 1) * sizeof *order);
    int64_t *ops = malloc((2 * count + 1) * sizeof *ops);
    size_t distinct = 0;
    sa_status status = SA_OK;
    for (size_t i = 0; i < count && order && ops; i++) {
        order[i] = (placed){offsets[i], i};
        ops[2 * i] = buffers[i].begin;
        ops[2 * i + 1] = buffers[i].end;
    }
    if (order && ops) {
        qsort(order, count, sizeof *order, compare_placed);
        qsort(ops, 2 * count, sizeof *ops, compare_ops);
        for (size_t i = 0; i < 2 * count; i++)
            if (i == 0 || ops[i] != ops[i - 1]) ops[distinct++] = ops[i];
        while (s.leaves < distinct) s.leaves *= 2;
        s.highest = calloc(2 * s.leaves, sizeof *s.highest);
        s.all = calloc(2 * s.leaves, sizeof *s.all);
    }
    if (s.highest && s.all) status = check_from_below(buffers, count, offsets, order, ops, distinct, &s);
    else status = sa_error_set(SA_NOMEM, "no memory to check a plan of %zu buffers", count);
    free(order);
    free(ops);
    free(s.highest);
    free(s.all);
    return status;
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
    SA_TRY(check_overlaps(buffers, count, plan->offset_bytes));
    SA_TRY(sweep_load(buffers, count, multiple, &load));
    if (load != plan->lower_bound_bytes) {
        SA_FAIL(SA_INVALID, "the lower bound is %zu, but the plan says %zu", load, plan->lower_bound_bytes);
    }
    if (plan->optimal && plan->peak_bytes < load) SA_FAIL(SA_INVALID, "the plan's peak %zu is below the load", peak);
    return SA_OK;
}
