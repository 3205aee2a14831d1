/* Static-allocation instances and placements as CSV: `id,lower,upper,size[,offset]`, MiniMalloc's format.
 *
 * Lifespans are half-open [lower, upper). The first line names the columns, which may come in any order; `offset` may be missing.
 * Ids with commas, quotes or line breaks in them are quoted as in RFC 4180. */
#ifndef SA_MEMORY_PLAN_CSV_H
#define SA_MEMORY_PLAN_CSV_H

#include "memory/buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads an instance. The caller owns *buffers (free); alignment 1, kind ACTIVATION. *offset_bytes: one per buffer, owned by the
 * caller (free), NULL if the file has none; offset_bytes itself may be NULL if they are not wanted. SA_IO if the file cannot be
 * read, SA_PARSE with file:line and the cause if it is malformed. */
SA_CHECKED sa_status sa_plan_csv_read(const char *path, sa_buffer **buffers, size_t *count, size_t **offset_bytes);
/* The same, but SA_INVALID with the rows read so far when sa_clock_seconds (core/clock.h) passes the deadline. */
SA_CHECKED sa_status sa_plan_csv_read_until(const char *path, double deadline_seconds, sa_buffer **buffers, size_t *count,
                                            size_t **offset_bytes);
/* Writes a placement: to a temporary file beside path, renamed when complete, so that path is never half a file. SA_IO. */
SA_CHECKED sa_status sa_plan_csv_write(const char *path, const sa_buffer *buffers, size_t count, const size_t *offset_bytes);

#ifdef __cplusplus
}
#endif
#endif
