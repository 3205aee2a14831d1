/* What the nodes of a source are, element by element in plain loops, and the comparison with what the CPU device makes of it. */
#ifndef SA_TESTS_SUPPORT_SOURCE_REFERENCE_H
#define SA_TESTS_SUPPORT_SOURCE_REFERENCE_H

#include "tests/support/rows.h"

/* What the CPU device makes of it with so many threads. */
sa_test_value sa_test_materialize(const sa_source *source, int n, int threads);
/* The value of the root for n images. */
sa_test_value sa_test_expected(const sa_source *source, int n);
/* Materialized with 1, 2 and 3 threads it has the bits of the plain loops. */
void sa_test_check_source(const char *what, const sa_source *source, int n);

#endif
