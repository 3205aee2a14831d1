/* Comparisons for tests. cmocka's assert_float_equal passes on NaN; these fail on any NaN that is not expected. */
#ifndef SA_TESTS_SUPPORT_CLOSE_H
#define SA_TESTS_SUPPORT_CLOSE_H

#include <stddef.h>

/* Fails, naming the worst element, unless |got[i] - want[i]| <= absolute + relative * |want[i]| for all i; NaN never is close. */
void sa_assert_all_close(const char *what, const float *got, const double *want, size_t count, double absolute, double relative);

/* Fails, naming the first, unless all floats have the same bits. */
void sa_assert_same_bits(const char *what, const float *got, const float *want, size_t count);

#endif
