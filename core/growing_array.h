/* Arrays that grow by one element at a time. */
#ifndef SA_CORE_GROWING_ARRAY_H
#define SA_CORE_GROWING_ARRAY_H

#include "core/checked.h"

#include <stdlib.h>

/* An array of malloc (NULL while count is 0) that holds `count` elements, with room for one more: the array itself unless its room
 * is used up, which is when count is a power of two from SA_ARRAY_LEAST on. NULL: no memory, and the array is as it was. To be
 * called before each element that is added; count may shrink in between. */
enum { SA_ARRAY_LEAST = 8 };
static inline void *sa_array_room(void *array, size_t count, size_t element_bytes)
{
    size_t bytes;
    if (array && count > 0 && (count < SA_ARRAY_LEAST || (count & (count - 1)))) return array;
    if (!sa_size_mul(count < SA_ARRAY_LEAST ? SA_ARRAY_LEAST : 2 * count, element_bytes, &bytes)) return NULL;
    return realloc(array, bytes);
}

#endif
