/* What a fat binary says of its kernels: the limits that a driver reads when it loads a cubin.
 *
 * nvcc puts one container per source file into a program: entries of machine code (ELF, one per architecture) and of PTX, each
 * plain, LZ4 or Zstandard. The layout is not documented; tests/simt/selftest holds kernels whose limits are known. */
#ifndef SA_SIMT_CUBIN_H
#define SA_SIMT_CUBIN_H

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace simt
{

/* One kernel in one cubin. */
struct KernelLimits {
    int architecture = 0;           /* 90 for sm_90 */
    int registers = 0;              /* per thread */
    unsigned bound[3] = {};         /* __launch_bounds__ as (threads, 1, 1), 0: none */
    unsigned required[3] = {};      /* exact block size, 0: none */
    size_t static_shared_bytes = 0; /* without what the driver reserves */
    size_t parameter_bytes = 0;
    size_t local_bytes = 0; /* stack per thread */
};

struct FatBinary {
    std::map<std::string, std::vector<KernelLimits>> kernels; /* by mangled name; one entry per architecture */
    std::vector<int> cubins, ptx;                             /* architectures, also of containers without kernels */
};

/* Reads the container at `data` (what __cudaRegisterFatBinary's wrapper points to). Fails (engine.h) on what it cannot read. */
FatBinary read_fat_binary(const void *data);

} // namespace simt
#endif
