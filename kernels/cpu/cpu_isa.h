/* Which vector instructions the convolutions' hot loops use; chosen at run time. */
#ifndef SA_KERNELS_CPU_CPU_ISA_H
#define SA_KERNELS_CPU_CPU_ISA_H

typedef enum sa_cpu_isa { SA_CPU_PORTABLE, SA_CPU_AVX2, SA_CPU_AVX512, SA_CPU_ISAS } sa_cpu_isa;

/* The best that this machine has, at most the limit set below. */
sa_cpu_isa sa_cpu_isa_best(void);
/* For tests: go no further than `isa` (process-wide; call it while no op runs). SA_CPU_AVX512 takes the limit off. */
void sa_cpu_isa_limit(sa_cpu_isa isa);

#endif
