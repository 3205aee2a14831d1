/* Programs that a card refuses to run, one per reason: see refusals.cu. */
#ifndef SA_SIMT_SELFTEST_REFUSALS_H
#define SA_SIMT_SELFTEST_REFUSALS_H

/* Runs the case: 0 it finished, 1 wrong numbers, 2 an error of the runtime (told on stderr), -1 no case of that name. */
int refusals(const char *name);
/* Launches at each limit, which run, and what cudaFuncGetAttributes says of them. */
int limits_kept(void);

#endif
