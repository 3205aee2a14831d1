/* "Did you mean": the name of a list that a misspelled one probably stands for. For error messages only. */
#ifndef SA_PROTO_CLOSEST_H
#define SA_PROTO_CLOSEST_H

#include <stddef.h>

/* The one name nearest to `wanted` by insertions, deletions, replacements and swaps of neighbours (optimal string alignment), if it
 * is near for its length and no other is as near; else NULL. names: (count), borrowed; NULL entries are skipped. */
const char *sa_closest_name(const char *wanted, const char *const *names, size_t count);

#endif
