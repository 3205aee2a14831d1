/* Reads a whole regular file, of any size that memory takes. */
#include "data/whole_file.h"

#include "core/input_file.h"

enum { LIMIT_SHIFT = 46 };

sa_status sa_whole_file_read(const char *path, char **bytes, size_t *byte_count)
{
    return sa_input_file_read(path, (size_t)1 << LIMIT_SHIFT, bytes, byte_count);
}
