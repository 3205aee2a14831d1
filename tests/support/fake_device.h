/* A device over malloc for tests of the arena: no kernels, memory on the host, and allocations that fail on demand. */
#ifndef TESTS_SUPPORT_FAKE_DEVICE_H
#define TESTS_SUPPORT_FAKE_DEVICE_H

#include "core/device.h"

/* The device lives until sa_fake_device_close. Its kind is "cpu", since its memory is the host's. */
sa_device *sa_fake_device_open(void);
void sa_fake_device_close(sa_device *device);
/* The next `successes` calls of alloc succeed, the one after fails with SA_NOMEM; negative: none fails. */
void sa_fake_device_fail_after(sa_device *device, int successes);

#endif
