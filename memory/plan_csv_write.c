/* Writes placements as CSV. */
#include "memory/plan_csv.h"

#include "core/output_file.h"

#include <stdio.h>
#include <string.h>

/* As it is, or quoted where a comma, a quote or a line break would end it. */
static sa_status write_id(sa_output_file *file, const char *id)
{
    char quoted[2 * SA_BUFFER_NAME_MAX + 2], *to = quoted;
    if (!strpbrk(id, ",\"\r\n")) return sa_output_file_write(file, id, strlen(id));
    *to++ = '"';
    for (; *id; id++) {
        if (*id == '"') *to++ = '"';
        *to++ = *id;
    }
    *to++ = '"';
    return sa_output_file_write(file, quoted, (size_t)(to - quoted));
}

static sa_status write_rows(sa_output_file *file, const sa_buffer *buffers, size_t count, const size_t *offset_bytes)
{
    static const char HEADER[] = "id,lower,upper,size,offset\n";
    SA_TRY(sa_output_file_write(file, HEADER, sizeof HEADER - 1));
    for (size_t i = 0; i < count; i++) {
        char numbers[128];
        SA_TRY(write_id(file, buffers[i].name));
        int length = snprintf(numbers, sizeof numbers, ",%lld,%lld,%zu,%zu\n", (long long)buffers[i].begin,
                              (long long)buffers[i].end, buffers[i].size_bytes, offset_bytes[i]);
        SA_TRY(sa_output_file_write(file, numbers, (size_t)length));
    }
    return SA_OK;
}

sa_status sa_plan_csv_write(const char *path, const sa_buffer *buffers, size_t count, const size_t *offset_bytes)
{
    sa_output_file *file;
    SA_TRY(sa_output_file_open(path, &file));
    sa_status status = write_rows(file, buffers, count, offset_bytes);
    if (status == SA_OK) return sa_output_file_commit(file);
    sa_output_file_abandon(file);
    return status;
}
