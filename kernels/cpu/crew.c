/* Whether other programs have the cores: see crew.h. */
#include "kernels/cpu/crew.h"

static const uint64_t shortest_ns = 50000000, longest_ns = 3200000000u, noise_ns = 100000;

/* Threads that compute have more processor time than the clock has run, one thread has as much. A step with less waited, for a
 * thread that was given no core. Whether that is still so is seen by a step that wakes threads again, which may take a hundred
 * times as long as it should: the longer the cores have been taken, the longer the pause before it. */
double sa_cpu_serial_ns(sa_cpu_load *load, uint64_t now_ns, uint64_t step_ns, uint64_t cpu_ns)
{
    const bool waited = step_ns > cpu_ns + cpu_ns / 4 + noise_ns;
    if (load->busy_until_ns) {
        if (now_ns >= load->busy_until_ns) load->busy_until_ns = 0;
    } else if (waited) {
        const uint64_t hold_ns = load->hold_ns * 2;
        load->hold_ns = hold_ns < shortest_ns ? shortest_ns : hold_ns > longest_ns ? longest_ns : hold_ns;
        load->busy_until_ns = now_ns + load->hold_ns;
    } else load->hold_ns -= load->hold_ns / 8;
    return load->busy_until_ns ? SA_SERIAL_BUSY_NS : SA_SERIAL_NS;
}
