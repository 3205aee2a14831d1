/* The greedy planner: buffers in a fixed order, each into the tightest gap among the buffers placed before that live with it.
 *
 * The order decides: largest first is best as a rule, but nested lifetimes can do better longest or earliest first, so a few
 * orders are tried and the lowest placement is kept. */
#include "core/clock.h"
#include "memory/occupied.h"
#include "memory/planner.h"
#include "memory/search.h"

#include <stdlib.h>
#include <string.h>

enum { CLOCK_ITEMS = 256, MANY_ITEMS = 100000 };
static const double LEAST_SECONDS = 1.0; /* other planners start from this one's placement, however little time they have */
static const double SWEEP_SECONDS = 5.0; /* what the sweep, all that is left then, has even where other programs have the cores */

typedef struct rank {
    int64_t key[2]; /* descending */
    size_t item;    /* ascending, so that sorting is stable */
} rank;

typedef enum order { BY_SIZE, BY_AREA, BY_LENGTH, BY_BEGIN, ORDERS } order;

static int compare_ranks(const void *a, const void *b)
{
    const rank *x = a, *y = b;
    for (int k = 0; k < 2; k++) {
        if (x->key[k] != y->key[k]) return x->key[k] > y->key[k] ? -1 : 1;
    }
    return (x->item > y->item) - (x->item < y->item);
}

static void rank_items(const sa_problem *problem, order by, rank *ranks)
{
    for (size_t i = 0; i < problem->count; i++) {
        const sa_problem_item *item = &problem->items[i];
        int64_t length = item->last - item->first;
        ranks[i].item = i;
        switch (by) {
        case BY_AREA:
            ranks[i].key[0] = __builtin_mul_overflow(item->size, length, &ranks[i].key[0]) ? INT64_MAX : item->size * length;
            ranks[i].key[1] = item->size;
            break;
        case BY_LENGTH:
            ranks[i].key[0] = length;
            ranks[i].key[1] = item->size;
            break;
        case BY_BEGIN:
            ranks[i].key[0] = -(int64_t)item->first;
            ranks[i].key[1] = item->size;
            break;
        default: ranks[i].key[0] = item->size; ranks[i].key[1] = length;
        }
    }
    qsort(ranks, problem->count, sizeof *ranks, compare_ranks);
}

/* The smallest gap between sorted extents that holds the item; else on top of them all. */
static int64_t best_gap(const sa_problem_item *item, const sa_extent *extents, size_t count)
{
    int64_t top = 0, best = -1, best_room = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        int64_t start = (top + item->align - 1) / item->align * item->align, room = extents[i].begin - top;
        if (start + item->size <= extents[i].begin && room < best_room) {
            best = start;
            best_room = room;
        }
        if (extents[i].end > top) top = extents[i].end;
    }
    return best >= 0 ? best : (top + item->align - 1) / item->align * item->align;
}

/* By begin, as an allocator would: of what is placed already, what lives with an item is alive when it begins, so one pass over
 * what is alive places it. Quick even for a million buffers. */
typedef struct alive {
    sa_extent extent;
    int last;
} alive;

/* Drops what has ended and copies the extents of the rest, which stay ascending. */
static size_t keep_alive(alive *now, size_t count, int first, sa_extent *extents)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (now[i].last <= first) continue;
        now[kept] = now[i];
        extents[kept++] = now[i].extent;
    }
    return kept;
}

static sa_status sweep(const sa_problem *problem, const rank *ranks, double deadline, int64_t *offsets)
{
    size_t count = 0;
    int64_t top = 0;
    bool late = false;
    alive *now = malloc((problem->count + 1) * sizeof *now);
    sa_extent *extents = malloc((problem->count + 1) * sizeof *extents);
    for (size_t k = 0; k < problem->count && now && extents; k++) {
        const sa_problem_item *item = &problem->items[ranks[k].item];
        if (k % CLOCK_ITEMS == 0) late = sa_clock_seconds() > deadline;
        if (!late) count = keep_alive(now, count, item->first, extents);
        int64_t offset = late ? (top + item->align - 1) / item->align * item->align : best_gap(item, extents, count);
        if (offset + item->size > top) top = offset + item->size;
        offsets[ranks[k].item] = offset;
        if (late) continue;
        size_t place = count++;
        for (; place > 0 && now[place - 1].extent.begin > offset; place--) now[place] = now[place - 1];
        now[place] = (alive){{offset, offset + item->size}, item->last};
    }
    sa_status status = now && extents ? SA_OK : sa_error_set(SA_NOMEM, "no memory to plan %zu buffers", problem->count);
    free(now);
    free(extents);
    return status;
}

static sa_status place_in_order(const sa_problem *problem, const rank *ranks, sa_occupied *occupied, double deadline,
                                bool *was_late, int64_t *offsets)
{
    int64_t top = 0;
    bool late = false;
    sa_occupied_clear(occupied);
    for (size_t k = 0; k < problem->count; k++) {
        const sa_problem_item *item = &problem->items[ranks[k].item];
        const sa_extent *extents;
        size_t count;
        int64_t *offset = &offsets[ranks[k].item];
        if (k % CLOCK_ITEMS == 0) *was_late |= late = sa_clock_seconds() > deadline;
        if (late) { /* the rest on top of it all */
            *offset = (top + item->align - 1) / item->align * item->align;
        } else {
            SA_TRY(sa_occupied_find(occupied, item->first, item->last, &extents, &count));
            *offset = best_gap(item, extents, count);
            SA_TRY(sa_occupied_add(occupied, item->first, item->last, (sa_extent){*offset, *offset + item->size}));
        }
        if (*offset + item->size > top) top = *offset + item->size;
    }
    return SA_OK;
}

static void keep_better(const sa_problem *problem, const int64_t *trial, int64_t *offsets, size_t *best_peak)
{
    size_t peak = sa_problem_peak_bytes(problem, trial);
    if (peak >= *best_peak) return;
    *best_peak = peak;
    memcpy(offsets, trial, problem->count * sizeof *offsets);
}

sa_status sa_planner_greedy(const sa_problem *problem, const sa_planner_goal *goal, int64_t *offsets)
{
    size_t count = problem->count, best_peak = SIZE_MAX;
    double least = goal->strict_timeout ? 0 : LEAST_SECONDS;
    double timeout = goal->timeout_seconds > least ? goal->timeout_seconds : least, end = sa_clock_seconds() + timeout;
    double deadline = count > MANY_ITEMS ? end - 0.5 * timeout : end; /* what takes long may need the sweep behind it */
    bool late = false;
    rank *ranks = calloc(count + 1, sizeof *ranks);
    int64_t *trial = calloc(count + 1, sizeof *trial);
    sa_occupied *occupied = NULL;
    sa_status status = ranks && trial ? sa_occupied_create(problem->sections, &occupied)
                                      : sa_error_set(SA_NOMEM, "no memory to plan %zu buffers", count);
    for (int by = 0; by < ORDERS && best_peak > goal->target_bytes && status == SA_OK; by++) {
        if (by > 0 && sa_clock_seconds() > deadline) break;
        rank_items(problem, (order)by, ranks);
        status = place_in_order(problem, ranks, occupied, deadline, &late, trial);
        if (status == SA_OK) keep_better(problem, trial, offsets, &best_peak);
    }
    if (late && status == SA_OK) {
        rank_items(problem, BY_BEGIN, ranks);
        double more = sa_clock_seconds() + (goal->strict_timeout ? 0 : SWEEP_SECONDS);
        status = sweep(problem, ranks, end > more ? end : more, trial);
        if (status == SA_OK) keep_better(problem, trial, offsets, &best_peak);
    }
    free(ranks);
    free(trial);
    sa_occupied_free(occupied);
    return status;
}
