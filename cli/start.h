/* What a program does before anything else. */
#ifndef SA_CLI_START_H
#define SA_CLI_START_H

/* Some shared libraries read the environment once, when they are loaded, which is before main. Where it could say something better
 * for them, sets it and starts the program again, once. What the user has set stays:
 *
 *   OMP_WAIT_POLICY     passive, and GOMP_SPINCOUNT: threads that wait for others look for some ten microseconds, then sleep.
 * Spinning on, as GNU's runtime does, makes a step ten and more times as long when other programs have the cores; sleeping at once
 * costs 2 to 3 % of a step of a large net (bench/NOTES.md). OPENBLAS_CORETYPE   where OpenBLAS does not know the processor, kernels
 * for the vectors that it has (kernels/cpu/blas.h). They are tried on small products first; if they are wrong, OpenBLAS's own
 * choice stays.
 *
 * Returns where nothing is to be changed, or where the program cannot be started again. */
void sa_cli_start(char **argv);

#endif
