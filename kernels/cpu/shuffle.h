/* Lanes picked from two vectors by a list of constants. Clang and GCC know different built-ins, and GCC 11 not yet clang's.
 *
 * Defines no functions: the convolutions' hot loops are built for several instruction sets. */
#ifndef SA_KERNELS_CPU_SHUFFLE_H
#define SA_KERNELS_CPU_SHUFFLE_H

/* index_type: a vector of integers as wide as the lanes; lane numbers 0, 1, ... go through a, then through b. */
#if defined(__clang__)
#define SA_SHUFFLE(index_type, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SA_SHUFFLE(index_type, a, b, ...) __builtin_shuffle(a, b, (index_type){__VA_ARGS__})
#endif

#endif
