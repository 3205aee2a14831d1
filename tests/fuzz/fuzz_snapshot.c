/* libFuzzer target for snapshots: what follows the header, with the size and the checksum repaired so that the reader goes on. Any
 * bytes give a state or a message, and what fails touches no array. */
#include "data/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_BYTES_AT = 16, HEADER = 24, CHECKSUM = 8, LARGEST = 1 << 16 };

static void put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static void read_one(const char *path)
{
    float param[6] = {1, 1, 1, 1, 1, 1}, history[6] = {2, 2, 2, 2, 2, 2};
    sa_snapshot_array arrays[] = {{"a.0", {2, 2}, 2, 4, param, history}, {"a.1", {2}, 1, 2, param + 4, history + 4}};
    sa_snapshot_state state = {.step = 77};
    if (sa_snapshot_load(path, NULL, 0, arrays, 2, &state) == SA_OK) return;
    if (sa_error_message()[0] == '\0' || state.step != 77) abort();
    for (int i = 0; i < 6; i++)
        if (param[i] != 1 || history[i] != 2) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[LARGEST];
    if (size < HEADER + CHECKSUM || size > LARGEST) return 0;
    memcpy(file, data, size);
    memcpy(file, "SAsnap\r\n\1\0\0\0\0\0\0\0", FILE_BYTES_AT);
    put_u64(file + FILE_BYTES_AT, size);
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size - CHECKSUM; i++) hash = (hash ^ file[i]) * 0x100000001b3u;
    put_u64(file + size - CHECKSUM, hash);
    char path[64];
    int descriptor = memfd_create("fuzz", 0);
    if (descriptor < 0) return 0;
    if (write(descriptor, file, size) == (ssize_t)size) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        read_one(path);
    }
    close(descriptor);
    return 0;
}
