/* A CPU device whose every op is done by all threads, however small: what tests of threads need. */
#ifndef SA_TESTS_ALL_THREADS_H
#define SA_TESTS_ALL_THREADS_H

#include "core/device.h"

SA_CHECKED static inline sa_status sa_open_all_threads(int threads, sa_device **device)
{
    SA_TRY(sa_device_open_cpu(threads, device));
    (*device)->serial_ns = 0;
    return SA_OK;
}

#endif
