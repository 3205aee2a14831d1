/* Opening a device by name. */
#include "core/device.h"

#include "core/closest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static sa_status unknown_device(const char *kind)
{
    static const char *const KINDS[] = {"auto", "cpu", "cuda"};
    char hint[SA_HINT_BYTES];
    const char *meant = strcasecmp(kind, "gpu") == 0 ? "cuda" : kind;
    SA_FAIL(SA_INVALID, "device '%.40s': expected auto, cpu, cuda or cuda:N%s", kind,
            sa_closest_hint(meant, KINDS, sizeof KINDS / sizeof KINDS[0], hint));
}

/* The N of "cuda:N"; -1 if the text is not that. */
static int card_number(const char *kind)
{
    const char *digits = kind + strlen("cuda:");
    if (strncmp(kind, "cuda:", strlen("cuda:")) != 0 || !*digits || strlen(digits) > 3) return -1;
    return digits[strspn(digits, "0123456789")] ? -1 : atoi(digits);
}

sa_status sa_device_open(const char *kind, int threads, sa_device **device)
{
    if (strcmp(kind, "cpu") == 0) return sa_device_open_cpu(threads, device);
    if (strcmp(kind, "cuda") == 0) return sa_device_open_cuda(0, device);
    if (card_number(kind) >= 0) return sa_device_open_cuda(card_number(kind), device);
    if (strcmp(kind, "auto") != 0) return unknown_device(kind);
    sa_status status = sa_device_open_cuda(0, device);
    if (status != SA_NO_DEVICE) return status;
    sa_error_clear();
    return sa_device_open_cpu(threads, device);
}

sa_status sa_device_open_plan(const char *kind, int threads, sa_device **device)
{
    sa_status status = sa_device_open(kind, threads, device);
    if (status != SA_NO_DEVICE) return status;
    sa_error_clear();
    return sa_device_open_cuda_plan(device);
}

void sa_device_close(sa_device *device)
{
    if (device) device->functions->close(device);
}
