/* The greedy planner: buffers in a fixed order, each into the tightest gap among the buffers placed before that live with it.
 *
 * The order decides: largest first is best as a rule, but nested lifetimes can do better longest or earliest first, so a few
 * orders are tried and the lowest placement is kept. */
#include "memory/planner.h"

#include <stdlib.h>
#include <string.h>

typedef struct rank {
    int64_t key[2]; /* descending */
    size_t item;    /* ascending, so that sorting is stable */
} rank;

typedef struct extent {
    int64_t begin, end; /* units */
} extent;

typedef enum order { BY_SIZE, BY_AREA, BY_LENGTH, BY_BEGIN, ORDERS } order;

static int compare_ranks(const void *a, const void *b)
{
    const rank *x = a, *y = b;
    for (int k = 0; k < 2; k++) {
        if (x->key[k] != y->key[k]) return x->key[k] > y->key[k] ? -1 : 1;
    }
    return (x->item > y->item) - (x->item < y->item);
}

static int compare_extents(const void *a, const void *b)
{
    const extent *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
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
static int64_t best_gap(const sa_problem_item *item, const extent *extents, size_t count)
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

static void place_in_order(const sa_problem *problem, const rank *ranks, extent *extents, int64_t *offsets)
{
    for (size_t k = 0; k < problem->count; k++) {
        const sa_problem_item *item = &problem->items[ranks[k].item];
        size_t met = 0;
        for (size_t j = 0; j < k; j++) {
            const sa_problem_item *other = &problem->items[ranks[j].item];
            if (other->first >= item->last || item->first >= other->last) continue;
            int64_t offset = offsets[ranks[j].item];
            extents[met++] = (extent){offset, offset + other->size};
        }
        qsort(extents, met, sizeof *extents, compare_extents);
        offsets[ranks[k].item] = best_gap(item, extents, met);
    }
}

sa_status sa_planner_greedy(const sa_problem *problem, const sa_planner_goal *goal, int64_t *offsets)
{
    size_t count = problem->count, best_peak = SIZE_MAX;
    rank *ranks = calloc(count + 1, sizeof *ranks);
    extent *extents = calloc(count + 1, sizeof *extents);
    int64_t *trial = calloc(count + 1, sizeof *trial);
    sa_status status = SA_OK;
    if (!ranks || !extents || !trial) {
        status = sa_error_set(SA_NOMEM, "no memory to plan %zu buffers", count);
    } else {
        for (int by = 0; by < ORDERS && best_peak > goal->target_bytes; by++) {
            rank_items(problem, (order)by, ranks);
            place_in_order(problem, ranks, extents, trial);
            size_t peak = sa_problem_peak_bytes(problem, trial);
            if (peak >= best_peak) continue;
            best_peak = peak;
            memcpy(offsets, trial, count * sizeof *offsets);
        }
    }
    free(ranks);
    free(extents);
    free(trial);
    return status;
}
