/* The fake device. Sizes are kept in front of each allocation, to count what is allocated. */
#include "tests/support/fake_device.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 256 };

typedef struct fake_device {
    sa_device device;
    int successes_left; /* negative: without end */
} fake_device;

static sa_status fake_alloc(sa_device *device, size_t bytes, void **pointer)
{
    fake_device *fake = (fake_device *)device;
    if (fake->successes_left == 0) SA_FAIL(SA_NOMEM, "the device has no %zu bytes (0 free)", bytes);
    if (fake->successes_left > 0) fake->successes_left--;
    unsigned char *memory = aligned_alloc(HEADER_BYTES, HEADER_BYTES + (bytes + HEADER_BYTES - 1) / HEADER_BYTES * HEADER_BYTES);
    if (!memory) SA_FAIL(SA_NOMEM, "the device has no %zu bytes", bytes);
    memcpy(memory, &bytes, sizeof bytes);
    device->allocation_count++;
    device->allocated_bytes += bytes;
    if (device->allocated_bytes > device->peak_allocated_bytes) device->peak_allocated_bytes = device->allocated_bytes;
    *pointer = memory + HEADER_BYTES;
    return SA_OK;
}

static void fake_free(sa_device *device, void *pointer)
{
    size_t bytes;
    if (!pointer) return;
    unsigned char *memory = (unsigned char *)pointer - HEADER_BYTES;
    memcpy(&bytes, memory, sizeof bytes);
    device->allocated_bytes -= bytes;
    free(memory);
}

static sa_status fake_copy(sa_device *device, void *target, const void *source, size_t bytes)
{
    (void)device;
    memcpy(target, source, bytes);
    return SA_OK;
}

static sa_status fake_fill(sa_device *device, void *target, int byte, size_t bytes)
{
    (void)device;
    memset(target, byte, bytes);
    return SA_OK;
}

static const sa_device_functions functions = {
    .alloc = fake_alloc, .free = fake_free, .upload = fake_copy, .download = fake_copy, .fill = fake_fill};

sa_device *sa_fake_device_open(void)
{
    fake_device *fake = calloc(1, sizeof *fake);
    if (!fake) return NULL;
    fake->device = (sa_device){.functions = &functions, .kind = "cpu", .host_memory = true, .description = "fake", .threads = 1};
    fake->successes_left = -1;
    return &fake->device;
}

void sa_fake_device_close(sa_device *device)
{
    free(device);
}

void sa_fake_device_fail_after(sa_device *device, int successes)
{
    ((fake_device *)device)->successes_left = successes;
}
