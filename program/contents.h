/* What a buffer holds: which value of the net is in which of its bytes. For the program check and for reports. */
#ifndef SA_PROGRAM_CONTENTS_H
#define SA_PROGRAM_CONTENTS_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Value numbers for sa_ref.value: data of blob b, gradient of blob b, anything else (by its buffer). */
static inline int32_t sa_value_of_data(int blob)
{
    return 2 * blob + 1;
}

static inline int32_t sa_value_of_grad(int blob)
{
    return 2 * blob + 2;
}

typedef struct sa_contents_piece {
    size_t begin, end;
    int32_t value; /* see sa_ref.value; 0: something without a number */
} sa_contents_piece;

/* Pieces in order of their bytes, none next to another of the same value; bytes in no piece were never written. */
typedef struct sa_contents {
    size_t count, room;
    sa_contents_piece *piece; /* owned: free() */
} sa_contents;

/* Bytes [begin, end) hold `value` from now on. */
SA_CHECKED sa_status sa_contents_write(sa_contents *contents, size_t begin, size_t end, int32_t value);

/* Was each of the bytes [begin, end) written, and do they all hold values that are accepted? If not, *wrong is the first piece that
 * is not, NULL if bytes were never written. */
bool sa_contents_hold(const sa_contents *contents, size_t begin, size_t end, bool (*accept)(const void *context, int32_t value),
                      const void *context, const sa_contents_piece **wrong);

#endif
