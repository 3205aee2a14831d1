/* libFuzzer target for the CSV of allocation instances and plans: any bytes give buffers or a message, and buffers that are read
 * can be written and read again. */
#include "memory/plan_csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written, read again and the same. */
static void write_again(const sa_buffer *buffers, size_t count, const size_t *offset_bytes)
{
    static char path[64];
    if (!path[0]) snprintf(path, sizeof path, "/tmp/sa_fuzz_csv_%d", (int)getpid());
    sa_buffer *again = NULL;
    size_t again_count = 0, *again_offset = NULL;
    if (sa_plan_csv_write(path, buffers, count, offset_bytes) != SA_OK) abort();
    sa_status status = sa_plan_csv_read(path, &again, &again_count, &again_offset);
    unlink(path);
    if (status != SA_OK || again_count != count || (count && !again_offset)) abort();
    for (size_t i = 0; i < count; i++)
        if (again[i].size_bytes != buffers[i].size_bytes || again_offset[i] != offset_bytes[i]) abort();
    free(again);
    free(again_offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int descriptor = memfd_create("fuzz", 0);
    if (descriptor < 0) return 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    sa_buffer *buffers = NULL;
    size_t count = 0, *offset_bytes = NULL;
    if (write(descriptor, data, size) == (ssize_t)size) {
        if (sa_plan_csv_read(path, &buffers, &count, &offset_bytes) == SA_OK) {
            if (!offset_bytes && !(offset_bytes = calloc(count + 1, sizeof *offset_bytes))) abort();
            write_again(buffers, count, offset_bytes);
            free(buffers);
            free(offset_bytes);
        } else if (sa_error_message()[0] == '\0') {
            abort();
        }
    }
    close(descriptor);
    return 0;
}
