/* Calls that cuBLAS and cuDNN refuse: see library_cases.cu. */
#ifndef SA_SIMT_SELFTEST_LIBRARY_CASES_H
#define SA_SIMT_SELFTEST_LIBRARY_CASES_H

/* Runs the case: 0 it finished, 1 wrong numbers, 2 an error (told on stderr), -1 no case of that name. */
int library_cases(const char *name);

#endif
