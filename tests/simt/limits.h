/* What a card refuses to launch, for each architecture that the program has code for.
 *
 * A launch has to pass on all of them: the stand-in is whatever card the program may meet. SA_SIMT_ARCH=90 makes it one card of
 * that compute capability, which loads the code that the driver would choose, or none (error 209). Every refusal is told on stderr,
 * once per kernel and cause. SA_SIMT_LIMITS=report tells and launches all the same, so that one run lists them all. */
#ifndef SA_SIMT_LIMITS_H
#define SA_SIMT_LIMITS_H

#include "cubin.h"

#include <cuda_runtime_api.h>

namespace simt
{

/* A kernel of the program, as its host code registered it. */
struct Function {
    std::string name; /* mangled */
    const FatBinary *binary = nullptr;
    int max_dynamic_shared_bytes = -1; /* cudaFuncAttributeMaxDynamicSharedMemorySize; -1: what 48 KiB leave */
};

/* A launch's error on a card, cudaSuccess if it runs. `title`: the kernel's name for people. */
cudaError_t check_launch(const Function &function, const char *title, dim3 grid, dim3 block, size_t dynamic_shared_bytes);
/* What cudaFuncGetAttributes and cudaFuncSetAttribute answer: the tightest of the architectures. */
cudaError_t get_attributes(const Function &function, cudaFuncAttributes *attributes);
cudaError_t set_max_dynamic_shared(Function &function, int bytes);

/* A card's properties. */
struct Architecture {
    int number; /* 90 for compute capability 9.0 */
    int multiprocessor_threads;
    size_t multiprocessor_shared_bytes, opt_in_shared_bytes;
};
enum { DEFAULT_SHARED_BYTES = 48 << 10, BLOCK_REGISTERS = 65536, BLOCK_THREADS = 1024, PARAMETER_BYTES = 32764 };
/* The one that SA_SIMT_ARCH names, else `oldest`, the oldest that the program has code for. */
const Architecture &card(int oldest);

} // namespace simt
#endif
