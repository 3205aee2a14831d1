/* Times as people read them. */
#include "core/time_text.h"

#include <stdio.h>

enum { DECIMALS_MAX = 6 }; /* a nanosecond */

const char *sa_ms_format(double ms, char text[SA_TIME_TEXT_BYTES])
{
    int decimals = 0;
    for (double limit = 99.95; ms > 0 && ms < limit && decimals < DECIMALS_MAX; limit /= 10) decimals++;
    if (decimals == 1 && ms >= 99.95) decimals = 0;
    snprintf(text, SA_TIME_TEXT_BYTES, "%.*f", decimals, ms);
    return text;
}
