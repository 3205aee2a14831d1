/* The device interface: memory, transfers and the kernel table of one compute device.
 *
 * Two implementations exist: `cpu` (kernels/cpu/device_cpu.c, always) and `cuda` (kernels/cuda/, when built with a CUDA
 * toolkit). A device counts every allocation it makes, so that "one allocation, none after bind" can be asserted. */
#ifndef SA_CORE_DEVICE_H
#define SA_CORE_DEVICE_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sa_device sa_device;
struct sa_kernels; /* kernels/ops.h */

typedef struct sa_device_functions {
    /* All pointers are device pointers unless called host. alloc returns memory aligned to 256 bytes (CPU: to 2 MiB,
     * huge pages advised) and not initialised. SA_NOMEM names the size wanted and the size free. */
    sa_status (*alloc)(sa_device *device, size_t bytes, void **pointer);
    void (*free)(sa_device *device, void *pointer); /* NULL is allowed */
    sa_status (*upload)(sa_device *device, void *target, const void *host, size_t bytes);
    sa_status (*download)(sa_device *device, void *host, const void *source, size_t bytes);
    sa_status (*fill)(sa_device *device, void *target, int byte, size_t bytes);
    sa_status (*sync)(sa_device *device);
    sa_status (*mem_info)(sa_device *device, size_t *free_bytes, size_t *total_bytes);
    /* A monotonic time of the device's work queue in nanoseconds (CPU: the clock; CUDA: synchronises first). */
    sa_status (*time_ns)(sa_device *device, uint64_t *ns);
    /* Brackets around the ops of one step. A device may record the first step between them and replay it later; *replay
     * true tells the executor not to run the ops, since end_step does it. *again true: the recording failed, with or without an
     * op's error, and nothing has run; the executor does the step once more, from begin_step on. */
    sa_status (*begin_step)(sa_device *device, int *replay);
    sa_status (*end_step)(sa_device *device, int *again);
    /* NULL, or told after each step how long its ops took and how much processor time this process had for them. */
    void (*step_took)(sa_device *device, uint64_t step_ns, uint64_t cpu_ns);
    void (*close)(sa_device *device); /* frees the device itself */
    /* NULL: no options. cuda: "graph" (record the step and replay it, on unless SA_NO_GRAPH is set), "tf32" (off); 0 or 1. */
    sa_status (*set_option)(sa_device *device, const char *name, int value);
} sa_device_functions;

struct sa_device {
    const sa_device_functions *functions;
    const struct sa_kernels *kernels;
    const char *kind;             /* "cpu" or "cuda": for people to read, what a device can is said below */
    char description[128];        /* "AMD EPYC, 2 threads, AVX-512" */
    int threads;                  /* CPU worker threads; 1 on CUDA */
    double serial_ns;             /* CPU: one thread does an op that takes it at most about this long; 0: all threads do every op */
    size_t allocation_count;      /* successful alloc calls since open */
    size_t allocated_bytes;       /* bytes allocated now */
    size_t peak_allocated_bytes;  /* highest allocated_bytes so far */
    int warmup_steps;             /* steps of a session that take longer than the later ones: loading, recording */
    bool records_steps;           /* the ops of a step are to stand between begin_step and end_step, which may replay them */
    bool has_queue;               /* ops are queued and run beside the host, whose CPU time says nothing about them */
    bool host_memory;             /* the host may read and write alloc's memory; if not, mem_info is about the device alone, which
                                   * a context shares with drivers and libraries */
    char note[256];               /* what its user should know, or empty; whoever tells empties it */
    struct sa_exchange *exchange; /* with other ranks (core/exchange.h), borrowed; NULL: there are none */
    const void *step_owner;       /* set before begin_step by whoever runs steps: a recording is replayed for its owner only */
};

/* Opens the CPU device. threads 0 takes the number of usable cores. Never fails for want of hardware. */
SA_CHECKED sa_status sa_device_open_cpu(int threads, sa_device **device);
/* Opens device `index`. SA_NO_DEVICE if this build has no CUDA, there is no driver or no card. */
SA_CHECKED sa_status sa_device_open_cuda(int index, sa_device **device);
/* The CUDA device where there is no card: it knows the sizes of workspaces, which are the same on every card, and runs nothing. */
SA_CHECKED sa_status sa_device_open_cuda_plan(sa_device **device);
/* "auto" (cuda if usable, else cpu), "cpu", "cuda" or "cuda:N" with the number of a card, from 0. */
SA_CHECKED sa_status sa_device_open(const char *kind, int threads, sa_device **device);
/* The same for who asks for sizes alone: "cuda" is known without a card too. */
SA_CHECKED sa_status sa_device_open_plan(const char *kind, int threads, sa_device **device);
void sa_device_close(sa_device *device); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
