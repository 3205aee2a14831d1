/* Comparisons for tests, with the place of the worst element. */
#include "tests/support/close.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void sa_assert_all_close(const char *what, const float *got, const double *want, size_t count, double absolute, double relative)
{
    size_t worst = 0;
    double worst_share = -1.0;
    for (size_t i = 0; i < count; i++) {
        double share = fabs((double)got[i] - want[i]) / (absolute + relative * fabs(want[i]));
        if ((double)got[i] == want[i]) share = 0.0; /* zero bounds, infinities */
        if (!isnan(share) && share <= worst_share) continue;
        worst = i;
        worst_share = share;
        if (isnan(share)) break;
    }
    if (count == 0 || worst_share <= 1.0) return;
    fail_msg("%s: element %zu of %zu is %.9g, expected %.9g (%.3g times the bound)", what, worst, count, (double)got[worst],
             want[worst], worst_share);
}

void sa_assert_same_bits(const char *what, const float *got, const float *want, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&got[i], &want[i], sizeof *got) == 0) continue;
        fail_msg("%s: element %zu of %zu is %.9g (%a), expected %.9g (%a)", what, i, count, (double)got[i], (double)got[i],
                 (double)want[i], (double)want[i]);
    }
}
