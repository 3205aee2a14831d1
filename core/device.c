/* Opening a device by name. */
#include "core/device.h"

#include <string.h>

sa_status sa_device_open(const char *kind, int threads, sa_device **device)
{
    if (strcmp(kind, "cpu") == 0) return sa_device_open_cpu(threads, device);
    if (strcmp(kind, "cuda") == 0) return sa_device_open_cuda(0, device);
    if (strcmp(kind, "auto") != 0) SA_FAIL(SA_INVALID, "device '%s': expected auto, cpu or cuda", kind);
    sa_status status = sa_device_open_cuda(0, device);
    if (status != SA_NO_DEVICE) return status;
    sa_error_clear();
    return sa_device_open_cpu(threads, device);
}

void sa_device_close(sa_device *device)
{
    if (device) device->functions->close(device);
}
