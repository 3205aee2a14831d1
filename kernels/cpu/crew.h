/* How many threads an op is worth: waking and awaiting the others takes some 15 us, and milliseconds while other programs have the
 * cores, which each step tells of itself. Results do not depend on the threads, so no bit does on the estimates here. */
#ifndef SA_KERNELS_CPU_CREW_H
#define SA_KERNELS_CPU_CREW_H

#include "kernels/slab.h"
#include "kernels/source.h"

#include "core/device.h"

/* Threads for about `ns` of one thread's work. Workspaces are laid out for device->threads all the same. */
static inline int sa_cpu_crew(const sa_device *device, double ns)
{
    return ns > device->serial_ns ? device->threads : 1;
}

/* What steps have told of the machine. All zero at first. */
typedef struct sa_cpu_load {
    uint64_t busy_until_ns; /* 0: the cores are taken to be free */
    uint64_t hold_ns;       /* how long they were taken to be busy the last time */
} sa_cpu_load;

enum { SA_SERIAL_NS = 60000, SA_SERIAL_BUSY_NS = 4000000 };

/* The device's serial_ns after a step that ended at now_ns, took step_ns and had cpu_ns of processor time: SA_SERIAL_NS, or
 * SA_SERIAL_BUSY_NS for a while if the step waited for cores that other programs had. */
double sa_cpu_serial_ns(sa_cpu_load *load, uint64_t now_ns, uint64_t step_ns, uint64_t cpu_ns);

/* Elements of the range in planes of height x width. */
static inline double sa_range_elements(const sa_range *range, int height, int width)
{
    return (double)(range->image_end - range->image_begin) * (range->channel_end - range->channel_begin) * height * width;
}

/* About the time of `elements` values of a source: half a nanosecond per node. */
static inline double sa_cpu_source_ns(const sa_source *source, double elements)
{
    return 0.5 * source->count * elements;
}

#endif
