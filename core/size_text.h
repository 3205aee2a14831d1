/* Sizes as people write and read them. */
#ifndef SA_CORE_SIZE_TEXT_H
#define SA_CORE_SIZE_TEXT_H

#include "core/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "1048576", "512K", "8GiB", "1.5G": a number and nothing, K, M, G (or KB, MB, GB: 1000s) or Ki..., KiB, MiB, GiB (1024s). K, M, G
 * alone are 1024s, as in most tools that take sizes. SA_INVALID for anything else, negative, fractional bytes are rounded down. */
SA_CHECKED sa_status sa_size_parse(const char *text, size_t *bytes);

enum { SA_SIZE_TEXT_BYTES = 32 };
/* "1.23 GiB", "512 B" into text. */
const char *sa_size_format(size_t bytes, char text[SA_SIZE_TEXT_BYTES]);
/* "1,800,929,300" into text. */
const char *sa_size_format_exact(size_t bytes, char text[SA_SIZE_TEXT_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
