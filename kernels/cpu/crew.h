/* How many threads an op is worth: waking and awaiting the others takes some 15 us, and milliseconds where other programs have the
 * cores. Results do not depend on the threads, so no bit does on the estimates here. */
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

/* Elements of the range in planes of height x width. */
static inline double sa_range_elements(const sa_range *range, int height, int width)
{
    return (double)(range->image_end - range->image_begin) * (range->channel_end - range->channel_begin) * height * width;
}

/* About the time of `elements` values of a source: half a nanosecond a node. */
static inline double sa_cpu_source_ns(const sa_source *source, double elements)
{
    return 0.5 * source->count * elements;
}

#endif
