/* Contiguous parts of work with stealing from the back; see work_share.h. */
#include "kernels/cpu/work_share.h"

#include "core/checked.h"

#include <omp.h>

void sa_work_share_start(sa_work_share *share, int count, int threads)
{
    share->parts = sa_min_int(threads, SA_WORK_PARTS);
    for (int i = 0; i < share->parts; i++) {
        uint64_t begin = (uint64_t)sa_work_part_begin(count, i, share->parts);
        uint64_t end = (uint64_t)sa_work_part_begin(count, i + 1, share->parts);
        atomic_store_explicit(&share->part[i].left, begin << 32 | end, memory_order_relaxed);
    }
}

static bool take_from(sa_work_part *part, bool front, int *item)
{
    uint64_t left = atomic_load_explicit(&part->left, memory_order_relaxed), rest;
    do {
        uint64_t begin = left >> 32, end = left & UINT32_MAX;
        if (begin >= end) return false;
        *item = front ? (int)begin : (int)end - 1;
        rest = front ? (begin + 1) << 32 | end : begin << 32 | (end - 1);
    } while (!atomic_compare_exchange_weak_explicit(&part->left, &left, rest, memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool sa_work_share_take(sa_work_share *share, int *item)
{
    int own = omp_get_thread_num() % share->parts;
    if (take_from(&share->part[own], true, item)) return true;
    for (int i = 1; i < share->parts; i++)
        if (take_from(&share->part[(own + i) % share->parts], false, item)) return true;
    return false;
}
