/* "Did you mean": the name of a list that a misspelled one probably stands for. For error messages only. */
#ifndef SA_CORE_CLOSEST_H
#define SA_CORE_CLOSEST_H

#include <stddef.h>

/* The one name nearest to `wanted` by insertions, deletions, replacements and swaps of neighbours (optimal string alignment), if it
 * is near for its length and no other is as near; else NULL. names: (count), borrowed; NULL entries are skipped. */
const char *sa_closest_name(const char *wanted, const char *const *names, size_t count);

enum { SA_HINT_BYTES = 96 };
/* "; did you mean 'x'?" into hint, or "" where no name is near. Returns hint. */
const char *sa_closest_hint(const char *wanted, const char *const *names, size_t count, char hint[SA_HINT_BYTES]);

#endif
