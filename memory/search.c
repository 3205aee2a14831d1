/* Sets up the search and starts its dives. The tree itself is in search_branch.c. */
#include "memory/search.h"

#include "memory/search_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t most_stack_bytes = (size_t)128 << 20;
static const double fading = 0.9; /* of failures, from dive to dive */
enum { MOST_DEPTH = 8192 };       /* about 2 MiB of the C stack */

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* Only sections whose set of buffers is in no other section's set matter: those where something begins (since the last such
 * section) and after which something ends. kept[s] becomes how many of them are before s. */
static int keep_tightest_sections(const sa_problem *problem, int *kept)
{
    int count = 0;
    bool begun = false;
    for (int s = 0; s <= problem->sections; s++) kept[s] = 0;
    for (size_t i = 0; i < problem->count; i++) {
        kept[problem->items[i].first] |= 1;
        kept[problem->items[i].last] |= 2;
    }
    for (int s = 0; s < problem->sections; s++) {
        begun |= (kept[s] & 1) != 0;
        kept[s] = count;
        if (!begun || !(kept[s + 1] & 2)) continue;
        count++;
        begun = false;
    }
    kept[problem->sections] = count;
    return count;
}

static void set_items(sa_search *search, const int *kept)
{
    uint64_t random = 1;
    for (int i = 0; i < search->count; i++) {
        const sa_problem_item *item = &search->problem->items[i];
        search->items[i] = (sa_search_item){.first = kept[item->first],
                                            .last = kept[item->last],
                                            .size = item->size,
                                            .align = item->align,
                                            .key = next_random(&random)};
        if (search->items[i].first == search->items[i].last) continue;
        search->load[search->items[i].first] += item->size;
        search->load[search->items[i].last] -= item->size;
    }
    for (int s = 1; s < search->sections; s++) search->load[s] += search->load[s - 1];
}

static bool allocate(sa_search *search, size_t count, size_t sections)
{
    search->items = calloc(count + 1, sizeof *search->items);
    search->offset = calloc(count + 1, sizeof *search->offset);
    search->low = calloc(count + 1, sizeof *search->low);
    search->order = calloc(count + 1, sizeof *search->order);
    search->priority = calloc(count + 1, sizeof *search->priority);
    search->floor = calloc(sections + 1, sizeof *search->floor);
    search->slack = calloc(sections + 1, sizeof *search->slack);
    search->load = calloc(sections + 1, sizeof *search->load);
    search->least = calloc(sections + 1, sizeof *search->least);
    search->ways = calloc(sections + 1, sizeof *search->ways);
    search->item_failures = calloc(count + 1, sizeof *search->item_failures);
    search->section_failures = calloc(sections + 1, sizeof *search->section_failures);
    search->memo = calloc(SA_SEARCH_MEMO_COUNT, sizeof *search->memo);
    size_t node_bytes = count * (3 * sizeof(int) + sizeof(sa_search_part)) + 2 * sections * sizeof(int64_t) + 256;
    search->stack_bytes = node_bytes * (2 * count + 64);
    if (search->stack_bytes > most_stack_bytes) search->stack_bytes = most_stack_bytes;
    search->stack = malloc(search->stack_bytes);
    return search->items && search->offset && search->low && search->order && search->priority && search->floor && search->slack &&
           search->load && search->least && search->ways && search->item_failures && search->section_failures && search->memo &&
           search->stack;
}

sa_status sa_search_create(const sa_problem *problem, sa_search **search)
{
    sa_search *made = calloc(1, sizeof *made);
    int *kept = calloc((size_t)problem->sections + 1, sizeof *kept);
    if (!made || !kept || !allocate(made, problem->count, (size_t)problem->sections)) {
        sa_search_destroy(made);
        free(kept);
        SA_FAIL(SA_NOMEM, "no memory to search a placement of %zu buffers", problem->count);
    }
    made->problem = problem;
    made->count = (int)problem->count;
    made->sections = keep_tightest_sections(problem, kept);
    set_items(made, kept);
    made->depth_limit = made->count < MOST_DEPTH / 4 ? 4 * made->count + 64 : MOST_DEPTH;
    free(kept);
    *search = made;
    return SA_OK;
}

void sa_search_destroy(sa_search *search)
{
    if (!search) return;
    free(search->items);
    free(search->offset);
    free(search->low);
    free(search->order);
    free(search->priority);
    free(search->floor);
    free(search->slack);
    free(search->load);
    free(search->least);
    free(search->ways);
    free(search->item_failures);
    free(search->section_failures);
    free(search->memo);
    free(search->stack);
    free(search);
}

static int compare_priorities(const void *a, const void *b, void *priorities)
{
    const double *priority = priorities;
    int x = *(const int *)a, y = *(const int *)b;
    if (priority[x] != priority[y]) return priority[x] > priority[y] ? -1 : 1;
    return (x > y) - (x < y);
}

static void set_order(sa_search *search, const sa_search_order *order)
{
    uint64_t random = order->seed;
    double most_failures = 1.0;
    for (int i = 0; i < search->count; i++) most_failures = fmax(most_failures, search->item_failures[i]);
    for (int i = 0; i < search->count; i++) {
        const sa_search_item *item = &search->items[i];
        double r = (double)(next_random(&random) >> 11) * 0x1p-52 - 1.0;
        search->priority[i] = pow((double)item->size, order->size_power) *
                              pow((double)(item->last - item->first), order->length_power) * (1.0 + order->noise * r) *
                              (1.0 + 3.0 * search->item_failures[i] / most_failures);
        search->order[i] = i;
        search->item_failures[i] *= fading;
    }
    for (int s = 0; s < search->sections; s++) search->section_failures[s] *= fading;
    qsort_r(search->order, (size_t)search->count, sizeof *search->order, compare_priorities, search->priority);
}

/* False if the capacity is refuted at once. */
static bool set_capacity(sa_search *search, size_t capacity_bytes)
{
    int64_t capacity = (int64_t)(capacity_bytes / search->problem->unit_bytes);
    search->capacity = capacity;
    for (int s = 0; s < search->sections; s++) {
        search->floor[s] = 0;
        search->slack[s] = capacity - search->load[s];
        if (search->slack[s] < 0) return false;
    }
    return true;
}

sa_search_result sa_search_run(sa_search *search, size_t capacity_bytes, const sa_search_order *order,
                               const sa_search_budget *budget, int64_t *offsets)
{
    if (!set_capacity(search, capacity_bytes)) return SA_SEARCH_EXHAUSTED;
    set_order(search, order);
    search->follow_failures = order->follow_failures;
    search->nodes = 0;
    search->node_limit = budget->nodes;
    search->deadline_seconds = budget->deadline_seconds;
    search->stopped = false;
    search->stack_used = 0;
    search->depth = 0;
    if (sa_search_branch(search, (sa_search_part){search->order, search->count, 0, search->sections})) {
        memcpy(offsets, search->offset, (size_t)search->count * sizeof *offsets);
        return SA_SEARCH_FOUND;
    }
    return search->stopped ? SA_SEARCH_STOPPED : SA_SEARCH_EXHAUSTED;
}
