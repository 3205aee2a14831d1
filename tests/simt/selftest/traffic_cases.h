/* Launches that tests/kernels/test_simt.c counts the traffic of: see traffic_cases.cu. */
#ifndef SA_SIMT_SELFTEST_TRAFFIC_CASES_H
#define SA_SIMT_SELFTEST_TRAFFIC_CASES_H

int traffic_cases(void);

#endif
