/* Edit distance for "did you mean" hints. Names longer than a line of code get no hint. */
#include "core/closest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 48 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance; three rows are enough since a swap looks two rows back. */
static int distance_of(const char *a, int a_length, const char *b, int b_length)
{
    int rows[3][LONGEST + 1];
    int *before = rows[0], *last = rows[1], *row = rows[2];
    for (int j = 0; j <= b_length; j++) last[j] = j;
    for (int i = 1; i <= a_length; i++) {
        row[0] = i;
        for (int j = 1; j <= b_length; j++) {
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = least(row[j], before[j - 2] + 1);
        }
        int *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_length];
}

const char *sa_closest_name(const char *wanted, const char *const *names, size_t count)
{
    size_t length = strlen(wanted);
    if (length > LONGEST) return NULL;
    int best = 2 + (int)length / 6; /* allows one slip in a short name, a few in a long one */
    bool tied = false;
    const char *closest = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!names[i] || strlen(names[i]) > LONGEST) continue;
        int distance = distance_of(wanted, (int)length, names[i], (int)strlen(names[i]));
        tied = distance == best ? closest != NULL : tied && distance > best;
        if (distance >= best) continue;
        best = distance;
        closest = names[i];
    }
    return tied ? NULL : closest;
}

const char *sa_closest_hint(const char *wanted, const char *const *names, size_t count, char hint[SA_HINT_BYTES])
{
    const char *closest = sa_closest_name(wanted, names, count);
    hint[0] = '\0';
    if (closest) snprintf(hint, SA_HINT_BYTES, "; did you mean '%s'?", closest);
    return hint;
}
