/* Run-time choice of vector instructions. */
#include "kernels/cpu/cpu_isa.h"

static sa_cpu_isa limit = SA_CPU_AVX512;

static sa_cpu_isa detect(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        return SA_CPU_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return SA_CPU_AVX2;
#endif
    return SA_CPU_PORTABLE;
}

sa_cpu_isa sa_cpu_isa_best(void)
{
    sa_cpu_isa best = detect();
    return best < limit ? best : limit;
}

void sa_cpu_isa_limit(sa_cpu_isa isa)
{
    limit = isa;
}
