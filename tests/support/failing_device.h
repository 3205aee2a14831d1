/* A device that works like another one until a chosen call fails: memory, transfers, and every kernel. */
#ifndef SA_TESTS_FAILING_DEVICE_H
#define SA_TESTS_FAILING_DEVICE_H

#include "core/device.h"

#include <stdbool.h>

/* Owns `inner`. NULL: no memory, and inner is the caller's still. */
sa_device *sa_failing_device_open(sa_device *inner);
/* The next `successes` calls succeed, the one after fails with SA_DEVICE and "injected failure of <call>"; negative: none fails. */
void sa_failing_device_arm(sa_device *device, int successes);
/* Has the failure happened since it was armed? */
bool sa_failing_device_has_failed(const sa_device *device);

#endif
