/* How far apart the processor's cores are: the time that a cache line takes from one thread to the next and back, for each pair of
 * neighbours among the threads, in nanoseconds. Cores that share a last-level cache take some tens; others some hundreds, and then
 * everything that one thread reads of another's work is dear. In a virtual machine it can change from one minute to the next, as
 * its cores are moved, and with it the time of a training step (bench/NOTES.md).
 * `bench_cores [THREADS]`: the largest of the pairs' least times. */
#include "cli/process_frame.h"
#include "core/clock.h"

#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, PASSES = 20000 };

/* The core-th of the cores that this process may use. */
static void pin(const cpu_set_t *usable, int core)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, usable) && core-- == 0) CPU_SET(i, &one);
    if (CPU_COUNT(&one) == 1) sched_setaffinity(0, sizeof one, &one);
}

/* Least time of one pass there and back between cores `first` and first + 1. */
static double pass_ns(const cpu_set_t *usable, int first)
{
    static struct {
        _Alignas(128) atomic_int turn;
    } line;
    double least = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double begin = (double)sa_clock_ns();
        atomic_store(&line.turn, 0);
#pragma omp parallel num_threads(2)
        {
            int side = omp_get_thread_num();
            pin(usable, first + side);
            for (int i = 0; i < PASSES; i++) {
                while (atomic_load_explicit(&line.turn, memory_order_acquire) != 2 * i + side) continue;
                atomic_store_explicit(&line.turn, 2 * i + side + 1, memory_order_release);
            }
        }
        double ns = ((double)sa_clock_ns() - begin) / PASSES;
        if (round > 0 && ns < least) least = ns; /* the first pins the threads */
    }
    return least;
}

int main(int argc, char **argv)
{
    sa_process_begin();
    cpu_set_t usable;
    if (sched_getaffinity(0, sizeof usable, &usable) != 0) return 1;
    int cores = CPU_COUNT(&usable), threads = argc > 1 ? atoi(argv[1]) : cores;
    double farthest = 0;
    omp_set_dynamic(0); /* a single thread would wait for the other forever */
    if (omp_get_thread_limit() < 2) threads = 1;
    for (int i = 0; i + 1 < threads && i + 1 < cores; i++) {
        double ns = pass_ns(&usable, i);
        if (ns > farthest) farthest = ns;
    }
    if (farthest == 0) printf("one core\n");
    else printf("%.0f ns from core to core and back: %s\n", farthest, farthest < 150 ? "a shared cache" : "no shared cache");
    return 0;
}
