/* Sizes as people write and read them. */
#ifndef SA_CORE_SIZE_TEXT_H
#define SA_CORE_SIZE_TEXT_H

#include "core/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "1048576", "512K", "8 GiB", "1.5g", "1e9": a number and a unit in any case: none or B; K, M, G, T and KiB, MiB, GiB, TiB (also
 * Ki,
 * ...) are powers of 1024; KB, MB, GB, TB of 1000. Spaces around the unit are allowed, fractional bytes are rounded down.
 * SA_INVALID for anything else. */
SA_CHECKED sa_status sa_size_parse(const char *text, size_t *bytes);
/* The same for sizes of which 0 makes no sense: a capacity, a budget. */
SA_CHECKED sa_status sa_size_parse_positive(const char *text, size_t *bytes);

enum { SA_SIZE_TEXT_BYTES = 32 };
/* "1.23 GiB", "512 B" into text. */
const char *sa_size_format(size_t bytes, char text[SA_SIZE_TEXT_BYTES]);
/* "1,800,929,300" into text. */
const char *sa_size_format_exact(size_t bytes, char text[SA_SIZE_TEXT_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
