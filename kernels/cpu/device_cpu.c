/* The CPU device: host memory in huge pages, the OpenMP kernels of kernels/cpu, no work queue. */
#include "core/checked.h"
#include "core/clock.h"
#include "kernels/cpu/blas.h"
#include "kernels/cpu/crew.h"
#include "kernels/cpu/host_memory.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/stack_check.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static const size_t huge_page_bytes = (size_t)2 << 20;

typedef struct allocation {
    struct allocation *next;
    void *pointer;
    size_t bytes;        /* as asked for */
    size_t mapped_bytes; /* whole pages */
} allocation;

typedef struct cpu_device {
    sa_device base;
    allocation *allocations;
    sa_cpu_load load;
} cpu_device;

/* Maps `bytes` (whole huge pages) at a huge page's boundary; NULL if the system refuses. */
static void *map_aligned(size_t bytes)
{
    size_t span;
    if (!sa_size_add(bytes, huge_page_bytes, &span)) return NULL;
    char *mapped = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return NULL;
    char *aligned = (char *)(((uintptr_t)mapped + huge_page_bytes - 1) & ~(uintptr_t)(huge_page_bytes - 1));
    size_t before = (size_t)(aligned - mapped), after = huge_page_bytes - before;
    if (before) munmap(mapped, before);
    if (after) munmap(aligned + bytes, after);
    madvise(aligned, bytes, MADV_HUGEPAGE); /* only advice: without huge pages everything still works */
    return aligned;
}

/* The system hands out pages at their first touch, zeroed, which takes as long as several passes over them: better here than in the
 * middle of the first step. */
static void touch_pages(char *memory, size_t bytes, int threads)
{
    static const size_t page_bytes = 4096;
#pragma omp parallel for num_threads(threads) schedule(static) if (bytes > huge_page_bytes)
    for (size_t at = 0; at < bytes; at += page_bytes) *(volatile char *)(memory + at) = 0;
}

static sa_status cpu_mem_info(sa_device *device, size_t *free_bytes, size_t *total_bytes)
{
    (void)device;
    return sa_host_memory(free_bytes, total_bytes);
}

static sa_status cpu_alloc(sa_device *device, size_t bytes, void **pointer)
{
    cpu_device *cpu = (cpu_device *)device;
    size_t free_bytes, total_bytes, mapped_bytes;
    if (bytes == 0) SA_FAIL(SA_INVALID, "cpu device: an allocation of 0 bytes");
    SA_TRY(sa_cpu_check_stacks(device->threads)); /* whoever allocates is going to run kernels */
    SA_TRY(sa_host_memory(&free_bytes, &total_bytes));
    /* The system would promise more than there is, and end the process when the memory is touched. */
    if (bytes > free_bytes || !sa_size_align(bytes, huge_page_bytes, &mapped_bytes))
        SA_FAIL(SA_NOMEM, "cpu device: %zu bytes wanted, %zu available of %zu", bytes, free_bytes, total_bytes);
    allocation *entry = malloc(sizeof *entry);
    void *memory = entry ? map_aligned(mapped_bytes) : NULL;
    if (!memory) {
        free(entry);
        SA_FAIL(SA_NOMEM, "cpu device: %zu bytes wanted, refused by the system (%zu available of %zu)", bytes, free_bytes,
                total_bytes);
    }
    touch_pages(memory, bytes, device->threads);
    *entry = (allocation){cpu->allocations, memory, bytes, mapped_bytes};
    cpu->allocations = entry;
    device->allocation_count++;
    device->allocated_bytes += bytes;
    if (device->allocated_bytes > device->peak_allocated_bytes) device->peak_allocated_bytes = device->allocated_bytes;
    *pointer = memory;
    return SA_OK;
}

static void cpu_free(sa_device *device, void *pointer)
{
    cpu_device *cpu = (cpu_device *)device;
    for (allocation **link = &cpu->allocations; *link; link = &(*link)->next) {
        allocation *entry = *link;
        if (entry->pointer != pointer) continue;
        *link = entry->next;
        device->allocated_bytes -= entry->bytes;
        munmap(entry->pointer, entry->mapped_bytes);
        free(entry);
        return;
    }
}

static sa_status cpu_copy(sa_device *device, void *target, const void *source, size_t bytes)
{
    (void)device;
    memcpy(target, source, bytes);
    return SA_OK;
}

static sa_status cpu_fill_bytes(sa_device *device, void *target, int byte, size_t bytes)
{
    (void)device;
    memset(target, byte, bytes);
    return SA_OK;
}

static sa_status cpu_sync(sa_device *device)
{
    (void)device;
    return SA_OK;
}

static sa_status cpu_time_ns(sa_device *device, uint64_t *ns)
{
    (void)device;
    *ns = sa_clock_ns();
    return SA_OK;
}

static sa_status cpu_begin_step(sa_device *device, int *replay)
{
    (void)device;
    *replay = 0;
    return SA_OK;
}

static sa_status cpu_end_step(sa_device *device, int *again)
{
    (void)device;
    *again = 0;
    return SA_OK;
}

static void cpu_step_took(sa_device *device, uint64_t step_ns, uint64_t cpu_ns)
{
    if (device->serial_ns > 0 && device->threads > 1)
        device->serial_ns = sa_cpu_serial_ns(&((cpu_device *)device)->load, sa_clock_ns(), step_ns, cpu_ns);
}

static void cpu_close(sa_device *device)
{
    cpu_device *cpu = (cpu_device *)device;
    while (cpu->allocations) cpu_free(device, cpu->allocations->pointer);
    free(cpu);
}

static const sa_device_functions cpu_functions = {
    .alloc = cpu_alloc,
    .free = cpu_free,
    .upload = cpu_copy,
    .download = cpu_copy,
    .fill = cpu_fill_bytes,
    .sync = cpu_sync,
    .mem_info = cpu_mem_info,
    .time_ns = cpu_time_ns,
    .begin_step = cpu_begin_step,
    .end_step = cpu_end_step,
    .step_took = cpu_step_took,
    .close = cpu_close,
};

static int usable_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return sa_max_int(1, CPU_COUNT(&set));
}

static void describe(sa_device *device)
{
    char model[64] = "unknown processor", line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "model name : %63[^\n]", model) == 1) break;
    if (file) fclose(file);
#if defined(__AVX512F__)
    const char *vectors = "AVX-512";
#elif defined(__AVX2__)
    const char *vectors = "AVX2";
#else
    const char *vectors = "baseline vectors";
#endif
    /* Set by a program that chose the kernels in OpenBLAS's place (cli/start.h). */
    const char *instead_of = getenv("SA_BLAS_INSTEAD_OF");
    const bool chosen = instead_of && strcmp(instead_of, "-") != 0;
    snprintf(device->description, sizeof device->description, "%s, %d thread%s, %s, BLAS %s%s%.24s%s", model, device->threads,
             device->threads == 1 ? "" : "s", vectors, sa_blas_kernels(), chosen ? " (chosen over " : "", chosen ? instead_of : "",
             chosen ? ")" : "");
}

sa_status sa_device_open_cpu(int threads, sa_device **device)
{
    if (threads < 0) SA_FAIL(SA_INVALID, "cpu device: %d threads", threads);
    cpu_device *cpu = calloc(1, sizeof *cpu);
    if (!cpu) SA_FAIL(SA_NOMEM, "cpu device: %zu bytes wanted for itself", sizeof *cpu);
    cpu->base.functions = &cpu_functions;
    cpu->base.kernels = &sa_cpu_kernels;
    cpu->base.kind = "cpu";
    cpu->base.host_memory = true;
    cpu->base.threads = threads ? threads : usable_cores();
    cpu->base.serial_ns = SA_SERIAL_NS;
    describe(&cpu->base);
    *device = &cpu->base;
    return SA_OK;
}
