/* The tree of the search: see search.h for the idea. */
#include "core/clock.h"
#include "memory/search_state.h"

#include <string.h>

enum { CLOCK_WORK = 1 << 14 };            /* items and sections looked at between two looks at the clock */
static const double shared_failure = 0.1; /* an item's share in the failure of a section */

static inline int64_t round_up(int64_t value, int64_t align)
{
    return align == 1 ? value : (value + align - 1) / align * align;
}

static inline uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* Memory that lives until stack_used is set back; NULL, and the search stops, if there is no more. */
static void *push(sa_search *search, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes > search->stack_bytes - search->stack_used) {
        search->stopped = true;
        return NULL;
    }
    void *memory = search->stack + search->stack_used;
    search->stack_used += bytes;
    return memory;
}

static bool out_of_budget(sa_search *search)
{
    search->nodes++;
    if (search->nodes > search->node_limit || search->depth > search->depth_limit) search->stopped = true;
    if (search->work >= CLOCK_WORK) {
        search->work = 0;
        if (sa_clock_seconds() > search->deadline_seconds) search->stopped = true;
    }
    return search->stopped;
}

/* The lowest offset of each item left, and the least of them in each section. False if an item does not fit any more. */
static bool find_lows(sa_search *search, sa_search_part part)
{
    const int64_t *floor = search->floor;
    int64_t *least = search->least;
    search->work += (uint64_t)(part.count + part.end - part.begin);
    for (int s = part.begin; s < part.end; s++) least[s] = INT64_MAX;
    for (int k = 0; k < part.count; k++) {
        const sa_search_item *item = &search->items[part.items[k]];
        int64_t low = 0;
        for (int s = item->first; s < item->last; s++) low = floor[s] > low ? floor[s] : low;
        low = round_up(low, item->align);
        if (low + item->size > search->capacity) {
            search->item_failures[part.items[k]] += 1.0;
            return false;
        }
        for (int s = item->first; s < item->last; s++) least[s] = low < least[s] ? low : least[s];
        search->low[part.items[k]] = low;
    }
    return true;
}

static void note_failure(sa_search *search, sa_search_part part, int section)
{
    search->section_failures[section] += 1.0;
    for (int k = 0; k < part.count; k++) {
        const sa_search_item *item = &search->items[part.items[k]];
        if (item->first <= section && section < item->last) search->item_failures[part.items[k]] += shared_failure;
    }
}

/* Raises the floors to what can still start in each section, until nothing changes. */
static bool propagate(sa_search *search, sa_search_part part)
{
    for (bool changed = true; changed;) {
        changed = false;
        if (!find_lows(search, part)) return false;
        for (int s = part.begin; s < part.end; s++) {
            int64_t rise = search->least[s] - search->floor[s];
            if (rise == 0) continue;
            search->slack[s] -= rise;
            if (search->slack[s] < 0) {
                note_failure(search, part, s);
                return false;
            }
            search->floor[s] += rise;
            changed = true;
        }
    }
    return true;
}

static uint64_t hash_state(const sa_search *search, sa_search_part part)
{
    uint64_t hash = mix(mix((uint64_t)search->capacity) + (uint64_t)part.begin), set = 0;
    for (int s = part.begin; s < part.end; s++) hash = mix(hash + (uint64_t)search->floor[s]);
    for (int k = 0; k < part.count; k++) set ^= search->items[part.items[k]].key;
    hash = mix(hash ^ set);
    return hash ? hash : 1; /* 0 is an empty entry */
}

/* The cases at each section: in a valley, the items that could sit on its floor are those whose lowest offset is the floor. */
static void count_ways(sa_search *search, sa_search_part part)
{
    const int64_t *floor = search->floor;
    int *ways = search->ways;
    for (int s = part.begin; s < part.end; s++) ways[s] = search->slack[s] > 0;
    for (int k = 0; k < part.count; k++) {
        const sa_search_item *item = &search->items[part.items[k]];
        int64_t low = search->low[part.items[k]];
        for (int s = item->first; s < item->last; s++) ways[s] += floor[s] == low;
    }
}

/* Whether to branch at section a rather than at b: fewer cases (for each failure), then less slack. */
static bool better_section(const sa_search *search, int a, int b)
{
    double x = search->ways[a], y = search->ways[b];
    if (search->follow_failures) {
        x /= 1.0 + search->section_failures[a];
        y /= 1.0 + search->section_failures[b];
    }
    return x < y || (x == y && search->slack[a] < search->slack[b]);
}

/* The best section of all valleys. */
static int choose_section(sa_search *search, sa_search_part part)
{
    const int64_t *floor = search->floor;
    int best = -1;
    count_ways(search, part);
    for (int begin = part.begin, end; begin < part.end; begin = end) {
        for (end = begin + 1; end < part.end && floor[end] == floor[begin];) end++;
        bool valley = (begin == part.begin || floor[begin - 1] > floor[begin]) && (end == part.end || floor[end] > floor[begin]);
        for (int s = begin; valley && s < end; s++) {
            if (best < 0 || better_section(search, s, best)) best = s;
        }
    }
    return best;
}

static bool alike(const sa_search_item *a, const sa_search_item *b)
{
    return a->first == b->first && a->last == b->last && a->size == b->size && a->align == b->align;
}

/* The items that can sit on the section's floor, one of each sort. */
static int find_candidates(const sa_search *search, sa_search_part part, int section, int *candidates)
{
    int count = 0;
    for (int k = 0; k < part.count; k++) {
        const sa_search_item *item = &search->items[part.items[k]];
        if (item->first > section || item->last <= section) continue;
        if (search->low[part.items[k]] != search->floor[section]) continue;
        int twin = 0;
        while (twin < count && !alike(&search->items[candidates[twin]], item)) twin++;
        if (twin == count) candidates[count++] = part.items[k];
    }
    return count;
}

/* The lowest offset at which an item can start if it does not sit on the floor: it then rests on another one, and those that are
 * alive in the section start above the floor too. */
static int64_t resting_offset(const sa_search *search, sa_search_part part, int section, const sa_search_item *item)
{
    int64_t lowest = INT64_MAX;
    for (int k = 0; k < part.count; k++) {
        const sa_search_item *other = &search->items[part.items[k]];
        if (other->first <= section && section < other->last) continue;
        if (other->first >= item->last || item->first >= other->last) continue;
        int64_t top = search->low[part.items[k]] + other->size;
        if (top < lowest) lowest = top;
    }
    return lowest == INT64_MAX ? lowest : round_up(lowest, item->align);
}

/* The case that no item sits on the section's floor. False if that wastes more than there is. */
static bool raise_floor(sa_search *search, sa_search_part part, int section)
{
    if (search->slack[section] == 0) return false;
    (void)find_lows(search, part); /* the branches before have changed them */
    int64_t floor = search->floor[section], next = INT64_MAX;
    for (int k = 0; k < part.count; k++) {
        const sa_search_item *item = &search->items[part.items[k]];
        if (item->first > section || item->last <= section) continue;
        int64_t low = search->low[part.items[k]];
        if (low == floor) low = resting_offset(search, part, section, item);
        if (low < next) next = low;
    }
    if (next == INT64_MAX || next - floor > search->slack[section]) return false;
    search->slack[section] -= next - floor;
    search->floor[section] = next;
    return true;
}

static bool place(sa_search *search, sa_search_part part, int placed)
{
    const sa_search_item *item = &search->items[placed];
    int *left = push(search, (size_t)part.count * sizeof *left);
    if (!left) return false;
    int count = 0;
    for (int k = 0; k < part.count; k++) {
        if (part.items[k] != placed) left[count++] = part.items[k];
    }
    search->offset[placed] = search->floor[item->first];
    for (int s = item->first; s < item->last; s++) search->floor[s] += item->size;
    return sa_search_branch(search, (sa_search_part){left, count, part.begin, part.end});
}

/* All cases at one section of a part that hangs together. */
static bool solve(sa_search *search, sa_search_part part)
{
    if (out_of_budget(search) || !propagate(search, part)) return false;
    uint64_t hash = hash_state(search, part), *memo = &search->memo[hash % SA_SEARCH_MEMO_COUNT];
    if (*memo == hash) return false;
    int section = choose_section(search, part);
    size_t floor_bytes = (size_t)(part.end - part.begin) * sizeof *search->floor;
    size_t mark = search->stack_used;
    int64_t *saved = push(search, 2 * floor_bytes);
    int *candidates = push(search, (size_t)part.count * sizeof *candidates);
    if (!saved || !candidates) return false;
    memcpy(saved, search->floor + part.begin, floor_bytes);
    memcpy(saved + (part.end - part.begin), search->slack + part.begin, floor_bytes);
    int count = find_candidates(search, part, section, candidates);
    search->depth++;
    for (int c = 0; c <= count; c++) {
        size_t branch_mark = search->stack_used;
        bool found = c < count ? place(search, part, candidates[c]) : raise_floor(search, part, section) && solve(search, part);
        if (found) return true;
        if (search->stopped) return false;
        search->stack_used = branch_mark;
        memcpy(search->floor + part.begin, saved, floor_bytes);
        memcpy(search->slack + part.begin, saved + (part.end - part.begin), floor_bytes);
    }
    search->depth--;
    search->stack_used = mark;
    *memo = hash;
    return false;
}

/* Cuts a part where no item left spans the cut; pieces are written in order of time. */
static int split(sa_search *search, sa_search_part part, sa_search_part *pieces)
{
    int *spans = search->ways, count = 0, taken = 0, begin = part.begin;
    int *lists = push(search, (size_t)part.count * sizeof *lists);
    if (!lists) return 0;
    for (int s = part.begin; s <= part.end; s++) spans[s] = 0;
    for (int k = 0; k < part.count; k++) {
        const sa_search_item *item = &search->items[part.items[k]];
        spans[item->first + 1]++; /* the cut left of section s is spanned by first < s < last */
        spans[item->last]--;
    }
    for (int s = part.begin + 1, open = spans[part.begin]; s <= part.end; s++) {
        open += spans[s];
        if (s < part.end && open > 0) continue;
        sa_search_part piece = {lists + taken, 0, begin, s};
        for (int k = 0; k < part.count; k++) {
            const sa_search_item *item = &search->items[part.items[k]];
            if (item->first >= begin && item->last <= s) lists[taken + piece.count++] = part.items[k];
        }
        if (piece.count > 0) pieces[count++] = piece;
        taken += piece.count;
        begin = s;
    }
    return count;
}

bool sa_search_branch(sa_search *search, sa_search_part part)
{
    sa_search_part *pieces = push(search, (size_t)part.count * sizeof *pieces);
    if (!pieces) return false;
    int count = split(search, part, pieces);
    if (search->stopped) return false;
    for (int done = 0; done < count; done++) { /* the smallest first: it is the quickest to fail */
        int smallest = done;
        for (int p = done + 1; p < count; p++) {
            if (pieces[p].count < pieces[smallest].count) smallest = p;
        }
        sa_search_part piece = pieces[smallest];
        pieces[smallest] = pieces[done];
        if (!solve(search, piece)) return false;
    }
    return true;
}
